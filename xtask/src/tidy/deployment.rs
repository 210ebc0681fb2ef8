//! What `deploy/` and the pages about it name exists, and the values that must be above or below a setting are.
//!
//! A value is compared where a comment says so: `# above limits.picture_bytes_max and limits.body_bytes_max`, with the
//! value on the same line, or on the next one if the comment has its line to itself.

use super::source_tree::{File, Finding, Tree};
use regex_lite::Regex;
use std::collections::BTreeMap;

const DEFAULTS: &str = "parlor.default.toml";
const METRICS: &str = "docs/operate/metrics.md";
const PAGES: [&str; 3] = ["docs/operate/deploy.md", "docs/operate/capacity.md", "docs/start.md"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let (Some(defaults), Some(metrics)) = (tree.file(DEFAULTS), tree.file(METRICS)) else { return Vec::new() };
    let settings = settings(&defaults.text);
    let files = tree.files.iter().filter(|file| file.path.starts_with("deploy/") || PAGES.contains(&&*file.path));
    files
        .flat_map(|file| {
            let mut findings = unknown_variables(file, &settings);
            findings.extend(unknown_keys(file, &settings));
            findings.extend(unknown_metrics(file, &metrics.text));
            findings.extend(wrong_values(file, &settings));
            findings
        })
        .collect()
}

/// The settings, such as `limits.page_rows`, with their defaults as they are written.
fn settings(defaults: &str) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    let mut section = String::new();
    for line in defaults.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
        } else if let Some((key, value)) = line.split_once(" = ").filter(|_| !line.starts_with(['#', ' '])) {
            settings.insert(format!("{section}{key}"), value.to_owned());
        }
    }
    settings
}

fn unknown_variables(file: &File, settings: &BTreeMap<String, String>) -> Vec<Finding> {
    let pattern = Regex::new(r"\bPARLOR_[A-Z0-9_]*[A-Z0-9]").expect("a regular expression");
    let variable = |key: &String| format!("PARLOR_{}", key.replace('.', "_").to_uppercase());
    let known: Vec<String> = settings.keys().map(variable).chain(["PARLOR_CONFIG".to_owned()]).collect();
    let is_other = |name: &&str| !name.starts_with("PARLOR_TEST_") && !known.iter().any(|known| known == name);
    found(file, &pattern, is_other, "is no variable of the configuration")
}

fn unknown_keys(file: &File, settings: &BTreeMap<String, String>) -> Vec<Finding> {
    let mut sections: Vec<&str> =
        settings.keys().filter_map(|key| key.split_once('.')).map(|(section, _)| section).collect();
    sections.dedup();
    let pattern = format!(r"(?:^|[\s`])((?:{})\.[a-z0-9_]+)", sections.join("|"));
    let pattern = Regex::new(&pattern).expect("a regular expression");
    found(file, &pattern, |key| !settings.contains_key(*key), "is no key of the configuration")
}

/// Metrics of a histogram end with `_bucket`, `_sum` or `_count`.
fn unknown_metrics(file: &File, page: &str) -> Vec<Finding> {
    let pattern = Regex::new(r"\bparlor_[a-z_]*[a-z]").expect("a regular expression");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `parlor_")).collect();
    let is_unknown = |name: &&str| {
        let ends = ["", "_bucket", "_sum", "_count"].into_iter().filter_map(|end| name.strip_suffix(end));
        !ends
            .map(|name| [format!("| `{name}`"), format!("| `{name}{{")])
            .any(|starts| rows.iter().any(|row| starts.iter().any(|start| row.starts_with(start))))
    };
    found(file, &pattern, is_unknown, "is no metric of docs/operate/metrics.md")
}

/// What a pattern finds, or its group if it has one, and is wrong.
fn found(file: &File, pattern: &Regex, is_wrong: impl Fn(&&str) -> bool, what: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        let names = pattern.captures_iter(line).filter_map(|found| found.get(1).or(found.get(0)));
        let wrong = names.map(|name| name.as_str()).filter(&is_wrong);
        findings.extend(wrong.map(|name| file.finding(number, format!("{name} {what}"))));
    }
    findings
}

