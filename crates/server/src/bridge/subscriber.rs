//! Subscribes to the groups that this node wants on one server, and receives their messages (pub/sub).

use super::{BridgeState, names::server_of};
use crate::redis_server::{Backoff, TIMEOUT};
use futures_util::StreamExt as _;
use redis::{
    ErrorKind, Msg, RedisError,
    aio::{PubSubSink, PubSubStream},
};
use std::{collections::HashSet, convert::Infallible, sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often the connection is checked.
const CHECK: Duration = Duration::from_secs(5);
/// Groups that are joined or left by one command.
const TOGETHER_MAX: usize = 1000;

/// Receives from one server until the task is aborted.
pub(super) async fn run(shared: Arc<BridgeState>, server: usize) {
    let mut backoff = Backoff::new();
    loop {
        let Err(cause) = receive(&shared, server, &mut backoff).await;
        shared.outages[server].begin(&cause);
        backoff.pause(&shared.environment).await;
    }
}

async fn receive(shared: &BridgeState, server: usize, backoff: &mut Backoff) -> Result<Infallible, RedisError> {
    let mut wanted = shared.groups.changes();
    let (mut sink, mut messages) = within(shared.clients[server].get_async_pubsub()).await?.split();
    shared.outages[server].end();
    shared.renew.notify_one();
    let mut subscriptions = GroupSubscriptions { shared, server, joined: HashSet::new() };
    while_receiving(shared, &mut messages, subscriptions.update(&mut sink)).await?;
    let mut check = interval(CHECK);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = messages.next() => pass_on(shared, message)?,
            _ = wanted.changed() => {
                while_receiving(shared, &mut messages, subscriptions.update(&mut sink)).await?;
            }
            _ = check.tick() => {
                while_receiving(shared, &mut messages, within(sink.ping::<redis::Value>())).await?;
                backoff.reset();
            }
        }
    }
}

/// Receives messages until some work is done. Those that nobody reads would wait in memory without a limit.
async fn while_receiving<T>(
    shared: &BridgeState,
    messages: &mut PubSubStream,
    work: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, RedisError> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            message = messages.next() => pass_on(shared, message)?,
        }
    }
}

fn pass_on(shared: &BridgeState, message: Option<Msg>) -> Result<(), RedisError> {
    let message = message.ok_or_else(|| RedisError::from((ErrorKind::Io, "the connection has ended")))?;
    shared.receive_published(message.get_channel_name(), message.get_payload_bytes());
    Ok(())
}

/// The groups that are subscribed. They count as joined until it is dropped.
struct GroupSubscriptions<'a> {
    shared: &'a BridgeState,
    server: usize,
    joined: HashSet<String>,
}

impl GroupSubscriptions<'_> {
    async fn update(&mut self, sink: &mut PubSubSink) -> Result<(), RedisError> {
        let (keys, servers) = (&self.shared.keys, self.shared.clients.len());
        let is_here = |group: &String| server_of(&keys.group_topic(group), servers) == self.server;
        let wanted: HashSet<String> = self.shared.groups.wanted().into_iter().filter(is_here).collect();
        let topic = |group: &String| keys.group_topic(group);
        let joining: Vec<String> = wanted.difference(&self.joined).map(topic).collect();
        let leaving: Vec<String> = self.joined.difference(&wanted).map(topic).collect();
        for some in joining.chunks(TOGETHER_MAX) {
            within(sink.subscribe(some)).await?;
        }
        for some in leaving.chunks(TOGETHER_MAX) {
            within(sink.unsubscribe(some)).await?;
        }
        self.shared.groups.set_joined(&wanted, true);
        self.joined = wanted;
        Ok(())
    }
}

impl Drop for GroupSubscriptions<'_> {
    fn drop(&mut self) {
        self.shared.groups.set_joined(&self.joined, false);
    }
}

async fn within<T>(work: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
    timeout(TIMEOUT, work).await.unwrap_or_else(|_| Err((ErrorKind::Io, "the server does not answer in time").into()))
}
