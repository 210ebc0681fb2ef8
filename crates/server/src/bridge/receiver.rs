//! Receives the messages for this node's queue (core).
//!
//! Invariant: the queue is read as long as Redis answers, also without sockets, so it never fills. A message is taken
//! at most once, as in Channels; there is no queue of messages in flight.

use super::{
    BridgeState,
    commands::{ping, pipeline},
    names::server_of,
};
use crate::redis_server::{Backoff, RedisServer, TIMEOUT, byte_strings};
use redis::RedisError;
use std::{convert::Infallible, sync::Arc, time::Duration};

/// How long Redis waits for a message.
const WAIT_S: u32 = 5;
/// Messages that are taken at once.
const TAKEN_MAX: u32 = 100;

/// Receives until the task is aborted.
pub(super) async fn run(shared: Arc<BridgeState>) {
    let process = BridgeState::process_of(&shared.node);
    let server = server_of(&process, shared.clients.len());
    let queue = shared.keys.queue(&process);
    let mut backoff = Backoff::new();
    loop {
        let Err(cause) = receive(&shared, server, &queue, &mut backoff).await;
        shared.outages[server].begin(&cause);
        backoff.pause(&shared.environment).await;
    }
}

async fn receive(
    shared: &BridgeState,
    server: usize,
    queue: &str,
    backoff: &mut Backoff,
) -> Result<Infallible, RedisError> {
    let timeout = Duration::from_secs(WAIT_S.into()) + TIMEOUT;
    let mut redis = RedisServer::new(shared.clients[server].clone(), timeout);
    redis.run(&pipeline(&[ping()])).await?;
    shared.outages[server].end();
    // A server that was restarted may have lost the membership.
    shared.renew.notify_one();
    loop {
        // The answer is the queue, the message and its score.
        let first = redis.run(&pipeline(&[shared.keys.receive(queue, WAIT_S)])).await?;
        backoff.reset();
        let first: Vec<_> = first.into_iter().flat_map(byte_strings).collect();
        let Some(message) = first.get(1) else { continue };
        shared.receive_queued(message);
        loop {
            let more = redis.run(&pipeline(&[shared.keys.receive_more(queue, TAKEN_MAX)])).await?;
            let more: Vec<_> = more.into_iter().flat_map(byte_strings).collect();
            if more.is_empty() {
                break;
            }
            for message in messages(&more) {
                shared.receive_queued(message);
            }
        }
    }
}

/// Returns the messages of a list of members and scores.
fn messages(members: &[Vec<u8>]) -> impl Iterator<Item = &Vec<u8>> {
    members.iter().step_by(2)
}
