//! The writer's loop: batch, load, decide, write, COMMIT, pass on to the publisher.

use super::{ChangeResult, CommitOptions, Submission, publisher};
use crate::{
    domain::{
        self, Decided, Now,
        change::{Change, Outcome},
        load_plan::LoadPlan,
    },
    store::{self, batch},
};
use parlor_protocol::{
    error::{Code, Problem},
    ids::{Epoch, Version},
    reply::{Answer, Sent},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tracing::{error, warn};

/// Batches that wait to be published; beyond this the writer waits.
const UNPUBLISHED_MAX: usize = 4;

/// If a batch has waited this long for an unavailable store, the changes behind it are refused with it.
const LONG_OUTAGE: Duration = Duration::from_millis(500);

type ChangeDecision = Result<Decided, Problem>;

/// The publisher is gone.
struct PublisherGone;

/// The versions that a batch used, and whether it erases something.
#[derive(Clone, Copy)]
struct Used {
    first: Version,
    last: Version,
    erases: bool,
}

/// The decisions on the changes of a batch, in their order, and the versions that were used, if any.
type ChangeDecisions = (Vec<ChangeDecision>, Option<Used>);

/// Why a commit failed.
enum CommitError {
    /// The store is not available. Nothing happened.
    Unavailable(store::StoreError),
    /// COMMIT was not answered, and its row cannot be looked up.
    Unknown(store::StoreError),
    /// A change of the batch.
    Data(store::StoreError),
}

/// Changes that are committed together, and where to send their answers.
struct ChangeBatch {
    /// For a half of a batch, also the changes of the other half.
    changes: Arc<Vec<Change>>,
    from: usize,
    replies: Vec<PendingReply>,
}

/// Where to send the answer to a change, with the permit that is held until then.
struct PendingReply {
    reply: oneshot::Sender<ChangeResult>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl ChangeBatch {
    fn of(submissions: Vec<Submission>) -> Self {
        let (mut changes, mut replies) = (Vec::new(), Vec::new());
        for Submission { change, reply, permit } in submissions {
            changes.push(change);
            replies.push(PendingReply { reply, _permit: permit });
        }
        Self { changes: Arc::new(changes), from: 0, replies }
    }

    fn len(&self) -> usize {
        self.replies.len()
    }

    /// Splits it into halves, the first one last.
    fn halved(mut self) -> [Self; 2] {
        let half = self.len() / 2;
        let replies = self.replies.split_off(half);
        [Self { changes: self.changes.clone(), from: self.from + half, replies }, self]
    }

    fn answer(self, problem: &Problem) {
        for waiting in self.replies {
            // The caller may be gone.
            drop(waiting.reply.send(Err(problem.clone())));
        }
    }
}

/// Runs until it is stopped and the queue is empty, and returns `true`; or `false` if the publisher ended.
pub(super) async fn run(
    settings: CommitOptions,
    mut queue: mpsc::Receiver<Submission>,
    mut stopped: oneshot::Receiver<()>,
) -> bool {
    let (outgoing, outgoing_receiver) = mpsc::channel(UNPUBLISHED_MAX);
    let publisher = tokio::spawn(publisher::run(settings.clone(), outgoing_receiver));
    let writer = WriterLoop { settings, outgoing };
    loop {
        let first = tokio::select! {
            first = queue.recv() => first,
            _ = &mut stopped, if !queue.is_closed() => {
                queue.close();
                continue;
            }
        };
        let Some(first) = first else { break };
        // Lets connections submit what they have now before the batch begins, since part of its cost does not depend on
        // its size.
        tokio::task::yield_now().await;
        let batch = writer.take_batch(first, &mut queue);
        writer.settings.metrics.commit_queue.set(i64::try_from(queue.len()).unwrap_or(i64::MAX));
        if let Err(PublisherGone) = writer.commit(batch, &mut queue).await {
            return false;
        }
    }
    drop(writer);
    publisher.await.is_ok()
}

struct WriterLoop {
    settings: CommitOptions,
    outgoing: mpsc::Sender<publisher::CommittedBatch>,
}

impl WriterLoop {
    /// Takes the queued changes, within the limits of one commit.
    fn take_batch(&self, first: Submission, queue: &mut mpsc::Receiver<Submission>) -> ChangeBatch {
        let limits = &self.settings.rules.limits;
        let mut bytes = first.change.bytes();
        let mut batch = vec![first];
        while batch.len() < limits.commit_changes_max as usize && bytes < limits.commit_bytes_max as usize {
            let Ok(next) = queue.try_recv() else { break };
            bytes += next.change.bytes();
            batch.push(next);
        }
        ChangeBatch::of(batch)
    }

    /// Commits a batch. If one of its changes fails in the store, its halves are tried, until that change is alone.
    async fn commit(&self, batch: ChangeBatch, queue: &mut mpsc::Receiver<Submission>) -> Result<(), PublisherGone> {
        let mut batches = vec![batch];
        while let Some(batch) = batches.pop() {
            let (started, changes) = (Instant::now(), batch.len());
            let attempted = self.attempt(&batch).await;
            let is_outage = matches!(attempted, Err(CommitError::Unavailable(_) | CommitError::Unknown(_)));
            if is_outage && started.elapsed() > LONG_OUTAGE {
                // Before the batch is answered, so that what a client sends after it knows of the outage is tried.
                refuse_queued(queue);
            }
            match attempted {
                Ok((verdicts, used)) => {
                    if let Some(used) = used {
                        if used.erases {
                            self.settings.erasure.request();
                        }
                        let metrics = &self.settings.metrics;
                        metrics.commit_batch_size.observe(f64::from(u32::try_from(changes).unwrap_or(u32::MAX)));
                        metrics.commit_seconds.observe(started.elapsed().as_secs_f64());
                    }
                    self.publish(batch, verdicts, used.map(|used| (used.first, used.last))).await?;
                }
                Err(CommitError::Unavailable(cause)) => {
                    warn!(changes, "a commit was refused");
                    batch.answer(&cause.into());
                }
                Err(CommitError::Unknown(cause)) => {
                    error!(%cause, changes, "a commit was not answered and cannot be looked up");
                    batch.answer(&Code::Unknown.into());
                }
                Err(CommitError::Data(cause)) if changes == 1 => batch.answer(&cause.into()),
                Err(CommitError::Data(cause)) => {
                    warn!(%cause, changes, "a commit failed; its halves are tried");
                    batches.extend(batch.halved());
                }
            }
        }
        Ok(())
    }

    async fn attempt(&self, batch: &ChangeBatch) -> Result<ChangeDecisions, CommitError> {
        let CommitOptions { store, node, rules, environment, .. } = &self.settings;
        let (changes, from, to) = (batch.changes.clone(), batch.from, batch.from + batch.len());
        let (rules, environment, of) = (rules.clone(), environment.clone(), *node);
        let work = move |open: &mut batch::BatchTransaction<'_>| {
            let now = Now { wall_ms: environment.now_ms(), ageing_ms: environment.ageing_ms() };
            let verdicts = decide(open, &changes[from..to], &rules, now, of)?;
            let must_commit = verdicts.1.is_some();
            Ok((verdicts, must_commit))
        };
        let (verdicts, committed) = store.commit(batch.len(), work).await.map_err(commit_error)?;
        if let (Err(cause), Some(Used { first, last, .. })) = (committed, verdicts.1) {
            match store.has_commit(*node, first, last).await {
                Ok(true) => {}
                Ok(false) => return Err(CommitError::Unavailable(cause)),
                Err(_) => return Err(CommitError::Unknown(cause)),
            }
        }
        Ok(verdicts)
    }

    async fn publish(
        &self,
        batch: ChangeBatch,
        verdicts: Vec<ChangeDecision>,
        range: Option<(Version, Version)>,
    ) -> Result<(), PublisherGone> {
        let mut outgoing = Vec::new();
        let mut replies: Vec<(oneshot::Sender<ChangeResult>, ChangeResult)> = Vec::with_capacity(batch.len());
        for (waiting, verdict) in batch.replies.into_iter().zip(verdicts) {
            let result = verdict.map(|decided| {
                outgoing.extend(decided.outgoing);
                decided.outcome
            });
            if let Ok(Outcome::Answer(Answer::Sent(Sent { duplicate: false, .. }))) = &result {
                self.settings.metrics.messages.inc();
            }
            replies.push((waiting.reply, result));
        }
        // Without a publisher the callers get `unknown`, and the server ends.
        self.outgoing.send(publisher::CommittedBatch { replies, outgoing, range }).await.map_err(|_| PublisherGone)
    }
}

fn commit_error(error: store::StoreError) -> CommitError {
    if error.is_outage() { CommitError::Unavailable(error) } else { CommitError::Data(error) }
}

/// Does everything between the first statement of a commit and COMMIT.
fn decide(
    open: &mut batch::BatchTransaction<'_>,
    changes: &[Change],
    rules: &domain::Rules,
    now: Now,
    node: Epoch,
) -> store::Result<ChangeDecisions> {
    let mut state = open.load(&LoadPlan::by(changes.iter()), &rules.limits)?;
    let mut verdicts = Vec::with_capacity(changes.len());
    let mut last = open.before;
    for change in changes {
        last = Version(last.0 + 1);
        verdicts.push(domain::decide(&mut state, change, rules, last, now));
    }
    if !state.is_changed() {
        return Ok((verdicts, None));
    }
    let first = Version(open.before.0 + 1);
    open.write(&state, first, last, node, now.wall_ms)?;
    Ok((verdicts, Some(Used { first, last, erases: state.erases })))
}

/// Refuses the queued changes, which have waited long enough for an unavailable store.
fn refuse_queued(queue: &mut mpsc::Receiver<Submission>) {
    for _ in 0..queue.len() {
        let Ok(submission) = queue.try_recv() else { return };
        // The caller may be gone.
        drop(submission.reply.send(Err(Code::Unavailable.into())));
    }
}

impl Change {
    /// Returns about how many bytes it adds to a batch.
    fn bytes(&self) -> usize {
        match self {
            Self::Send { content, .. } => {
                content.text.len() + 64 * content.mentions.len() + 512 * content.attachments.len() + 256
            }
            Self::SaveDraft { draft, .. } => draft.text.len() + 64 * draft.mentions.len() + 256,
            Self::Edit { text, mentions, .. } => text.as_ref().map_or(0, String::len) + 64 * mentions.len() + 256,
            Self::AddMembers { users, .. } => users.len() * 64,
            Self::PutHostMessage(put) => put.text.len() + 512 * put.attachments.len() + 512,
            // They write and publish a whole message, which is not known before it is loaded.
            Self::Forward { .. } | Self::React { .. } => 16 * 1024,
            // They touch every conversation of a user, or about a context.
            Self::UpdateProfile { .. } | Self::PutUser(_) | Self::PutContext { .. } | Self::CloseContext { .. } => {
                512 * 1024
            }
            // All members are loaded for it, however many, or all conversations of two users.
            Self::RemoveMember { .. } | Self::UpdateMember { .. } | Self::SetBlocked { .. } => 64 * 1024,
            // They write copies of messages, and are published to every moderator.
            Self::Report { .. } | Self::SettleReport { .. } => 256 * 1024,
            Self::Delete { .. }
            | Self::Hide { .. }
            | Self::Cancel { .. }
            | Self::Open { .. }
            | Self::Mark { .. }
            | Self::UpdateSettings { .. }
            | Self::Clear { .. }
            | Self::UpdateConversation { .. }
            | Self::AddUser { .. }
            | Self::SetPassword { .. }
            | Self::EndSessions { .. }
            | Self::SetDisabled { .. }
            | Self::SetModerator { .. }
            | Self::ReadWarning { .. }
            | Self::SetLogin { .. }
            | Self::UpgradePassword { .. }
            | Self::RemoveHostMessage { .. }
            | Self::DeleteUser { .. } => 256,
        }
    }
}
