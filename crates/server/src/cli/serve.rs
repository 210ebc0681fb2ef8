//! `parlor serve`: runs until it is told to stop.

use super::{Failure, block_on, tell};
use crate::{
    config::{Config, Log, LogFormat},
    environment::Environment,
    server::Server,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

pub(super) fn serve(config: Config) -> Result<(), Failure> {
    log(&config.log)?;
    block_on(async {
        let mut signals = Signals::new()?;
        let server = Server::start(config, Environment::real()).await.map_err(Failure::new)?;
        tell(&format!("Parlor serves on http://{} (stop it with Ctrl+C or SIGTERM)", server.address()));
        if let Some(address) = server.metrics_address() {
            tell(&format!("Its metrics are at http://{address}/metrics"));
        }
        until_told(server, &mut signals).await;
        Ok(())
    })
}

/// Runs until the first signal; then stops in order, or at the second signal at once.
pub(super) async fn until_told(server: Server, signals: &mut Signals) {
    tokio::select! {
        () = signals.next() => {}
        // What cannot work any more ends at once, to be started again; nothing acknowledged is lost.
        () = server.app.supervisor.failed() => std::process::exit(1),
    }
    tracing::info!("Stopping: finishing what was accepted");
    tokio::select! {
        () = server.stop() => tracing::info!("Stopped"),
        () = signals.next() => {
            tracing::warn!("Told again: ending at once");
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
    pub(super) fn new() -> Result<Self, Failure> {
        let term = signal(SignalKind::terminate()).map_err(Failure::new)?;
        let int = signal(SignalKind::interrupt()).map_err(Failure::new)?;
        Ok(Self { term, int })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

/// Starts the log, on the standard error.
pub(super) fn log(log: &Log) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|error| Failure::of_use(format!("log.filter: {error}")))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    let started = match log.format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(Failure::new)
}
