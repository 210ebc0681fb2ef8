//! No two types of one crate have the same name, so that a name means one thing wherever it is read or searched for.
//! Types of tests, and those inside functions, are free.

use super::{
    rust_source::{is_of_tests, of_tests},
    source_tree::{File, Finding, Tree},
};
use std::collections::HashMap;
use syn::{Attribute, Ident, Item};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut first: HashMap<(&str, String), (&File, usize)> = HashMap::new();
    for (file, rust) in tree.rust().filter(|(file, _)| !of_tests(&file.path)) {
        let Some((package, _)) = file.path.split_once("/src/") else { continue };
        let mut names = Vec::new();
        types(&rust.items.items, &mut names);
        for name in names {
            let line = name.span().start().line;
            if let Some((other, at)) = first.get(&(package, name.to_string())) {
                findings.push(file.finding(line, format!("{name} is also a type of {}:{at}", other.path)));
            } else {
                first.insert((package, name.to_string()), (file, line));
            }
        }
    }
    findings
}

/// Collects the names of types that are not only for tests.
fn types<'a>(items: &'a [Item], names: &mut Vec<&'a Ident>) {
    for item in items {
        let (attributes, name): (&[Attribute], _) = match item {
            Item::Struct(item) => (&item.attrs, &item.ident),
            Item::Enum(item) => (&item.attrs, &item.ident),
            Item::Union(item) => (&item.attrs, &item.ident),
            Item::Trait(item) => (&item.attrs, &item.ident),
            Item::Type(item) => (&item.attrs, &item.ident),
            Item::Mod(module) if !module.attrs.iter().any(is_of_tests) => {
                types(module.content.as_ref().map_or(&[], |(_, items)| items), names);
                continue;
            }
            _ => continue,
        };
        if !attributes.iter().any(is_of_tests) {
            names.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn two_types_of_one_name_in_one_crate_are_found() {
        let files = [
            ("crates/a/src/one.rs", "struct Kind;\nmod inner {\n enum Kind { A }\n}\n"),
            ("crates/a/src/three/mod.rs", "trait Error {}\n"),
            ("crates/a/src/two.rs", "pub type Error = u8;\n"),
        ];
        let expected = [
            "crates/a/src/one.rs:3: Kind is also a type of crates/a/src/one.rs:1",
            "crates/a/src/two.rs:1: Error is also a type of crates/a/src/three/mod.rs:1",
        ];
        assert_eq!(found(&files), expected);
    }

    #[test]
    fn types_of_other_crates_tests_functions_and_impls_are_free() {
        let files = [
            ("crates/a/src/one.rs", "struct Kind;\nimpl Deref for Kind { type Target = u8; }\n"),
            ("crates/a/src/two.rs", "#[cfg(test)]\nmod tests {\n struct Kind;\n}\nfn f() {\n struct Kind;\n}\n"),
            ("crates/a/src/two/tests.rs", "struct Kind;\nimpl Deref for Kind { type Target = u8; }\n"),
            ("crates/a/tests/it/main.rs", "struct Kind;\n"),
            ("crates/b/src/one.rs", "struct Kind;\n"),
        ];
        assert_eq!(found(&files), [""; 0]);
    }
}
