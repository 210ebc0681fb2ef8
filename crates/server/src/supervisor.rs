//! Supervises the parts that must run as long as the server does: if one ends before it is told to, the server ends,
//! since a server that looks healthy and does not work is worse than one that is restarted.

use futures_util::FutureExt as _;
use std::{panic::AssertUnwindSafe, sync::Arc};
use tokio::{sync::Notify, task::JoinHandle};
use tracing::error;

/// Signals that a part has ended.
#[derive(Clone, Debug, Default)]
pub struct Supervisor(Arc<Notify>);

impl Supervisor {
    /// Runs a part that ends only by being aborted.
    pub fn run(&self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.run_until_stopped(name, async move {
            part.await;
            false
        })
    }

    /// Runs a part that returns `true` if it ended because it was told to.
    pub fn run_until_stopped(
        &self,
        name: &'static str,
        part: impl Future<Output = bool> + Send + 'static,
    ) -> JoinHandle<()> {
        let ended = self.0.clone();
        tokio::spawn(async move {
            if !matches!(AssertUnwindSafe(part).catch_unwind().await, Ok(true)) {
                error!(part = name, "a part of the server ended by itself");
                ended.notify_one();
            }
        })
    }

    /// Waits until a part has ended by itself.
    pub async fn failed(&self) {
        self.0.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn whichever_part_panics_or_returns_is_noticed() {
        for part in [async { panic!("on purpose") }.boxed(), async {}.boxed()] {
            let supervisor = Supervisor::default();
            supervisor.run("part", part);
            tokio::time::timeout(Duration::from_secs(10), supervisor.failed()).await.expect("noticed");
        }
    }

    #[tokio::test]
    async fn a_part_that_was_told_to_end_is_no_failure() {
        let supervisor = Supervisor::default();
        supervisor.run_until_stopped("part", async { true }).await.expect("it ended");
        assert!(supervisor.failed().now_or_never().is_none());
    }
}
