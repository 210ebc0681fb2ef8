//! What the pages of the two sites do over their sockets.

use super::site::{Person, RunningSite};
use crate::{
    Result, report,
    websocket::{Socket, find, put_text},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use std::{
    cell::Cell,
    net::Ipv4Addr,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

/// The warm-up before messages are counted.
const WARMING: Duration = Duration::from_millis(500);
/// How long a message is waited for under load, before it counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(5);
/// How long what may be lost by design is waited for, after the last message.
const LISTENING: Duration = Duration::from_secs(2);
/// Messages of each way that may be lost by design.
const TRIES: usize = 5;
/// Until a new socket is in its group: Daphne accepts it before.
const JOINING: Duration = Duration::from_millis(300);
/// Sockets opened concurrently.
const AT_ONCE: usize = 16;
/// The wait until memory has settled.
const SETTLING: Duration = Duration::from_secs(1);
/// The item of `FindIt` that people write about.
const ITEM: i64 = 1;

/// Which site's pages.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    FindIt,
    Accounting,
}

/// What happened under load.
#[derive(Debug)]
pub(super) struct LoadResult {
    pub(super) heard: u64,
    pub(super) lost: u64,
    pub(super) time: Duration,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    pub(super) cpu: Duration,
}

impl Work {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::FindIt => "FindIt",
            Self::Accounting => "Accounting",
        }
    }

    pub(super) const fn profile(self) -> &'static str {
        match self {
            Self::FindIt => "findit",
            Self::Accounting => "accounting",
        }
    }

    /// The path of a page's socket that names the other person by this id.
    fn path(self, other: i64) -> String {
        match self {
            Self::FindIt => format!("/ws/chat/{ITEM}-{other}/"),
            Self::Accounting => "/ws/messages/".to_owned(),
        }
    }

    fn frame(self, from: &Person, to: &Person, text: &str) -> Value {
        match self {
            Self::FindIt => json!({"message": text, "sender_id": from.id, "sender_username": from.name,
                "recipient_id": to.id, "item_id": ITEM}),
            Self::Accounting => json!({"type": "send_message", "recipient_id": to.id, "subject": "", "content": text}),
        }
    }

    fn form(self, to: &Person, text: &str) -> (&'static str, String) {
        match self {
            Self::FindIt => ("/inbox/", format!("item_id={ITEM}&recipient_id={}&message={text}", to.id)),
            Self::Accounting => ("/messages/send/", format!("recipients={}&content={text}", to.id)),
        }
    }
}

async fn open(site: &RunningSite, path: &str, person: &Person) -> Result<Socket> {
    let Person { host, cookie, .. } = person;
    let headers = format!("Host: {host}\r\nOrigin: http://{host}\r\nCookie: {cookie}\r\n");
    Socket::open_at(site.sockets, Ipv4Addr::LOCALHOST, path, &headers).await
}

async fn send(socket: &Socket, frame: &Value) -> Result<()> {
    let mut out = Vec::new();
    put_text(&mut out, frame.to_string().as_bytes());
    socket.write(&out).await
}

/// Waits until a socket has heard a text.
async fn hear(socket: &mut Socket, text: &str) -> Result<()> {
    let wanted = format!("\"{text}\"");
    let mut is_heard = false;
    while !is_heard {
        socket.read(|frame| is_heard |= find(frame, wanted.as_bytes()).is_some()).await?;
    }
    Ok(())
}

/// How many of some texts a socket hears.
async fn heard(socket: &mut Socket, texts: &[String]) -> usize {
    let mut missing: Vec<String> = texts.iter().map(|text| format!("\"{text}\"")).collect();
    while !missing.is_empty() {
        // Several frames may come in one read.
        let reading = socket.read(|frame| missing.retain(|text| find(frame, text.as_bytes()).is_none()));
        // What did not come in this time does not come; a socket that was closed hears nothing more.
        if !matches!(timeout(LISTENING, reading).await, Ok(Ok(()))) {
            break;
        }
    }
    texts.len() - missing.len()
}

/// Two people open the page of each other and write; returns how many messages were heard, of how many.
pub(super) async fn as_opened(site: &RunningSite, work: Work, people: &[Person]) -> Result<(usize, usize)> {
    let (one, other) = (&people[0], &people[1]);
    let mut sockets = [open(site, &work.path(other.id), one).await?, open(site, &work.path(one.id), other).await?];
    sleep(JOINING).await;
    let texts = |way: &str| (0..TRIES).map(|number| format!("opened-{way}-{number}")).collect::<Vec<_>>();
    let (there, back) = (texts("there"), texts("back"));
    for (text, answer) in there.iter().zip(&back) {
        send(&sockets[0], &work.frame(one, other, text)).await?;
        send(&sockets[1], &work.frame(other, one, answer)).await?;
    }
    let [first, second] = &mut sockets;
    let (back, there) = tokio::join!(heard(first, &back), heard(second, &there));
    Ok((there + back, TRIES * 2))
}

