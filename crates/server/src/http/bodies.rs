//! Request bodies: how fast they must arrive, how much of them is in memory, and how many are in progress.
//!
//! Invariants: memory held for bodies counts for the user and for the address, and has a limit for each and in total; a
//! body that arrives too slowly is ended, however much of it came before. Files and pictures are written to the disk as
//! they arrive, so they hold almost no memory.

use super::{Edge, credentials::Caller, errors::Refusal};
use crate::{files::storage_problem, identity::ClientKey};
use axum::{
    body::{Body, HttpBody},
    extract::Request,
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use parlor_protocol::{
    error::{Code, Problem},
    limits::Limits,
};
use std::{
    collections::HashMap,
    fs::File,
    io::{self, Seek as _, Write as _},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

/// The minimum speed of a body.
const BYTES_PER_SECOND_MIN: u64 = 16 * 1024;
/// The minimum that a body counts for: what the connection reads at once.
const BODY_BYTES_MIN: u64 = 16 * 1024;
/// Bytes that are collected before they are written to the disk.
const WRITE_BYTES: usize = 64 * 1024;
/// Pictures of one user, and from one address, that are uploaded at the same time.
const USER_PICTURES: u64 = 2;
const ADDRESS_PICTURES: u64 = 16;
const PICTURES: u64 = 256;
/// When to retry after a refusal for lack of room.
const RETRY_AFTER_MS: u64 = 1000;

/// The time that a body has. Progress extends it, but never beyond what it had at first.
#[derive(Debug)]
pub(super) struct Pace {
    deadline: Instant,
    most: Duration,
}

impl Pace {
    pub(super) fn new(time_ms: u64) -> Self {
        let most = Duration::from_millis(time_ms);
        Self { deadline: Instant::now() + most, most }
    }

    /// When the next piece must have arrived.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Notes that bytes arrived.
    pub(super) fn came(&mut self, bytes: usize) {
        let earned = Duration::from_micros(bytes as u64 * 1_000_000 / BYTES_PER_SECOND_MIN);
        self.deadline = (self.deadline + earned).min(Instant::now() + self.most);
    }

    /// Adds the time that the server itself took.
    pub(super) fn waited(&mut self, time: Duration) {
        self.deadline += time;
    }
}

/// Room that users and addresses share.
#[derive(Debug)]
pub(super) struct BodyBudget {
    user_max: u64,
    address_max: u64,
    all_max: u64,
    taken: Mutex<BytesInUse>,
}

#[derive(Debug, Default)]
struct BytesInUse {
    of: HashMap<ClientKey, u64>,
    all: u64,
}

/// The room that one body takes until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    room: Arc<BodyBudget>,
    whose: [Option<ClientKey>; 2],
    amount: u64,
}

impl BodyBudget {
    fn new(user_max: u64, address_max: u64, all_max: u64) -> Arc<Self> {
        Arc::new(Self { user_max, address_max, all_max, taken: Mutex::default() })
    }

    fn most(&self, key: ClientKey) -> u64 {
        match key {
            ClientKey::User(_) => self.user_max,
            ClientKey::Address(_) => self.address_max,
        }
    }

    /// Takes room, or returns that there is none.
    fn take(self: &Arc<Self>, caller: &Caller, amount: u64) -> Result<Share, Problem> {
        let user = caller.actor.map(|actor| ClientKey::User(actor.user));
        let mut share =
            Share { room: self.clone(), whose: [user, Some(ClientKey::Address(caller.address))], amount: 0 };
        share.grow(amount)?;
        Ok(share)
    }
}

impl Share {
    fn grow(&mut self, amount: u64) -> Result<(), Problem> {
        let mut taken = self.room.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys = self.whose.iter().flatten();
        if keys.any(|key| taken.of.get(key).copied().unwrap_or(0) + amount > self.room.most(*key)) {
            return Err(no_room(Code::TooMany));
        }
        if taken.all + amount > self.room.all_max {
            return Err(no_room(Code::Unavailable));
        }
        for key in self.whose.iter().flatten() {
            *taken.of.entry(*key).or_default() += amount;
        }
        taken.all += amount;
        self.amount += amount;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.room.taken.lock().unwrap_or_else(PoisonError::into_inner);
        for key in self.whose.iter().flatten() {
            if let Some(amount) = taken.of.get_mut(key) {
                *amount -= self.amount;
                if *amount == 0 {
                    taken.of.remove(key);
                }
            }
        }
        taken.all -= self.amount;
    }
}

fn no_room(code: Code) -> Problem {
    let mut problem = Problem::new(code).with_detail("too much of bodies is under way; send this one a little later");
    problem.retry_after_ms = Some(RETRY_AFTER_MS);
    problem
}

/// The rooms of a server.
#[derive(Debug)]
pub(super) struct Bodies {
    in_memory: Arc<BodyBudget>,
    pictures: Arc<BodyBudget>,
}

impl Bodies {
    pub(super) fn new(limits: &Limits) -> Self {
        // A single body always has room, whatever the limits.
        let least = |bytes: u64| bytes.max(BODY_BYTES_MIN + u64::from(limits.body_bytes_max));
        Self {
            in_memory: BodyBudget::new(
                least(limits.user_body_bytes_max.into()),
                least(limits.address_body_bytes_max.into()),
                least(limits.bodies_bytes_max),
            ),
            pictures: BodyBudget::new(USER_PICTURES, ADDRESS_PICTURES, PICTURES),
        }
    }
}

/// Reads a JSON body into memory, within its limit and timeout.
pub(super) async fn read(edge: &Edge, request: Request) -> Result<Bytes, Refusal> {
    let config = &edge.app.config;
    let bytes_max = config.limits.body_bytes_max;
    check_length(request.headers(), bytes_max)?;
    let mut share = edge.bodies().in_memory.take(&caller(&request)?, BODY_BYTES_MIN)?;
    let mut read = BytesMut::new();
    let mut body = Limited::new(request.into_body(), bytes_max as usize);
    let mut pace = Pace::new(config.http.body_ms);
    while let Some(piece) = next(&mut body, &mut pace, bytes_max).await? {
        let more = (read.len() as u64 + piece.len() as u64).saturating_sub(share.amount);
        share.grow(more)?;
        read.extend_from_slice(&piece);
    }
    Ok(read.freeze())
}

/// Writes a picture to an unnamed file as it arrives. The caller holds the share until the picture is stored.
pub(super) async fn picture(edge: &Edge, request: Request) -> Result<(File, Share), Refusal> {
    let config = &edge.app.config;
    let bytes_max = config.limits.picture_bytes_max;
    check_length(request.headers(), bytes_max)?;
    let share = edge.bodies().pictures.take(&caller(&request)?, 1)?;
    edge.app.files.check_room(bytes_max.into()).await?;
    let files = edge.app.files.clone();
    let mut file = blocking(move || files.scratch()).await?;
    let mut body = Limited::new(request.into_body(), bytes_max as usize);
    let mut pace = Pace::new(config.http.body_ms);
    let mut gathered = BytesMut::new();
    while let Some(piece) = next(&mut body, &mut pace, bytes_max).await? {
        gathered.extend_from_slice(&piece);
        if gathered.len() >= WRITE_BYTES {
            let began = Instant::now();
            file = write(file, gathered.split().freeze()).await?;
            pace.waited(began.elapsed());
        }
    }
    let mut file = write(file, gathered.freeze()).await?;
    file.rewind().map_err(|error| storage_problem(&error))?;
    Ok((file, share))
}

async fn write(mut file: File, bytes: Bytes) -> Result<File, Problem> {
    blocking(move || file.write_all(&bytes).map(|()| file)).await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other).flatten().map_err(|error| storage_problem(&error))
}

