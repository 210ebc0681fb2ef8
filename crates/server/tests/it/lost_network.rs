//! A network that is really lost: from one moment on no packet comes through, and nobody is told so.
//!
//! The server runs in a network namespace of its own, with two lines to it, one of which is cut. What was promised for it
//! holds with the limits as they come. Needs root and `ip`; without them it says so and proves nothing.

use crate::harness::{Person, Server, Setup, tool};
use parlor::{
    config::Config,
    environment::{Environment, rfc3339},
};
use parlor_client::{
    error::Error,
    socket::{Handshake, Incoming, Socket},
};
use parlor_protocol::{
    command::Command,
    ids::{ConversationId, UserId},
    model::{Presence, PresenceStatus::Offline},
    reply::{Done, Heads, Watched},
};
use serde_json::Value;
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::time::Instant;

/// What is promised. That the limits keep it is asserted; how long it takes is only printed.
const PROMISED: Duration = Duration::from_secs(35);
/// Whoever waits longer waits in vain, however much the machine has to do.
const PATIENCE: Duration = Duration::from_mins(3);
/// By clocks of one machine, the waiting for a turn included; well below the silence after which it is noticed.
const CLOCK_ROOM_MS: i64 = 10_000;

/// Two lines into a network namespace.
struct Lines {
    namespace: String,
    /// This side's end of each.
    ends: [String; 2],
    /// The server's address on each.
    there: [Ipv4Addr; 2],
}

impl Lines {
    fn new() -> Result<Self, String> {
        let process = std::process::id();
        // Of the addresses that are kept for such things (198.18.0.0/15), four on each line, another four for each process.
        let block = u16::try_from(process % (1 << 14)).expect("14 bits") << 2;
        let [high, low] = block.to_be_bytes();
        let on = |line: u8, end: u8| Ipv4Addr::new(198, 18 + line, high, low + end);
        let lines = Self {
            namespace: format!("parlor-{process}"),
            ends: [0, 1].map(|line| format!("plr{line}-{process}")),
            there: [on(0, 2), on(1, 2)],
        };
        let Self { namespace, ends, there } = &lines;
        tool("ip", &["netns", "add", namespace])?;
        for ((line, end), there) in (0..).zip(ends).zip(there) {
            let other = format!("line{line}");
            tool("ip", &["link", "add", end, "type", "veth", "peer", "name", &other, "netns", namespace])?;
            tool("ip", &["addr", "add", &format!("{}/30", on(line, 1)), "dev", end])?;
            tool("ip", &["link", "set", "dev", end, "up"])?;
            tool("ip", &["-n", namespace, "addr", "add", &format!("{there}/30"), "dev", &other])?;
            tool("ip", &["-n", namespace, "link", "set", "dev", &other, "up"])?;
        }
        Ok(lines)
    }

    /// Cuts the second line, or mends it.
    fn second_is(&self, state: &str) {
        tool("ip", &["-n", &self.namespace, "link", "set", "dev", "line1", state]).expect("it is there");
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let ends = self.ends.each_ref().map(|end| tool("ip", &["link", "del", "dev", end]));
        let namespace = tool("ip", &["netns", "del", &self.namespace]);
        for why in ends.into_iter().chain([namespace]).filter_map(Result::err) {
            eprintln!("{why}");
        }
    }
}

async fn page(person: &Person) -> Socket {
    let mut socket = Handshake::new(person.api.address(), person.api.headers()).open().await.expect("a socket");
    let _: Heads = socket.call(Command::Resume { user: person.id, cursor: None }).await.expect("resumed");
    socket
}

async fn write(socket: &mut Socket, conversation: ConversationId) {
    let _: Done = socket.call(Command::SetTyping { conversation, typing: true }).await.expect("a member may");
}

/// Everything that is told of this person, up to what ends it.
async fn told(socket: &mut Socket, user: UserId, is_last: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut told = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    loop {
        match socket.next_before(deadline).await {
            Some(Incoming::Event(event)) if event["user"] == user.0 => {
                told.push(event);
                if told.last().is_some_and(&is_last) {
                    return told;
                }
            }
            Some(Incoming::Event(_) | Incoming::Heartbeat) => {}
            other => panic!("{other:?} after {told:?}"),
        }
    }
}

