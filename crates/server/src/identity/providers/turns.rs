//! Turns to ask the host, which limit the questions at once.
//!
//! Invariant: strangers have at most half of the turns. However many come, and however slow the host is, users who are
//! signed in and checks get theirs.

use std::time::Duration;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

/// On whose behalf the host is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requester {
    /// A check in the background, which waits as long as it takes.
    Check,
    /// Somebody who has a session here.
    Known,
    /// A cookie that is unknown here.
    Stranger,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Turns {
    all: Semaphore,
    strangers: Semaphore,
    wait: Duration,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    _of_all: SemaphorePermit<'a>,
    _of_strangers: Option<SemaphorePermit<'a>>,
}

impl Turns {
    /// `at_once`: how many there are; `wait`: how long a request waits for one.
    pub(crate) fn new(at_once: usize, wait: Duration) -> Self {
        Self { all: Semaphore::new(at_once.max(1)), strangers: Semaphore::new((at_once / 2).max(1)), wait }
    }

    /// Waits for a turn. None: there was none in time.
    pub(crate) async fn take(&self, requester: Requester) -> Option<Turn<'_>> {
        let taking = async {
            let of_strangers =
                if requester == Requester::Stranger { Some(self.strangers.acquire().await.ok()?) } else { None };
            Some(Turn { _of_all: self.all.acquire().await.ok()?, _of_strangers: of_strangers })
        };
        if requester == Requester::Check { taking.await } else { timeout(self.wait, taking).await.ok().flatten() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn strangers_have_half_of_the_turns_and_leave_the_others_to_those_who_are_known() {
        let turns = Turns::new(4, Duration::ZERO);
        let strangers = [turns.take(Requester::Stranger).await, turns.take(Requester::Stranger).await];
        assert!(strangers.iter().all(Option::is_some));
        assert!(turns.take(Requester::Stranger).await.is_none(), "their half is used");
        let known = turns.take(Requester::Known).await.expect("a turn");
        let mut check = Box::pin(turns.take(Requester::Check));
        let first = (&mut check).now_or_never().flatten().expect("a turn");
        assert!(turns.take(Requester::Known).await.is_none(), "all are used");
        let mut waiting = Box::pin(turns.take(Requester::Check));
        assert!((&mut waiting).now_or_never().is_none(), "a check waits longer than a request does");
        drop((known, first));
        assert!(waiting.await.is_some());
        drop(strangers);
        assert!(turns.take(Requester::Stranger).await.is_some());
        let one = Turns::new(1, Duration::ZERO);
        assert!(one.take(Requester::Stranger).await.is_some(), "a single turn is everybody's");
    }
}
