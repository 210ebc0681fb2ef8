//! One large group whose members all show it: deliveries per second.
//!
//! A message is pending until every connection has received it.

use crate::{
    Result, connections,
    frames::{self, Clock, ServerFrame},
    machine::{self, Bench},
    report::{Load, Round, Row, grouped, medians, ms},
    server::Server,
    users::{self, BenchUser},
    websocket::{Socket, Writer},
};
use parlor_protocol::ids::ConversationId;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{timeout, timeout_at},
};

/// The warm-up before a round is measured.
const WARMING: Duration = Duration::from_millis(500);
/// The timeout of the last deliveries.
const FINISHING: Duration = Duration::from_secs(10);
/// One in this many readers measures latencies.
const TIMED_ONE_IN: usize = 50;

/// State shared by the readers.
struct Progress {
    clock: Clock,
    members: u64,
    deliveries: Cell<u64>,
    /// Messages that every connection has received.
    complete: Cell<u64>,
    /// How many connections have yet to receive each later message.
    missing: RefCell<VecDeque<u64>>,
    latencies: RefCell<Vec<Duration>>,
    /// Notified when more messages are complete.
    delivered: Notify,
    failure: RefCell<Option<String>>,
}

pub(crate) async fn run(
    bench: &Bench,
    rounds: usize,
    time: Duration,
    members: usize,
    windows: &[u64],
) -> Result<Vec<Row>> {
    machine::check_open_files(members)?;
    let server = bench.serve(&bench.data("fanout"))?;
    let users = users::make(server.address, members.clamp(2, 1000)).await?;
    let group = users::group(server.address, &users).await?;
    let mut rows = Vec::new();
    for window in windows {
        let mut figures = Vec::new();
        for _ in 0..rounds {
            let figure = round(&server, &users, group, *window, time).await?;
            eprintln!("fanout, window {window}: {}", grouped(figure.rate));
            figures.push(figure);
        }
        let middle = medians(&figures);
        let (Round { rate, p50, p99, cores }, cost) = (&middle, middle.cost());
        rows.push(Row {
            figure: format!("group of {}, window {window}, deliveries a second", grouped(users.len() as f64)),
            wanted: match window {
                2 => ["100,000", "160,000"],
                16 => ["600,000", "1,000,000"],
                _ => ["", ""],
            },
            measured: grouped(*rate),
            detail: format!("{cost}; p50 / p99 {} / {} ms; {cores}", ms(*p50), ms(*p99)),
        });
    }
    server.stop()?;
    Ok(rows)
}

async fn round(
    server: &Server,
    users: &[BenchUser],
    group: ConversationId,
    window: u64,
    time: Duration,
) -> Result<Round> {
    let room = Rc::new(Progress {
        clock: Clock::new(),
        members: users.len() as u64,
        deliveries: Cell::default(),
        complete: Cell::default(),
        missing: RefCell::default(),
        latencies: RefCell::default(),
        delivered: Notify::new(),
        failure: RefCell::default(),
    });
    let mut readers = JoinSet::new();
    let mut sender = None;
    for (place, user) in users.iter().enumerate() {
        let mut socket = connections::open(server.address, user, place, None).await?;
        let mut out = Vec::new();
        frames::show(&mut out, group);
        socket.write(&out).await?;
        connections::reply(&mut socket).await?;
        sender = sender.or_else(|| Some(socket.writer()));
        readers.spawn_local(listen(socket, room.clone(), place % TIMED_ONE_IN == 0));
    }
    eprintln!("fanout, window {window}: {} connections show the group", users.len());
    let sender = sender.ok_or("a group has members")?;
    let mut sent = 0;
    send(&room, &sender, group, window, Instant::now() + WARMING, &mut sent).await?;
    let (before, load) = (room.deliveries.get(), Load::new(server));
    room.latencies.borrow_mut().clear();
    send(&room, &sender, group, window, Instant::now() + time, &mut sent).await?;
    let (after, load) = (room.deliveries.get(), load.end(server));
    let latencies = room.latencies.take();
    let all = async {
        while room.complete.get() < sent && room.failure.borrow().is_none() {
            room.delivered.notified().await;
        }
    };
    if timeout(FINISHING, all).await.is_err() {
        return Err(format!("{sent} messages were sent, and {} reached every connection", room.complete.get()));
    }
    if let Some(failure) = room.failure.take() {
        return Err(failure);
    }
    readers.shutdown().await;
    Ok(Round::new(after - before, latencies, load))
}

/// Keeps a window of messages pending for a time.
async fn send(
    room: &Progress,
    sender: &Writer,
    group: ConversationId,
    window: u64,
    until: Instant,
    sent: &mut u64,
) -> Result<()> {
    let mut out = Vec::new();
    loop {
        out.clear();
        while *sent < room.complete.get() + window {
            room.missing.borrow_mut().push_back(room.members);
            frames::send(&mut out, group, &room.clock);
            *sent += 1;
        }
        sender.write(&out).await?;
        if timeout_at(until.into(), room.delivered.notified()).await.is_err() {
            return Ok(());
        }
        if let Some(failure) = room.failure.take() {
            return Err(failure);
        }
    }
}

impl Progress {
    /// Notes that a connection that had `received` messages received more.
    fn count(&self, received: u64, messages: u64) {
        self.deliveries.set(self.deliveries.get() + messages);
        let mut missing = self.missing.borrow_mut();
        for number in received..received + messages {
            let place = usize::try_from(number - self.complete.get()).expect("few are under way");
            missing[place] -= 1;
        }
        let before = self.complete.get();
        while missing.front() == Some(&0) {
            missing.pop_front();
            self.complete.set(self.complete.get() + 1);
        }
        if self.complete.get() > before {
            self.delivered.notify_one();
        }
    }
}

async fn listen(mut socket: Socket, room: Rc<Progress>, is_timed: bool) {
    let mut heartbeat = Vec::new();
    frames::heartbeat(&mut heartbeat);
    let mut received = 0;
    let failure = loop {
        let (mut messages, mut beats, mut refused) = (0, 0, None);
        let read = socket.read(|frame| match frames::sort(frame) {
            Ok(ServerFrame::Message) => {
                messages += 1;
                if is_timed && let Ok((_, sent)) = frames::message(frame) {
                    room.latencies.borrow_mut().push(room.clock.since(sent));
                }
            }
            Ok(ServerFrame::Heartbeat) => beats += 1,
            Ok(ServerFrame::Reply(_) | ServerFrame::Other) => {}
            Err(error) => refused = Some(error),
        });
        if let Err(error) = read.await {
            break error;
        }
        if let Some(refused) = refused {
            break refused;
        }
        room.count(received, messages);
        received += messages;
        for _ in 0..beats {
            // If this fails, the next read reports it.
            drop(socket.write(&heartbeat).await);
        }
    };
    room.failure.replace(Some(failure));
    room.delivered.notify_one();
}
