//! The running server, as its edges see it.

use crate::{
    channel_layer::ChannelLayer,
    commit::Commit,
    config::Config,
    environment::Environment,
    hub::Hub,
    identity::Identity,
    metrics::Metrics,
    store::Store,
};
use parlor_protocol::ids::{SessionId, UserId};
use std::sync::Arc;

/// What every edge shares. Cheap to clone through its `Arc`.
#[derive(Debug)]
pub struct App {
    /// The configuration in force.
    pub config: Config,
    /// Time and chance.
    pub environment: Environment,
    /// The durable truth.
    pub store: Store,
    /// The one writer.
    pub commit: Commit,
    /// Local delivery.
    pub hub: Arc<Hub>,
    /// Delivery between nodes.
    pub layer: Arc<dyn ChannelLayer>,
    /// Accounts and sign-ins.
    pub identity: Identity,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// Who asks, as the session or token said; never as a frame said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The person.
    pub user: UserId,
    /// The sign-in.
    pub session: SessionId,
}
