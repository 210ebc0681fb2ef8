//! Durable direct messages: how many a second are acknowledged, and the latency from send to delivery.
//!
//! A sender keeps a number of sends unacknowledged and sends the next on a reply; or sends at a fixed rate. With
//! markers, the receiver marks messages as delivered and read, each time the previous mark was answered. A round ends
//! when everything acknowledged was delivered, and fails otherwise.

use crate::{
    Result, connections,
    frames::{self, Clock, ServerFrame},
    machine::{self, Bench},
    report::{Load, Round, Row, grouped, medians, ms},
    server::Server,
    users::{self, BenchUser},
    websocket::Socket,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use parlor_protocol::ids::ConversationId;
use std::{
    cell::{Cell, RefCell},
    path::Path,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{
    task::JoinSet,
    time::{sleep, sleep_until, timeout},
};

/// The warm-up before a round is measured.
const WARMING: Duration = Duration::from_millis(500);
/// The timeout of the last replies and deliveries.
const FINISHING: Duration = Duration::from_secs(10);
/// Sockets opened concurrently.
const AT_ONCE: usize = 32;
/// The most pairs of any kind.
const PAIRS_MAX: usize = 500;

/// How messages are sent.
#[derive(Clone, Copy, Debug)]
enum SendRate {
    /// A number of unacknowledged sends per pair.
    Window(u64),
    /// A number of sends per second, over all pairs in turn.
    Rate(u32),
}

/// A kind of round.
struct RoundKind {
    name: &'static str,
    pairs: usize,
    pace: SendRate,
    has_markers: bool,
    /// The target rate, or p50 / p99.
    wanted: [&'static str; 2],
}

const fn kind(
    name: &'static str,
    pairs: usize,
    pace: SendRate,
    has_markers: bool,
    wanted: [&'static str; 2],
) -> RoundKind {
    RoundKind { name, pairs, pace, has_markers, wanted }
}

const KINDS: [RoundKind; 6] = [
    kind("500 pairs, window 4", 500, SendRate::Window(4), false, ["20,000", "50,000"]),
    kind("500 pairs, window 4, with markers", 500, SendRate::Window(4), true, ["8,000", "25,000"]),
    kind("50 closed loops", 50, SendRate::Window(1), false, ["8,000", "15,000"]),
    kind("50 closed loops, with markers", 50, SendRate::Window(1), true, ["", ""]),
    kind("100 a second", 10, SendRate::Rate(100), false, ["2 / 10", "1 / 4"]),
    kind("100 a second, with markers", 10, SendRate::Rate(100), true, ["", ""]),
];

/// Two users and their conversation.
struct Pair {
    conversation: ConversationId,
    acknowledged: Cell<u64>,
    delivered: Cell<u64>,
}

/// State shared within a round.
struct Shared {
    clock: Clock,
    is_over: Cell<bool>,
    latencies: RefCell<Vec<Duration>>,
}

/// The participants of the rounds.
struct Pairs {
    users: Vec<BenchUser>,
    conversations: Vec<ConversationId>,
}

pub(crate) async fn run(bench: &Bench, rounds: usize, time: Duration, only: &str) -> Result<Vec<Row>> {
    let server = bench.serve(&bench.data("pairs"))?;
    let crowd = Pairs::make(&server).await?;
    let kinds: Vec<&RoundKind> = KINDS.iter().filter(|kind| kind.name.contains(only)).collect();
    let mut figures: Vec<Vec<Round>> = kinds.iter().map(|_| Vec::new()).collect();
    // In turn, so that other load on the machine affects all kinds alike.
    for _ in 0..rounds {
        for (kind, figures) in kinds.iter().zip(&mut figures) {
            let figure = round(&server, &crowd, kind, time).await?;
            eprintln!("pairs, {}: {} a second, p50 {} ms", kind.name, grouped(figure.rate), ms(figure.p50));
            figures.push(figure);
        }
    }
    server.stop()?;
    Ok(kinds.iter().zip(&figures).map(|(kind, figures)| kind.row(&medians(figures))).collect())
}

/// Measures pairs of which each sends its next message when the last one was acknowledged.
pub(crate) async fn closed_loops(bench: &Bench, pairs: usize, time: Duration) -> Result<Round> {
    let server = bench.serve(&bench.data("closed-loops"))?;
    let users = users::make(server.address, pairs * 2).await?;
    let conversations = users::pair(server.address, &users).await?;
    let crowd = Pairs { users, conversations };
    let figure =
        round(&server, &crowd, &kind("closed loops", pairs, SendRate::Window(1), false, ["", ""]), time).await?;
    server.stop()?;
    Ok(figure)
}

/// Stores at least this many messages in the database of a folder; returns how many.
pub(crate) async fn fill(bench: &Bench, data: &Path, messages: u64) -> Result<u64> {
    let server = bench.serve(data)?;
    let crowd = Pairs::make(&server).await?;
    let mut kept = 0.0;
    while kept < messages as f64 {
        let time = Duration::from_secs(10);
        kept += round(&server, &crowd, &KINDS[0], time).await?.rate * time.as_secs_f64();
        eprintln!("filling: {} messages", grouped(kept));
    }
    server.stop()?;
    Ok(kept as u64)
}

impl RoundKind {
    fn row(&self, round: &Round) -> Row {
        let (Round { rate, p50, p99, cores }, cost) = (round, round.cost());
        let latency = format!("{} / {}", ms(*p50), ms(*p99));
        let (measured, figure, detail) = match self.pace {
            SendRate::Window(_) => {
                (grouped(*rate), "durable messages a second", format!("{cost}; p50 / p99 {latency} ms; {cores}"))
            }
            SendRate::Rate(_) => {
                (latency, "send to delivery, p50 / p99 ms", format!("{} a second; {cores}", grouped(*rate)))
            }
        };
        Row { figure: format!("{figure}: {}", self.name), wanted: self.wanted, measured, detail }
    }
}

impl Pairs {
    async fn make(server: &Server) -> Result<Self> {
        machine::check_open_files(PAIRS_MAX * 2)?;
        let users = users::make(server.address, PAIRS_MAX * 2).await?;
        let conversations = users::pair(server.address, &users).await?;
        Ok(Self { users, conversations })
    }
}

async fn round(server: &Server, crowd: &Pairs, kind: &RoundKind, time: Duration) -> Result<Round> {
    let count = kind.pairs;
    let opening = stream::iter(crowd.users[..count * 2].iter().enumerate())
        .map(|(place, user)| connections::open(server.address, user, place, None))
        .buffered(AT_ONCE);
    let mut sockets = opening.try_collect::<Vec<_>>().await?.into_iter();
    let shared = Rc::new(Shared { clock: Clock::new(), is_over: Cell::new(false), latencies: RefCell::default() });
    let (mut senders, mut listeners, mut pairs) = (JoinSet::new(), JoinSet::new(), Vec::new());
    let began = Instant::now();
    for (place, conversation) in crowd.conversations[..count].iter().enumerate() {
        let pair =
            Rc::new(Pair { conversation: *conversation, acknowledged: Cell::default(), delivered: Cell::default() });
        pairs.push(pair.clone());
        let (Some(sending), Some(hearing)) = (sockets.next(), sockets.next()) else { break };
        listeners.spawn_local(listen(hearing, shared.clone(), pair.clone(), kind.has_markers));
        match kind.pace {
            SendRate::Window(window) => drop(senders.spawn_local(send_window(sending, shared.clone(), pair, window))),
            SendRate::Rate(rate) => {
                let every = Duration::from_secs(1) * u32::try_from(count).unwrap_or(u32::MAX) / rate;
                let first = began + Duration::from_secs(1) * u32::try_from(place).unwrap_or(0) / rate;
                drop(senders.spawn_local(send_rate(sending, shared.clone(), pair, first, every)));
            }
        }
    }
    eprintln!("pairs, {}: {count} pairs are connected", kind.name);
    let acknowledged = || pairs.iter().map(|pair| pair.acknowledged.get()).sum::<u64>();
    sleep(WARMING).await;
    shared.latencies.borrow_mut().clear();
    let (before, load) = (acknowledged(), Load::new(server));
    sleep(time).await;
    let (after, load) = (acknowledged(), load.end(server));
    let latencies = shared.latencies.take();
    shared.is_over.set(true);
    finish(senders, &pairs, &mut listeners).await?;
    Ok(Round::new(after - before, latencies, load))
}

/// Waits until each sender has its replies and each receiver all acknowledged messages.
async fn finish(
    mut senders: JoinSet<Result<()>>,
    pairs: &[Rc<Pair>],
    listeners: &mut JoinSet<Result<()>>,
) -> Result<()> {
    let all = async {
        while let Some(ended) = senders.join_next().await {
            ended.map_err(|error| error.to_string())??;
        }
        while pairs.iter().any(|pair| pair.delivered.get() < pair.acknowledged.get()) {
            if let Some(ended) = listeners.try_join_next() {
                ended.map_err(|error| error.to_string())??;
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    };
    timeout(FINISHING, all).await.unwrap_or_else(|_| {
        let (sent, came) = pairs
            .iter()
            .fold((0, 0), |(sent, came), pair| (sent + pair.acknowledged.get(), came + pair.delivered.get()));
        Err(format!("{sent} messages were acknowledged, and {came} arrived"))
    })
}

/// Reads once: counts replies of the pair and answers heartbeats.
async fn replies(socket: &mut Socket, pair: &Pair, out: &mut Vec<u8>) -> Result<()> {
    let mut refused = None;
    let mut count = 0;
    socket
        .read(|frame| match frames::sort(frame) {
            Ok(ServerFrame::Reply(_)) => count += 1,
            Ok(ServerFrame::Heartbeat) => frames::heartbeat(out),
            Ok(ServerFrame::Message | ServerFrame::Other) => {}
            Err(error) => refused = Some(error),
        })
        .await?;
    pair.acknowledged.set(pair.acknowledged.get() + count);
    refused.map_or(Ok(()), Err)
}

async fn send_window(mut socket: Socket, shared: Rc<Shared>, pair: Rc<Pair>, window: u64) -> Result<()> {
    let mut sent = 0;
    let mut out = Vec::new();
    loop {
        while !shared.is_over.get() && sent < pair.acknowledged.get() + window {
            frames::send(&mut out, pair.conversation, &shared.clock);
            sent += 1;
        }
        socket.write(&out).await?;
        out.clear();
        if shared.is_over.get() && pair.acknowledged.get() == sent {
            return Ok(());
        }
        replies(&mut socket, &pair, &mut out).await?;
    }
}

async fn send_rate(
    mut socket: Socket,
    shared: Rc<Shared>,
    pair: Rc<Pair>,
    first: Instant,
    every: Duration,
) -> Result<()> {
    let (mut next, mut sent) = (first, 0);
    let mut out = Vec::new();
    loop {
        if shared.is_over.get() && pair.acknowledged.get() == sent {
            return Ok(());
        }
        tokio::select! {
            () = sleep_until(next.into()), if !shared.is_over.get() => {
                next += every;
                frames::send(&mut out, pair.conversation, &shared.clock);
                sent += 1;
            }
            read = replies(&mut socket, &pair, &mut out) => read?,
        }
        socket.write(&out).await?;
        out.clear();
    }
}

async fn listen(mut socket: Socket, shared: Rc<Shared>, pair: Rc<Pair>, has_markers: bool) -> Result<()> {
    let (mut newest, mut marked, mut is_marking) = (0, 0, false);
    let mut out = Vec::new();
    loop {
        let (mut failure, mut answered) = (Ok(()), false);
        socket
            .read(|frame| match frames::sort(frame) {
                Ok(ServerFrame::Message) => match frames::message(frame) {
                    Ok((seq, sent)) => {
                        newest = seq;
                        pair.delivered.set(pair.delivered.get() + 1);
                        shared.latencies.borrow_mut().push(shared.clock.since(sent));
                    }
                    Err(error) => failure = Err(error),
                },
                Ok(ServerFrame::Reply(_)) => answered = true,
                Ok(ServerFrame::Heartbeat) => frames::heartbeat(&mut out),
                Ok(ServerFrame::Other) => {}
                Err(error) => failure = Err(error),
            })
            .await?;
        failure?;
        is_marking &= !answered;
        if has_markers && !is_marking && newest > marked {
            frames::mark(&mut out, pair.conversation, newest);
            (marked, is_marking) = (newest, true);
        }
        if !out.is_empty() {
            socket.write(&out).await?;
            out.clear();
        }
    }
}
