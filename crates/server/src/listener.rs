//! The accept loop: connections over TCP, with TLS or not, and over unix sockets, each with timeouts, and all with limits
//! on their number.
//!
//! Invariants: a connection that sends nothing, sends its request slowly or does not read its answer is closed in
//! bounded time; no address has more connections than its limit; a slot is freed when the connection's stream is
//! dropped, even if it has become a socket. Trusted proxies have no limit of their own, because they carry many users.

mod bind;
mod http2;
mod socket_file;
mod stream;
mod tls;

pub(crate) use bind::close_listeners;
pub use bind::{BoundAddress, ListenError, Listener, listen};
pub(crate) use stream::TimedStream;
pub use tls::{Tls, TlsError};

use crate::{address::visitor, config::Config, metrics::Metrics};
use axum::{Router, body::Body};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    os::fd::OwnedFd,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use stream::RawStream;
use tokio::sync::{Notify, watch};
use tower::ServiceExt as _;

/// The smallest buffer that hyper accepts.
const BUFFER_BYTES_MIN: usize = 8192;
/// How long to pause when the system is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The other end of a connection. The listener adds it to each request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Its address; of a unix socket, this machine's.
    pub(crate) address: IpAddr,
    /// Whether its forwarding headers are trusted: a configured address, or a process that the permissions of a unix
    /// socket let connect.
    pub(crate) is_proxy: bool,
    /// Whether it speaks TLS to this server.
    pub(crate) is_tls: bool,
}

/// Counts connections against the limits.
#[derive(Debug)]
pub struct ConnectionSlots {
    of_address: Mutex<HashMap<IpAddr, u32>>,
    taken: AtomicUsize,
    emptied: Notify,
    address_max: u32,
    all_max: usize,
}

/// The slot of one connection. Dropping it frees the slot.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    slots: Arc<ConnectionSlots>,
    /// None for a trusted proxy.
    address: Option<IpAddr>,
}

/// What all connections of a listener share.
#[derive(Debug)]
struct ListenerContext {
    router: Router,
    http: http1::Builder,
    tls: Option<Tls>,
    head_bytes_max: u32,
    streams_max: u32,
    first_byte: Duration,
    idle: Duration,
    write: Duration,
}

impl ConnectionSlots {
    /// Creates the slots, all of them free.
    #[must_use]
    pub fn new(config: &Config) -> Arc<Self> {
        Arc::new(Self {
            of_address: Mutex::default(),
            taken: AtomicUsize::new(0),
            emptied: Notify::new(),
            address_max: config.limits.address_connections_max,
            all_max: config.limits.connections_max as usize,
        })
    }

    fn take(self: &Arc<Self>, address: IpAddr, is_proxy: bool) -> Option<ConnectionSlot> {
        if self.taken.fetch_add(1, Ordering::AcqRel) >= self.all_max {
            self.free();
            return None;
        }
        let address = (!is_proxy).then(|| visitor(address));
        if let Some(address) = address {
            let mut of_address = self.of_address.lock().unwrap_or_else(PoisonError::into_inner);
            let count = of_address.entry(address).or_default();
            if *count >= self.address_max {
                drop(of_address);
                self.free();
                return None;
            }
            *count += 1;
        }
        Some(ConnectionSlot { slots: Arc::clone(self), address })
    }

    fn free(&self) {
        if self.taken.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.emptied.notify_waiters();
        }
    }

    /// Goes on with a connection that the program before accepted.
    ///
    /// # Errors
    /// It is gone, or there are too many.
    pub(crate) fn resume(self: &Arc<Self>, config: &Config, stream: OwnedFd) -> io::Result<TimedStream> {
        let (stream, address) = RawStream::adopt(stream)?;
        let slot = self.take(address, is_proxy(config, &stream, address)).ok_or(io::ErrorKind::QuotaExceeded)?;
        Ok(TimedStream::new(stream, Duration::from_millis(config.http.write_ms), slot))
    }

    /// Waits until all slots are free.
    pub async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.taken.load(Ordering::Acquire) == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        if let Some(address) = self.address {
            let mut of_address = self.slots.of_address.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = of_address.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    of_address.remove(&address);
                }
            }
        }
        self.slots.free();
    }
}

