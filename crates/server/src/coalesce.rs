//! Coalesces reads: while one statement runs, questions queue, and the next statement answers all of them. Nothing
//! waits for more questions to come, as I3 has it for changes.
//!
//! Invariants: an answer is read after its question was asked; an error of the store goes to all who asked.
//! Absent on purpose: a cache. Nothing is kept from one statement to the next.

use crate::supervisor::Supervisor;
use parlor_protocol::error::{Code, Problem};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

/// Questions in the queue; beyond this, callers wait for room in it.
const WAITING_MAX: usize = 1024;
/// Questions answered by one statement.
const TOGETHER_MAX: usize = 256;

type Question<Ask, Answer> = (Ask, oneshot::Sender<Result<Answer, Problem>>);

/// Answers questions of one kind.
#[derive(Debug)]
pub struct Coalescer<Ask, Answer>(mpsc::Sender<Question<Ask, Answer>>);

impl<Ask, Answer> Clone for Coalescer<Ask, Answer> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Ask: Send + 'static, Answer: Send + 'static> Coalescer<Ask, Answer> {
    /// Starts the task. `read` takes some questions and returns their answers in the same order.
    pub(crate) fn start<Reading>(
        name: &'static str,
        supervisor: &Supervisor,
        read: impl Fn(Vec<Ask>) -> Reading + Send + 'static,
    ) -> (Self, JoinHandle<()>)
    where
        Reading: Future<Output = Result<Vec<Answer>, Problem>> + Send,
    {
        let (sender, mut waiting) = mpsc::channel::<Question<Ask, Answer>>(WAITING_MAX);
        let task = supervisor.run(name, async move {
            let mut some = Vec::new();
            while waiting.recv_many(&mut some, TOGETHER_MAX).await > 0 {
                let (asks, replies): (Vec<_>, Vec<_>) = some.drain(..).unzip();
                // The caller may be gone.
                match read(asks).await {
                    Ok(answers) => replies.into_iter().zip(answers).for_each(|(to, answer)| drop(to.send(Ok(answer)))),
                    Err(problem) => {
                        for to in replies {
                            drop(to.send(Err(problem.clone())));
                        }
                        // Questions that came while the store did not answer have waited long enough.
                        for _ in 0..waiting.len() {
                            let Ok((_, to)) = waiting.try_recv() else { break };
                            drop(to.send(Err(problem.clone())));
                        }
                    }
                }
            }
        });
        (Self(sender), task)
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// The error of the read, or the server is stopping.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, Problem> {
        let (reply, answer) = oneshot::channel();
        if self.0.send((ask, reply)).await.is_err() {
            return Err(Code::Draining.into());
        }
        answer.await.unwrap_or_else(|_| Err(Code::Draining.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt as _, future::join_all};
    use std::sync::{Arc, Mutex};
    use tokio::sync::Semaphore;

    type Counts = Arc<Mutex<Vec<usize>>>;

    /// Doubles numbers. Each statement waits for a permit, and the number of questions it answers is recorded.
    fn doubling() -> (Coalescer<usize, usize>, Arc<Semaphore>, Counts) {
        let (permits, statements) = (Arc::new(Semaphore::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (gate, counts) = (permits.clone(), statements.clone());
        let (coalescer, _) = Coalescer::start("doubling", &Supervisor::default(), move |asks: Vec<usize>| {
            counts.lock().expect("not poisoned").push(asks.len());
            let gate = gate.clone();
            async move {
                gate.acquire().await.expect("open").forget();
                if asks.contains(&0) {
                    return Err(Code::Unavailable.into());
                }
                Ok(asks.into_iter().map(|ask| ask * 2).collect())
            }
        });
        (coalescer, permits, statements)
    }

    #[tokio::test]
    async fn questions_that_come_during_a_statement_share_the_next_and_get_their_own_answers() {
        let (coalescer, permits, statements) = doubling();
        let mut first = Box::pin(coalescer.ask(1));
        while statements.lock().expect("not poisoned").is_empty() {
            assert!((&mut first).now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        let mut others = Box::pin(join_all((2..=1000).map(|ask| coalescer.ask(ask))));
        while coalescer.0.capacity() > WAITING_MAX - 999 {
            assert!((&mut others).now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        permits.add_permits(100);
        assert_eq!(first.await.expect("answered"), 2);
        let answers: Vec<_> = others.await.into_iter().map(|answer| answer.expect("answered")).collect();
        assert_eq!(answers, (2..=1000).map(|ask| ask * 2).collect::<Vec<_>>());
        let counts = statements.lock().expect("not poisoned");
        assert_eq!((counts[0], counts.iter().sum::<usize>()), (1, 1000));
        assert!(counts.len() <= 10 && counts.iter().all(|count| *count <= TOGETHER_MAX), "{counts:?}");
    }

    #[tokio::test]
    async fn an_error_goes_to_all_who_asked_and_later_questions_are_answered() {
        let (coalescer, permits, _) = doubling();
        permits.add_permits(2);
        let failed = join_all([12, 0].map(|ask| coalescer.ask(ask))).await;
        assert!(failed.iter().all(|answer| answer.as_ref().is_err_and(|problem| problem.code == Code::Unavailable)));
        assert_eq!(coalescer.ask(3).await.expect("answered"), 6);
    }
}
