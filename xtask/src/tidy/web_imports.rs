//! The web client's modules import in one direction: from the page down to the state, without a circle. Types in `JSDoc`
//! count as imports. The rooms at the bottom and the views are pure: they know no page and no network.

use super::{
    dead_files::resolve,
    source_tree::{File, Finding, Tree},
};
use regex_lite::Regex;
use std::collections::{BTreeMap, BTreeSet};

const SOURCES: &str = "web/src/";

/// From the bottom up. A module imports from its own room and from those before it.
const ROOMS: [&str; 15] = [
    "worker.js",
    "worker-off.js",
    "sdk/wire.js",
    "sdk/state",
    "sdk",
    "inbox/languages",
    "inbox/view",
    "inbox/ui",
    "inbox/files",
    "inbox/search",
    "inbox/dialogs",
    "inbox/list",
    "inbox/thread",
    "inbox/actions",
    "inbox",
];

const PURE: [&str; 3] = ["sdk/state", "inbox/languages", "inbox/view"];

/// An import, with its line.
struct Import {
    path: String,
    line: usize,
}

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let is_source = |file: &&File| file.path.starts_with(SOURCES) && file.has_extension(&["js", "mjs"]);
    let files: Vec<&File> = tree.files.iter().filter(is_source).collect();
    let known: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let imports: BTreeMap<&str, Vec<Import>> =
        files.iter().map(|file| (file.path.as_str(), imports_of(file, &known))).collect();
    let mut findings = Vec::new();
    for file in files {
        let Some(room) = room_of(&file.path) else {
            findings.push(file.finding(1, "tidy knows no room for this module"));
            continue;
        };
        for Import { path, line } in &imports[file.path.as_str()] {
            if room_of(path).is_some_and(|other| other > room) {
                findings.push(file.finding(*line, format!("{} does not import from {}", ROOMS[room], short(path))));
            } else if reaches(&imports, path, &file.path) {
                findings.push(file.finding(*line, format!("{} imports this file, too: a circle", short(path))));
            }
        }
        if PURE.contains(&ROOMS[room]) {
            findings.extend(impure_lines(file));
        }
    }
    findings
}

fn short(path: &str) -> &str {
    path.strip_prefix(SOURCES).unwrap_or(path)
}

/// The room of a module, by its place among them: a module may be a room by itself.
fn room_of(path: &str) -> Option<usize> {
    let path = short(path);
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    ROOMS.iter().position(|room| *room == path).or_else(|| ROOMS.iter().position(|room| *room == folder))
}

fn imports_of(file: &File, known: &BTreeSet<&str>) -> Vec<Import> {
    let import = Regex::new(r#"\b(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]"#).expect("a regular expression");
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut imports = Vec::new();
    for (line, text) in file.lines() {
        for (_, [path]) in import.captures_iter(text).map(|found| found.extract()) {
            let path = resolve(folder, path);
            if known.contains(path.as_str()) {
                imports.push(Import { path, line });
            }
        }
    }
    imports
}

/// Whether imports lead from one module to another.
fn reaches(imports: &BTreeMap<&str, Vec<Import>>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(path) = waiting.pop() {
        if path == to {
            return true;
        }
        if seen.insert(path) {
            waiting.extend(imports.get(path).into_iter().flatten().map(|import| import.path.as_str()));
        }
    }
    false
}

/// The lines that use the page, the network or the browser's storage. Comments may name them.
fn impure_lines(file: &File) -> Vec<Finding> {
    let words = "document|window|navigator|location|localStorage|sessionStorage|indexedDB|customElements|matchMedia";
    let global = Regex::new(&format!(r"(?:^|[^\w.'`$#])(?:(?:{words})\b\s*[.(\[]|fetch\(|new WebSocket\b)"))
        .expect("a regular expression");
    let code = |text: &str| {
        let text = text.trim_start();
        !text.starts_with("//") && !text.starts_with('*') && !text.starts_with("/*")
    };
    let lines = file.lines().filter(|(_, text)| code(text) && global.is_match(text));
    lines.map(|(line, _)| file.finding(line, "this room is pure: it uses no page, network or storage")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn imports_downwards_and_within_a_room_are_fine() {
        let files = [
            ("web/src/inbox/main.js", "import './inbox.js';\nimport { Client } from '../sdk/client.js';"),
            ("web/src/inbox/inbox.js", "import './thread/thread.js';\nconst a = () => import('./ui/menu.js');"),
            ("web/src/inbox/thread/thread.js", "/** @import {Message} from '../../sdk/wire.js' */"),
            ("web/src/inbox/ui/menu.js", "document.body.append(x);\n// what `import('./part.js')` gives"),
            ("web/src/sdk/client.js", "import { apply } from './state/apply.js';\nfetch('/v1/me');"),
            (
                "web/src/sdk/state/apply.js",
                "/** @import {Message} from '../wire.js' */\n// The window of messages.\nwindow2.x;",
            ),
            ("web/src/sdk/wire.js", "export {};"),
        ];
        assert_eq!(found(&files), [""; 0]);
    }

    #[test]
    fn upward_imports_are_found_even_of_types_and_dynamic_ones() {
        let files = [
            ("web/src/inbox/thread/thread.js", ""),
            ("web/src/inbox/view/thread.js", "/**\n * @import {View} from '../thread/thread.js'\n */"),
            ("web/src/inbox/ui/menu.js", "const a = () =>\n  import('../thread/thread.js');"),
            ("web/src/sdk/client.js", "/** @type {import('../inbox/view/thread.js').View} */"),
            ("web/src/sdk/state/state.js", "import { now } from '../client.js';"),
        ];
        assert_eq!(
            found(&files),
            [
                "web/src/inbox/view/thread.js:2: inbox/view does not import from inbox/thread/thread.js",
                "web/src/inbox/ui/menu.js:2: inbox/ui does not import from inbox/thread/thread.js",
                "web/src/sdk/client.js:1: sdk does not import from inbox/view/thread.js",
                "web/src/sdk/state/state.js:1: sdk/state does not import from sdk/client.js",
            ]
        );
    }

    #[test]
    fn a_circle_within_a_room_is_found() {
        let files = [
            ("web/src/sdk/a.js", "import { b } from './b.js';"),
            ("web/src/sdk/b.js", "\n/** @import {C} from './c.js' */"),
            ("web/src/sdk/c.js", "export const c = () => import('./a.js');"),
            ("web/src/sdk/d.js", "import { a } from './a.js';"),
        ];
        let circle = ["a.js:1: sdk/b.js", "b.js:2: sdk/c.js", "c.js:1: sdk/a.js"];
        assert_eq!(found(&files), circle.map(|step| format!("web/src/sdk/{step} imports this file, too: a circle")));
    }

    #[test]
    fn an_unknown_room_is_found() {
        let files = [("web/src/inbox/misc/a.js", ""), ("web/src/a.js", ""), ("web/test/misc/a.js", "")];
        assert_eq!(
            found(&files),
            ["inbox/misc/a.js", "a.js"].map(|path| format!("web/src/{path}:1: tidy knows no room for this module"))
        );
    }

    #[test]
    fn a_pure_room_that_uses_the_page_is_found() {
        let text = "const a = document.title;\nif (window.x) fetch('/');\nconst b = thread.window;\n/** The document. */\nfetch(x);";
        let lines: Vec<usize> =
            check(&Tree::of(&[("web/src/inbox/view/a.js", text)])).iter().map(|one| one.line).collect();
        assert_eq!(lines, [1, 2, 5]);
        assert_eq!(found(&[("web/src/inbox/ui/a.js", text)]), [""; 0]);
    }
}
