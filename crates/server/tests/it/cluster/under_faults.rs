//! The tests: faults one after the other, and a rolling restart, under load.

use super::{Cluster, PATIENCE, faults::Fault, load::Load, probe::Probe, seed};
use crate::harness::{Rng, scaled};
use std::time::Duration;
use tokio::time::Instant;

/// Messages that are acknowledged between two steps.
const SOME: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promise_holds_through_every_fault() {
    let seed = seed();
    let mut rng = Rng::new(seed);
    let Some(mut cluster) = Cluster::start(Rng::new(rng.next()), |setup| setup).await else { return };
    let mut probe = Probe::start(&cluster).await;
    let load = Load::start(&cluster, &mut rng).await;
    for _ in 0..scaled(1) {
        for fault in Fault::all(&mut rng) {
            suffer(&mut cluster, fault, &load, &mut probe, &mut rng).await;
        }
    }
    load.until_acknowledged(SOME).await;
    load.end(&cluster, seed).await;
}

/// Lets a fault happen and end, and prints how long the cluster then takes to recover.
async fn suffer(cluster: &mut Cluster, fault: Fault, load: &Load, probe: &mut Probe, rng: &mut Rng) {
    load.until_acknowledged(SOME).await;
    // waits for: nothing; the moment is random
    tokio::time::sleep(rng.millis(0, 300)).await;
    let (began, cut) = (Instant::now(), cluster.commits_cut());
    cluster.begin(fault).await;
    // waits for: nothing; how long it lasts is random
    tokio::time::sleep(rng.millis(500, 2500)).await;
    if let Some(node) = fault.noticed_by().filter(|_| rng.percent(50)) {
        until_noticed(cluster, node).await;
    }
    if let Fault::CommitsCut(_) = fault {
        until_commits_are_cut(cluster, cut).await;
    }
    if fault.leaves_writing() {
        load.until_acknowledged(SOME).await;
    }
    let lasted = began.elapsed();
    cluster.end(fault).await;
    let recovery = probe.recovery(cluster).await;
    println!(
        "{fault:?} for {lasted:.1?}: ready after {:.1?}, messages between all nodes after {:.1?}",
        recovery.ready, recovery.delivered
    );
}

/// Waits until a node no longer says that all is well.
async fn until_noticed(cluster: &Cluster, node: usize) {
    let deadline = Instant::now() + PATIENCE;
    while cluster.status(node).await == "ok" {
        assert!(Instant::now() < deadline, "node {node} notices nothing");
        // waits for: a node that notices what it has lost
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a connection has ended in a commit.
async fn until_commits_are_cut(cluster: &Cluster, before: usize) {
    let deadline = Instant::now() + PATIENCE;
    while cluster.commits_cut() == before {
        assert!(Instant::now() < deadline, "nothing is committed");
        // waits for: a commit
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_under_load_loses_nothing() {
    let seed = seed();
    let mut rng = Rng::new(seed);
    let Some(mut cluster) = Cluster::start(Rng::new(rng.next()), |setup| setup).await else { return };
    let mut probe = Probe::start(&cluster).await;
    let load = Load::start(&cluster, &mut rng).await;
    for _ in 0..scaled(1) {
        for node in 0..cluster.nodes.len() {
            load.until_acknowledged(SOME).await;
            let began = Instant::now();
            cluster.nodes[node].server.stop().await;
            let stopped = began.elapsed();
            load.until_acknowledged(SOME).await;
            cluster.nodes[node].server.restart().await;
            let recovery = probe.recovery(&cluster).await;
            println!("node {node} ended within {stopped:.1?}; started again: {recovery:.1?}");
        }
    }
    load.until_acknowledged(SOME).await;
    load.end(&cluster, seed).await;
}
