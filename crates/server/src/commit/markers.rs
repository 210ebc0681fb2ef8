//! Markers are coalesced to one change for each member and interval: the first goes at once, those that follow
//! within the interval become one.

use super::{Commit, Result};
use crate::domain::change::{Change, Outcome};
use parlor_protocol::{
    error::{Code, Problem},
    ids::{ConversationId, Seq, UserId},
    reply::Answer,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::oneshot;

type Place = (ConversationId, UserId);
/// Received up to, read up to.
type Marks = (Seq, Seq);

/// Marks that wait for their interval to pass.
#[derive(Debug, Default)]
struct Waiting {
    marks: Option<Marks>,
    replies: Vec<oneshot::Sender<Result>>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Markers {
    interval: Duration,
    most: usize,
    /// Members with a mark in flight or in its interval.
    places: Mutex<HashMap<Place, Waiting>>,
}

impl Markers {
    pub(super) fn new(interval: Duration, most: usize) -> Self {
        Self { interval, most, places: Mutex::default() }
    }

    /// Takes a mark; the reply comes when it, or a later one, is committed.
    pub(super) fn mark(
        self: &Arc<Self>,
        commit: Commit,
        place: Place,
        (delivered, read): Marks,
        reply: oneshot::Sender<Result>,
    ) -> std::result::Result<(), Problem> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = places.get_mut(&place) {
            // As many as one connection may have waiting, for each of a few.
            if waiting.replies.len() >= 256 {
                return Err(Code::TooMany.into());
            }
            let (old_delivered, old_read) = waiting.marks.unwrap_or_default();
            waiting.marks = Some((delivered.max(old_delivered), read.max(old_read)));
            waiting.replies.push(reply);
            return Ok(());
        }
        if places.len() >= self.most {
            return Err(Problem::new(Code::TooMany).with_limit(self.most as u64));
        }
        places.insert(place, Waiting { marks: Some((delivered, read)), replies: vec![reply] });
        drop(places);
        tokio::spawn(self.clone().run(commit, place));
        Ok(())
    }

    async fn run(self: Arc<Self>, commit: Commit, place: Place) {
        while let Some((marks, replies)) = self.take(place) {
            let (conversation, actor) = place;
            let change = Change::Mark { actor, conversation, delivered: marks.0, read: marks.1 };
            let next = tokio::time::Instant::now() + self.interval;
            let outcome = match commit.enqueue(change).await {
                Ok(pending) => pending.outcome().await,
                Err(problem) => Err(problem),
            };
            // A mark that changed nothing holds nobody up.
            let is_idle = !matches!(&outcome, Ok(Outcome::Answer(Answer::Marked(marked)))
                if marked.change.version != marked.change.prev);
            for reply in replies {
                // The one who asked may be gone.
                drop(reply.send(outcome.clone()));
            }
            if !is_idle {
                tokio::time::sleep_until(next).await;
            }
        }
    }

    /// What waits; forgets the place when nothing does.
    fn take(&self, place: Place) -> Option<(Marks, Vec<oneshot::Sender<Result>>)> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = places.get_mut(&place)?;
        if let Some(marks) = waiting.marks.take() {
            return Some((marks, std::mem::take(&mut waiting.replies)));
        }
        places.remove(&place);
        None
    }
}
