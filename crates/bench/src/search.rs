//! Search over many messages, and the index's cost for senders.
//!
//! Writers fill 10,000 groups as fast as they can; three users who are members of 3, 100 and 2,000 of them search, one
//! query after the other. Texts and queries are the same in every run.

use crate::{
    Result, connections,
    frames::{self, Clock, ServerFrame},
    machine::Bench,
    report::{Row, at, grouped, ms},
    server::Server,
    texts::{Rng, Words},
    users::{self, BenchUser},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::Method;
use parlor_client::http::Api;
use parlor_protocol::{
    ids::{ConversationId, UserId},
    params::{Group, Open},
    reply::Found,
};
use std::{
    cell::Cell,
    fs,
    path::Path,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

const WRITERS: usize = 40;
const CONVERSATIONS: usize = 10_000;
/// The number of groups of each searching user.
const SEARCHERS: [usize; 3] = [3, 100, 2000];
/// Pending messages of a writer.
const WINDOW: u64 = 16;
/// Messages of the runs compared with and without the index.
const COMPARED: u64 = 150_000;
/// Results per page.
const ROWS: u32 = 20;
/// The timeout for the index to catch up at the end.
const CATCHING_UP: Duration = Duration::from_mins(10);
const TOKEN: &str = "bench";

/// The kinds of queries.
const KINDS: [&str; 6] =
    ["a rare word", "a common word", "a prefix", "a prefix of two letters", "two characters", "two words"];

/// The writers, the searching users, and their groups.
struct SearchLoad {
    writers: Vec<BenchUser>,
    searchers: Vec<BenchUser>,
    /// The groups of each writer.
    conversations: Vec<Vec<ConversationId>>,
}

/// The result of filling the database.
struct FillResult {
    rate: f64,
    lag_max: f64,
}

pub(crate) async fn run(bench: &Bench, messages: u64, queries: usize) -> Result<Vec<Row>> {
    let words = Rc::new(Words::new());
    let mut rows = Vec::new();
    let mut rates = Vec::new();
    for enabled in ["false", "true"] {
        let data = bench.data(&format!("search-{enabled}"));
        let server = serve(bench, &data, enabled)?;
        let load = SearchLoad::make(&server).await?;
        rates.push(fill(&server, &load, words.clone(), COMPARED.min(messages), 1).await?.rate);
        server.stop()?;
    }
    rows.push(Row {
        figure: "durable messages a second: without the search index / with it".to_owned(),
        wanted: ["", ""],
        measured: format!("{} / {}", grouped(rates[0]), grouped(rates[1])),
        detail: format!("{WRITERS} writers, window {WINDOW}, {} messages", grouped(COMPARED.min(messages) as f64)),
    });
    let data = bench.data("search");
    let server = serve(bench, &data, "true")?;
    let load = SearchLoad::make(&server).await?;
    let filled = fill(&server, &load, words.clone(), messages, 2).await?;
    let began = Instant::now();
    caught_up(&server).await?;
    rows.push(Row {
        figure: format!("lag of the index while {} messages are written, s", grouped(messages as f64)),
        wanted: ["", ""],
        measured: format!("{:.1}", filled.lag_max),
        detail: format!(
            "the largest, at {} messages a second; {:.1} s after the last it had all",
            grouped(filled.rate),
            began.elapsed().as_secs_f64()
        ),
    });
    let bytes = |file: &str| fs::metadata(data.join(file)).map_or(0, |metadata| metadata.len()) as f64;
    rows.push(Row {
        figure: "the index's file, bytes a message".to_owned(),
        wanted: ["", ""],
        measured: grouped(bytes("search.db") / messages as f64),
        detail: format!("the database's {}", grouped(bytes("parlor.db") / messages as f64)),
    });
    for (count, searcher) in SEARCHERS.iter().zip(&load.searchers) {
        for kind in KINDS {
            rows.push(measure(&server, searcher, *count, kind, &words, queries).await?);
        }
    }
    server.stop()?;
    Ok(rows)
}

fn serve(bench: &Bench, data: &Path, enabled: &str) -> Result<Server> {
    bench.serve_with(data, &[("PARLOR_SEARCH_ENABLED", enabled), ("PARLOR_METRICS_TOKEN", TOKEN)])
}

impl SearchLoad {
    async fn make(server: &Server) -> Result<Self> {
        let mut writers = users::make(server.address, WRITERS + SEARCHERS.len()).await?;
        let searchers = writers.split_off(WRITERS);
        let clock = Clock::new();
        let one = async |number: usize| {
            let mut users: Vec<UserId> = vec![writers[(number + 1) % WRITERS].user];
            for (count, searcher) in SEARCHERS.iter().zip(&searchers) {
                if number.is_multiple_of(CONVERSATIONS / count) && number / (CONVERSATIONS / count) < *count {
                    users.push(searcher.user);
                }
            }
            let group = Some(Group { title: format!("Group {number}"), users });
            let open = Open { client_id: clock.client_id(), user: None, role: None, group, context: None };
            users::open(&Api::new(server.address), &writers[number % WRITERS], &open).await
        };
        let opened: Vec<ConversationId> = stream::iter(0..CONVERSATIONS).map(one).buffered(32).try_collect().await?;
        let mut conversations = vec![Vec::new(); WRITERS];
        for (number, conversation) in opened.into_iter().enumerate() {
            conversations[number % WRITERS].push(conversation);
        }
        Ok(Self { writers, searchers, conversations })
    }
}

/// Lets every writer send its share.
async fn fill(server: &Server, load: &SearchLoad, words: Rc<Words>, messages: u64, seed: u64) -> Result<FillResult> {
    let (acknowledged, mut writing) = (Rc::new(Cell::new(0)), JoinSet::new());
    let began = Instant::now();
    for (place, writer) in load.writers.iter().enumerate() {
        let socket = connections::open(server.address, writer, place, None).await?;
        let conversations = load.conversations[place].clone();
        let chance = Rng::new(seed * 1000 + place as u64);
        let share = messages / WRITERS as u64;
        writing.spawn_local(write(socket, conversations, words.clone(), chance, share, acknowledged.clone()));
    }
    let (mut lag_max, mut reported) = (0.0_f64, Instant::now());
    while !writing.is_empty() {
        match timeout(Duration::from_secs(1), writing.join_next()).await {
            Ok(Some(ended)) => ended.map_err(|error| error.to_string())??,
            Ok(None) => break,
            Err(_) => lag_max = lag_max.max(metric(server, "parlor_search_lag_seconds").await?),
        }
        if reported.elapsed() > Duration::from_secs(10) {
            reported = Instant::now();
            eprintln!("search: {} messages, lag {lag_max:.1} s", grouped(acknowledged.get() as f64));
        }
    }
    Ok(FillResult { rate: acknowledged.get() as f64 / began.elapsed().as_secs_f64(), lag_max })
}

async fn write(
    mut socket: crate::websocket::Socket,
    conversations: Vec<ConversationId>,
    words: Rc<Words>,
    mut chance: Rng,
    share: u64,
    acknowledged: Rc<Cell<u64>>,
) -> Result<()> {
    let clock = Clock::new();
    let (mut sent, mut own) = (0, 0);
    let mut out = Vec::new();
    while own < share {
        while sent < share && sent < own + WINDOW {
            // Some groups receive more messages than others.
            let place = chance.below(conversations.len()).min(chance.below(conversations.len()));
            frames::send_text(&mut out, conversations[place], &clock, &words.text(&mut chance));
            sent += 1;
        }
        socket.write(&out).await?;
        out.clear();
        let (mut refused, mut replies) = (None, 0);
        socket
            .read(|frame| match frames::sort(frame) {
                Ok(ServerFrame::Reply(_)) => replies += 1,
                Ok(ServerFrame::Heartbeat) => frames::heartbeat(&mut out),
                Ok(ServerFrame::Message | ServerFrame::Other) => {}
                Err(error) => refused = Some(error),
            })
            .await?;
        own += replies;
        acknowledged.set(acknowledged.get() + replies);
        if let Some(error) = refused {
            return Err(error);
        }
    }
    Ok(())
}

async fn caught_up(server: &Server) -> Result<()> {
    let waiting = async {
        while metric(server, "parlor_search_lag_versions").await? > 0.0 {
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    };
    timeout(CATCHING_UP, waiting).await.map_err(|_| "the index does not come along".to_owned())?
}

async fn metric(server: &Server, name: &str) -> Result<f64> {
    let api = Api::new(server.address).with_token(TOKEN);
    let answer = api.request(Method::GET, "/metrics", "").await.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    line.ok_or_else(|| format!("the metrics have no {name}"))
}

/// Runs one user's queries of one kind.
async fn measure(
    server: &Server,
    searcher: &BenchUser,
    count: usize,
    kind: &str,
    words: &Words,
    queries: usize,
) -> Result<Row> {
    let api = Api::new(server.address).with_token(&searcher.token);
    let mut chance = Rng::new(77);
    let (mut times, mut hits, mut partial) = (Vec::new(), 0, 0);
    for _ in 0..queries {
        let query: String = escaped(&query(kind, words, &mut chance));
        let began = Instant::now();
        let path = format!("/v1/search?query={query}&limit={ROWS}");
        let found: Found = api.get(&path).await.map_err(|error| error.to_string())?;
        times.push(began.elapsed());
        hits += found.results.len();
        partial += usize::from(found.next.is_some() && found.results.len() < ROWS as usize);
    }
    times.sort_unstable();
    Ok(Row {
        figure: format!("{kind}, by a member of {}: p50 / p99 ms", grouped(count as f64)),
        wanted: ["", "– / 50"],
        measured: format!("{} / {}", ms(at(&times, 500)), ms(at(&times, 990))),
        detail: format!(
            "{:.1} results a page; the slowest {}; {partial} of {queries} pages were cut by a limit",
            hits as f64 / queries as f64,
            ms(times.last().copied().unwrap_or_default())
        ),
    })
}

fn query(kind: &str, words: &Words, chance: &mut Rng) -> String {
    let beginning = |word: &str, count: usize| word.chars().take(count).collect::<String>();
    match kind {
        "a rare word" => words.word(20_000 + chance.below(30_000)).to_owned(),
        "a common word" => words.word(chance.below(20)).to_owned(),
        "a prefix" => beginning(words.word(2000 + chance.below(3000)), 3 + chance.below(2)),
        "a prefix of two letters" => beginning(words.word(chance.below(3000)), 2),
        "two characters" => [words.sign(chance), words.sign(chance)].iter().collect(),
        _ => format!("{} {}", words.word(chance.below(50)), words.word(300 + chance.below(3000))),
    }
}

fn escaped(query: &str) -> String {
    query.bytes().fold(String::new(), |escaped, byte| format!("{escaped}%{byte:02X}"))
}
