//! The initial copy of an application's messages, and what live users notice of it.
//!
//! First `parlor mirror backfill`, by itself. Then a server that starts without the copy, so that its mirror copies
//! while it serves two users who write to each other.

use crate::{
    Result,
    files::{Measurement, MessageSocket},
    machine::Bench,
    report::{Row, grouped},
    server::{self, Server},
    users,
};
use http::Method;
use parlor_client::http::Api;
use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const TOKEN: &str = "bench";
/// How often the memory of the copy is read.
const EVERY: Duration = Duration::from_millis(50);
/// How long live users write alone, and at most while the mirror copies.
const ALONE: Duration = Duration::from_secs(3);
const BESIDE: Duration = Duration::from_secs(20);

/// What the copy of all messages took.
struct Copy {
    time: Duration,
    /// Of all cores.
    busy: Duration,
    /// The peak of its memory in the first quarter of the time, and in all of it.
    peaks: [u64; 2],
}

pub(crate) async fn run(bench: &Bench, messages: u64, host: Option<String>) -> Result<Vec<Row>> {
    let url = match host {
        Some(url) => url,
        None => format!("sqlite:{}", bench.data("host.sqlite3").display()),
    };
    fill(&url, messages)?;
    let settings = [
        ("PARLOR_HOST_DATABASE", url.as_str()),
        ("PARLOR_COMPAT_PROFILE", "accounting"),
        ("PARLOR_IDENTITY_PROVIDERS", "accounts"),
        ("PARLOR_METRICS_TOKEN", TOKEN),
        ("PARLOR_LOG_FILTER", "warn"),
    ];
    let mut rows = Vec::new();
    for command in [["mirror", "backfill"], ["import", "django"]] {
        let copy = copy(bench.on_all_cores(), &bench.data(command[0]), &command, &settings)?;
        let [early, peak] = copy.peaks.map(|bytes| grouped(bytes as f64 / 1e6));
        rows.push(Row {
            figure: format!("parlor {}, messages a second", command.join(" ")),
            wanted: ["20,000", "20,000"],
            measured: grouped(messages as f64 / copy.time.as_secs_f64()),
            detail: format!(
                "{} messages in {:.1} s, {:.1} µs of processor time for each; at most {peak} MB resident, {early} MB in \
                 the first quarter",
                grouped(messages as f64),
                copy.time.as_secs_f64(),
                copy.busy.as_secs_f64() * 1e6 / messages as f64
            ),
        });
    }
    rows.extend(beside(bench, &settings).await?);
    Ok(rows)
}

/// Creates the tables of the host and its messages.
fn fill(url: &str, messages: u64) -> Result<()> {
    let (program, place, dialect) = match url.strip_prefix("sqlite:") {
        Some(file) => (
            "sqlite3",
            file,
            ["integer PRIMARY KEY AUTOINCREMENT", "bool", "datetime", "datetime(1700000000 + i, 'unixepoch')"],
        ),
        None if url.starts_with("postgres") => {
            ("psql", url, ["bigint PRIMARY KEY", "boolean", "timestamp with time zone", "to_timestamp(1700000000 + i)"])
        }
        None => return Err("--host is the URL of an empty database of PostgreSQL".to_owned()),
    };
    let mut sql = include_str!("host_tables.sql").replace("{messages}", &messages.to_string());
    for (name, text) in ["{key}", "{boolean}", "{time}", "{moment}"].into_iter().zip(dialect) {
        sql = sql.replace(name, text);
    }
    let mut client = Command::new(program);
    if program == "psql" {
        client.args(["--quiet", "--set", "ON_ERROR_STOP=1"]);
    } else {
        client.arg("-bail");
    }
    let failed = |error: std::io::Error| format!("{program}: {error}");
    let mut client = client.arg(place).stdin(Stdio::piped()).spawn().map_err(failed)?;
    // It is dropped, and so closed, at the end of the statement.
    client.stdin.take().expect("piped").write_all(sql.as_bytes()).map_err(failed)?;
    let status = client.wait().map_err(failed)?;
    if status.success() { Ok(()) } else { Err(format!("{program} could not create the tables: {status}")) }
}

/// Runs a command that copies, and watches its memory.
fn copy(mut command: Command, data: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Result<Copy> {
    fs::create_dir_all(data).map_err(|error| error.to_string())?;
    let failed = |error: std::io::Error| format!("the copy did not start: {error}");
    let began = Instant::now();
    let command = command.args(arguments).env("PARLOR_DATA", data).envs(settings.iter().copied());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().map_err(failed)?;
    let (mut memory, mut busy) = (Vec::new(), Duration::ZERO);
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        // It may just have ended.
        memory.extend(server::memory(&child.id().to_string(), "VmHWM:"));
        busy = busy.max(server::busy(&child.id().to_string()));
        std::thread::sleep(EVERY);
    };
    if !status.success() {
        return Err(format!("the copy ended with {status}"));
    }
    let peak = |samples: &[u64]| samples.iter().copied().max().unwrap_or_default();
    Ok(Copy { time: began.elapsed(), busy, peaks: [peak(&memory[..memory.len() / 4]), peak(&memory)] })
}

/// Measures how long a send takes, without a host and while the mirror copies.
async fn beside(bench: &Bench, settings: &[(&str, &str)]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (what, settings, time) in
        [("messages alone", &settings[2..], ALONE), ("messages while the mirror copies", settings, BESIDE)]
    {
        let server = bench.serve_with(&bench.data(&format!("live-{}", settings.len())), settings)?;
        let users = users::make(server.address, 2).await?;
        let conversation = users::pair(server.address, &users).await?[0];
        let mut talk = MessageSocket::open(&server, &users[0], conversation).await?;
        let before = server.resident_bytes()?;
        let (began, from) = (Instant::now(), copied(&server).await?);
        let felt: Measurement = talk.send_for(time, &server).await?;
        let rate = (copied(&server).await? - from) / began.elapsed().as_secs_f64();
        rows.push(felt.row(what, before, &format!("{} rows a second are copied", grouped(rate))));
        server.stop()?;
    }
    Ok(rows)
}

async fn copied(server: &Server) -> Result<f64> {
    let api = Api::new(server.address).with_token(TOKEN);
    let answer = api.request(Method::GET, "/metrics", "").await.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    Ok(text
        .lines()
        .find_map(|line| line.strip_prefix("parlor_mirror_rows_total")?.trim().parse().ok())
        .unwrap_or_default())
}
