//! A stream that times out when the peer does not read, and that closes so that its last bytes arrive; with TLS or not.
//!
//! The timeout is that of the system's socket, below TLS, so that it holds for whatever is written. What TLS has buffered
//! is written by a flush only.

use super::ConnectionSlot;
use rustix::net::{AddressFamily, sockopt::socket_domain};
use rustls::ServerConfig;
use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    os::fd::OwnedFd,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    time::{Instant, Sleep},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// How much a slow reader must read within the timeout.
pub(super) const WINDOW_BYTES: usize = 16 * 1024;
/// How long to read and discard after the last write: closing a stream with unread bytes would make the system discard
/// what was written last.
const LINGER: Duration = Duration::from_secs(1);

/// A connection as the system knows it.
#[derive(Debug)]
pub(super) enum RawStream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A stream with its slot.
#[derive(Debug)]
pub(crate) struct TimedStream(StreamLayer);

#[derive(Debug)]
enum StreamLayer {
    Plain(Timed),
    Tls(Box<TlsStream<Timed>>),
}

/// The bytes of the system, with its timeout. It has a timer only while a write is stuck.
#[derive(Debug)]
struct Timed {
    stream: RawStream,
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

impl RawStream {
    /// Waits until the peer has sent something, or has ended. Returns whether there is something to read.
    pub(super) async fn has_spoken(&self) -> bool {
        match self {
            Self::Tcp(stream) => matches!(stream.peek(&mut [0]).await, Ok(1)),
            // Without a byte, the next read finds the end.
            Self::Unix(stream) => stream.readable().await.is_ok(),
        }
    }

    /// Takes over a connected socket, with the address of its peer; that of this machine on a unix socket.
    pub(super) fn adopt(descriptor: OwnedFd) -> io::Result<(Self, IpAddr)> {
        if socket_domain(&descriptor)? == AddressFamily::UNIX {
            let stream = std::os::unix::net::UnixStream::from(descriptor);
            stream.set_nonblocking(true)?;
            return Ok((Self::Unix(UnixStream::from_std(stream)?), Ipv4Addr::LOCALHOST.into()));
        }
        let stream = std::net::TcpStream::from(descriptor);
        stream.set_nonblocking(true)?;
        let address = stream.peer_addr()?.ip();
        Ok((Self::Tcp(TcpStream::from_std(stream)?), address))
    }

    fn into_descriptor(self) -> io::Result<OwnedFd> {
        match self {
            Self::Tcp(stream) => stream.into_std().map(OwnedFd::from),
            Self::Unix(stream) => stream.into_std().map(OwnedFd::from),
        }
    }
}

impl AsyncRead for RawStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for RawStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The system has everything that was written.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

impl TimedStream {
    pub(super) fn new(stream: RawStream, time: Duration, slot: ConnectionSlot) -> Self {
        Self(StreamLayer::Plain(Timed { stream, time, stuck: None, linger: None, _slot: slot }))
    }

    /// Makes the handshake of TLS.
    pub(super) async fn with_tls(self, server: Arc<ServerConfig>) -> io::Result<Self> {
        match self.0 {
            StreamLayer::Plain(timed) => {
                let stream = TlsAcceptor::from(server).accept(timed).await?;
                Ok(Self(StreamLayer::Tls(Box::new(stream))))
            }
            StreamLayer::Tls(_) => Ok(self),
        }
    }

    /// Whether the peer has chosen HTTP/2 in the handshake of TLS.
    pub(super) fn is_http2(&self) -> bool {
        matches!(&self.0, StreamLayer::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2"))
    }

    /// Whether another program can go on with the connection: the state of TLS is in this process only.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.0, StreamLayer::Plain(_))
    }

    /// Gives the connection up, and its slot. None if it is not plain, or the system refuses it.
    pub(crate) fn into_descriptor(self) -> Option<OwnedFd> {
        match self.0 {
            StreamLayer::Plain(timed) => timed.stream.into_descriptor().ok(),
            StreamLayer::Tls(_) => None,
        }
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            StreamLayer::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            StreamLayer::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            StreamLayer::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            StreamLayer::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            StreamLayer::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            StreamLayer::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            StreamLayer::Plain(stream) => Pin::new(stream).poll_flush(context),
            StreamLayer::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            StreamLayer::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            StreamLayer::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

impl Timed {
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

impl AsyncRead for Timed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Timed {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Config, listener::ConnectionSlots};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn a_stream_goes_on_after_it_was_given_up_with_a_slot_of_its_own() {
        let config = Config::default();
        let slots = ConnectionSlots::new(&config);
        let (unix, mut unix_peer) = UnixStream::pair().expect("a pair");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut tcp_peer = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connected");
        let (tcp, _) = listener.accept().await.expect("accepted");
        for (raw, peer) in [
            (RawStream::Unix(unix), &mut unix_peer as &mut (dyn AsyncReadWrite + Send)),
            (RawStream::Tcp(tcp), &mut tcp_peer),
        ] {
            let slot = slots.take([10, 0, 0, 1].into(), false).expect("a free slot");
            let mut stream = TimedStream::new(raw, Duration::from_mins(1), slot);
            stream.write_all(b"be").await.expect("written");
            peer.write_all(b"fore").await.expect("written");
            let descriptor = stream.into_descriptor().expect("given up");
            slots.empty().await;
            let mut stream = slots.resume(&config, descriptor).expect("taken over");
            stream.write_all(b"after").await.expect("written");
            let (mut came, mut answered) = ([0; 4], [0; 7]);
            stream.read_exact(&mut came).await.expect("read");
            peer.read_exact(&mut answered).await.expect("read");
            assert_eq!((&came, &answered), (b"fore", b"beafter"));
        }
        slots.empty().await;
    }

    trait AsyncReadWrite: AsyncRead + AsyncWrite + Unpin {}
    impl<S: AsyncRead + AsyncWrite + Unpin> AsyncReadWrite for S {}
}
