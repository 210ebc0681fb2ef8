//! `parlor serve`: runs the server until it is told to stop, or becomes the program that is installed now.

use super::{CliError, CliErrorKind, block_on, log, print_line};
use crate::{
    access_log::AccessLog,
    config::Config,
    data_folder,
    environment::Environment,
    handover::{Handover, bundle::Bundle, program::Program},
    listener::{BoundAddress, Tls},
    profile::Profile,
    server::{self, Server},
};
use std::time::Duration;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};

/// How long it takes at most until a signal that has come is noticed.
const LAST_SIGNAL: Duration = Duration::from_millis(1);

/// What follows after the server has ended.
enum Next {
    Exit,
    /// The program starts again, in this process; with what it takes over, if anything.
    Restart(Option<Bundle>),
}

/// Checks what a start needs besides the settings themselves.
pub(super) fn check(config: &Config) -> Result<(), CliError> {
    config.compat.profile.as_deref().map(Profile::load).transpose().map_err(CliError::usage)?;
    Tls::load(&config.tls, config.http.http2).map_err(CliError::usage)?;
    AccessLog::check(&config.log).map_err(CliError::usage)?;
    print_line("The configuration is right.");
    Ok(())
}

/// Serves with the configuration that is loaded when signals can come.
pub(super) fn serve(load: impl FnOnce() -> Result<Config, CliError>, take_over: bool) -> Result<(), CliError> {
    let program = Program::current().map_err(CliError::new)?;
    let next = block_on(async {
        let mut usr2 = signal(SignalKind::user_defined2()).map_err(CliError::new)?;
        let mut signals = Signals::new()?;
        let config = load()?;
        log::start(&config.log)?;
        let handover = if take_over { taken_over() } else { Handover::default() };
        let server = Box::pin(Server::start_with(config, Environment::real(), handover)).await.map_err(start_error)?;
        let scheme = if server.app.config.tls.certificate.is_some() { "https" } else { "http" };
        let addresses: Vec<_> =
            server.addresses().iter().map(|address| url(scheme, address, &server.app.config)).collect();
        print_line(&format!("Parlor serves on {} (stop it with Ctrl+C or SIGTERM)", addresses.join(" and ")));
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
    bundle.map_or_else(|_| Handover { is_restart: true, ..Handover::default() }, Bundle::unpack)
}

fn url(scheme: &str, address: &BoundAddress, config: &Config) -> String {
    match address {
        BoundAddress::Tcp(address) => format!("{scheme}://{address}{}", config.http.root_path.0),
        BoundAddress::Unix(_) => address.to_string(),
    }
}

fn start_error(error: server::ServerError) -> CliError {
    let kind = match error {
        server::ServerError::Folder(data_folder::DataFolderError::Locked { .. }) => CliErrorKind::InUse,
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
            return hand_over(server, signals).await;
        }
    }
    stop(server, signals).await;
    Next::Exit
}

/// Hands everything over, or closes it if a signal to stop comes meanwhile.
async fn hand_over(server: Server, signals: &mut Signals) -> Next {
    let mut handing_over = Box::pin(server.hand_over());
    let bundle = tokio::select! {
        bundle = &mut handing_over => {
            // The next program does not hear of a signal that came at the very end.
            if timeout(LAST_SIGNAL, signals.next()).await.is_err() {
                return Next::Restart(bundle);
            }
            bundle
        }
        () = signals.next() => {
            tracing::info!("Stopping instead of restarting");
            or_exit(handing_over, signals).await
        }
    };
    if let Some(bundle) = bundle {
        bundle.close();
    }
    tracing::info!("Stopped");
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
