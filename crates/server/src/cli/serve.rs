//! `parlor serve`: runs the server until it is told to stop, or becomes the program that is installed now.

use super::{CliError, CliErrorKind, block_on, log, print_line};
use crate::{
    config::Config,
    data_folder,
    environment::Environment,
    handover::{Handover, bundle::Bundle, program::Program},
    profile::Profile,
    server::{self, Server},
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What follows after the server has ended.
enum Next {
    Exit,
    /// The program starts again, in this process; with what it takes over, if anything.
    Restart(Option<Bundle>),
}

/// Checks what a start needs besides the settings themselves.
pub(super) fn check(config: &Config) -> Result<(), CliError> {
    config.compat.profile.as_deref().map(Profile::load).transpose().map_err(CliError::usage)?;
    print_line("The configuration is right.");
    Ok(())
}

pub(super) fn serve(config: Config, take_over: bool) -> Result<(), CliError> {
    let program = Program::current().map_err(CliError::new)?;
    log::start(&config.log)?;
    let next = block_on(async {
        let mut signals = Signals::new()?;
        let mut usr2 = signal(SignalKind::user_defined2()).map_err(CliError::new)?;
        let handover = if take_over { taken_over() } else { Handover::default() };
        let server = Box::pin(Server::start_with(config, Environment::real(), handover)).await.map_err(start_error)?;
        print_line(&format!("Parlor serves on http://{} (stop it with Ctrl+C or SIGTERM)", server.address()));
        if let Some(address) = server.metrics_address() {
            print_line(&format!("Its metrics are at http://{address}/metrics"));
        }
        Ok(run_until_restart(server, &mut signals, &mut usr2, &program).await)
    })?;
    match next {
        Next::Exit => Ok(()),
        Next::Restart(bundle) => {
            let error = program.replace_this(bundle);
            Err(CliError::new(format!("the program cannot be started again: {error}")))
        }
    }
}

fn taken_over() -> Handover {
    let bundle = Bundle::of_stdin().inspect_err(|error| tracing::warn!(%error, "nothing can be taken over"));
    bundle.map(Bundle::unpack).unwrap_or_default()
}

fn start_error(error: server::Error) -> CliError {
    let kind = match error {
        server::Error::Folder(data_folder::DataFolderError::Locked { .. }) => CliErrorKind::InUse,
        _ => CliErrorKind::Failed,
    };
    CliError::of(kind, error)
}

/// Runs until a signal to stop, or until a restart for which the program is ready.
async fn run_until_restart(server: Server, signals: &mut Signals, usr2: &mut Signal, program: &Program) -> Next {
    let mut requests = server.app.holding.requests();
    loop {
        let reply = tokio::select! {
            () = until_signal(&server, signals) => break,
            _ = usr2.recv() => None,
            Some(reply) = requests.recv() => Some(reply),
        };
        let checked = tokio::select! {
            checked = program.check() => checked,
            () = until_signal(&server, signals) => break,
        };
        if let Err(why) = &checked {
            tracing::error!(why, "The server is not restarted");
        }
        let is_ready = checked.is_ok();
        if let Some(reply) = reply {
            // The command may have been interrupted.
            _ = reply.send(checked);
        }
        if is_ready {
            tracing::info!("Restarting in place after finishing accepted work");
            let bundle = or_exit(server.hand_over(), signals).await;
            return Next::Restart(bundle);
        }
    }
    stop(server, signals).await;
    Next::Exit
}

/// Runs until the first signal, then stops gracefully, or immediately at the second signal.
pub(super) async fn run_until_signal(server: Server, signals: &mut Signals) {
    until_signal(&server, signals).await;
    stop(server, signals).await;
}

async fn until_signal(server: &Server, signals: &mut Signals) {
    tokio::select! {
        () = signals.next() => {}
        // A server that cannot work any more exits at once, to be restarted; nothing acknowledged is lost.
        () = server.app.supervisor.failed() => std::process::exit(1),
    }
}

async fn stop(server: Server, signals: &mut Signals) {
    tracing::info!("Stopping after finishing accepted work");
    or_exit(server.stop(), signals).await;
    tracing::info!("Stopped");
}

/// Waits for work, and exits at another signal.
async fn or_exit<T>(work: impl Future<Output = T>, signals: &mut Signals) -> T {
    tokio::select! {
        done = work => done,
        () = signals.next() => {
            tracing::warn!("Second signal: exiting immediately");
            std::process::exit(1);
        }
    }
}

/// SIGTERM and SIGINT.
#[derive(Debug)]
pub(super) struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, CliError> {
        let term = signal(SignalKind::terminate()).map_err(CliError::new)?;
        let int = signal(SignalKind::interrupt()).map_err(CliError::new)?;
        Ok(Self { term, int })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
