//! Idle sockets: bytes of memory each, and how many open per second.
//!
//! Users and sessions are created on one server, and another one starts on its data, so that memory freed after their
//! creation is not reused by sockets.

use crate::{
    Result, connections,
    machine::{self, Bench},
    report::{Cores, Load, Row, grouped, median},
    users,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::time::Duration;
use tokio::task::JoinSet;

/// Sockets opened concurrently.
const AT_ONCE: usize = 64;
/// Steps in which they open; the median speed is reported.
const STEPS: usize = 5;
/// The wait until the server has finished its work after a connection.
const SETTLING: Duration = Duration::from_secs(1);

pub(crate) async fn run(bench: &Bench, sockets: usize) -> Result<Vec<Row>> {
    machine::check_open_files(sockets)?;
    let sockets = sockets.max(STEPS);
    let data = bench.data("idle");
    let making = bench.serve(&data)?;
    let users = users::make(making.address, sockets).await?;
    let cursor = users::cursor(making.address, &users[0]).await?;
    making.stop()?;

    let server = bench.serve(&data)?;
    let empty = server.resident_bytes()?;
    let mut idle = JoinSet::new();
    let (mut speeds, mut memory, mut loads) = (Vec::new(), Vec::new(), Vec::new());
    for (step, some) in users.chunks(sockets.div_ceil(STEPS)).enumerate() {
        let load = Load::new(&server);
        let first = step * sockets.div_ceil(STEPS);
        let opening = stream::iter(some.iter().enumerate())
            .map(|(place, user)| connections::open(server.address, user, first + place, Some(cursor)))
            .buffer_unordered(AT_ONCE);
        let opened: Vec<_> = opening.try_collect().await?;
        let (time, cores) = load.end(&server);
        speeds.push(some.len() as f64 / time.as_secs_f64());
        loads.push(cores);
        for socket in opened {
            idle.spawn_local(connections::idle(socket));
        }
        tokio::time::sleep(SETTLING).await;
        memory.push((idle.len(), server.resident_bytes()?));
        eprintln!("idle: {} sockets, {} bytes resident", idle.len(), grouped(memory[step].1 as f64));
    }
    if let Some(ended) = idle.try_join_next() {
        return Err(format!("an idle socket ended: {}", ended.map_err(|error| error.to_string())?));
    }
    let (first, last) = (memory[0], memory[memory.len() - 1]);
    let each = (last.1.saturating_sub(empty)) as f64 / last.0 as f64;
    let later = (last.1.saturating_sub(first.1)) as f64 / (last.0 - first.0).max(1) as f64;
    let of = |part: fn(&Cores) -> f64| median(loads.iter().map(part).collect());
    let cores = Cores { server: of(|cores| cores.server), own: of(|cores| cores.own) };
    idle.shutdown().await;
    server.stop()?;
    Ok(vec![
        Row {
            figure: format!("idle socket, bytes resident, with {} of them", grouped(last.0 as f64)),
            wanted: ["12,000", "6,000"],
            measured: grouped(each),
            detail: format!("{} for each after the first {}", grouped(later), grouped(first.0 as f64)),
        },
        Row {
            figure: "new sockets a second, signed in and resumed".to_owned(),
            wanted: ["5,000", "15,000"],
            measured: grouped(median(speeds)),
            detail: cores.to_string(),
        },
    ])
}
