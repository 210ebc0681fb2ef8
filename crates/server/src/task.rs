//! Work that runs separately from the caller that waits for it.
//!
//! A future that holds a permit, a lock or a pooled connection must not depend on being polled: its owner may be busy
//! with a peer that does not read. So such work is a task, which the runtime polls, and its owner has only a handle.
//! Dropping the handle of a [`Task`] ends it at its next await and frees what it holds; work that runs [`to_its_end`]
//! continues without its caller.

use parlor_protocol::error::{Code, Problem};
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tokio::task::JoinHandle;
use tracing::Instrument as _;

/// The handle of a task that ends with the handle. Resolves to the result of the task, or `None` if it panicked.
#[derive(Debug)]
pub struct Task<T>(JoinHandle<T>);

impl<T: Send + 'static> Task<T> {
    /// Starts the task.
    pub fn spawn(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl<T> Future for Task<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.0).poll(context).map(Result::ok)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs work that must not be cancelled in the middle, such as a statement, and waits for it. It logs in the span of
/// the request that waits.
///
/// # Errors
/// The error of the work; `internal` if it panicked.
pub async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    tokio::spawn(work.in_current_span()).await.unwrap_or_else(|_| Err(Code::Internal.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Arc, time::Duration};
    use tokio::{sync::Semaphore, time::timeout};

    const LONG: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_task_is_done_and_lets_go_though_nobody_polls_its_handle() {
        let permits = Arc::new(Semaphore::new(1));
        let waiting = permits.clone();
        let permit = permits.clone().try_acquire_owned().expect("free");
        let task = Task::spawn(async move { drop(waiting.acquire_owned().await) });
        drop(permit);
        drop(timeout(LONG, permits.acquire()).await.expect("the task has let go").expect("open"));
        assert_eq!(task.await, Some(()));
    }

    #[tokio::test]
    async fn what_runs_to_its_end_logs_for_the_request_that_waits() {
        let _log = tracing::subscriber::set_default(tracing_subscriber::registry());
        let span = tracing::info_span!("request");
        let of_the_work = to_its_end(async { Ok(tracing::Span::current().id()) }).instrument(span.clone()).await;
        assert!(span.id().is_some());
        assert_eq!(of_the_work, Ok(span.id()));
    }

    #[tokio::test]
    async fn a_dropped_handle_ends_the_task() {
        let permits = Arc::new(Semaphore::new(1));
        let permit = permits.clone().try_acquire_owned().expect("free");
        let task = Task::spawn(async move {
            let _permit = permit;
            std::future::pending::<()>().await;
        });
        drop(task);
        drop(timeout(LONG, permits.acquire()).await.expect("the task has ended").expect("open"));
    }
}
