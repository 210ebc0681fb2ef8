//! Finds out when a cluster works again: a message from each node is accepted, and reaches a client at each node.

use super::{Cluster, PATIENCE};
use crate::harness::{TestUser, unique};
use parlor_client::sync::Client;
use parlor_protocol::{error::Code, ids::ConversationId};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(5);

/// A sender and a reader at each node.
pub(super) struct Probe {
    senders: Vec<TestUser>,
    readers: Vec<Client>,
    conversation: ConversationId,
}

/// How long it took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recovery {
    /// Until every node said that it works and is connected.
    pub(super) ready: Duration,
    /// Until a message from each node had reached the readers at all nodes.
    pub(super) delivered: Duration,
}

impl Probe {
    pub(super) async fn start(cluster: &Cluster) -> Self {
        let (sender, reader) = (cluster.user("sender").await, cluster.user("reader").await);
        let conversation = sender.open_direct(&reader).await.id;
        let at_each = |user: &TestUser| -> Vec<TestUser> {
            cluster.nodes.iter().map(|node| user.through_address(node.server.address())).collect()
        };
        let mut probe = Self { senders: at_each(&sender), readers: Vec::new(), conversation };
        for reader in at_each(&reader) {
            probe.readers.push(reader.client());
        }
        probe.recovery(cluster).await;
        probe
    }

    /// Waits until the cluster works.
    pub(super) async fn recovery(&mut self, cluster: &Cluster) -> Recovery {
        let began = Instant::now();
        let ready = async {
            cluster.until_ready().await;
            began.elapsed()
        };
        let deadline = began + PATIENCE;
        let Self { senders, readers, conversation } = self;
        let delivered = async {
            let sends = senders.iter().map(|sender| until_sent(sender, *conversation, deadline));
            let sent = futures_util::future::join_all(sends).await;
            for reader in readers {
                until_received(reader, *conversation, &sent, deadline).await;
            }
            began.elapsed()
        };
        let (ready, delivered) = tokio::join!(ready, delivered);
        Recovery { ready, delivered }
    }
}

/// Sends a message, again and again until it is accepted, and returns its text.
async fn until_sent(sender: &TestUser, conversation: ConversationId, deadline: Instant) -> String {
    let text = format!("probe-{}", unique());
    let api = sender.api.clone().with_timeout(ATTEMPT);
    while let Err(error) = api.post_message(conversation, &text, &text).await {
        let is_passing = error.is_outcome_unknown() || error.code().is_some_and(Code::retryable);
        assert!(is_passing && Instant::now() < deadline, "{} accepts nothing: {error}", api.address());
        // waits for: a node that accepts messages
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    text
}

/// Waits until a client has all texts; it connects again if its connection has ended.
async fn until_received(reader: &mut Client, conversation: ConversationId, texts: &[String], deadline: Instant) {
    loop {
        if !reader.is_connected() {
            // It tries again.
            _ = timeout(ATTEMPT, async {
                reader.connect().await?;
                reader.settle(ATTEMPT).await
            })
            .await;
        }
        let has_all = |state: &parlor_client::state::State| {
            texts.iter().all(|text| state.messages(conversation).any(|message| message.text == *text))
        };
        if reader.is_connected() && reader.run_until(ATTEMPT, has_all).await.is_ok() {
            return;
        }
        assert!(Instant::now() < deadline, "a reader does not get {texts:?}");
        // waits for: a node that accepts sockets
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
