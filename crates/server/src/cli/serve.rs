//! `parlor serve`: runs the server until it is told to stop.

use super::{CliError, CliErrorKind, block_on, log, print_line};
use crate::{
    config::Config,
    data_folder,
    environment::Environment,
    server::{self, Server},
};
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(super) fn serve(config: Config) -> Result<(), CliError> {
    log::start(&config.log)?;
    block_on(async {
        let mut signals = Signals::new()?;
        let server = Server::start(config, Environment::real()).await.map_err(start_error)?;
        print_line(&format!("Parlor serves on http://{} (stop it with Ctrl+C or SIGTERM)", server.address()));
        if let Some(address) = server.metrics_address() {
            print_line(&format!("Its metrics are at http://{address}/metrics"));
        }
        run_until_signal(server, &mut signals).await;
        Ok(())
    })
}

fn start_error(error: server::Error) -> CliError {
    let kind = match error {
        server::Error::Folder(data_folder::DataFolderError::Locked { .. }) => CliErrorKind::InUse,
        _ => CliErrorKind::Failed,
    };
    CliError::of(kind, error)
}

/// Runs until the first signal, then stops gracefully, or immediately at the second signal.
pub(super) async fn run_until_signal(server: Server, signals: &mut Signals) {
    tokio::select! {
        () = signals.next() => {}
        // A server that cannot work any more exits at once, to be restarted; nothing acknowledged is lost.
        () = server.app.supervisor.failed() => std::process::exit(1),
    }
    tracing::info!("Stopping after finishing accepted work");
    tokio::select! {
        () = server.stop() => tracing::info!("Stopped"),
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
