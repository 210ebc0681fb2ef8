//! The frames that wait to be written to one connection: bounded, and without memory while idle.

use bytes::Bytes;
use parlor_protocol::{close::Close, limits::Limits};
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};
use tokio::sync::Notify;

/// See the module documentation.
#[derive(Debug, Default)]
pub struct SendQueue {
    state: Mutex<OutboxState>,
    notify: Notify,
}

#[derive(Debug, Default)]
struct OutboxState {
    frames: VecDeque<Bytes>,
    bytes: usize,
    closed: Option<Close>,
}

/// What was taken from a send queue.
#[derive(Debug)]
pub enum Taken {
    /// Frames to write, in order.
    Frames(VecDeque<Bytes>),
    /// The connection must be closed. Waiting frames are dropped; the client reads them from the store when it is back.
    Closed(Close),
}

impl SendQueue {
    /// Adds a frame. One too many closes the connection.
    pub fn push(&self, frame: &Bytes, limits: &Limits) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed.is_some() {
            return;
        }
        let is_full = state.frames.len() >= limits.connection_queue_max as usize
            || state.bytes + frame.len() > limits.connection_queue_bytes_max as usize;
        if is_full {
            state.closed = Some(Close::SlowReader);
            state.frames = VecDeque::new();
            state.bytes = 0;
        } else {
            state.bytes += frame.len();
            state.frames.push_back(frame.clone());
        }
        drop(state);
        self.notify.notify_one();
    }

    /// Closes the send queue. The first reason counts.
    pub fn close(&self, why: Close) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed.get_or_insert(why);
        drop(state);
        self.notify.notify_one();
    }

    /// Returns why it is closed, if it is.
    #[must_use]
    pub fn closed(&self) -> Option<Close> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed
    }

    /// Takes the waiting frames, if any.
    pub fn take_ready(&self) -> VecDeque<Bytes> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.bytes = 0;
        std::mem::take(&mut state.frames)
    }

    /// Waits for frames and takes all of them. Safe to cancel. For one reader.
    pub async fn take(&self) -> Taken {
        loop {
            {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(why) = state.closed {
                    return Taken::Closed(why);
                }
                if !state.frames.is_empty() {
                    state.bytes = 0;
                    return Taken::Frames(std::mem::take(&mut state.frames));
                }
            }
            self.notify.notified().await;
        }
    }

    /// Waits until the send queue is closed.
    pub async fn until_closed(&self) -> Close {
        loop {
            if let Some(why) = self.closed() {
                return why;
            }
            self.notify.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let mut limits = crate::config::Config::default().limits;
        limits.connection_queue_max = 2;
        limits.connection_queue_bytes_max = 5;
        limits
    }

    #[tokio::test]
    async fn frames_come_in_order_and_all_at_once() {
        let send_queue = SendQueue::default();
        send_queue.push(&Bytes::from("a"), &limits());
        send_queue.push(&Bytes::from("b"), &limits());
        let Taken::Frames(frames) = send_queue.take().await else { panic!("closed") };
        assert_eq!(frames, [Bytes::from("a"), Bytes::from("b")]);
    }

    #[tokio::test]
    async fn one_frame_or_byte_too_many_closes_and_frees() {
        for frames in [&["a", "b", "c"][..], &["aaa", "bbb"], &["aaaaaa"]] {
            let send_queue = SendQueue::default();
            for frame in frames {
                send_queue.push(&Bytes::from(*frame), &limits());
            }
            assert!(matches!(send_queue.take().await, Taken::Closed(Close::SlowReader)), "{frames:?}");
            assert_eq!(send_queue.state.lock().expect("not poisoned").frames.capacity(), 0);
        }
    }

    #[tokio::test]
    async fn the_first_reason_to_close_stays() {
        let send_queue = SendQueue::default();
        send_queue.close(Close::SessionEnded);
        send_queue.close(Close::Restarting);
        send_queue.push(&Bytes::from("late"), &limits());
        assert!(matches!(send_queue.take().await, Taken::Closed(Close::SessionEnded)));
    }
}