fn wrong_values(file: &File, settings: &BTreeMap<String, String>) -> Vec<Finding> {
    let comment =
        Regex::new(r"# ?.*\b([Aa]bove|[Bb]elow) ((?:[a-z_]+\.[a-z0-9_]+(?: and )?)+)").expect("a regular expression");
    let value = Regex::new(r"[ :=](\d+)(ms|s|m|k)?(?:[;,}\s]|$)").expect("a regular expression");
    let lines: Vec<&str> = file.text.lines().collect();
    let mut findings = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(found) = comment.captures(line) else { continue };
        let before = line[..found.get(0).map_or(0, |found| found.start())].trim();
        let stated = if before.is_empty() { lines.get(index + 1).copied().unwrap_or_default() } else { before };
        let Some(stated) = value.captures(stated) else {
            findings.push(file.finding(index + 1, "a comment compares a value, and there is none"));
            continue;
        };
        for key in found[2].split(" and ") {
            let Some(limit) = settings.get(key).and_then(|limit| limit.parse().ok()) else { continue };
            let stated = in_units_of(key, &stated[1], stated.get(2).map_or("", |unit| unit.as_str()));
            let is_right = if found[1].eq_ignore_ascii_case("above") { stated > limit } else { stated < limit };
            if !is_right {
                findings.push(file.finding(index + 1, format!("{stated} is not {} {key} = {limit}", &found[1])));
            }
        }
    }
    findings
}

/// A value in milliseconds or bytes, as the key is. A time without a unit is in seconds.
fn in_units_of(key: &str, number: &str, unit: &str) -> u64 {
    let number: u64 = number.parse().unwrap_or(u64::MAX);
    let factor = match (key.ends_with("_ms"), unit) {
        (true, "ms") => 1,
        (true, "m") => 60_000,
        (true, _) => 1000,
        (false, "k") => 1 << 10,
        (false, "m") => 1 << 20,
        (false, _) => 1,
    };
    number.saturating_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: &str = "listen = \"\"\n\n[limits]\n# A.\nbody_bytes_max = 1048576\n\n[stop]\ngrace_ms = 10000\n";
    const PAGE: &str = "| `parlor_commit_seconds` | histogram |\n| `parlor_closes_total{cause}` | counter |\n";

    fn findings(text: &str) -> Vec<String> {
        let tree = Tree::of(&[(DEFAULTS, SETTINGS), (METRICS, PAGE), ("deploy/x.yaml", text)]);
        check(&tree).into_iter().map(|finding| format!("{}: {}", finding.line, finding.what)).collect()
    }

    #[test]
    fn names_that_exist_are_right() {
        let text = "PARLOR_LISTEN: x\nPARLOR_LIMITS_BODY_BYTES_MAX: 1\n# `stop.grace_ms`, PARLOR_CONFIG\n\
                    rate(parlor_commit_seconds_bucket[5m]) parlor_closes_total{cause=\"x\"} parlor.service\n";
        assert_eq!(findings(text), [""; 0]);
    }

    #[test]
    fn names_that_do_not_exist_are_found() {
        assert_eq!(findings("a\nPARLOR_LISTN: x"), ["2: PARLOR_LISTN is no variable of the configuration"]);
        assert_eq!(findings("# as stop.grace"), ["1: stop.grace is no key of the configuration"]);
        let unknown = findings("expr: parlor_commits > 1 and parlor_closes_total_count > parlor_closes");
        assert_eq!(unknown.len(), 2, "{unknown:?}");
    }

    #[test]
    fn values_are_compared_where_a_comment_says_so() {
        let right = "size 2m;  # above limits.body_bytes_max\n# Above stop.grace_ms.\nperiod: 15s\n\
                     idle: 9s # below stop.grace_ms\n# Above stop.grace_ms.\ntimeoutSeconds: 11\n";
        assert_eq!(findings(right), [""; 0]);
        assert_eq!(findings("size 1m;  # above limits.body_bytes_max").len(), 1);
        assert_eq!(findings("# Above stop.grace_ms, as it must be.\nperiod: 10s").len(), 1);
        assert_eq!(findings("idle 10s; # below stop.grace_ms").len(), 1);
        assert_eq!(findings("size 1m; # above stop.grace_ms and limits.body_bytes_max").len(), 1);
        assert_eq!(findings("# Above stop.grace_ms.\nperiod:").len(), 1);
    }
}
