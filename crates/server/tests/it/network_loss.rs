//! A network that really fails: from one moment on all packets are lost, and no error is reported.
//!
//! The server runs in its own network namespace with two links, one of which is cut. The promised times hold with the
//! default limits. Needs root and `ip`; without them the test reports that and proves nothing.

use crate::harness::{Server, Setup, TestUser, tool};
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

/// The promised time. The limits that guarantee it are asserted; the measured time is only printed.
const PROMISED: Duration = Duration::from_secs(35);
/// The timeout of the test, generous on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);
/// Tolerance between clocks of one machine and for scheduling; well below the silence timeout.
const CLOCK_ROOM_MS: i64 = 10_000;

/// Two links into a network namespace.
struct NetworkLinks {
    namespace: String,
    /// The local end of each link.
    ends: [String; 2],
    /// The server's address on each link.
    there: [Ipv4Addr; 2],
}

impl NetworkLinks {
    fn new() -> Result<Self, String> {
        let process = std::process::id();
        // Of the addresses that are kept for such things (198.18.0.0/15), four on each line, another four for each
        // process.
        let block = u16::try_from(process % (1 << 14)).expect("14 bits") << 2;
        let [high, low] = block.to_be_bytes();
        let on = |line: u8, end: u8| Ipv4Addr::new(198, 18 + line, high, low + end);
        let links = Self {
            namespace: format!("parlor-{process}"),
            ends: [0, 1].map(|line| format!("plr{line}-{process}")),
            there: [on(0, 2), on(1, 2)],
        };
        let Self { namespace, ends, there } = &links;
        tool("ip", &["netns", "add", namespace])?;
        for ((line, end), there) in (0..).zip(ends).zip(there) {
            let other = format!("line{line}");
            tool("ip", &["link", "add", end, "type", "veth", "peer", "name", &other, "netns", namespace])?;
            tool("ip", &["addr", "add", &format!("{}/30", on(line, 1)), "dev", end])?;
            tool("ip", &["link", "set", "dev", end, "up"])?;
            tool("ip", &["-n", namespace, "addr", "add", &format!("{there}/30"), "dev", &other])?;
            tool("ip", &["-n", namespace, "link", "set", "dev", &other, "up"])?;
        }
        Ok(links)
    }

    /// Cuts the second link, or restores it.
    fn second_is(&self, state: &str) {
        tool("ip", &["-n", &self.namespace, "link", "set", "dev", "line1", state]).expect("it exists");
    }
}

impl Drop for NetworkLinks {
    fn drop(&mut self) {
        let ends = self.ends.each_ref().map(|end| tool("ip", &["link", "del", "dev", end]));
        let namespace = tool("ip", &["netns", "del", &self.namespace]);
        for why in ends.into_iter().chain([namespace]).filter_map(Result::err) {
            eprintln!("{why}");
        }
    }
}

async fn page(user: &TestUser) -> Socket {
    let mut socket = Handshake::new(user.api.address(), user.api.headers()).open().await.expect("a socket");
    let _: Heads = socket.call(Command::Resume { user: user.id, cursor: None }).await.expect("resumed");
    socket
}

async fn write(socket: &mut Socket, conversation: ConversationId) {
    let _: Done = socket.call(Command::SetTyping { conversation, typing: true }).await.expect("a member may");
}

/// Collects the presence events of a user up to the last status.
async fn reported(socket: &mut Socket, user: UserId, is_last: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut reported = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    loop {
        match socket.next_before(deadline).await {
            Some(Incoming::Event(event)) if event["user"] == user.0 => {
                reported.push(event);
                if reported.last().is_some_and(&is_last) {
                    return reported;
                }
            }
            Some(Incoming::Event(_) | Incoming::Heartbeat) => {}
            other => panic!("{other:?} after {reported:?}"),
        }
    }
}

