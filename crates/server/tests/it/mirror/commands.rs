//! `parlor mirror backfill` and `parlor mirror check`.

use super::{Beside, HostServer, on_all_hosts, until_shown};
use std::process::{Command, Output};

on_all_hosts! {
    the_initial_copy_can_be_repeated_and_the_check_names_differences,
}

/// Runs a command of the binary with the settings of a stopped Parlor.
pub(super) fn run(beside: &Beside, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlor"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PARLOR_")) {
        command.env_remove(name);
    }
    for (key, value) in beside.settings() {
        command.env(format!("PARLOR_{}", key.replace('.', "_").to_uppercase()), value);
    }
    command.env("PARLOR_DATA", beside.data()).args(arguments).output().expect("the built binary starts")
}

pub(super) fn text(output: &Output) -> String {
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{error}")
}

async fn the_initial_copy_can_be_repeated_and_the_check_names_differences(server: HostServer) {
    let mut beside = Beside::start(&server, "findit").await;
    beside.app.stop().await;
    let start = 1_700_000_000_000;
    let mut rows = Vec::new();
    for number in 0..50 {
        let (from, to) = if number % 2 == 0 { (1, 2) } else { (2, 3) };
        rows.push(beside.host.insert_at(from, to, &format!("message {number}"), start + number * 1000).await);
    }
    let dry = run(&beside, &["mirror", "backfill", "--dry-run"]);
    assert!(dry.status.success() && text(&dry).contains("50"), "{}", text(&dry));
    let before = run(&beside, &["mirror", "check"]);
    assert!(!before.status.success() && text(&before).contains("it is not here"), "{}", text(&before));
    for _ in 0..2 {
        let copied = run(&beside, &["mirror", "backfill"]);
        assert!(copied.status.success(), "{}", text(&copied));
        let checked = run(&beside, &["mirror", "check"]);
        assert!(checked.status.success(), "{}", text(&checked));
    }
    beside.host.set(rows[7], "content", "changed").await;
    beside.host.set(rows[8], "is_read", true).await;
    beside.host.delete(rows[9]).await;
    let checked = text(&run(&beside, &["mirror", "check", "--json"]));
    for (row, field) in [(rows[7], "text"), (rows[8], "is read"), (rows[9], "the host does not have it")] {
        assert!(checked.contains(&format!("row {row},")) && checked.contains(field), "{checked}");
    }
    beside.restart().await;
    let conversation = beside.conversation(1, 2).await;
    let mut expected: Vec<String> = (0..50).step_by(2).map(|number| format!("message {number}")).collect();
    expected.push("live".to_owned());
    beside.host.insert(1, 2, "live").await;
    until_shown(&beside, 2, conversation, &expected.iter().map(String::as_str).collect::<Vec<_>>()).await;
}
