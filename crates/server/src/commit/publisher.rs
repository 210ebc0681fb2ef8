//! Answers committed changes and publishes their events: each is encoded once, in the order of versions.

use super::{ChangeResult, CommitOptions};
use crate::{
    channel_layer::{LayerMessage, NodeMessage, Publication, Topic},
    domain::Outgoing,
};
use futures_util::FutureExt as _;
use parlor_protocol::{event::Event, ids::Version};
use std::collections::HashSet;
use tokio::sync::{mpsc, oneshot};
use tracing::debug;

/// A committed batch.
pub(super) struct CommittedBatch {
    pub replies: Vec<(oneshot::Sender<ChangeResult>, ChangeResult)>,
    pub outgoing: Vec<Outgoing>,
    pub range: Option<(Version, Version)>,
}

pub(super) async fn run(settings: CommitOptions, mut batches: mpsc::Receiver<CommittedBatch>) {
    while let Some(batch) = batches.recv().await {
        let mut publications: Vec<Publication> = hinted_once(batch.outgoing).into_iter().map(publication).collect();
        if let Some((first, last)) = batch.range {
            let committed = NodeMessage::Committed { node: settings.node, first, last };
            publications.push(publication(Outgoing::Nodes(committed)));
            settings.committed.send_replace(last);
        }
        // Events that are not published are recovered from the store: each node compares with the clock.
        let events = publications.len() as u64;
        // If the layer delivers at once, a reply and its event reach a connection together and leave in one write. No
        // reply waits for a slower layer.
        let mut publishing = settings.layer.publish(publications);
        let at_once = (&mut publishing).now_or_never();
        for (reply, result) in batch.replies {
            // The caller may be gone.
            drop(reply.send(result));
        }
        let published = match at_once {
            Some(published) => published,
            None => publishing.await,
        };
        if let Err(cause) = published {
            settings.metrics.events_dropped.inc_by(events);
            debug!(%cause, "events were not published; nodes will read them from the store");
        }
    }
}

/// Keeps only the newest of several hints for one conversation.
fn hinted_once(outgoing: Vec<Outgoing>) -> Vec<Outgoing> {
    let mut hinted = HashSet::new();
    let mut is_news = |outgoing: &Outgoing| match outgoing {
        Outgoing::Nodes(NodeMessage::Hint { conversation, .. }) => hinted.insert(*conversation),
        _ => true,
    };
    let mut kept: Vec<Outgoing> = outgoing.into_iter().rev().filter(|outgoing| is_news(outgoing)).collect();
    kept.reverse();
    kept
}

fn publication(outgoing: Outgoing) -> Publication {
    let text = |event: &Event| serde_json::to_string(event).expect("an event has string keys only");
    match outgoing {
        Outgoing::Event(topics, event) => Publication { topics, payload: LayerMessage::event(&text(&event)) },
        Outgoing::EventForOthers(of, topics, event) => {
            Publication { topics, payload: LayerMessage::event_for_others(of, &text(&event)) }
        }
        Outgoing::Nodes(message) => Publication { topics: vec![Topic::Nodes], payload: LayerMessage::node(&message) },
    }
}
