//! Coalesces markers to one change for each member and interval: the first is submitted at once, later ones within the
//! interval become one.

use super::{ChangeResult, Commit};
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

type MemberKey = (ConversationId, UserId);
/// Delivered and read up to.
type Marks = (Seq, Seq);

/// Markers that wait for their interval to pass.
#[derive(Debug, Default)]
struct PendingMarkers {
    marks: Option<Marks>,
    replies: Vec<oneshot::Sender<ChangeResult>>,
}

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Markers {
    interval: Duration,
    max: usize,
    /// Members with a marker in progress or within its interval.
    members: Mutex<HashMap<MemberKey, PendingMarkers>>,
}

impl Markers {
    pub(super) fn new(interval: Duration, max: usize) -> Self {
        Self { interval, max, members: Mutex::default() }
    }

    /// Queues a marker. The reply comes when it, or a later one, is committed.
    pub(super) fn mark(
        self: &Arc<Self>,
        commit: Commit,
        member: MemberKey,
        (delivered, read): Marks,
        reply: oneshot::Sender<ChangeResult>,
    ) -> Result<(), Problem> {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = members.get_mut(&member) {
            // Enough for a few connections, each with as many as it may have waiting.
            if waiting.replies.len() >= 256 {
                return Err(Code::TooMany.into());
            }
            let (old_delivered, old_read) = waiting.marks.unwrap_or_default();
            waiting.marks = Some((delivered.max(old_delivered), read.max(old_read)));
            waiting.replies.push(reply);
            return Ok(());
        }
        if members.len() >= self.max {
            return Err(Problem::new(Code::TooMany).with_limit(self.max as u64));
        }
        members.insert(member, PendingMarkers { marks: Some((delivered, read)), replies: vec![reply] });
        drop(members);
        tokio::spawn(self.clone().run(commit, member));
        Ok(())
    }

    async fn run(self: Arc<Self>, commit: Commit, member: MemberKey) {
        while let Some((marks, replies)) = self.take(member) {
            let (conversation, actor) = member;
            let change = Change::Mark { actor, conversation, delivered: marks.0, read: marks.1 };
            let next = tokio::time::Instant::now() + self.interval;
            let outcome = match commit.enqueue(change).await {
                Ok(pending) => pending.outcome().await,
                Err(problem) => Err(problem),
            };
            // A marker that changed nothing does not delay the next one.
            let is_idle = !matches!(&outcome, Ok(Outcome::Answer(Answer::Marked(marked)))
                if marked.change.version != marked.change.prev);
            for reply in replies {
                // The caller may be gone.
                drop(reply.send(outcome.clone()));
            }
            if !is_idle {
                tokio::time::sleep_until(next).await;
            }
        }
    }

    /// Takes what is waiting, or forgets the member if nothing is.
    fn take(&self, member: MemberKey) -> Option<(Marks, Vec<oneshot::Sender<ChangeResult>>)> {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = members.get_mut(&member)?;
        if let Some(marks) = waiting.marks.take() {
            return Some((marks, std::mem::take(&mut waiting.replies)));
        }
        members.remove(&member);
        None
    }
}
