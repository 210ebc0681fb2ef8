//! A TCP proxy between one node and one server that it depends on. It passes bytes on, late, not at all, or ends
//! connections, also in the middle of a commit.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};

/// What happens to bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// They pass at once.
    Open,
    /// They pass this much later.
    Slow(Duration),
    /// They wait until the line is open again, and none is lost: the network stands still.
    Held,
    /// They are lost, and nobody learns it. A connection that lost some ends when the line changes.
    Swallowing,
    /// All connections end, and new ones at once.
    Cut,
}

/// Where a connection ends, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommitTrap {
    /// Before a COMMIT reaches PostgreSQL.
    Request,
    /// Before the answer to a COMMIT leaves the proxy: it has taken effect.
    Answer,
}

/// Where the proxy leads.
#[derive(Clone, Debug)]
pub(super) enum Upstream {
    Tcp(u16),
    Unix(PathBuf),
}

#[derive(Clone, Copy, Debug)]
struct LineState {
    line: Line,
    /// Raised to end all connections.
    ends: u64,
}

#[derive(Debug)]
struct ProxyState {
    line: watch::Sender<LineState>,
    trap: Mutex<Option<CommitTrap>>,
    sprung: AtomicUsize,
}

/// The proxy. Its tasks end with the test's runtime.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) port: u16,
    state: Arc<ProxyState>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Upstream {
    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(port) => {
                let stream = TcpStream::connect(("127.0.0.1", *port)).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
        })
    }
}

impl Proxy {
    pub(super) async fn start(upstream: Upstream) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let line = watch::Sender::new(LineState { line: Line::Open, ends: 0 });
        let state = Arc::new(ProxyState { line, trap: Mutex::new(None), sprung: AtomicUsize::new(0) });
        let accepting = state.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (state, upstream) = (accepting.clone(), upstream.clone());
                tokio::spawn(async move { state.serve(client, upstream).await });
            }
        });
        Self { port, state }
    }

    /// Changes what happens to bytes from now on.
    pub(super) fn set(&self, line: Line) {
        self.state.line.send_modify(|state| {
            state.line = line;
            state.ends += u64::from(line == Line::Cut);
        });
    }

    /// Ends all connections; new ones work.
    pub(super) fn end_connections(&self) {
        self.state.line.send_modify(|state| state.ends += 1);
    }

    /// Ends the next connection that commits; see [`CommitTrap`].
    pub(super) fn set_trap(&self, trap: CommitTrap) {
        *self.state.trap.lock().expect("not poisoned") = Some(trap);
        // A statement's text passes once for each connection.
        if trap == CommitTrap::Request {
            self.end_connections();
        }
    }

    /// Removes the trap, if nothing ended in it.
    pub(super) fn clear_trap(&self) {
        *self.state.trap.lock().expect("not poisoned") = None;
    }

    /// Returns how many connections ended in a trap.
    pub(super) fn sprung(&self) -> usize {
        self.state.sprung.load(Ordering::Relaxed)
    }
}

impl ProxyState {
    async fn serve(&self, client: TcpStream, upstream: Upstream) {
        let mut line = self.line.subscribe();
        let passes = |state: &LineState| !matches!(state.line, Line::Held | Line::Swallowing);
        let state = *line.wait_for(passes).await.expect("the proxy exists");
        if state.line == Line::Cut || client.set_nodelay(true).is_err() {
            return;
        }
        let Ok(server) = upstream.connect().await else { return };
        let (commits, ends) = (AtomicBool::new(false), state.ends);
        let (from_client, to_client) = tokio::io::split(client);
        let (from_server, to_server) = tokio::io::split(server);
        let pipe = |side| Pipe { state: self, line: self.line.subscribe(), ends, side, commits: &commits };
        // One end ends the other.
        tokio::select! {
            () = pipe(CommitTrap::Request).run(from_client, to_server) => {}
            () = pipe(CommitTrap::Answer).run(from_server, to_client) => {}
        }
    }

    fn springs(&self, side: CommitTrap) -> bool {
        let is_sprung = self.trap.lock().expect("not poisoned").take_if(|trap| *trap == side).is_some();
        self.sprung.fetch_add(usize::from(is_sprung), Ordering::Relaxed);
        is_sprung
    }
}

/// One direction of a connection.
struct Pipe<'a> {
    state: &'a ProxyState,
    line: watch::Receiver<LineState>,
    /// The connection ends when there are more.
    ends: u64,
    side: CommitTrap,
    /// The connection raises the clock, so it is that of the writer.
    commits: &'a AtomicBool,
}

impl Pipe<'_> {
    async fn run<R: Stream, W: Stream>(mut self, mut from: ReadHalf<R>, mut to: WriteHalf<W>) {
        let mut bytes = vec![0; 64 * 1024];
        let mut has_lost = false;
        let (mut watched, ends) = (self.line.clone(), self.ends);
        loop {
            let is_over = |state: &LineState| state.ends != ends || (has_lost && state.line != Line::Swallowing);
            let read = tokio::select! {
                read = from.read(&mut bytes) => read.unwrap_or(0),
                _ = watched.wait_for(is_over) => return,
            };
            if self.springs(&bytes[..read]) {
                return;
            }
            if self.is_lost(read > 0).await {
                has_lost = true;
                continue;
            }
            if read == 0 || self.line.borrow().ends != ends || to.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    }

    /// Lets what was read wait as the line is, and returns whether it is lost. An end waits until it can be noticed.
    async fn is_lost(&mut self, has_bytes: bool) -> bool {
        let state = *self.line.borrow();
        match state.line {
            Line::Swallowing if has_bytes => return true,
            Line::Slow(delay) => {
                // waits for: the delay of the line
                tokio::time::sleep(delay).await;
            }
            Line::Held | Line::Swallowing => {
                let ends = self.ends;
                let moves =
                    |state: &LineState| state.ends != ends || !matches!(state.line, Line::Held | Line::Swallowing);
                self.line.wait_for(moves).await.expect("the proxy exists");
            }
            Line::Open | Line::Cut => {}
        }
        false
    }

    fn springs(&self, bytes: &[u8]) -> bool {
        let has = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
        if self.side == CommitTrap::Request && has(b"UPDATE clock") {
            self.commits.store(true, Ordering::Relaxed);
        }
        self.commits.load(Ordering::Relaxed) && has(b"COMMIT\0") && self.state.springs(self.side)
    }
}
