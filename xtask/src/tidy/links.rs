//! Links between the pages lead to an existing file and heading.

use super::source_tree::{Finding, Tree};
use regex_lite::Regex;
use std::collections::BTreeSet;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let inline = Regex::new(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)").expect("a regular expression");
    let reference = Regex::new(r"^\s{0,3}\[[^\]]+\]:\s+<?([^\s>]+)").expect("a regular expression");
    let image = Regex::new(r#"<(?:img|a|source)\b[^>]*\b(?:src|href|srcset)="([^"]+)""#).expect("a regular expression");
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.has_extension(&["md"])) {
        for (number, line) in prose(&file.text) {
            for pattern in [&inline, &reference, &image] {
                for (_, [target]) in pattern.captures_iter(&line).map(|found| found.extract()) {
                    if let Some(what) = broken(tree, &file.path, target) {
                        findings.push(file.finding(number, what));
                    }
                }
            }
        }
    }
    findings
}

/// Why a link from this page is broken.
fn broken(tree: &Tree, page: &str, target: &str) -> Option<String> {
    let is_elsewhere = ["http:", "https:", "mailto:"].iter().any(|scheme| target.starts_with(scheme));
    if is_elsewhere {
        return None;
    }
    let (path, heading) = target.split_once('#').map_or((target, None), |(path, heading)| (path, Some(heading)));
    if path.starts_with('/') {
        return Some(format!("{target}: links are relative to their page"));
    }
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    let path = if path.is_empty() { page.to_owned() } else { super::dead_files::resolve(folder, path) };
    if !path.is_empty() && !tree.paths.contains(&path) {
        return Some(format!("{target}: {path} does not exist"));
    }
    let (heading, file) = (heading?, tree.file(&path)?);
    let known = file.has_extension(&["md"]) && !headings(&file.text).contains(heading);
    known.then(|| format!("{target}: {path} does not have this heading"))
}

/// The lines outside code blocks, without text in backticks.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut fence: Option<&str> = None;
    for (index, line) in text.lines().enumerate() {
        let start = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) => lines.push((index + 1, line.split('`').step_by(2).collect::<Vec<_>>().join("`"))),
            _ => {}
        }
    }
    lines
}

/// The anchors of a page's headings.
fn headings(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, line) in without_code(text) {
        let Some(title) = line.strip_prefix('#').map(|rest| rest.trim_start_matches('#')) else { continue };
        let name = slug(title.trim());
        let again = (1..).map(|count| format!("{name}-{count}"));
        let free = std::iter::once(name.clone()).chain(again).find(|name| !names.contains(name));
        names.extend(free);
    }
    names
}

/// The lines outside code blocks.
fn without_code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let outside: BTreeSet<usize> = prose(text).into_iter().map(|(number, _)| number).collect();
    text.lines().enumerate().map(|(index, line)| (index + 1, line)).filter(move |(number, _)| outside.contains(number))
}

fn slug(title: &str) -> String {
    let kept = title.chars().filter(|sign| sign.is_alphanumeric() || matches!(sign, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|sign| if sign == ' ' { '-' } else { sign }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(page: &str) -> Vec<usize> {
        let other = ("docs/use.md", "# Use\n\n## Sign in, and out\n\n## `parlor serve`\n\n```\n# no heading\n```\n");
        let tree = Tree::of(&[("docs/README.md", page), other, ("LICENSE", "")]);
        check(&tree).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn broken_links_are_found() {
        let page = "[a](gone.md)\n![b](x.png)\n[c](/docs/use.md)\n[d](use.md#no-heading)\n[e]: gone.md\n[f](#g)\n<img src=\"x.png\">\n";
        assert_eq!(lines(page), [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn valid_links_are_not_found() {
        let page = "# Here\n[a](use.md), [b](use.md#sign-in-and-out)\n[c](../LICENSE \"title\")\n[d](https://x.example/gone.md)\n\
                    [e](#here) [f](use.md#parlor-serve) [g](..)\n`[h](gone.md)`\n```\n[i](gone.md)\n```\n[j]: use.md\n";
        assert_eq!(lines(page), [0; 0]);
    }
}
