//! `cargo xtask tidy`: what can be checked of the sources is a check, and no habit.
//!
//! A rule is a file here: a function from the tree of sources to findings, with tests that show it what it must
//! find. Absent on purpose: switches. A rule holds everywhere or says itself where it does not.

mod characters;
mod dead_files;
mod dead_web_files;
mod dependencies;
mod documented;
mod documented_config;
mod licences;
mod links;
mod marks;
mod places;
mod publish;
mod rust;
mod sizes;
mod sleeps;
mod sql;
mod tree;
mod web_imports;

use std::path::Path;
use tree::{Finding, Tree};

/// A rule's name, and what it finds.
type Rule = (&'static str, fn(&Tree) -> Vec<Finding>);

const RULES: [Rule; 14] = [
    ("sizes", sizes::check),
    ("sql", sql::check),
    ("publish", publish::check),
    ("documented", documented::check),
    ("documented config", documented_config::check),
    ("dead files", dead_files::check),
    ("dead web files", dead_web_files::check),
    ("web imports", web_imports::check),
    ("marks", marks::check),
    ("characters", characters::check),
    ("places", places::check),
    ("sleeps", sleeps::check),
    ("links", links::check),
    ("npm packages", dependencies::check_npm),
];

/// Applies every rule to the repository and prints what they find.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    let tree = Tree::read(root)?;
    let mut count = tell("rust", &tree.unreadable());
    for (name, rule) in RULES {
        count += tell(name, &rule(&tree));
    }
    count += tell("crates", &dependencies::check_crates(root)?);
    if count > 0 {
        return Err(format!("tidy: {count} findings"));
    }
    println!("tidy: {} files, {} rules, no findings", tree.files.len(), RULES.len() + 1);
    Ok(())
}

fn tell(rule: &str, findings: &[Finding]) -> usize {
    for finding in findings {
        println!("{finding} [{rule}]");
    }
    findings.len()
}