/// Returns the next piece of a body; none at its end.
async fn next(body: &mut Limited<Body>, pace: &mut Pace, bytes_max: u32) -> Result<Option<Bytes>, Problem> {
    loop {
        match timeout_at(pace.deadline(), body.frame()).await {
            Err(_) => return Err(Code::TimedOut.into()),
            Ok(None) => return Ok(None),
            Ok(Some(Ok(frame))) => {
                if let Ok(piece) = frame.into_data() {
                    pace.came(piece.len());
                    return Ok(Some(piece));
                }
            }
            Ok(Some(Err(error))) if error.is::<LengthLimitError>() => return Err(too_large(bytes_max)),
            Ok(Some(Err(_))) => return Err(Problem::new(Code::InvalidJson).with_detail("the body ended early")),
        }
    }
}

/// Refuses a body whose announced length is too long, before reading it.
fn check_length(headers: &HeaderMap, bytes_max: u32) -> Result<(), Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > bytes_max.into()) { Err(too_large(bytes_max)) } else { Ok(()) }
}

fn too_large(bytes_max: u32) -> Problem {
    Problem::new(Code::TooLarge).with_limit(bytes_max.into())
}

fn caller(request: &Request) -> Result<Caller, Problem> {
    request.extensions().get::<Caller>().cloned().ok_or_else(|| Code::Internal.into())
}

/// A body that records whether all of it was read.
struct Watched {
    body: Body,
    is_read: Arc<AtomicBool>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.is_read.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}

/// Watches the body of a request. The returned flag becomes true when all of it was read.
pub(super) fn watch(request: Request) -> (Request, Arc<AtomicBool>) {
    let is_read = Arc::new(AtomicBool::new(request.body().is_end_stream()));
    if is_read.load(Ordering::Relaxed) {
        return (request, is_read);
    }
    let watched = is_read.clone();
    (request.map(|body| Body::new(Watched { body, is_read: watched })), is_read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::actor::Actor;
    use parlor_protocol::ids::{SessionId, UserId};

    fn caller(user: Option<i64>, last: u8) -> Caller {
        let actor = user.map(|user| Actor { user: UserId(user), session: SessionId(1) });
        Caller { address: [10, 0, 0, last].into(), by: None, actor, failure: None, counted: None, ends: 0 }
    }

    #[test]
    fn people_addresses_and_all_have_their_room_and_give_it_back() {
        let room = BodyBudget::new(10, 15, 20);
        let code = |share: Result<Share, Problem>| share.expect_err("no room").code;
        let mut hers = room.take(&caller(Some(1), 1), 6).expect("room");
        assert_eq!(code(room.take(&caller(Some(1), 2), 5)), Code::TooMany, "her room, from wherever she comes");
        let his = room.take(&caller(Some(2), 1), 9).expect("room");
        assert_eq!(code(room.take(&caller(None, 1), 1)), Code::TooMany, "the room of the address");
        assert!(hers.grow(1).is_err());
        let other = room.take(&caller(None, 2), 5).expect("room");
        assert_eq!(code(room.take(&caller(None, 3), 1)), Code::Unavailable, "the room of all");
        drop((hers, his, other));
        let taken = room.taken.lock().expect("nobody panicked");
        assert!(taken.of.is_empty() && taken.all == 0);
    }

    #[test]
    fn who_was_fast_has_no_more_time_than_at_first() {
        let mut pace = Pace::new(10_000);
        pace.came(100 * 1024 * 1024);
        assert!(pace.deadline() <= Instant::now() + Duration::from_secs(10), "however much came");
        let soon = Instant::now() + Duration::from_secs(2);
        pace.deadline = soon;
        pace.came(16 * 1024);
        assert_eq!(pace.deadline(), soon + Duration::from_secs(1), "a second for 16 KiB");
    }
}
