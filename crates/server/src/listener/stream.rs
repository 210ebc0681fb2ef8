//! A stream that times out when the peer does not read, and that closes so that its last bytes arrive.

use super::ConnectionSlot;
use std::{
    io,
    os::fd::OwnedFd,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep},
};

/// How much a slow reader must read within the timeout.
const WINDOW_BYTES: usize = 16 * 1024;
/// How long to read and discard after the last write: closing a stream with unread bytes would make the system discard
/// what was written last.
const LINGER: Duration = Duration::from_secs(1);

/// A stream with its slot. It has a timer only while a write is stuck.
#[derive(Debug)]
pub(crate) struct TimedStream {
    stream: TcpStream,
    time: Duration,
    stuck: Option<Stuck>,
    linger: Option<Pin<Box<Sleep>>>,
    _slot: ConnectionSlot,
}

#[derive(Debug)]
struct Stuck {
    deadline: Pin<Box<Sleep>>,
    taken: usize,
}

impl TimedStream {
    pub(super) fn new(stream: TcpStream, time: Duration, slot: ConnectionSlot) -> Self {
        Self { stream, time, stuck: None, linger: None, _slot: slot }
    }

    /// Gives the connection up, and its slot. None if the system refuses it.
    pub(crate) fn into_descriptor(self) -> Option<OwnedFd> {
        self.stream.into_std().ok().map(OwnedFd::from)
    }

    /// Handles the result of a write of `offered` bytes.
    fn written(
        &mut self,
        context: &mut Context<'_>,
        offered: usize,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Ok(taken)) if taken >= offered => self.stuck = None,
            Poll::Ready(Ok(taken)) => {
                if let Some(stuck) = &mut self.stuck {
                    stuck.taken += taken;
                    if stuck.taken >= WINDOW_BYTES {
                        stuck.taken = 0;
                        stuck.deadline.as_mut().reset(Instant::now() + self.time);
                    }
                }
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                let time = self.time;
                let stuck =
                    self.stuck.get_or_insert_with(|| Stuck { deadline: Box::pin(tokio::time::sleep(time)), taken: 0 });
                ready!(stuck.deadline.as_mut().poll(context));
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the reader takes nothing")));
            }
        }
        result
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, bytes.len(), result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let offered = slices.iter().map(|slice| slice.len()).sum();
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(context, offered, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            self.linger = Some(Box::pin(tokio::time::sleep(LINGER)));
        }
        if self.linger.as_mut().is_some_and(|linger| linger.as_mut().poll(context).is_ready()) {
            return Poll::Ready(Ok(()));
        }
        loop {
            let mut forgotten = [0; 1024];
            let mut buffer = ReadBuf::new(&mut forgotten);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => return Poll::Ready(Ok(())),
            }
        }
    }
}
