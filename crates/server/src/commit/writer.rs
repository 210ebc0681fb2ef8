//! The writer's loop: batch, load, decide, write, COMMIT, hand on.

use super::{Result, Settings, Submission, publisher};
use crate::{
    domain::{
        self, Decided,
        change::{Change, Outcome},
        wanted::Wanted,
    },
    store::{
        self,
        batch::{Batch, Committed},
    },
};
use parlor_protocol::{
    error::{Code, Problem},
    ids::Version,
    reply::{Answer, Sent},
};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, warn};

/// Batches that wait to be told; then the writer waits too.
const UNTOLD_MAX: usize = 4;

type Verdict = std::result::Result<Decided, Problem>;

/// The publisher is gone.
struct Untold;

/// The versions that a batch used, and whether something is to be gone for good by it.
#[derive(Clone, Copy)]
struct Used {
    first: Version,
    last: Version,
    erases: bool,
}

/// Why an attempt came to nothing.
enum Failure {
    /// The store is not there; nothing happened.
    Unavailable(store::Error),
    /// COMMIT was not answered, and its row cannot be looked up.
    Unknown(store::Error),
    /// Something in the batch.
    Data(store::Error),
}

/// Runs until told to stop, and then until the queue is empty: then `true`. Ends with `false` when the publisher did.
pub(super) async fn run(
    settings: Settings,
    mut queue: mpsc::Receiver<Submission>,
    mut stopped: oneshot::Receiver<()>,
) -> bool {
    let (told, untold) = mpsc::channel(UNTOLD_MAX);
    let publisher = tokio::spawn(publisher::run(settings.clone(), untold));
    let writer = Writer { settings, told };
    loop {
        let first = tokio::select! {
            first = queue.recv() => first,
            _ = &mut stopped, if !queue.is_closed() => {
                queue.close();
                continue;
            }
        };
        let Some(first) = first else { break };
        let batch = writer.gather(first, &mut queue);
        writer.settings.metrics.commit_queue.set(i64::try_from(queue.len()).unwrap_or(i64::MAX));
        if writer.commit(batch).await.is_err() {
            return false;
        }
    }
    drop(writer);
    publisher.await.is_ok()
}

struct Writer {
    settings: Settings,
    told: mpsc::Sender<publisher::Batch>,
}

impl Writer {
    /// What queued, within the limits of one commit.
    fn gather(&self, first: Submission, queue: &mut mpsc::Receiver<Submission>) -> Vec<Submission> {
        let limits = &self.settings.rules.limits;
        let mut bytes = first.change.bytes();
        let mut batch = vec![first];
        while batch.len() < limits.commit_changes_max as usize && bytes < limits.commit_bytes_max as usize {
            let Ok(next) = queue.try_recv() else { break };
            bytes += next.change.bytes();
            batch.push(next);
        }
        batch
    }

    /// Commits a batch. When something in it is at fault, its halves are tried, until the bad one is alone.
    async fn commit(&self, batch: Vec<Submission>) -> std::result::Result<(), Untold> {
        let mut batches = vec![batch];
        while let Some(mut batch) = batches.pop() {
            let started = Instant::now();
            match self.attempt(&batch).await {
                Ok((verdicts, used)) => {
                    if let Some(used) = used {
                        if used.erases {
                            self.settings.erasure.begin();
                        }
                        let metrics = &self.settings.metrics;
                        metrics.commit_batch_size.observe(f64::from(u32::try_from(batch.len()).unwrap_or(u32::MAX)));
                        metrics.commit_seconds.observe(started.elapsed().as_secs_f64());
                    }
                    self.hand_on(batch, verdicts, used.map(|used| (used.first, used.last))).await?;
                }
                Err(Failure::Unavailable(cause)) => {
                    warn!(%cause, changes = batch.len(), "a commit was refused: the store is not available");
                    answer_all(batch, Code::Unavailable);
                }
                Err(Failure::Unknown(cause)) => {
                    error!(%cause, changes = batch.len(), "a commit was not answered and cannot be looked up");
                    answer_all(batch, Code::Unknown);
                }
                Err(Failure::Data(cause)) if batch.len() == 1 => {
                    error!(%cause, "a change was refused by the store");
                    answer_all(batch, Code::Internal);
                }
                Err(Failure::Data(cause)) => {
                    warn!(%cause, changes = batch.len(), "a commit failed; its halves are tried");
                    let rest = batch.split_off(batch.len() / 2);
                    batches.extend([rest, batch]);
                }
            }
        }
        Ok(())
    }

