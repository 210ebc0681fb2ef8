//! The time from the start of the binary to its ready line, and its size.

use crate::{
    Result, direct_messages,
    machine::Bench,
    report::{Row, grouped, median, ms},
};
use std::{fs, path::Path, time::Duration};

pub(crate) async fn run(bench: &Bench, starts: usize, messages: u64) -> Result<Vec<Row>> {
    let size = fs::metadata(&bench.program).map_err(|error| error.to_string())?.len();
    let mut rows = vec![Row {
        figure: "binary, MB".to_owned(),
        wanted: ["40", "25"],
        measured: format!("{:.1}", size as f64 / 1_000_000.0),
        detail: String::new(),
    }];
    let mut times = Vec::new();
    for number in 0..starts {
        times.push(once(bench, &bench.data(&format!("empty-{number}")))?);
    }
    rows.push(row("an empty database", ["100", "30"], times));
    if messages > 0 {
        let data = bench.data("full");
        let kept = direct_messages::fill(bench, &data, messages).await?;
        let mut times = Vec::new();
        for _ in 0..starts {
            times.push(once(bench, &data)?);
        }
        rows.push(row(&format!("{} messages", grouped(kept as f64)), ["200", "100"], times));
    }
    Ok(rows)
}

fn once(bench: &Bench, data: &Path) -> Result<Duration> {
    let server = bench.serve(data)?;
    let time = server.ready_after;
    server.stop()?;
    Ok(time)
}

fn row(of: &str, wanted: [&'static str; 2], times: Vec<Duration>) -> Row {
    let worst = times.iter().copied().max().unwrap_or_default();
    Row {
        figure: format!("start to ready on {of}, ms"),
        wanted,
        measured: ms(median(times)),
        detail: format!("the slowest {}", ms(worst)),
    }
}
