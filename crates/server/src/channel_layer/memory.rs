//! The channel layer of a single node: what is published is delivered here, if its topic is joined.

use super::{ChannelLayer, Publication, Topic, Unavailable};
use futures_util::future::BoxFuture;
use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};
use tokio::sync::mpsc;

/// Publications that wait for the hub; then publishing waits. The hub waits for nobody, so it never does for long.
const WAITING_MAX: usize = 1024;

/// See the module.
#[derive(Debug)]
pub struct Memory {
    joined: Mutex<HashSet<Topic>>,
    sender: mpsc::Sender<Publication>,
    receiver: Mutex<Option<mpsc::Receiver<Publication>>>,
}

impl Default for Memory {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        Self { joined: Mutex::default(), sender, receiver: Mutex::new(Some(receiver)) }
    }
}

impl ChannelLayer for Memory {
    fn publish(&self, publications: Vec<Publication>) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            for mut publication in publications {
                {
                    let joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
                    publication.topics.retain(|topic| joined.contains(topic));
                }
                if !publication.topics.is_empty() {
                    self.sender.send(publication).await.map_err(|_| Unavailable("the hub has stopped".to_owned()))?;
                }
            }
            Ok(())
        })
    }

    fn join(&self, topic: Topic) -> BoxFuture<'_, Result<(), Unavailable>> {
        self.joined.lock().unwrap_or_else(PoisonError::into_inner).insert(topic);
        Box::pin(async { Ok(()) })
    }

    fn leave(&self, topic: Topic) -> BoxFuture<'_, Result<(), Unavailable>> {
        self.joined.lock().unwrap_or_else(PoisonError::into_inner).remove(&topic);
        Box::pin(async { Ok(()) })
    }

    fn deliveries(&self) -> Option<mpsc::Receiver<Publication>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
