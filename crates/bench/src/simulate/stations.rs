//! What work waits for: processors, and the clocks of databases.

use std::collections::VecDeque;

/// A moment, or a time, in nanoseconds of the simulation.
pub(super) type Nanos = u64;

/// Microseconds as [`Nanos`].
pub(super) fn us(microseconds: f64) -> Nanos {
    (microseconds * 1000.0).round() as Nanos
}

/// Cores that take work in the order in which it comes, each from beginning to end.
#[derive(Clone, Debug)]
pub(super) struct Processor {
    /// When each core is free.
    free: Vec<Nanos>,
    busy: Nanos,
}

impl Processor {
    pub(super) fn new(cores: usize) -> Self {
        Self { free: vec![0; cores], busy: 0 }
    }

    /// Takes work, and returns when it is done.
    pub(super) fn work(&mut self, now: Nanos, cost: Nanos) -> Nanos {
        let core = self.free.iter_mut().min().expect("a processor has a core");
        *core = (*core).max(now) + cost;
        self.busy += cost;
        *core
    }

    /// When work that comes now begins.
    pub(super) fn begins(&self, now: Nanos) -> Nanos {
        self.free.iter().copied().min().unwrap_or(now).max(now)
    }

    /// The part of the time in which it worked, or more than 1 if it is behind.
    pub(super) fn load(&self, time: Nanos) -> f64 {
        self.busy as f64 / time as f64 / self.free.len() as f64
    }
}

/// The clock's row of a database: one commit at a time, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct DatabaseClock {
    holder: Option<(usize, Nanos)>,
    waiting: VecDeque<usize>,
    pub(super) busy: Nanos,
}

impl DatabaseClock {
    /// Asks for the clock; returns whether the writer has it now.
    pub(super) fn ask(&mut self, writer: usize, now: Nanos) -> bool {
        if self.holder.is_some() {
            self.waiting.push_back(writer);
            return false;
        }
        self.holder = Some((writer, now));
        true
    }

    /// Ends a commit; returns the writer that has the clock from now on.
    pub(super) fn release(&mut self, writer: usize, now: Nanos) -> Option<usize> {
        let (holder, since) = self.holder.take().expect("a commit has the clock");
        assert_eq!(holder, writer, "only its holder gives the clock back");
        self.busy += now - since;
        let next = self.waiting.pop_front();
        self.holder = next.map(|next| (next, now));
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_does_one_thing_after_the_other() {
        let mut processor = Processor::new(2);
        let done: Vec<Nanos> = (0..4).map(|_| processor.work(10, 5)).collect();
        assert_eq!(done, [15, 15, 20, 20]);
        assert_eq!((processor.begins(16), processor.begins(30)), (20, 30));
        assert!((processor.load(20) - 0.5).abs() < f64::EPSILON);
    }

    #[test]
    fn a_clock_has_one_holder_and_a_queue() {
        let mut clock = DatabaseClock::default();
        assert!(clock.ask(1, 0));
        assert!(!clock.ask(2, 1) && !clock.ask(3, 2));
        assert_eq!(clock.release(1, 10), Some(2));
        assert_eq!(clock.release(2, 15), Some(3));
        assert_eq!(clock.release(3, 20), None);
        assert!(clock.ask(1, 30));
        assert_eq!(clock.busy, 20);
    }
}
