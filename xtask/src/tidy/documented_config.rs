//! The file of defaults is the reference of the configuration: a comment above each key, or above its block, explains
//! it, and every limit of the protocol is in it.

use super::source_tree::{File, Finding, Tree};
use syn::{Fields, Item};

const LIMITS: &str = "crates/protocol/src/limits.rs";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.files.iter().find(|file| file.path.ends_with("parlor.default.toml")) else {
        return Vec::new();
    };
    let (keys, mut findings) = keys(file);
    for limit in limits(tree) {
        if !keys.contains(&limit.as_str()) {
            findings.push(file.finding(1, format!("the limit {limit} has no default")));
        }
    }
    findings
}

/// The keys of the file, and those without an explanation.
fn keys(file: &File) -> (Vec<&str>, Vec<Finding>) {
    let (mut keys, mut findings) = (Vec::new(), Vec::new());
    let mut explained = false;
    let mut inside_list = false;
    for (number, line) in file.lines() {
        let line = line.trim();
        if inside_list {
            inside_list = !line.starts_with(']');
        } else if line.is_empty() || line.starts_with('[') {
            explained = false;
        } else if line.starts_with('#') {
            explained = true;
        } else if let Some((key, value)) = line.split_once('=') {
            let key = key.trim();
            keys.push(key);
            if !explained && !value.contains('#') {
                findings.push(file.finding(number, format!("no comment explains {key}")));
            }
            inside_list = value.trim() == "[";
        }
    }
    (keys, findings)
}

fn limits(tree: &Tree) -> Vec<String> {
    let items = tree.rust().filter(|(file, _)| file.path == LIMITS).flat_map(|(_, rust)| &rust.items.items);
    let fields = items.filter_map(|item| match item {
        Item::Struct(structure) if structure.ident == "Limits" => match &structure.fields {
            Fields::Named(fields) => Some(&fields.named),
            _ => None,
        },
        _ => None,
    });
    fields.flatten().filter_map(|field| field.ident.as_ref().map(ToString::to_string)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let limits = "pub struct Limits { pub a_max: u32, pub b_max: u32 }";
        let tree = Tree::of(&[(LIMITS, limits), ("crates/server/parlor.default.toml", text)]);
        check(&tree).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn a_comment_on_a_key_or_its_block_explains_it() {
        assert_eq!(
            found("# A.\na_max = 1\n\n# Both.\nb_max = 2\nc = 3\n\nd = 4 # D.\n# E.\ne = [\n  1,\n]\n"),
            [""; 0]
        );
    }

    #[test]
    fn a_key_without_a_comment_is_found() {
        let all = found("# A.\na_max = 1\n\nb_max = 2\n\n# Limits.\n[limits]\nc = 3\n");
        assert_eq!(all.len(), 2, "{all:?}");
        assert!(all[0].contains("toml:4: no comment explains b_max") && all[1].contains("toml:8"), "{all:?}");
    }

    #[test]
    fn a_limit_without_a_default_is_found() {
        assert_eq!(found("# A.\na_max = 1\n"), ["crates/server/parlor.default.toml:1: the limit b_max has no default"]);
    }
}