    /// The verdicts, and the versions that were used, if any.
    async fn attempt(&self, batch: &[Submission]) -> std::result::Result<(Vec<Verdict>, Option<Used>), Failure> {
        let Settings { store, node, .. } = &self.settings;
        let (open, verdicts, used) = store.answered(self.decide(batch)).await.map_err(failed)?;
        let Some(Used { first, last, .. }) = used else {
            open.roll_back().await;
            return Ok((verdicts, None));
        };
        let unanswered = match store.answered(async { Ok(open.commit().await) }).await {
            Ok(Committed::Yes) => None,
            Ok(Committed::Unknown(cause)) | Err(cause) => Some(cause),
        };
        if let Some(cause) = unanswered {
            match store.answered(store.has_commit(*node, first, last)).await {
                Ok(true) => {}
                Ok(false) => return Err(Failure::Unavailable(cause)),
                Err(_) => return Err(Failure::Unknown(cause)),
            }
        }
        Ok((verdicts, used))
    }

    /// Everything up to COMMIT: the open batch, the verdicts, and the versions that were used, if any.
    async fn decide(&self, batch: &[Submission]) -> store::Result<(Batch<'_>, Vec<Verdict>, Option<Used>)> {
        let Settings { store, rules, environment, node, .. } = &self.settings;
        let (mut open, before) = store.begin(batch.len()).await?;
        let wanted = Wanted::by(batch.iter().map(|submission| &submission.change));
        let mut state = open.load(&wanted, &rules.limits).await?;
        let now_ms = environment.now_ms();
        let mut verdicts = Vec::with_capacity(batch.len());
        let mut last = before;
        for submission in batch {
            last = Version(last.0 + 1);
            verdicts.push(domain::decide(&mut state, &submission.change, rules, last, now_ms));
        }
        if !state.is_changed() {
            return Ok((open, verdicts, None));
        }
        let first = Version(before.0 + 1);
        open.write(&state, first, last, *node, now_ms).await?;
        Ok((open, verdicts, Some(Used { first, last, erases: state.erases })))
    }

    async fn hand_on(
        &self,
        batch: Vec<Submission>,
        verdicts: Vec<Verdict>,
        range: Option<(Version, Version)>,
    ) -> std::result::Result<(), Untold> {
        let mut told = Vec::new();
        let mut replies: Vec<(oneshot::Sender<Result>, Result)> = Vec::with_capacity(batch.len());
        for (submission, verdict) in batch.into_iter().zip(verdicts) {
            let result = verdict.map(|decided| {
                told.extend(decided.told);
                decided.outcome
            });
            if let Ok(Outcome::Answer(Answer::Sent(Sent { duplicate: false, .. }))) = &result {
                self.settings.metrics.messages.inc();
            }
            replies.push((submission.reply, result));
        }
        // Without a publisher nobody is answered: those who asked hear `unknown`, and the server ends.
        self.told.send(publisher::Batch { replies, told, range }).await.map_err(|_| Untold)
    }
}

fn failed(error: store::Error) -> Failure {
    if error.is_outage() { Failure::Unavailable(error) } else { Failure::Data(error) }
}

fn answer_all(batch: Vec<Submission>, code: Code) {
    for submission in batch {
        // Whoever asked may be gone.
        drop(submission.reply.send(Err(code.into())));
    }
}

impl Change {
    /// What it weighs in a batch.
    fn bytes(&self) -> usize {
        match self {
            Self::Send { content, .. } => content.text.len() + 512 * content.attachments.len() + 256,
            Self::Edit { text, .. } => text.len() + 256,
            Self::AddMembers { users, .. } => users.len() * 64,
            // They write and tell a whole message, which is not known before it is loaded.
            Self::Forward { .. } | Self::React { .. } => 16 * 1024,
            // They touch every conversation of a person, or about a thing.
            Self::UpdateProfile { .. } | Self::PutContext { .. } | Self::CloseContext { .. } => 512 * 1024,
            // All members are loaded for it, however many.
            Self::RemoveMember { .. } | Self::UpdateMember { .. } => 64 * 1024,
            _ => 256,
        }
    }
}