async fn figure(server: &Server, name: &str) -> u64 {
    let api = server.api().with_header(http::header::AUTHORIZATION, "Bearer figures");
    let answer = api.request(http::Method::GET, "/metrics", "").await.expect("an answer");
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_loses_the_network_is_gone_in_time_and_was_last_here_before() {
    let lines = match Lines::new() {
        Ok(lines) => lines,
        Err(why) => return println!("skipped, for no network can be cut here (it takes root and iproute2): {why}"),
    };
    let promised = u64::try_from(PROMISED.as_millis()).expect("seconds");
    assert!(Config::default().socket.silence_ms <= promised, "the limits keep the promise");
    let setup = Setup::new().in_network(&lines.namespace, lines.there[0]).with("metrics.token", "figures");
    let server = setup.start().await;
    let by_second = SocketAddr::from((lines.there[1], server.address().port()));
    let (ada, ben, cleo) = (server.user("ada").await, server.user("ben").await, server.user("cleo").await);
    let (ben, cleo) = (ben.by_way_of(by_second), cleo.by_way_of(by_second));
    let place = ada.write_to(&ben).await.id;
    let mut of_cleo = cleo.connect().await;
    let (mut of_ada, mut of_ben) = (page(&ada).await, page(&ben).await);
    let _: Watched = of_ada.call(Command::WatchPresence { users: vec![ben.id] }).await.expect("few enough");
    let environment = Environment::real();
    let before_ms = environment.now_ms();
    write(&mut of_ben, place).await;
    lines.second_is("down");
    let (cut, cut_ms) = (Instant::now(), environment.now_ms());

    let is_gone = |event: &Value| event["type"] == "presence.changed" && event["status"] == "offline";
    let (told_of_ben, (ended, noticed)) = tokio::join!(told(&mut of_ada, ben.id, is_gone), async {
        let ended = of_cleo.run_for(PATIENCE).await;
        (ended, cut.elapsed())
    });
    let shown = cut.elapsed();
    println!("after the cut: shown as gone in {shown:.1?}, noticed by the other side in {noticed:.1?}");
    let Err(Error::Interrupted(why)) = ended else { panic!("the client must notice: {ended:?}") };
    assert!(why.contains("nothing was heard"), "nobody told the client: {why}");
    let is_typing = |event: &&Value| event["type"] == "typing.changed" && event["typing"] == true;
    let typing: Vec<_> = told_of_ben.iter().filter(is_typing).map(|event| event["expires_ms"].as_u64()).collect();
    assert_eq!(typing, [Some(6000)], "told once, and over by itself");
    let gone: Presence = serde_json::from_value(told_of_ben.last().expect("just told").clone()).expect("a presence");
    assert_eq!((gone.user, gone.status), (ben.id, Offline));
    let seen_at = gone.seen_at.expect("he was here");
    let (earliest, latest) = (rfc3339(before_ms - CLOCK_ROOM_MS), rfc3339(cut_ms + CLOCK_ROOM_MS));
    assert!(earliest <= seen_at && seen_at <= latest, "{seen_at} is when he was last heard, before {latest}");

    // Nobody told the server either: both were given up for their silence, and their places are free.
    let deadline = Instant::now() + PATIENCE;
    while (figure(&server, "parlor_closes_total{cause=\"silent\"}").await, figure(&server, "parlor_connections ").await)
        != (2, 1)
    {
        assert!(Instant::now() < deadline, "the server holds what is dead:\n{}", server.log());
        // waits for: the server's giving up the other connection, too
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    lines.second_is("up");
    let deadline = Instant::now() + PATIENCE;
    while let Err(why) = Handshake::new(ben.api.address(), ben.api.headers()).open().await {
        assert!(Instant::now() < deadline, "the line is not mended: {why}");
        // waits for: the two ends of the line, which look for each other again
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let _back = page(&ben).await;
    let is_back = |event: &Value| event["type"] == "presence.changed" && event["status"] == "online";
    told(&mut of_ada, ben.id, is_back).await;
}