/// Accepts connections until `stop` becomes true, and returns the listener. Open connections then finish their requests.
pub async fn serve(
    listener: Listener,
    router: Router,
    (config, tls): (&Config, Option<Tls>),
    slots: Arc<ConnectionSlots>,
    metrics: Arc<Metrics>,
    mut stop: watch::Receiver<bool>,
) -> Listener {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(config.http.head_ms))
        .max_buf_size((config.limits.head_bytes_max as usize).max(BUFFER_BYTES_MIN))
        .keep_alive(true);
    let shared = Arc::new(ListenerContext {
        router,
        http,
        tls: tls.filter(|_| !listener.is_unix()),
        head_bytes_max: config.limits.head_bytes_max,
        streams_max: config.http.streams_max,
        idle: Duration::from_millis(config.http.head_ms),
        first_byte: Duration::from_millis(config.http.first_byte_ms),
        write: Duration::from_millis(config.http.write_ms),
    });
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = until_stopped(&mut stop) => return listener,
        };
        match accepted {
            Ok((stream, address)) => {
                let is_proxy = is_proxy(config, &stream, address);
                match slots.take(address, is_proxy) {
                    Some(slot) => {
                        let peer = Peer { address, is_proxy, is_tls: shared.tls.is_some() };
                        drop(tokio::spawn(serve_connection(shared.clone(), stream, peer, slot, stop.clone())));
                    }
                    None => drop(metrics.connections_refused.inc()),
                }
            }
            Err(error) => handle_accept_error(&error).await,
        }
    }
}

fn is_proxy(config: &Config, stream: &RawStream, address: IpAddr) -> bool {
    matches!(stream, RawStream::Unix(_)) || config.trusted_proxies.iter().any(|network| network.contains(address))
}

/// Handles a failed accept: pauses if the machine is the cause.
pub(crate) async fn handle_accept_error(error: &io::Error) {
    if !is_of_one_connection(error) {
        tracing::warn!(%error, "no connection can be accepted");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// Waits until the server stops.
pub(crate) async fn until_stopped(stop: &mut watch::Receiver<bool>) {
    // A dropped sender means the same.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

async fn serve_connection(
    shared: Arc<ListenerContext>,
    stream: RawStream,
    peer: Peer,
    slot: ConnectionSlot,
    mut stop: watch::Receiver<bool>,
) {
    if let RawStream::Tcp(stream) = &stream {
        // A stream without this works as well, only slower.
        let _ = stream.set_nodelay(true);
    }
    let spoke = tokio::select! {
        spoke = tokio::time::timeout(shared.first_byte, stream.has_spoken()) => spoke == Ok(true),
        () = until_stopped(&mut stop) => false,
    };
    if !spoke {
        return;
    }
    let Some(stream) = secured(&shared, TimedStream::new(stream, shared.write, slot), &mut stop).await else { return };
    let ended = if stream.is_http2() {
        http2::serve(&shared, stream, peer, stop).await
    } else {
        serve_http1(&shared, stream, peer, stop).await
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Makes the handshake of TLS, if this listener speaks it.
async fn secured(
    shared: &ListenerContext,
    stream: TimedStream,
    stop: &mut watch::Receiver<bool>,
) -> Option<TimedStream> {
    let Some(tls) = &shared.tls else { return Some(stream) };
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(tls.handshake, stream.with_tls(tls.server.clone())) => shaken,
        () = until_stopped(stop) => return None,
    };
    match shaken {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!("a TLS handshake took too long");
            None
        }
    }
}

async fn serve_http1(
    shared: &ListenerContext,
    stream: TimedStream,
    peer: Peer,
    mut stop: watch::Receiver<bool>,
) -> hyper::Result<()> {
    let stream = TokioIo::new(stream);
    let router = shared.router.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request)
    });
    let mut served = pin!(shared.http.serve_connection(stream, service).with_upgrades());
    tokio::select! {
        ended = &mut served => ended,
        () = until_stopped(&mut stop) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_address_has_more_than_its_share_and_nobody_more_than_all() {
        let config =
            Config::with(&[("limits.address_connections_max", "2"), ("limits.connections_max", "4")]).expect("right");
        let slots = ConnectionSlots::new(&config);
        let take = |address: &str, is_proxy| slots.take(address.parse().expect("an address"), is_proxy);
        let (first, second) = (take("10.0.0.1", false), take("10.0.0.1", false));
        assert!(first.is_some() && second.is_some() && take("10.0.0.1", false).is_none());
        drop(first);
        let again = take("10.0.0.1", false);
        assert!(again.is_some());
        let (other, proxy) = (take("2001:db8::1", false), take("10.0.0.1", true));
        assert!(other.is_some() && proxy.is_some() && take("10.0.0.9", true).is_none(), "four are all");
        drop((second, again, other, proxy));
        slots.empty().await;
        assert!(slots.of_address.lock().expect("nobody panicked").is_empty());
    }
}
