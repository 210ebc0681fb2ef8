//! The modules of the server import in one direction, without a circle. A module may use what the module around it
//! defines; other than that, no chain of imports leads back to where it began. `domain` imports next to nothing, and
//! nothing below the edges imports an edge.

use super::source_tree::{File, Finding, Tree};
use std::collections::{BTreeMap, BTreeSet};
use syn::{Item, UseTree, spanned::Spanned as _, visit::Visit};

const SOURCES: &str = "crates/server/src/";

/// The edges, and who may import each beside itself.
const EDGES: [(&str, &[&str]); 5] = [
    ("ws", &["http", "old_sockets"]),
    ("old_sockets", &["http", "server"]),
    ("http", &["server", "cli"]),
    ("admin", &["server", "cli"]),
    ("server", &["cli"]),
];

/// What the rules in `domain` may import: names of topics, and how times are written.
const DOMAIN_IMPORTS: [&str; 2] = ["channel_layer", "environment"];

/// A module, by its path from the crate: `["store", "threads"]`.
type Module = Vec<String>;

/// An import, with its line.
struct ModuleImport {
    module: Module,
    line: usize,
}

type Graph = BTreeMap<Module, BTreeSet<Module>>;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let sources: Vec<_> = tree.rust().filter_map(|(file, rust)| Some((file, rust, module_of(&file.path)?))).collect();
    let known: BTreeSet<Module> = sources.iter().map(|(_, _, module)| module.clone()).collect();
    let imports: Vec<(&File, Module, Vec<ModuleImport>)> = sources
        .into_iter()
        .map(|(file, rust, module)| {
            let imports = imports_of(&rust.items, &module, &known);
            (file, module, imports)
        })
        .collect();
    let (mut all, mut without_parents) = (Graph::new(), Graph::new());
    for (_, module, imports) in &imports {
        for import in imports {
            all.entry(module.clone()).or_default().insert(import.module.clone());
            if !module.starts_with(&import.module) {
                without_parents.entry(module.clone()).or_default().insert(import.module.clone());
            }
        }
    }
    let mut findings = Vec::new();
    for (file, module, imports) in &imports {
        for ModuleImport { module: target, line } in imports {
            if let Some(wrong) = upwards(module, target) {
                findings.push(file.finding(*line, wrong));
            }
            let is_parent = module.starts_with(target);
            let graph = if module[0] == target[0] { &without_parents } else { &all };
            if !is_parent && reaches(graph, target, module) {
                findings.push(file.finding(*line, format!("{} leads back here", target.join("::"))));
            }
        }
    }
    findings
}

/// The module of a source file; none for the roots of the crate and for tests.
fn module_of(path: &str) -> Option<Module> {
    let path = path.strip_prefix(SOURCES)?.strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    let is_root = ["lib", "main"].contains(&path);
    let is_tests = path.ends_with("/tests");
    (!is_root && !is_tests).then(|| path.split('/').map(str::to_owned).collect())
}

/// Says what is wrong with an import of another top-level module, if it is.
fn upwards(module: &Module, target: &Module) -> Option<String> {
    let (from, to) = (module[0].as_str(), target[0].as_str());
    if from == to {
        return None;
    }
    if from == "domain" && !DOMAIN_IMPORTS.contains(&to) {
        return Some(format!("domain does not import {}", target.join("::")));
    }
    let (edge, above) = EDGES.iter().find(|(edge, _)| *edge == to)?;
    (!above.contains(&from)).then(|| format!("{from} does not import {edge}: it is an edge"))
}

/// Whether imports lead from one module to another.
fn reaches(graph: &Graph, from: &Module, to: &Module) -> bool {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(module) = waiting.pop() {
        if module == to {
            return true;
        }
        if seen.insert(module) {
            waiting.extend(graph.get(module).into_iter().flatten());
        }
    }
    false
}

/// What a module imports of the crate: by `use`, and by whole paths in its code. Tests may import what they like.
fn imports_of(file: &syn::File, module: &Module, known: &BTreeSet<Module>) -> Vec<ModuleImport> {
    let mut paths = Paths { found: Vec::new() };
    paths.visit_file(file);
    let mut imports = Vec::new();
    for (path, line) in paths.found {
        let Some(path) = absolute(&path, module, known) else { continue };
        let Some(target) = (1..=path.len()).rev().map(|length| &path[..length]).find(|path| known.contains(*path))
        else {
            continue;
        };
        if target != module.as_slice() {
            imports.push(ModuleImport { module: target.to_vec(), line });
        }
    }
    imports
}

