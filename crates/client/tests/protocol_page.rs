//! `docs/reference/protocol.md` lists every command, event, reply, code, close code and path.

use parlor_protocol::{close::Close, command_names::NAMES, error::Code};

const PAGE: &str = include_str!("../../../docs/reference/protocol.md");

fn rows_of(heading: &str) -> Vec<&'static str> {
    let (_, rest) = PAGE.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{heading} is a heading"));
    let section = rest.split("\n## ").next().expect("a split has a first part");
    section.lines().filter(|line| line.starts_with("| ")).collect()
}

#[test]
fn every_command_has_a_row() {
    let rows = rows_of("## Commands");
    for name in NAMES {
        assert!(rows.iter().any(|row| row.starts_with(&format!("| `{name}` |"))), "{name}");
    }
    assert_eq!(rows.len(), NAMES.len() + 1, "and the heading");
}

#[test]
fn every_error_has_a_row_with_its_status() {
    let rows = rows_of("## Errors");
    for code in Code::ALL {
        let start = format!("| `{}` | {} |", code.name(), code.status());
        let row = rows.iter().find(|row| row.starts_with(&start)).unwrap_or_else(|| panic!("{start}"));
        let is_said = row.contains("Retryable") || *code == Code::Unknown;
        assert_eq!(code.retryable(), is_said, "{row}");
    }
    assert_eq!(rows.len(), Code::ALL.len() + 1, "and the heading");
}

#[test]
fn every_close_code_has_a_row() {
    let rows = rows_of("### Close codes");
    for close in Close::ALL {
        assert!(rows.iter().any(|row| row.starts_with(&format!("| {} | `{}` |", close.code(), close.name()))));
    }
}

#[test]
fn every_event_of_the_fixtures_has_a_row_with_its_fields() {
    let rows = rows_of("## Events");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/frames");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the fixtures") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name").to_owned();
        let Some(name) = name.strip_prefix("event.").and_then(|name| name.strip_suffix(".json")) else { continue };
        count += 1;
        let row = rows.iter().find(|row| row.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("{name} has no row"));
        let text = std::fs::read_to_string(&path).expect("a fixture");
        let examples: Vec<serde_json::Value> = serde_json::from_str(&text).expect("a list of examples");
        let fields = examples[0]["frame"].as_object().expect("a frame").keys();
        for field in fields.filter(|field| !["type", "scope", "version", "prev"].contains(&field.as_str())) {
            assert!(row.contains(&format!("`{field}`")), "{name} has `{field}`");
        }
    }
    assert_eq!(rows.len(), count + 1, "and the heading");
}
