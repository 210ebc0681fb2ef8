//! A balancer of connections in front of the nodes: one address, which leads to a node that says it is ready.

use crate::harness::Rng;
use parlor_client::http::Api;
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// How often a node's readiness is read, and how long it may take.
const CHECK: Duration = Duration::from_millis(200);
const ANSWER: Duration = Duration::from_secs(2);

/// A node, as the balancer knows it.
struct Target {
    address: SocketAddr,
    is_ready: AtomicBool,
}

/// Starts a balancer and returns its address. Its tasks end with the test's runtime.
pub(super) async fn start(nodes: impl Iterator<Item = SocketAddr>, rng: Rng) -> SocketAddr {
    let target = |address| Target { address, is_ready: AtomicBool::new(true) };
    let targets: Arc<[Target]> = nodes.map(target).collect();
    for index in 0..targets.len() {
        let targets = targets.clone();
        tokio::spawn(async move { follow(&targets[index]).await });
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let rng = Arc::new(Mutex::new(rng));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let first = rng.lock().expect("not poisoned").below(targets.len());
            let targets = targets.clone();
            tokio::spawn(async move { connect(client, &targets, first).await });
        }
    });
    address
}

async fn follow(target: &Target) {
    let api = Api::new(target.address).with_timeout(ANSWER);
    loop {
        let ready = api.request(http::Method::GET, "/readyz", "").await;
        target.is_ready.store(ready.is_ok_and(|answer| answer.status.is_success()), Ordering::Relaxed);
        // waits for: the next look at a node
        tokio::time::sleep(CHECK).await;
    }
}

/// Leads a connection to the first ready node from this one on, or else to any that accepts it.
async fn connect(mut client: TcpStream, targets: &[Target], first: usize) {
    let mut order: Vec<&Target> = targets.iter().cycle().skip(first).take(targets.len()).collect();
    order.sort_by_key(|target| !target.is_ready.load(Ordering::Relaxed));
    for target in order {
        if let Ok(Ok(mut node)) = timeout(ANSWER, TcpStream::connect(target.address)).await {
            // Either side may end it.
            _ = client.set_nodelay(true);
            _ = node.set_nodelay(true);
            _ = copy_bidirectional(&mut client, &mut node).await;
            return;
        }
    }
}
