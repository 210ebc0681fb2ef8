//! Every script and style sheet of the web client is reachable from one of its pages, or named by the server, which
//! serves it to host applications; others are dead.

use super::{
    dead_files::resolve,
    rust_source::Kind,
    source_tree::{Finding, Tree},
};
use regex_lite::Regex;
use std::collections::BTreeSet;

const SOURCES: &str = "web/src/";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let quoted = Regex::new(r#"["'`(]([^"'`()\s]+\.(?:js|mjs|css))["'`)]"#).expect("a regular expression");
    let files: Vec<_> = tree.files.iter().filter(|file| file.path.starts_with(SOURCES)).collect();
    let known: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut waiting: BTreeSet<String> =
        files.iter().filter(|file| file.has_extension(&["html"])).map(|file| file.path.clone()).collect();
    for (_, rust) in tree.rust().filter(|(file, _)| file.path.starts_with("crates/server/src/")) {
        let texts = rust.tokens.iter().filter(|token| token.kind == Kind::Text && !token.in_test);
        waiting.extend(texts.filter_map(|token| served(&token.text, &known)));
    }
    let mut reached = BTreeSet::new();
    while let Some(path) = waiting.pop_first() {
        let Some(file) = files.iter().find(|file| file.path == path) else { continue };
        if !reached.insert(path.clone()) {
            continue;
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (_, [name]) in quoted.captures_iter(&file.text).map(|found| found.extract()) {
            let beside = resolve(folder, name);
            let found = if known.contains(beside.as_str()) { Some(beside) } else { served(name, &known) };
            waiting.extend(found);
        }
    }
    let sources = files.into_iter().filter(|file| file.has_extension(&["js", "mjs", "css"]));
    sources.filter(|file| !reached.contains(&file.path)).map(|file| file.finding(1, "nothing imports this")).collect()
}

/// The source of a served path: it is the longest suffix of that path.
fn served(path: &str, known: &BTreeSet<&str>) -> Option<String> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
    (0..parts.len())
        .map(|from| format!("{SOURCES}{}", parts[from..].join("/")))
        .find(|path| known.contains(path.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files)).into_iter().map(|finding| finding.path).collect()
    }

    #[test]
    fn files_reachable_from_a_page_are_alive() {
        let files = [
            (
                "web/src/index.html",
                "<link href=\"/assets/inbox/inbox.css\"><script src='/assets/inbox/main.js'></script>",
            ),
            ("web/src/inbox/inbox.css", "@import url(tokens.css);"),
            ("web/src/inbox/tokens.css", ""),
            ("web/src/inbox/main.js", "import { a } from './a.js';\nawait import(\"../sdk/client.js\");"),
            ("web/src/inbox/a.js", "export * from './b.js';"),
            ("web/src/inbox/b.js", "new Worker(new URL('./worker.js', import.meta.url));"),
            ("web/src/inbox/worker.js", ""),
            ("web/src/sdk/client.js", ""),
            ("web/src/sdk/host.js", ""),
            ("crates/server/src/http/assets.rs", "fn f() { g(\"sdk/host.js\"); }"),
        ];
        assert_eq!(dead(&files), [""; 0]);
    }

    #[test]
    fn files_named_only_by_dead_files_or_tests_are_found() {
        let files = [
            ("web/src/index.html", "<script src='/inbox/main.js'></script>"),
            ("web/src/inbox/main.js", ""),
            ("web/src/inbox/old.js", "import './older.js';"),
            ("web/src/inbox/older.js", ""),
            ("web/src/inbox/old.css", ""),
            ("web/test/old.test.js", "import '../src/inbox/old.js';"),
        ];
        assert_eq!(dead(&files), ["web/src/inbox/old.js", "web/src/inbox/older.js", "web/src/inbox/old.css"]);
    }
}