/// One person sends by the form; returns how many messages the other page heard, of how many.
pub(super) async fn by_form(site: &RunningSite, work: Work, people: &[Person]) -> Result<(usize, usize)> {
    let (one, other) = (&people[0], &people[1]);
    let mut socket = open(site, &work.path(one.id), other).await?;
    sleep(JOINING).await;
    let texts: Vec<String> = (0..TRIES).map(|number| format!("form-{number}")).collect();
    for text in &texts {
        let (path, form) = work.form(other, text);
        site.post(one, path, &form).await?;
    }
    Ok((heard(&mut socket, &texts).await, TRIES))
}

/// Each pair writes to and fro: one sends, and when the other has heard it, that one sends. Both open the socket that
/// the application has for them both: with Daphne the room of the first one's path.
pub(super) async fn under_load(
    site: &RunningSite,
    work: Work,
    people: &[Person],
    time: Duration,
) -> Result<LoadResult> {
    let (is_counting, is_over) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
    let mut pairs = JoinSet::new();
    for (number, pair) in people.chunks_exact(2).enumerate() {
        let [one, other] = [&pair[0], &pair[1]];
        let path_of_other = if site.has_rooms() { work.path(other.id) } else { work.path(one.id) };
        let sockets = [open(site, &work.path(other.id), one).await?, open(site, &path_of_other, other).await?];
        let flags = (is_counting.clone(), is_over.clone());
        pairs.spawn_local(to_and_fro(work, number, [one.clone(), other.clone()], sockets, flags));
    }
    sleep(JOINING + WARMING).await;
    is_counting.set(true);
    let (began, busy) = (Instant::now(), site.busy());
    sleep(time).await;
    let (time, cpu) = (began.elapsed(), site.busy().saturating_sub(busy));
    is_counting.set(false);
    is_over.set(true);
    let (mut latencies, mut lost) = (Vec::new(), 0);
    while let Some(ended) = pairs.join_next().await {
        let (of_pair, lost_of_pair) = ended.map_err(|error| error.to_string())??;
        latencies.extend(of_pair);
        lost += lost_of_pair;
    }
    latencies.sort_unstable();
    let (p50, p99) = (report::at(&latencies, 500), report::at(&latencies, 990));
    Ok(LoadResult { heard: latencies.len() as u64, lost, time, p50, p99, cpu })
}

/// Returns the latencies of what was counted, and how many messages were lost.
async fn to_and_fro(
    work: Work,
    number: usize,
    mut people: [Person; 2],
    mut sockets: [Socket; 2],
    (is_counting, is_over): (Rc<Cell<bool>>, Rc<Cell<bool>>),
) -> Result<(Vec<Duration>, u64)> {
    sleep(JOINING).await;
    let (mut latencies, mut lost, mut count) = (Vec::new(), 0, 0_u64);
    while !is_over.get() {
        count += 1;
        let text = format!("pair-{number}-message-{count}");
        let sent = Instant::now();
        send(&sockets[0], &work.frame(&people[0], &people[1], &text)).await?;
        match timeout(LOST_AFTER, hear(&mut sockets[1], &text)).await {
            Ok(heard) => {
                heard?;
                if is_counting.get() {
                    latencies.push(sent.elapsed());
                }
            }
            Err(_) => lost += 1,
        }
        sockets.swap(0, 1);
        people.swap(0, 1);
    }
    Ok((latencies, lost))
}

/// Opens idle sockets; returns how many bytes of memory each takes.
pub(super) async fn idle(site: &RunningSite, work: Work, people: &[Person], count: usize) -> Result<f64> {
    let before = site.resident_bytes()?;
    let opening = stream::iter(0..count).map(|number| {
        let (person, other) = (&people[number % people.len()], &people[(number + 1) % people.len()]);
        let path = work.path(other.id);
        async move { open(site, &path, person).await }
    });
    let sockets: Vec<Socket> = opening.buffer_unordered(AT_ONCE).try_collect().await?;
    sleep(SETTLING).await;
    let after = site.resident_bytes()?;
    drop(sockets);
    Ok(after.saturating_sub(before) as f64 / count.max(1) as f64)
}
