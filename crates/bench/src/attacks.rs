//! The cost of one hostile user or address: memory and disk under each attack, with a bound for each.
//!
//! Every attack runs on its own server with default limits, is bounded in number and time, and ends before the memory
//! is measured again. Exceeding a bound fails the run.

mod cases;

use crate::{Result, machine::Bench, report::grouped, server::Server, users};
use cases::{ATTACKS, Attack};
use std::{fmt::Write as _, fs, path::Path, time::Duration};

/// The wait before memory is measured again, so that freed memory has been returned.
const REST: Duration = Duration::from_secs(2);
/// The timeout of an attack.
const PATIENCE: Duration = Duration::from_mins(3);

/// The server and the users of an attack.
pub(crate) struct Target<'bench> {
    pub(crate) server: &'bench Server,
    /// A hostile, signed-in user.
    pub(crate) token: String,
}

/// The cost of an attack, in bytes.
struct Cost {
    before: u64,
    peak: u64,
    after: u64,
    disk: u64,
}

/// Runs every attack whose name contains `only`, and prints the table.
pub(crate) async fn run(bench: &Bench, only: &str) -> Result<()> {
    let mut table = "| attack | memory before | at the peak | after | more on disk | bounds: peak, after, disk |\n\
                     |---|--:|--:|--:|--:|---|\n"
        .to_owned();
    let mut passed = Vec::new();
    for (number, attack) in ATTACKS.iter().enumerate().filter(|(_, attack)| attack.name.contains(only)) {
        eprintln!("{}", attack.name);
        let cost = tokio::time::timeout(PATIENCE, suffer(bench, &format!("attack-{number}"), attack)).await;
        let cost = cost.map_err(|_| format!("{}: it takes too long", attack.name))??;
        let [peak, after, disk] = attack.bounds_mib.map(|mib| mib * 1024 * 1024);
        let grown = [cost.peak.saturating_sub(cost.before), cost.after.saturating_sub(cost.before), cost.disk];
        let names = ["memory at the peak", "memory afterwards", "disk"];
        for ((grown, bound), name) in grown.into_iter().zip([peak, after, disk]).zip(names) {
            if grown > bound {
                let (grown, bound) = (grouped(grown as f64), grouped(bound as f64));
                passed.push(format!("{}: {name} grew by {grown} bytes; the bound is {bound}", attack.name));
            }
        }
        let figures =
            [cost.before, cost.peak, cost.after, cost.disk].map(|bytes| format!("{:.1}", bytes as f64 / 1_048_576.0));
        let [peak, after, disk] = attack.bounds_mib;
        let _ = writeln!(table, "| {} | {} | +{peak}, +{after}, +{disk} |", attack.name, figures.join(" | "));
    }
    println!("In MiB:\n\n{table}");
    if passed.is_empty() { Ok(()) } else { Err(passed.join("\n")) }
}

async fn suffer(bench: &Bench, name: &str, attack: &Attack) -> Result<Cost> {
    let data = bench.data(name);
    // The load generator's settings are the defaults here, except the sign-in attempts per address, which the attack
    // exceeds, and the timeout of pictures, so that a slow machine decodes them, too.
    let settings = [
        ("PARLOR_ACCOUNTS_PASSWORD_MEMORY_KIB", "19456"),
        ("PARLOR_ACCOUNTS_PASSWORD_PASSES", "2"),
        ("PARLOR_LIMITS_PASSWORD_CHECKS_MAX", "2"),
        ("PARLOR_LIMITS_ADDRESS_ATTEMPTS_MAX", "1000"),
        ("PARLOR_LIMITS_ADDRESS_CONNECTIONS_MAX", "256"),
        ("PARLOR_LIMITS_USER_CONNECTIONS_MAX", "32"),
        ("PARLOR_LIMITS_FRAMES_PER_SECOND_MAX", "50"),
        ("PARLOR_FILES_FREE_BYTES_MIN", "0"),
        ("PARLOR_FILES_IMAGE_MS", "60000"),
    ];
    let server = bench.serve_with(&data, &settings)?;
    let hostile = users::make(server.address, 1).await?.remove(0);
    let disk = bytes_in(&data);
    tokio::time::sleep(REST).await;
    let before = server.resident_bytes()?;
    server.forget_peak()?;
    let target = Target { server: &server, token: hostile.token };
    (attack.make)(&target).await?;
    let peak = server.peak_bytes()?;
    tokio::time::sleep(REST).await;
    let cost = Cost { before, peak, after: server.resident_bytes()?, disk: bytes_in(&data).saturating_sub(disk) };
    server.stop()?;
    Ok(cost)
}

/// The size of all files in a folder.
fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_in(&entry.path()),
        Ok(found) => found.len(),
        // It was removed meanwhile.
        Err(_) => 0,
    };
    entries.map(of).sum()
}
