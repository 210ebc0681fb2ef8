//! Every Rust file is reachable by `mod` from a root of its package; others are dead.

use super::{
    rust_source::Rust,
    source_tree::{Finding, Tree},
};
use std::collections::{BTreeMap, BTreeSet};
use syn::{Attribute, Expr, Item, Lit, Meta};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let rust: BTreeMap<&str, &Rust> = tree.rust().map(|(file, rust)| (file.path.as_str(), rust)).collect();
    let mut waiting: Vec<String> = rust.keys().filter(|path| is_root(path)).map(|path| (*path).to_owned()).collect();
    let mut reached = BTreeSet::new();
    while let Some(path) = waiting.pop() {
        let Some(rust) = rust.get(path.as_str()) else { continue };
        if reached.insert(path.clone()) {
            modules(&rust.items.items, &folder_of(&path), &home_of(&path), &mut waiting);
        }
    }
    let dead = tree.rust().map(|(file, _)| file).filter(|file| package_of(&file.path).is_some());
    dead.filter(|file| !reached.contains(&file.path))
        .map(|file| file.finding(1, "no `mod` reaches this file"))
        .collect()
}

/// The folder of a file's package: `crates/server`.
fn package_of(path: &str) -> Option<&str> {
    for (at, _) in path.match_indices('/') {
        let inside = &path[at + 1..];
        if ["src/", "tests/", "benches/", "examples/"].iter().any(|folder| inside.starts_with(folder)) {
            let package = &path[..at];
            return (package.starts_with("crates/") || package == "xtask").then_some(package);
        }
    }
    None
}

/// A file that cargo compiles by itself.
fn is_root(path: &str) -> bool {
    let Some(inside) = package_of(path).map(|package| &path[package.len() + 1..]) else { return false };
    if matches!(inside, "src/lib.rs" | "src/main.rs") {
        return true;
    }
    let folders = ["src/bin/", "tests/", "benches/", "examples/"];
    let Some(name) = folders.iter().find_map(|folder| inside.strip_prefix(folder)) else { return false };
    !name.contains('/') || (name.ends_with("/main.rs") && name.matches('/').count() == 1)
}

fn folder_of(path: &str) -> String {
    path.rsplit_once('/').map_or_else(String::new, |(folder, _)| folder.to_owned())
}

/// The folder of a file's modules.
fn home_of(path: &str) -> String {
    if is_root(path) || path.ends_with("/mod.rs") { folder_of(path) } else { path.trim_end_matches(".rs").to_owned() }
}

/// Adds the possible files of these items' modules.
fn modules(items: &[Item], folder: &str, home: &str, files: &mut Vec<String>) {
    for item in items {
        let Item::Mod(module) = item else { continue };
        let below = format!("{home}/{}", module.ident);
        if let Some((_, items)) = &module.content {
            modules(items, &below, &below, files);
        } else if let Some(path) = module.attrs.iter().find_map(path_attribute) {
            files.push(resolve(folder, &path));
        } else {
            files.extend([format!("{below}.rs"), format!("{below}/mod.rs")]);
        }
    }
}

/// `#[path = "…"]`
fn path_attribute(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// Joins a relative path to a folder, from the root.
pub(super) fn resolve(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files)).into_iter().map(|finding| finding.path).collect()
    }

    #[test]
    fn reached_files_are_alive() {
        let files = [
            ("crates/a/src/lib.rs", "mod b; mod inline { mod c; }"),
            ("crates/a/src/b.rs", "mod d; #[path = \"odd.rs\"] mod e;"),
            ("crates/a/src/inline/c.rs", ""),
            ("crates/a/src/b/d/mod.rs", "mod f;"),
            ("crates/a/src/b/d/f.rs", ""),
            ("crates/a/src/odd.rs", ""),
            ("crates/a/src/main.rs", ""),
            ("crates/a/src/bin/g.rs", ""),
            ("crates/a/tests/it/main.rs", "mod h;"),
            ("crates/a/tests/it/h.rs", ""),
            ("crates/a/tests/one.rs", "mod support;"),
            ("crates/a/tests/support/mod.rs", ""),
            ("fuzz/fuzz_targets/frame.rs", ""),
        ];
        assert_eq!(dead(&files), [""; 0]);
    }

    #[test]
    fn unreached_files_are_found() {
        let files = [
            ("crates/a/src/lib.rs", "// mod b;\n"),
            ("crates/a/src/b.rs", "mod c;"),
            ("crates/a/src/b/c.rs", ""),
            ("crates/a/tests/it/h.rs", ""),
            ("xtask/src/x.rs", ""),
        ];
        assert_eq!(
            dead(&files),
            ["crates/a/src/b.rs", "crates/a/src/b/c.rs", "crates/a/tests/it/h.rs", "xtask/src/x.rs"]
        );
    }
}
