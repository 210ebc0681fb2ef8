//! Reading files that may hang, such as those of a network file system that is away: a read ends for the one who waits
//! after a time, and a few that hang are not followed by more.

use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::timeout};

/// How many reads there are at once, those that hang included.
const READS_MAX: usize = 4;

/// See the module.
#[derive(Debug)]
pub(super) struct BoundedReading {
    places: Arc<Semaphore>,
    wait: Duration,
}

impl BoundedReading {
    pub(super) fn new(wait: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(READS_MAX)), wait }
    }

    /// Reads on a thread that may block. None: it is not done in time, or failed.
    pub(super) async fn read<T: Send + 'static>(&self, read: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let reading = async {
            let place = self.places.clone().acquire_owned().await.ok()?;
            let read = move || {
                let _place = place;
                read()
            };
            tokio::task::spawn_blocking(read).await.ok()
        };
        timeout(self.wait, reading).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    #[tokio::test]
    async fn reads_that_hang_end_for_those_who_wait_and_do_not_become_more() {
        let reading = BoundedReading::new(Duration::from_millis(20));
        let (started, mut ends) = (Arc::new(AtomicUsize::new(0)), Vec::new());
        for _ in 0..3 * READS_MAX {
            let ((end, ended), started) = (mpsc::channel::<()>(), started.clone());
            ends.push(end);
            let read = move || {
                started.fetch_add(1, Ordering::SeqCst);
                // It hangs until the test ends.
                _ = ended.recv();
            };
            assert_eq!(reading.read(read).await, None);
        }
        assert!(started.load(Ordering::SeqCst) <= READS_MAX);
        drop(ends);
        let reading = BoundedReading { wait: Duration::from_mins(10), ..reading };
        assert_eq!(reading.read(|| 7).await, Some(7), "they are free again");
        assert_eq!(reading.read(|| -> u8 { panic!("it fails") }).await, None);
    }
}
