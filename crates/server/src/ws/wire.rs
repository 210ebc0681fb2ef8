//! A socket after its handshake: messages in, frames out, both at once, so that neither waits for the other.
//!
//! Invariants: every received frame is counted, including control frames and fragments, before its content is taken; a
//! peer that sends too fast is closed, one that sends a file in small frames is read more slowly; all queued frames are
//! written at once; while nothing moves there is no buffer.

use super::framing::{self, Decoder, Fault, Kind, Message, Step};
use crate::{access_log::SocketEntry, config::Config};
use bytes::{Buf as _, BytesMut};
use parlor_protocol::close::Close;
use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::{Instant, Sleep, sleep_until, timeout_at},
};

/// Seconds over which `frames_per_second_max` is averaged.
const RATE_WINDOW_S: f64 = 10.0;
/// Frames with file data that are read in a second; faster ones wait in the network. Frames of 8 KiB make 80 MB a
/// second.
const FILE_FRAMES_PER_SECOND: f64 = 10_000.0;
/// Bytes that are read at once, minimum and maximum.
const READ_BYTES_MIN: usize = 4 * 1024;
const READ_BYTES_MAX: usize = 64 * 1024;
/// The minimum pause for a file that arrives too fast.
const PAUSE_MIN: Duration = Duration::from_millis(5);
/// How long the closing handshake may take.
const CLOSING: Duration = Duration::from_secs(1);

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The limits of a socket.
#[expect(clippy::struct_field_names, reason = "limits end in `max` everywhere")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes of a message.
    message_bytes_max: usize,
    /// Frames in a second.
    frames_per_second_max: f64,
    /// Unwritten bytes above which nothing more is read.
    unwritten_bytes_max: usize,
}

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Wire<S> {
    stream: S,
    bounds: Bounds,
    decoder: Decoder,
    input: BytesMut,
    output: BytesMut,
    /// Whether the stream has passed on everything: TLS gathers bytes.
    is_flushed: bool,
    frames: Allowance,
    file_frames: Allowance,
    /// Until when no file frame is read.
    pause: Option<Pin<Box<Sleep>>>,
    /// When the last frame arrived.
    last_received: Instant,
    /// When something was last written.
    last_sent: Instant,
    /// When the socket has lived long enough.
    end: Option<Pin<Box<Sleep>>>,
    log: Option<SocketEntry>,
}

/// A stream that is given up, and what belongs to it.
#[derive(Debug)]
pub(crate) struct WireParts<S> {
    pub(crate) stream: S,
    /// What was received and is not processed yet.
    pub(crate) input: BytesMut,
    /// What is not written yet: the rest of a frame, and whole frames.
    pub(crate) output: BytesMut,
    /// When it has lived long enough.
    pub(crate) end: Option<Instant>,
}

/// What has happened on a socket.
#[derive(Debug)]
pub(crate) enum Moved {
    /// A message arrived. Pings are answered already.
    Read(Message),
    /// Everything queued is written, so there is room for more.
    Written,
}

/// Why nothing more can be read.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The peer violated the framing, or the limit of a message.
    Fault(Fault),
    /// Frames came too fast for too long.
    TooFast,
    /// The connection has ended.
    Gone,
    /// The peer did not read within the timeout.
    Stuck,
    /// The socket has lived as long as it may.
    Expired,
}

impl Stop {
    /// Returns the reason to close with; none if the connection has ended.
    pub(crate) fn reason(self) -> Option<Close> {
        match self {
            Self::Fault(fault) => Some(fault.into()),
            Self::TooFast => Some(Close::TooFast),
            Self::Expired => Some(Close::Expired),
            Self::Stuck => Some(Close::SlowReader),
            Self::Gone => None,
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut { Self::Stuck } else { Self::Gone }
    }
}

/// A token bucket of frames.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    left: f64,
    refilled: Instant,
}

impl Allowance {
    /// Takes one token and returns how many are left.
    fn spend(&mut self, rate: f64, most: f64, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.refilled).as_secs_f64();
        self.left = (self.left + passed * rate).min(most) - 1.0;
        self.refilled = now;
        self.left
    }
}

