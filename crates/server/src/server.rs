//! A whole server: the app, its listeners and its admin socket, started and stopped together.

use crate::{
    access_log::AccessLog,
    admin,
    app::{self, App},
    config::{Config, ListenAddress},
    data_folder::{self, DataFolder},
    environment::Environment,
    handover::{HandedListener, Handover, Holding, bundle::Bundle},
    http::{self, DemoLinks, Edge},
    identity::actor::Actor,
    listener::{self, BoundAddress, ConnectionSlots, ListenError, Listener, Tls, TlsError},
    old_sockets,
};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

/// How often the last use of sessions is written.
const LAST_SEEN_INTERVAL: Duration = Duration::from_secs(20);
/// How often sessions are checked for last uses in the future.
const CLAMP_INTERVAL: Duration = Duration::from_hours(1);
/// How long to wait for a command that holds the data folder, or for a server that is stopping.
const FOLDER_PATIENCE: Duration = Duration::from_secs(10);
/// The part of the grace period that is left for closing the store.
const STORE_GRACE: Duration = Duration::from_secs(2);

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] data_folder::DataFolderError),
    /// The app.
    #[error(transparent)]
    App(#[from] app::AppError),
    /// An address is in use, or not of this machine.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The file of the access log.
    #[error("the access log cannot be opened: {0}")]
    AccessLog(#[source] io::Error),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system does not say where a socket listens.
    #[error("the address of a listening socket is unknown: {0}")]
    Address(#[source] io::Error),
    /// The admin socket.
    #[error("cannot make the socket for commands in the data folder: {0}")]
    Commands(#[source] io::Error),
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// The app.
    pub app: Arc<App>,
    addresses: Vec<BoundAddress>,
    metrics_address: Option<SocketAddr>,
    slots: Arc<ConnectionSlots>,
    stop: watch::Sender<bool>,
    /// Each returns its listener, if it is handed over.
    listeners: Vec<JoinHandle<Option<HandedListener>>>,
    tasks: Vec<JoinHandle<()>>,
    access_log: Option<AccessLog>,
    folder: DataFolder,
}

impl Server {
    /// Locks the data folder, opens the store and starts to serve.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn start(config: Config, environment: Environment) -> Result<Self, ServerError> {
        Box::pin(Self::start_with(config, environment, Handover::default())).await
    }

    /// Starts the same, and serves the sockets that were taken over.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn start_with(
        config: Config,
        environment: Environment,
        mut handover: Handover,
    ) -> Result<Self, ServerError> {
        let folder = DataFolder::take_over(&config.data, handover.lock.take(), FOLDER_PATIENCE).await?;
        if let Some(note) = folder.note() {
            tracing::warn!("{note}");
        }
        let taken_over = handover.is_restart.then_some(handover.listeners);
        let listeners = listener::listen(&config.listen, config.listen_mode, taken_over).await?;
        let app = open(&folder, config, environment, Holding::of(handover.sockets)).await?;
        Self::serve(app, folder, listeners, None).await
    }

    /// Starts to serve an app that runs already.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn serve(
        app: Arc<App>,
        folder: DataFolder,
        listeners: Vec<Listener>,
        demo: Option<DemoLinks>,
    ) -> Result<Self, ServerError> {
        let addresses =
            listeners.iter().map(Listener::address).collect::<Result<Vec<_>, _>>().map_err(ServerError::Address)?;
        let access_log =
            AccessLog::open(&app.config.log, &app.environment, &app.metrics).map_err(ServerError::AccessLog)?;
        let edge = Edge::new(app.clone(), demo).with_access_log(access_log.clone());
        if let Some(note) = edge.theme_note() {
            tracing::warn!("{note}");
        }
        let (stop, stopped) = watch::channel(false);
        let slots = ConnectionSlots::new(&app.config);
        let tls = Tls::load(&app.config.tls, app.config.http.http2)?;
        resume_held(&app, &slots);
        let router = http::router(&edge);
        let listeners: Vec<_> = listeners
            .into_iter()
            .map(|listener| accept((&app, tls.clone()), listener, router.clone(), slots.clone(), stopped.clone()))
            .collect();
        let mut tasks = Vec::new();
        tasks.extend(tls.map(|tls| tokio::spawn(tls.follow_files(stopped.clone()))));
        let mut metrics_address = None;
        if let Some(wanted) = app.config.metrics.listen {
            let router = http::metrics_router(&edge);
            for listener in listener::listen(&[ListenAddress::Tcp(wanted)], app.config.listen_mode, None).await? {
                if let Ok(BoundAddress::Tcp(address)) = listener.address() {
                    metrics_address = Some(address);
                }
                let slots = ConnectionSlots::new(&app.config);
                let serving = accept((&app, None), listener, router.clone(), slots, stopped.clone());
                // It is bound again after a restart in place.
                tasks.push(tokio::spawn(async move { drop(serving.await) }));
            }
        }
        let commands = folder.socket().map_err(ServerError::Commands)?;
        tasks.push(tokio::spawn(admin::listen(app.clone(), commands, stopped.clone())));
        tasks.push(tokio::spawn(write_last_seen(app.clone(), stopped)));
        Ok(Self { app, addresses, metrics_address, slots, stop, listeners, tasks, access_log, folder })
    }

    /// Returns where it serves.
    #[must_use]
    pub fn addresses(&self) -> &[BoundAddress] {
        &self.addresses
    }

    /// Returns the first address and port on which it serves.
    ///
    /// # Panics
    /// It serves on unix sockets only.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let tcp = self.addresses.iter().find_map(|address| match address {
            BoundAddress::Tcp(address) => Some(*address),
            BoundAddress::Unix(_) => None,
        });
        tcp.expect("the caller has configured an address and a port")
    }

    /// Returns the address of the metrics, if they have their own listener.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Stops accepting, asks sockets to reconnect later, finishes what was accepted, and closes the store; all within
    /// the configured grace period.
    pub async fn stop(self) {
        let (_, folder) = self.shut_down().await;
        folder.release();
    }

    /// Stops like [`Server::stop`], but keeps listening, keeps the lock of the data folder and holds old sockets.
    /// Returns all of them, for the program that takes this one's place; none if the system refuses it.
    pub async fn hand_over(self) -> Option<Bundle> {
        self.app.holding.begin();
        let app = self.app.clone();
        let (listeners, folder) = self.shut_down().await;
        let sockets = app.holding.take_all(app.identity.host());
        let lock = Some(folder.into_lock());
        let packed = Bundle::pack(Handover { is_restart: true, lock, listeners, sockets });
        packed.inspect_err(|error| tracing::warn!(%error, "Nothing can be handed over; sockets are closed")).ok()
    }

    async fn shut_down(self) -> (Vec<HandedListener>, DataFolder) {
        let grace = Duration::from_millis(self.app.config.stop.grace_ms);
        let deadline = Instant::now() + grace;
        self.stop.send_replace(true);
        self.app.drain();
        let for_connections = deadline - STORE_GRACE.min(grace / 4);
        if timeout_at(for_connections, self.slots.empty()).await.is_err() {
            tracing::warn!("Some connections did not end within the grace");
        }
        let mut listeners = Vec::new();
        for listener in self.listeners {
            listeners.extend(timeout_at(for_connections, listener).await.ok().and_then(Result::ok).flatten());
        }
        for task in self.tasks {
            if timeout_at(for_connections, task).await.is_err() {
                tracing::warn!("A part of the server did not end within the grace");
            }
        }
        if timeout_at(deadline, self.app.stop()).await.is_err() {
            tracing::warn!("The store did not close within the grace");
        }
        if let Some(access_log) = &self.access_log
            && timeout_at(deadline, access_log.end()).await.is_err()
        {
            tracing::warn!("The access log was not written to its end");
        }
        (listeners, self.folder)
    }
}

