//! The example sites with their sockets held by Daphne and by Parlor: the same work by the same pages' protocols, in one
//! run: messages a second, latency, CPU and memory, and what was lost.
//!
//! Each set-up has the site's own database, a SQLite file on the same disk. The sockets are opened at the program that
//! holds them, without nginx; forms go to Django. Nothing is pinned to a core.

mod pages;
mod site;

use crate::{
    Result, direct_messages, idle_connections,
    machine::{self, Bench},
    report::{grouped, ms},
};
use pages::Work;
use site::{Redis, RunningSite};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// The most sockets: those of a busy small site.
pub(crate) const SOCKETS_MAX: usize = 3000;
/// The most pairs.
pub(crate) const PAIRS_MAX: usize = 50;

/// What to run, and how long.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The interpreter that has Django, channels, daphne and channels-redis.
    pub(crate) python: PathBuf,
    /// `examples/start.py`.
    pub(crate) start: PathBuf,
    pub(crate) pairs: usize,
    pub(crate) time: Duration,
    pub(crate) sockets: usize,
}

/// What holds the sockets.
struct Setup {
    name: &'static str,
    /// Of the part whose CPU and memory are measured.
    part: &'static str,
    realtime: &'static str,
    has_redis: bool,
}

const SETUPS: [Setup; 3] = [
    Setup { name: "Daphne, layer in memory", part: "django", realtime: "channels", has_redis: false },
    Setup { name: "Daphne, channels-redis", part: "django", realtime: "channels", has_redis: true },
    Setup { name: "Parlor beside Django", part: "parlor", realtime: "parlor", has_redis: false },
];

/// The figures of one set-up of one site.
#[derive(Debug)]
struct SiteFigures {
    rate: f64,
    p50: Duration,
    p99: Duration,
    /// CPU time of the part for a message.
    cpu: Duration,
    socket_bytes: f64,
    /// Messages that were sent and not heard under load, and how many were sent.
    lost: (u64, u64),
    /// Heard of those sent: between two pages as people open them, and by a form.
    as_opened: (usize, usize),
    by_form: (usize, usize),
}

/// Runs everything and returns the table.
pub(crate) async fn run(bench: &Bench, options: &Options) -> Result<String> {
    machine::check_open_files(options.sockets + options.pairs * 2)?;
    let mut lines = vec![
        "| site | its sockets are held by | messages a second | send to hear, p50 / p99 ms | CPU of it for a message, ms | \
         memory of an idle socket, KiB | lost under load | heard between two pages | heard of forms |"
            .to_owned(),
        "|---|---|--:|--:|--:|--:|--:|--:|--:|".to_owned(),
        ];
    let load = load_average();
    for work in [Work::FindIt, Work::Accounting] {
        for setup in &SETUPS {
            let figures = one(bench, options, work, setup).await?;
            eprintln!("{}, {}: {} a second", work.name(), setup.name, grouped(figures.rate));
            lines.push(figures.line(work.name(), setup.name));
        }
    }
    let own = direct_messages::closed_loops(bench, options.pairs, options.time).await?;
    let idle = idle_connections::run(bench, options.sockets).await?;
    lines.push(format!(
        "| – | Parlor alone, its own protocol, no mirror | {} | {} / {} | {:.2} | {} bytes | 0 | – | – |",
        grouped(own.rate),
        ms(own.p50),
        ms(own.p99),
        own.cores.server * 10.0 / own.rate.max(f64::MIN_POSITIVE),
        idle.first().map_or("?", |row| row.measured.as_str()),
    ));
    lines.push(String::new());
    lines.push(format!(
        "{} pairs, {} seconds, {} idle sockets; {}; load average {load} before and {} after.",
        options.pairs,
        options.time.as_secs(),
        options.sockets,
        bench.description(),
        load_average(),
    ));
    Ok(lines.join("\n") + "\n")
}

async fn one(bench: &Bench, options: &Options, work: Work, setup: &Setup) -> Result<SiteFigures> {
    let folder = bench.data(&format!("{}-{}", work.profile(), setup.name.replace([' ', ','], "-")));
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let redis = if setup.has_redis { Some(Redis::start(&folder)?) } else { None };
    let site = RunningSite::start(&Start {
        options,
        site: work.profile(),
        realtime: setup.realtime,
        part: setup.part,
        redis: redis.as_ref().map(Redis::url),
        parlor: &bench.program,
        folder: &folder,
    })?;
    let people = site.people(options.pairs * 2).await?;
    let as_opened = pages::as_opened(&site, work, &people).await?;
    let by_form = pages::by_form(&site, work, &people).await?;
    let load = pages::under_load(&site, work, &people, options.time).await?;
    let socket_bytes = pages::idle(&site, work, &people, options.sockets).await?;
    Ok(SiteFigures {
        rate: load.heard as f64 / load.time.as_secs_f64(),
        p50: load.p50,
        p99: load.p99,
        cpu: load.cpu / u32::try_from(load.heard.max(1)).unwrap_or(u32::MAX),
        socket_bytes,
        lost: (load.lost, load.lost + load.heard),
        as_opened,
        by_form,
    })
}

/// How a site is started.
struct Start<'a> {
    options: &'a Options,
    site: &'static str,
    realtime: &'static str,
    part: &'static str,
    redis: Option<String>,
    parlor: &'a Path,
    folder: &'a Path,
}

impl SiteFigures {
    fn line(&self, site: &str, setup: &str) -> String {
        let Self { rate, p50, p99, cpu, socket_bytes, lost, as_opened, by_form } = self;
        format!(
            "| {site} | {setup} | {} | {} / {} | {} | {:.0} | {} of {} | {} of {} | {} of {} |",
            grouped(*rate),
            ms(*p50),
            ms(*p99),
            ms(*cpu),
            socket_bytes / 1024.0,
            lost.0,
            grouped(lost.1 as f64),
            as_opened.0,
            as_opened.1,
            by_form.0,
            by_form.1,
        )
    }
}

fn load_average() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or("?").to_owned()
}