impl Bounds {
    /// Returns the configured limits.
    pub(crate) fn of(config: &Config) -> Self {
        let limits = &config.limits;
        Self {
            message_bytes_max: limits.frame_bytes_max as usize,
            frames_per_second_max: limits.frames_per_second_max.into(),
            unwritten_bytes_max: limits.connection_queue_bytes_max as usize,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Wraps a stream after the handshake, with the bytes that were read beyond it.
    pub(crate) fn new(stream: S, came: &[u8], bounds: Bounds) -> Self {
        let now = Instant::now();
        let frames = Allowance { left: bounds.frames_per_second_max * RATE_WINDOW_S, refilled: now };
        Self {
            stream,
            bounds,
            decoder: Decoder::default(),
            input: BytesMut::from(came),
            output: BytesMut::new(),
            is_flushed: true,
            frames,
            file_frames: Allowance { left: FILE_FRAMES_PER_SECOND, refilled: now },
            pause: None,
            last_received: now,
            last_sent: now,
            end: None,
            log: None,
        }
    }

    /// Goes on with a stream that another wire gave up.
    pub(crate) fn resumed(parts: WireParts<S>, bounds: Bounds) -> Self {
        let end = parts.end.map(|end| Box::pin(sleep_until(end)));
        Self { output: parts.output, end, ..Self::new(parts.stream, &parts.input, bounds) }
    }

    /// Gives the stream up, between any two bytes.
    pub(crate) fn into_parts(mut self) -> WireParts<S> {
        if let Some(log) = &mut self.log {
            log.handed_over();
        }
        let mut input = self.decoder.into_bytes();
        input.extend_from_slice(&self.input);
        let end = self.end.map(|end| end.deadline());
        WireParts { stream: self.stream, input, output: self.output, end }
    }

    /// Returns what it reads and writes.
    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }

    /// Sets the entry in the access log.
    pub(crate) fn logged_as(self, log: Option<SocketEntry>) -> Self {
        Self { log, ..self }
    }

    /// Limits its life.
    pub(crate) fn living_for(self, life: Option<Duration>) -> Self {
        Self { end: life.map(|life| Box::pin(tokio::time::sleep(life))), ..self }
    }

    /// Queues a text frame. [`Wire::moved`] writes it.
    pub(crate) fn text(&mut self, text: &[u8]) {
        framing::encode(&mut self.output, TEXT, &[text]);
    }

    /// Queues a binary frame.
    pub(crate) fn binary(&mut self, bytes: &[u8]) {
        framing::encode(&mut self.output, BINARY, &[bytes]);
    }

    /// Queues a ping, which clients answer by themselves.
    pub(crate) fn ping(&mut self) {
        framing::encode(&mut self.output, PING, &[]);
    }

    /// Returns how many bytes are queued and not written; at least one while the stream gathers some.
    pub(crate) fn unwritten(&self) -> usize {
        self.output.len() + usize::from(!self.is_flushed)
    }

    /// Returns when the last whole frame arrived.
    pub(crate) fn last_received(&self) -> Instant {
        self.last_received
    }

    /// Returns when something was last written.
    pub(crate) fn last_sent(&self) -> Instant {
        self.last_sent
    }

    /// Writes what is queued, and reads if `may_read`, until something happens. Safe to cancel.
    pub(crate) async fn moved(&mut self, may_read: bool) -> Result<Moved, Stop> {
        poll_fn(|context| self.poll_moved(context, may_read)).await
    }

    fn poll_moved(&mut self, context: &mut Context<'_>, may_read: bool) -> Poll<Result<Moved, Stop>> {
        if self.end.as_mut().is_some_and(|end| end.as_mut().poll(context).is_ready()) {
            self.end = None;
            return Poll::Ready(Err(Stop::Expired));
        }
        loop {
            let is_quiet = self.unwritten() == 0;
            if let Poll::Ready(written) = self.poll_written(context) {
                written?;
                if !is_quiet {
                    return Poll::Ready(Ok(Moved::Written));
                }
            }
            if !may_read || self.unwritten() >= self.bounds.unwritten_bytes_max {
                return Poll::Pending;
            }
            match self.decode(context)? {
                Some(Message::Ping(payload)) => framing::encode(&mut self.output, PONG, &[&payload]),
                Some(Message::Pong) => {}
                Some(message) => return Poll::Ready(Ok(Moved::Read(message))),
                None => ready!(self.poll_read(context))?,
            }
        }
    }

    /// Returns the next message of the received bytes.
    fn decode(&mut self, context: &mut Context<'_>) -> Result<Option<Message>, Stop> {
        loop {
            if let Some(pause) = &mut self.pause {
                if pause.as_mut().poll(context).is_pending() {
                    return Ok(None);
                }
                self.pause = None;
            }
            match self.decoder.step(&mut self.input, self.bounds.message_bytes_max).map_err(Stop::Fault)? {
                Step::Began(kind, length) => self.count(kind, length)?,
                Step::Whole(message) => {
                    self.last_received = Instant::now();
                    return Ok(Some(message));
                }
                Step::Wanting => return Ok(None),
            }
        }
    }

    /// Counts a frame. File data may wait, since its sender is bounded by bytes; anything else that comes too fast ends
    /// the connection.
    fn count(&mut self, kind: Kind, length: usize) -> Result<(), Stop> {
        let now = Instant::now();
        if kind == Kind::Binary && length > 0 {
            let left = self.file_frames.spend(FILE_FRAMES_PER_SECOND, FILE_FRAMES_PER_SECOND, now);
            if left < 0.0 {
                let wait = Duration::from_secs_f64((1.0 - left) / FILE_FRAMES_PER_SECOND).max(PAUSE_MIN);
                self.pause = Some(Box::pin(sleep_until(now + wait)));
            }
            return Ok(());
        }
        let rate = self.bounds.frames_per_second_max;
        if self.frames.spend(rate, rate * RATE_WINDOW_S, now) < 0.0 { Err(Stop::TooFast) } else { Ok(()) }
    }

    /// Reads what has arrived. A buffer that stays empty is freed.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        if self.pause.is_some() {
            return Poll::Pending;
        }
        self.input.reserve(self.decoder.rest().clamp(READ_BYTES_MIN, READ_BYTES_MAX));
        let read = pin!(self.stream.read_buf(&mut self.input)).poll(context);
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        match ready!(read) {
            Ok(0) | Err(_) => Poll::Ready(Err(Stop::Gone)),
            Ok(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        while !self.output.is_empty() {
            match Pin::new(&mut self.stream).poll_write(context, &self.output) {
                Poll::Ready(Ok(written)) if written > 0 => self.output.advance(written),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Ready(_) => return Poll::Ready(Err(Stop::Gone)),
                Poll::Pending => return Poll::Pending,
            }
            self.is_flushed = false;
            self.last_sent = Instant::now();
        }
        if !self.is_flushed {
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.is_flushed = true;
        }
        self.output = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    /// Closes with a code, and waits a little for the peer to do the same, so that the frame is not lost in a reset.
    /// `is_answer`: the peer closed first.
    pub(crate) async fn close(mut self, code: Option<u16>, reason: &str, is_answer: bool) {
        self.end = None;
        // The answer to a client that closes has no reason.
        match (&mut self.log, code) {
            (Some(log), Some(code)) if !(is_answer && reason.is_empty()) => log.closed(code, reason),
            (Some(log), code) => log.closed_by_client(code),
            (None, _) => {}
        }
        let code = code.map(u16::to_be_bytes);
        framing::encode(&mut self.output, CLOSE, &[code.as_ref().map_or(&[][..], |code| code), reason.as_bytes()]);
        let deadline = Instant::now() + CLOSING;
        let written = async {
            while self.unwritten() > 0 {
                self.moved(false).await?;
            }
            Ok::<(), Stop>(())
        };
        if !matches!(timeout_at(deadline, written).await, Ok(Ok(()))) {
            return;
        }
        if !is_answer {
            let answer =
                async { while !matches!(self.moved(true).await, Ok(Moved::Read(Message::Close(_))) | Err(_)) {} };
            // A peer that does not answer is not waited for.
            let _late = timeout_at(deadline, answer).await;
        }
        // The other side may be gone already.
        let _gone = self.stream.shutdown().await;
    }
}