async fn metric(server: &Server, name: &str) -> u64 {
    let api = server.api().with_header(http::header::AUTHORIZATION, "Bearer figures");
    let answer = api.request(http::Method::GET, "/metrics", "").await.expect("an answer");
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_loses_the_network_goes_offline_in_time() {
    let links = match NetworkLinks::new() {
        Ok(links) => links,
        Err(why) => return println!("skipped, for no network can be cut here (it takes root and iproute2): {why}"),
    };
    let promised = u64::try_from(PROMISED.as_millis()).expect("seconds");
    assert!(Config::default().socket.silence_ms <= promised, "the limits keep the promise");
    let setup = Setup::new().in_network(&links.namespace, links.there[0]).with("metrics.token", "figures");
    let server = setup.start().await;
    let by_second = SocketAddr::from((links.there[1], server.address().port()));
    let (ada, ben, cleo) = (server.user("ada").await, server.user("ben").await, server.user("cleo").await);
    let (ben, cleo) = (ben.through_address(by_second), cleo.through_address(by_second));
    let place = ada.open_direct(&ben).await.id;
    let mut of_cleo = cleo.connect().await;
    let (mut of_ada, mut of_ben) = (page(&ada).await, page(&ben).await);
    let _: Watched = of_ada.call(Command::WatchPresence { users: vec![ben.id] }).await.expect("few enough");
    let environment = Environment::real();
    let before_ms = environment.now_ms();
    write(&mut of_ben, place).await;
    links.second_is("down");
    let (cut, cut_ms) = (Instant::now(), environment.now_ms());

    let is_gone = |event: &Value| event["type"] == "presence.changed" && event["status"] == "offline";
    let (told_of_ben, (ended, noticed)) = tokio::join!(reported(&mut of_ada, ben.id, is_gone), async {
        let ended = of_cleo.run_for(PATIENCE).await;
        (ended, cut.elapsed())
    });
    let shown = cut.elapsed();
    println!("after the cut: shown as gone in {shown:.1?}, noticed by the other side in {noticed:.1?}");
    let Err(Error::Interrupted(why)) = ended else { panic!("the client must notice: {ended:?}") };
    assert!(why.contains("was silent"), "the client received no close: {why}");
    let is_typing = |event: &&Value| event["type"] == "typing.changed" && event["typing"] == true;
    let typing: Vec<_> = told_of_ben.iter().filter(is_typing).map(|event| event["expires_ms"].as_u64()).collect();
    assert_eq!(typing, [Some(6000)], "reported once, and expired");
    let gone: Presence =
        serde_json::from_value(told_of_ben.last().expect("just reported").clone()).expect("a presence");
    assert_eq!((gone.user, gone.status), (ben.id, Offline));
    let seen_at = gone.seen_at.expect("he was online");
    let (earliest, latest) = (rfc3339(before_ms - CLOCK_ROOM_MS), rfc3339(cut_ms + CLOCK_ROOM_MS));
    assert!(earliest <= seen_at && seen_at <= latest, "last seen at {seen_at}, before {latest}");

    // The server was not notified either: both timed out, and their connection slots are free.
    let deadline = Instant::now() + PATIENCE;
    while (metric(&server, "parlor_closes_total{cause=\"silent\"}").await, metric(&server, "parlor_connections ").await)
        != (2, 1)
    {
        assert!(Instant::now() < deadline, "the server keeps dead connections:\n{}", server.log());
        // waits for: the server to drop the other connection, too
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    links.second_is("up");
    let deadline = Instant::now() + PATIENCE;
    while let Err(why) = Handshake::new(ben.api.address(), ben.api.headers()).open().await {
        assert!(Instant::now() < deadline, "the line is not mended: {why}");
        // waits for: the two ends of the link to find each other again
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let _back = page(&ben).await;
    let is_back = |event: &Value| event["type"] == "presence.changed" && event["status"] == "online";
    reported(&mut of_ada, ben.id, is_back).await;
}