/// Starts the app in a locked data folder.
///
/// # Errors
/// See [`ServerError`].
pub async fn open(
    folder: &DataFolder,
    config: Config,
    environment: Environment,
    holding: Holding,
) -> Result<Arc<App>, ServerError> {
    if config.store.url.is_none() {
        folder.prepare_database()?;
    }
    Ok(App::start(config, environment, holding).await?)
}

fn accept(
    (app, tls): (&Arc<App>, Option<Tls>),
    listener: Listener,
    router: axum::Router,
    slots: Arc<ConnectionSlots>,
    stop: watch::Receiver<bool>,
) -> JoinHandle<Option<HandedListener>> {
    let app = app.clone();
    tokio::spawn(async move {
        let listener = listener::serve(listener, router, (&app.config, tls), slots, app.metrics.clone(), stop).await;
        if !app.holding.is_on() {
            return None;
        }
        listener.hand_over()
    })
}

/// Serves the sockets that were taken over, and checks at once whether their sessions have ended at the host meanwhile.
fn resume_held(app: &Arc<App>, slots: &Arc<ConnectionSlots>) {
    let held = app.holding.take();
    if held.is_empty() {
        return;
    }
    tracing::info!(sockets = held.len(), "Sockets were taken over");
    for mut socket in held {
        let actor = Actor { user: socket.record.user, session: socket.record.session };
        if let Some(record) = socket.record.host_session.take()
            && !app.identity.host().is_some_and(|host| host.resume(actor, record))
        {
            // Nobody would notice the end of its session.
            continue;
        }
        drop(tokio::spawn(old_sockets::resume(app.clone(), socket, slots.clone())));
    }
    let app = app.clone();
    drop(tokio::spawn(async move {
        if let Some(host) = app.identity.host() {
            // What cannot be checked now is checked again soon.
            _ = host.check_now(&[]).await;
        }
    }));
}

async fn write_last_seen(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut clamped = None::<Instant>;
    loop {
        if clamped.is_none_or(|at| at.elapsed() >= CLAMP_INTERVAL) {
            clamped = Some(Instant::now());
            app.identity.clamp_future_last_seen().await;
        }
        let is_over = tokio::time::timeout(LAST_SEEN_INTERVAL, listener::until_stopped(&mut stop)).await.is_ok();
        app.identity.write_last_seen().await;
        if is_over {
            return;
        }
    }
}
