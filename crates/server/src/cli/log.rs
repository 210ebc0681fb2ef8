//! The log of a server: its filter, its format and its rate. An error that occurs on every request is logged once a
//! second and counted in the metrics, so it neither fills the disk nor hides other messages.

use super::CliError;
use crate::config::{LogConfig, LogFormat};
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tracing::{Event, Level, Subscriber, callsite::Identifier};
use tracing_subscriber::{
    EnvFilter, Layer,
    layer::{Context, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

/// The shortest time between two lines from the same place in the program.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts logging to standard error.
pub(super) fn start(log: &LogConfig) -> Result<(), CliError> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|error| CliError::usage(format!("log.filter: {error}")))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    let started = match log.format {
        LogFormat::Text => builder.with_target(false).finish().with(RateLimited::default()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().with(RateLimited::default()).try_init(),
    };
    started.map_err(CliError::new)
}

/// Drops lines that follow too soon after one from the same place in the program, except debug lines.
#[derive(Debug, Default)]
struct RateLimited(LastLogged<Identifier>);

/// When a line of each kind was last written. The number of kinds is bounded by the number of log statements.
#[derive(Debug)]
struct LastLogged<Kind>(Mutex<HashMap<Kind, Instant>>);

impl<Kind> Default for LastLogged<Kind> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<Kind: Eq + Hash> LastLogged<Kind> {
    fn is_due(&self, callsite: Kind, now: Instant) -> bool {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match written.get(&callsite) {
            Some(last) if now.duration_since(*last) < PAUSE => false,
            _ => {
                written.insert(callsite, now);
                true
            }
        }
    }
}

impl<S: Subscriber> Layer<S> for RateLimited {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        *metadata.level() > Level::INFO || self.0.is_due(metadata.callsite(), Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    /// Counts the lines that are written.
    struct LineCounter(Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for LineCounter {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn each_kind_of_line_is_logged_at_most_once_a_second() {
        let count = Arc::new(AtomicUsize::new(0));
        let log = tracing_subscriber::registry().with(LineCounter(count.clone())).with(RateLimited::default());
        tracing::subscriber::with_default(log, || {
            for number in 0..1000 {
                tracing::warn!(number, "the same again");
            }
            tracing::warn!("another");
            for number in 0..3 {
                tracing::debug!(number, "for debugging");
            }
        });
        assert_eq!(count.load(Ordering::Relaxed), 2 + 3);
    }

    #[test]
    fn a_line_is_logged_again_after_a_pause() {
        let (written, now) = (LastLogged::default(), Instant::now());
        assert!(written.is_due("kind", now));
        assert!(!written.is_due("kind", now + PAUSE / 2));
        assert!(written.is_due("kind", now + PAUSE));
    }
}
