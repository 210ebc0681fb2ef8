//! HTTP/2 connections, with the limits that the protocol leaves to servers.
//!
//! Invariants: a connection without an open stream ends in bounded time; a stream whose reader takes nothing of its
//! answer is reset, and the others go on; streams, windows, headers and resets are limited.
//! Absent on purpose: `WebSocket`s (browsers open a connection of HTTP/1.1 for them), push, priorities.

use super::{ListenerContext, Peer, stream::WINDOW_BYTES, until_stopped};
use crate::listener::TimedStream;
use axum::{body::Body, extract::Request};
use bytes::Bytes;
use http::{HeaderValue, header};
use hyper::{
    body::{Body as HttpBody, Frame, Incoming, SizeHint},
    rt::Executor,
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tower::ServiceExt as _;

/// Bytes of a request's body that a client may send before they are read, in one stream and in all of a connection.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Bytes of an answer that wait for the client, in one stream.
const SEND_BYTES_MAX: usize = 64 * 1024;
/// Streams that a client may reset before they were accepted.
const RESETS_MAX: usize = 20;
/// Streams that the server may reset for errors of the client.
const ERROR_RESETS_MAX: usize = 64;
/// Streams that share a line slow each other down; with more than these, the time for each grows no further.
const SHARING_MAX: u32 = 8;

tokio::task_local! {
    /// The connection's streams and the progress of the one that a task runs.
    static STREAM: (Arc<Streams>, Arc<AnswerProgress>);
}

/// The streams of a connection.
#[derive(Debug, Default)]
struct Streams {
    open: AtomicUsize,
    /// Those whose answer is being sent.
    sending: AtomicU32,
    /// One was opened or closed.
    changed: Notify,
}

/// How far the answer of a stream is.
#[derive(Debug, Default)]
struct AnswerProgress {
    /// Parts that the connection took.
    parts: AtomicUsize,
    /// Whether a part was taken, and the reader must make room for the next one.
    waits_for_reader: AtomicBool,
}

/// Runs streams, and drops those that are stuck, which resets them.
#[derive(Clone, Debug)]
struct StreamExecutor {
    streams: Arc<Streams>,
    write: Duration,
}

/// An open stream.
struct OpenStream(Arc<Streams>);

/// The body of an answer, in small parts whose progress is watched. The last byte is a part of its own: a part is written
/// when there is room for its first byte, so nothing is left then that the reader has not made room for.
struct WatchedBody {
    inner: Body,
    rest: Bytes,
    streams: Arc<Streams>,
    progress: Arc<AnswerProgress>,
}

impl Streams {
    /// Waits until no stream has been open for a while.
    async fn idle(&self, time: Duration) {
        loop {
            let changed = self.changed.notified();
            if self.open.load(Ordering::Acquire) > 0 {
                changed.await;
            } else if timeout(time, changed).await.is_err() {
                return;
            }
        }
    }

    /// Waits until the reader of a stream has taken nothing for too long.
    async fn stuck(&self, progress: &AnswerProgress, write: Duration) {
        let mut taken = progress.parts.load(Ordering::Acquire);
        loop {
            let sharing = self.sending.load(Ordering::Relaxed).clamp(1, SHARING_MAX);
            sleep(write.saturating_mul(sharing)).await;
            let now = progress.parts.load(Ordering::Acquire);
            if now == taken && progress.waits_for_reader.load(Ordering::Acquire) {
                return;
            }
            taken = now;
        }
    }
}

impl OpenStream {
    fn new(streams: Arc<Streams>) -> Self {
        streams.open.fetch_add(1, Ordering::AcqRel);
        streams.changed.notify_one();
        Self(streams)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
        self.0.changed.notify_one();
    }
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, future: F) {
        let (streams, write, progress) = (self.streams.clone(), self.write, Arc::<AnswerProgress>::default());
        let open = OpenStream::new(streams.clone());
        tokio::spawn(async move {
            let _open = open;
            tokio::select! {
                _ = STREAM.scope((streams.clone(), progress.clone()), future) => {}
                () = streams.stuck(&progress, write) => tracing::debug!("a stream was reset: its reader takes nothing"),
            }
        });
    }
}

impl WatchedBody {
    fn new(inner: Body) -> Self {
        let (streams, progress) = STREAM.try_with(Clone::clone).unwrap_or_default();
        streams.sending.fetch_add(1, Ordering::Relaxed);
        Self { inner, rest: Bytes::new(), streams, progress }
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        self.streams.sending.fetch_sub(1, Ordering::Relaxed);
    }
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        this.progress.waits_for_reader.store(false, Ordering::Release);
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.inner).poll_frame(context)).transpose()? {
                None => return Poll::Ready(None),
                Some(frame) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
            }
        }
        let but_one = this.rest.len().saturating_sub(1).max(1);
        let part = this.rest.split_to(this.rest.len().min(but_one).min(WINDOW_BYTES));
        this.progress.parts.fetch_add(1, Ordering::AcqRel);
        this.progress.waits_for_reader.store(true, Ordering::Release);
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.inner.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(rest));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

/// Serves a connection until it ends.
pub(super) async fn serve(
    shared: &ListenerContext,
    stream: TimedStream,
    peer: Peer,
    mut stop: watch::Receiver<bool>,
) -> hyper::Result<()> {
    let streams = Arc::<Streams>::default();
    let router = shared.router.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (router, request) = (router.clone(), prepared(request.map(Body::new), peer));
        async move {
            let response = router.oneshot(request).await;
            response.map(|response| response.map(WatchedBody::new))
        }
    });
    let executor = StreamExecutor { streams: streams.clone(), write: shared.write };
    let mut served = pin!(builder(shared, executor).serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = &mut served => ended,
        () = until_stopped(&mut stop) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
        () = streams.idle(shared.idle) => {
            served.as_mut().graceful_shutdown();
            // A request that came at this moment is answered; a client that does not end the connection as well is not
            // waited for.
            tokio::select! {
                ended = served => ended,
                () = streams.idle(shared.write) => Ok(()),
            }
        }
    }
}

fn builder(shared: &ListenerContext, executor: StreamExecutor) -> http2::Builder<StreamExecutor> {
    let mut http = http2::Builder::new(executor);
    http.timer(TokioTimer::new())
        .max_concurrent_streams(shared.streams_max)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(shared.head_bytes_max)
        .max_send_buf_size(SEND_BYTES_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(ERROR_RESETS_MAX)
        .keep_alive_interval(shared.idle)
        .keep_alive_timeout(shared.write);
    http
}

/// Gives a request its peer, and the `Host` header, in whose place HTTP/2 has a part of the URI.
fn prepared(mut request: Request, peer: Peer) -> Request {
    request.extensions_mut().insert(peer);
    let host = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn an_answer_is_sent_in_small_parts_and_its_last_byte_alone() {
        for (length, expected) in [
            (0, vec![]),
            (1, vec![1]),
            (2, vec![1, 1]),
            (WINDOW_BYTES, vec![WINDOW_BYTES - 1, 1]),
            (2 * WINDOW_BYTES + 1, vec![WINDOW_BYTES, WINDOW_BYTES, 1]),
        ] {
            let mut body = WatchedBody::new(Body::from(vec![b'x'; length]));
            assert_eq!(body.size_hint().exact(), Some(length as u64));
            let mut parts = Vec::new();
            while !body.is_end_stream() {
                let frame = body.frame().await.expect("no end before it is said").expect("no error");
                parts.push(frame.into_data().expect("data").len());
            }
            assert_eq!(parts, expected);
        }
    }
}
