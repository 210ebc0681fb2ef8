//! Assembles the parts that identify users, as configured.

use super::{
    Dependencies, Identity,
    host_sessions::{HostSessions, HostSessionsOptions},
    host_users::{HostUsers, HostUsersOptions},
    providers::{Provider, callback::Callback, django_session::DjangoSessions},
};
use crate::{
    config::{Config, ProviderKind},
    host::{HostDatabase, HostOptions},
    hub::Hub,
    supervisor::Supervisor,
};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinHandle;

/// What has been started.
pub(crate) struct Started {
    pub(crate) identity: Identity,
    pub(crate) host_users: Arc<HostUsers>,
    pub(crate) tasks: Vec<JoinHandle<()>>,
}

/// Starts what the configured providers need. `host_secret` is the key under which sessions of the host are hashed.
///
/// # Errors
/// The client of the callback cannot be made.
pub(crate) fn start(
    config: &Config,
    with: Dependencies,
    (hub, host_secret): (Arc<Hub>, Vec<u8>),
    supervisor: &Supervisor,
) -> Result<Started, reqwest::Error> {
    let host = config.host.database.clone().map(|url| {
        let timeout = Duration::from_millis(config.host.timeout_ms);
        HostDatabase::new(HostOptions { url, connections: config.host.connections, timeout })
    });
    let options = HostUsersOptions { store: with.store.clone(), commit: with.commit.clone(), host: host.clone() };
    let host_users = Arc::new(HostUsers::new(config, options));
    let interval = Duration::from_millis(config.identity.recheck_ms);
    let mut tasks = Vec::new();
    if host.is_some() {
        tasks.push(supervisor.run("host users", host_users.clone().run(interval)));
    }
    let mut providers = Vec::new();
    for kind in &config.identity.providers {
        match (kind, &host) {
            (ProviderKind::DjangoSession, Some(host)) => {
                let (host, users) = (host.clone(), host_users.clone());
                let environment = with.environment.clone();
                let (django, task) = DjangoSessions::start(&config.django, host, users, environment, supervisor);
                providers.push(Provider::Django(django));
                tasks.push(task);
            }
            (ProviderKind::Callback, _) => providers.push(Provider::Callback(Callback::new(&config.callback)?)),
            // The configuration is refused without a database.
            (ProviderKind::DjangoSession, None) | (ProviderKind::Accounts, _) => {}
        }
    }
    let sessions = (!providers.is_empty()).then(|| {
        let options = HostSessionsOptions {
            store: with.store.clone(),
            commit: with.commit.clone(),
            environment: with.environment.clone(),
            hub,
            users: host_users.clone(),
            providers,
            rows: with.sessions.clone(),
            secret: host_secret,
        };
        Arc::new(HostSessions::new(config, options))
    });
    tasks.extend(sessions.clone().map(|sessions| supervisor.run("host sessions", sessions.run())));
    Ok(Started { identity: Identity::new(config, with, sessions), host_users, tasks })
}
