//! Records the start of a node, at once or as soon as the store can be written.

use crate::{
    environment::Environment,
    hub::Hub,
    store::{self, Store},
};
use parlor_protocol::ids::Epoch;
use std::{sync::Arc, time::Duration};
use tracing::{info, warn};

/// How often a start that could not be recorded is tried again.
const LATE_START: Duration = Duration::from_millis(250);

/// Records the start. If the store cannot be written, users can still read; then this returns a future that records the
/// start later.
pub(super) async fn note_start(
    store: &Store,
    hub: &Arc<Hub>,
    environment: &Environment,
    node: Epoch,
) -> Result<Option<impl Future<Output = ()> + Send + use<>>, store::StoreError> {
    match store.start(node, environment.now_ms()).await {
        Ok(_) => Ok(None),
        Err(cause) if cause.is_outage() => {
            warn!(%cause, "the store cannot be written; the server is read-only until it can");
            Ok(Some(start_late(store.clone(), hub.clone(), environment.clone(), node)))
        }
        Err(cause) => Err(cause),
    }
}

/// Records the start once the store can be written again. Ends only by being aborted.
async fn start_late(store: Store, hub: Arc<Hub>, environment: Environment, node: Epoch) {
    let is_forgotten = loop {
        tokio::time::sleep(LATE_START).await;
        if let Ok(is_forgotten) = store.start(node, environment.now_ms()).await {
            break is_forgotten;
        }
    };
    info!("the store can be written again");
    if is_forgotten {
        // Clients that have loaded something in the meantime must load it again.
        hub.restart_all();
    }
    std::future::pending::<()>().await;
}