/// A path from the crate; none for paths of other crates.
fn absolute(path: &[String], module: &Module, known: &BTreeSet<Module>) -> Option<Module> {
    let first = path.first()?;
    match first.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([module, &path[1..]].concat()),
        "super" => {
            let ups = path.iter().take_while(|name| *name == "super").count();
            Some([&module[..module.len().checked_sub(ups)?], &path[ups..]].concat())
        }
        _ => {
            let child = [module.as_slice(), std::slice::from_ref(first)].concat();
            known.contains(&child).then(|| [module.as_slice(), path].concat())
        }
    }
}

/// Collects paths, and the lines on which they stand.
struct Paths {
    found: Vec<(Vec<String>, usize)>,
}

impl Paths {
    fn add_use(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.add_use(&path.tree, &with(&path.ident)),
            UseTree::Name(name) => self.found.push((with(&name.ident), name.span().start().line)),
            UseTree::Rename(name) => self.found.push((with(&name.ident), name.span().start().line)),
            UseTree::Glob(glob) => self.found.push((before.to_vec(), glob.span().start().line)),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_use(tree, before)),
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Mod(module) if module.attrs.iter().any(is_for_tests) => {}
            Item::Use(import) if import.attrs.iter().any(is_for_tests) => {}
            Item::Use(import) => self.add_use(&import.tree, &[]),
            _ => syn::visit::visit_item(self, item),
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.found.push((names, path.span().start().line));
        }
        syn::visit::visit_path(self, path);
    }
}

fn is_for_tests(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<(String, &str)> = files.iter().map(|(path, text)| (format!("{SOURCES}{path}"), *text)).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        check(&Tree::of(&files)).iter().map(|finding| finding.to_string().replace(SOURCES, "")).collect()
    }

    #[test]
    fn imports_in_one_direction_are_fine() {
        let files = [
            ("lib.rs", "pub mod app;\nmod store;"),
            ("app.rs", "use crate::store::{Store, threads::Threads};\nuse std::sync::Arc;"),
            ("store/mod.rs", "mod threads;\nuse threads::Threads;\npub struct Store;"),
            ("store/threads.rs", "use super::Store;\n#[cfg(test)]\nmod tests { use crate::app::App; }"),
            ("store/tests.rs", "use crate::app::App;"),
        ];
        assert_eq!(found(&files), [""; 0]);
    }

    #[test]
    fn a_circle_between_modules_is_found_also_through_a_child_and_by_a_whole_path() {
        let files = [
            ("app.rs", "use crate::{\n    identity::Identity,\n};"),
            ("identity/mod.rs", "mod sessions;\npub struct Identity;"),
            ("identity/sessions.rs", "use super::Identity;"),
            ("search.rs", "fn f(app: &crate::app::App) {}"),
            ("identity/places.rs", "\nuse crate::search::find;"),
        ];
        assert_eq!(found(&files), [""; 0], "nothing imports `places`");
        let circle = [files.as_slice(), &[("identity/mod.rs", "use places::Places;")]].concat();
        let circle: Vec<_> = circle.into_iter().filter(|(_, text)| !text.contains("mod sessions")).collect();
        assert_eq!(
            found(&circle),
            [
                "app.rs:2: identity leads back here",
                "search.rs:1: app leads back here",
                "identity/places.rs:2: search leads back here",
                "identity/mod.rs:1: identity::places leads back here",
            ]
        );
    }

    #[test]
    fn a_circle_between_siblings_is_found() {
        let files = [
            ("domain/mod.rs", "mod change;\nmod groups;"),
            ("domain/change.rs", "use super::groups::Update;"),
            ("domain/groups.rs", "use super::{change::Change};"),
        ];
        assert_eq!(
            found(&files),
            [
                "domain/change.rs:1: domain::groups leads back here",
                "domain/groups.rs:1: domain::change leads back here"
            ]
        );
    }

    #[test]
    fn the_domain_and_the_edges_are_kept_apart() {
        let files = [
            ("domain.rs", "use crate::{channel_layer::Topic, store::Store};"),
            ("channel_layer.rs", ""),
            ("store.rs", ""),
            ("hub.rs", "use crate::ws::Socket;"),
            ("http.rs", "use crate::ws::Socket;"),
            ("ws.rs", ""),
        ];
        assert_eq!(
            found(&files),
            ["domain.rs:1: domain does not import store", "hub.rs:1: hub does not import ws: it is an edge"]
        );
    }
}
