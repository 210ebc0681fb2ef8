//! A cluster under load: three real nodes on a real PostgreSQL and a real Redis, a proxy between each node and each of
//! the two, a balancer in front, and users who write all the time and record everything. Faults come in a seeded order
//! (`faults.rs`); afterwards the checker of histories judges what every client sent and received.
//!
//! Only promises are asserted. How long things took is printed. `PARLOR_TEST_SEED` repeats a run, `PARLOR_TEST_BUDGET`
//! makes it longer.

mod balancer;
mod faults;
mod frozen;
mod load;
mod probe;
mod proxy;
mod under_faults;

use crate::{
    harness::{Rng, Server, Setup, TestUser, unique},
    postgres::Postgres,
    redis::Redis,
};
use parlor_client::http::Api;
use proxy::{Proxy, Upstream};
use std::{net::SocketAddr, time::Duration};
use tokio::time::Instant;

const NODES: usize = 3;
/// How long anything may take, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_mins(1);

/// A node, and its lines to what it depends on.
struct Node {
    server: Server,
    to_postgres: Proxy,
    to_redis: Proxy,
}

/// See the module documentation.
struct Cluster {
    postgres: Postgres,
    redis: Redis,
    nodes: Vec<Node>,
    /// The database's name.
    database: String,
    /// Where users connect.
    address: SocketAddr,
}

/// Returns the seed of a test, and prints it.
fn seed() -> u64 {
    let given = std::env::var("PARLOR_TEST_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let seed = given.unwrap_or_else(|| u64::from(std::process::id()) << 16 | unique());
    println!("PARLOR_TEST_SEED={seed}");
    seed
}

impl Cluster {
    /// Starts it with these settings; `None` if PostgreSQL or Redis is not installed.
    async fn start(rng: Rng, change: impl Fn(Setup) -> Setup) -> Option<Self> {
        let postgres = Postgres::alone().filter(|_| crate::redis::is_installed())?;
        let redis = Redis::start().await;
        let database = postgres.database().rsplit('/').next().expect("a name").to_owned();
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            let to_postgres = Proxy::start(Upstream::Tcp(postgres.port())).await;
            let to_redis = Proxy::start(Upstream::Unix(redis.socket())).await;
            let setup = Setup::new()
                .with("store.url", format!("postgres://parlor@127.0.0.1:{}/{database}", to_postgres.port))
                .with("channel_layer.url", format!("redis://127.0.0.1:{}", to_redis.port))
                .with("channel_layer.encryption_keys", "a key of the test")
                .with("metrics.token", "figures");
            nodes.push(Node { server: change(setup).start().await, to_postgres, to_redis });
        }
        let address = balancer::start(nodes.iter().map(|node| node.server.address()), rng).await;
        let cluster = Self { postgres, redis, nodes, database, address };
        cluster.until_ready().await;
        Some(cluster)
    }

    /// Returns the URL of the database, without a proxy.
    fn database(&self) -> String {
        format!("postgres://parlor@127.0.0.1:{}/{}", self.postgres.port(), self.database)
    }

    /// Creates a user whose connections go through the balancer.
    async fn user(&self, name: &str) -> TestUser {
        self.nodes[0].server.user(name).await.through_address(self.address)
    }

    /// Waits until every node works and is connected to the others.
    async fn until_ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        for (index, node) in self.nodes.iter().enumerate() {
            let mut said = self.status(index).await;
            while said != "ok" {
                assert!(Instant::now() < deadline, "node {index} says {said:?}:\n{}", node.server.log());
                // waits for: a node that recovers
                tokio::time::sleep(Duration::from_millis(20)).await;
                said = self.status(index).await;
            }
        }
    }

    /// Returns what a node says about itself, or why it says nothing.
    async fn status(&self, node: usize) -> String {
        let api = Api::new(self.nodes[node].server.address()).with_timeout(Duration::from_secs(5));
        match api.get::<parlor_protocol::http::Health>("/readyz").await {
            Ok(health) => health.status,
            Err(error) => error.to_string(),
        }
    }
}
