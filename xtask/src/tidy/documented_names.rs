//! Every name of the protocol and of the metrics is documented.

use super::{
    rust_source::{Kind, Rust, find},
    source_tree::{Finding, Tree},
};
use parlor_protocol::{close::Close, command_names, error::Code};

const ERRORS: &str = "docs/reference/errors.md";
const PROTOCOL: &str = "docs/reference/protocol.md";
const METRICS: &str = "docs/operate/metrics.md";
const EVENTS: &str = "crates/protocol/src/event.rs";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    if tree.paths.contains("docs/reference") {
        let commands = command_names::NAMES.map(|name| Entry::of("command", name));
        let codes = Code::ALL.iter().map(|code| Entry::of("error code", code.name()));
        let closes = Close::ALL.map(|close| Entry {
            what: format!("close code {} ({})", close.code(), close.name()),
            words: vec![close.code().to_string(), close.name().to_owned()],
        });
        findings.extend(missing(tree, PROTOCOL, commands));
        findings.extend(missing(tree, PROTOCOL, events(tree)));
        findings.extend(missing(tree, ERRORS, codes.chain(closes)));
    }
    if let Some(page) = tree.file(METRICS) {
        findings.extend(missing(tree, METRICS, metrics(tree, &page.text)));
    }
    findings
}

/// A name to be documented: one entry of the page contains all of its words.
struct Entry {
    what: String,
    words: Vec<String>,
}

impl Entry {
    fn of(kind: &str, name: &str) -> Self {
        Self { what: format!("{kind} {name}"), words: vec![name.to_owned()] }
    }
}

fn missing(tree: &Tree, path: &str, entries: impl IntoIterator<Item = Entry>) -> Vec<Finding> {
    let finding = |what: String| Finding { path: path.to_owned(), line: 1, what };
    let Some(page) = tree.file(path) else { return vec![finding("this page is missing".to_owned())] };
    // A heading, an empty line and the line after it are one entry.
    let lines: Vec<&str> = page.text.lines().collect();
    let places: Vec<String> = (0..lines.len()).map(|at| lines[at..lines.len().min(at + 3)].join("\n")).collect();
    let stands = |entry: &Entry| places.iter().any(|place| entry.words.iter().all(|word| has_word(place, word)));
    let absent = entries.into_iter().filter(|entry| !stands(entry));
    absent.map(|entry| finding(format!("the {} is not documented", entry.what))).collect()
}

/// Whether the line contains the name as a whole word.
fn has_word(line: &str, word: &str) -> bool {
    let of_names = |sign: char| sign.is_ascii_alphanumeric() || sign == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        !before.ends_with(|sign| of_names(sign) || sign == '.') && !after.starts_with(of_names)
    })
}

fn events(tree: &Tree) -> Vec<Entry> {
    let rust = tree.rust().filter(|(file, _)| file.path == EVENTS).flat_map(|(_, rust)| &rust.tokens);
    rust.filter(|token| token.kind == Kind::Text && token.text.contains('.') && !token.text.contains(' '))
        .map(|token| Entry::of("event", &token.text))
        .collect()
}

/// The first argument of every `.register("…", …)` in the server, after the registry's prefix. The library adds the
/// unit, and `_total` to counters.
fn metrics(tree: &Tree, page: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (_, rust) in tree.rust().filter(|(file, _)| file.path.starts_with("crates/server/src/")) {
        let prefix = first_texts(rust, &["with_prefix", "("]).next();
        let calls = [[".", "register", "("], [".", "register_with_unit", "("]];
        for name in calls.iter().flat_map(|call| first_texts(rust, call)) {
            let name = prefix.map_or_else(|| name.to_owned(), |prefix| format!("{prefix}_{name}"));
            let ends = ["", "_total", "_seconds", "_bytes", "_seconds_total", "_bytes_total"];
            let full = ends.map(|end| format!("{name}{end}")).into_iter().find(|full| has_word(page, full));
            entries.push(Entry::of("metric", &full.unwrap_or(name)));
        }
    }
    entries
}

/// The string literals that directly follow these tokens, outside tests.
fn first_texts<'a>(rust: &'a Rust, call: &'a [&str]) -> impl Iterator<Item = &'a str> {
    let calls = find(rust, call).filter(|tokens| !tokens[0].in_test);
    calls.filter_map(|tokens| tokens.get(call.len()).filter(|token| token.kind == Kind::Text)).map(|token| &*token.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = "enum Event { #[serde(rename = \"message.created\")] A }";

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files)).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn without_any_page_nothing_is_checked() {
        assert_eq!(found(&[(EVENTS, EVENT)]), [""; 0]);
    }

    #[test]
    fn names_missing_on_a_page_are_found() {
        let codes: Vec<_> = Code::ALL.iter().map(|code| format!("`{}`\n", code.name())).collect();
        let closes: Vec<_> =
            Close::ALL.iter().map(|close| format!("### `{}`\n\n{}. Why.\n\n", close.name(), close.code())).collect();
        let commands = command_names::NAMES.join("\n");
        let (errors, protocol) = ([codes, closes].concat().concat(), commands + "\nmessage.created");
        let with = |errors: &str, protocol: &str| found(&[(EVENTS, EVENT), (ERRORS, errors), (PROTOCOL, protocol)]);
        assert_eq!(with(&errors, &protocol), [""; 0]);

        let one = with(&errors.replace("`conflict`", "`conflicts`"), &protocol);
        assert_eq!(one, ["docs/reference/errors.md:1: the error code conflict is not documented"]);
        assert_eq!(with(&errors.replace("4001", "4009"), &protocol).len(), 1);
        assert_eq!(with(&errors, &protocol.replace("message.created", "")).len(), 1);
        assert_eq!(with(&errors, &protocol.replace("message.cancel", "message.cancelled")).len(), 1);
    }

    #[test]
    fn a_missing_page_is_found() {
        let all = found(&[(EVENTS, EVENT), ("docs/reference/configuration.md", "")]);
        assert!(all.contains(&"docs/reference/errors.md:1: this page is missing".to_owned()), "{all:?}");
    }

    #[test]
    fn an_undocumented_metric_is_found() {
        let server = "fn f() { let r = Registry::with_prefix(\"parlor\"); r.register(\"closes\", \"help\", a); \
                      r.register_with_unit(\"commit\", \"help\", Unit::Seconds, b); }";
        let metrics = |page: &str| found(&[("crates/server/src/metrics.rs", server), (METRICS, page)]);
        assert_eq!(metrics("`parlor_closes_total` and\n`parlor_commit_seconds`"), [""; 0]);
        assert_eq!(metrics("`closes` `parlor_commit_queue`").len(), 2);
    }
}
