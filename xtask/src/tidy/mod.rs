//! `cargo xtask tidy`: checks the sources.
//!
//! A rule is a file here: a function from the source tree to findings, with tests of what it must find. Absent on
//! purpose: switches. A rule holds everywhere or defines its own exceptions.

mod characters;
mod closed_enums;
mod dead_files;
mod dead_web_files;
mod dependencies;
mod deployment;
mod documented_config;
mod documented_names;
mod leftovers;
mod licences;
mod links;
mod local_paths;
mod publish;
mod rust_source;
mod server_imports;
mod sizes;
mod sleeps;
mod source_tree;
mod sql;
mod texts;
mod type_names;
mod web_imports;
mod web_script;
mod words;

use source_tree::{Finding, Tree};
use std::path::Path;

/// A rule's name and its check.
type Rule = (&'static str, fn(&Tree) -> Vec<Finding>);

const RULES: [Rule; 20] = [
    ("sizes", sizes::check),
    ("sql", sql::check),
    ("publish", publish::check),
    ("documented names", documented_names::check),
    ("documented config", documented_config::check),
    ("deployment", deployment::check),
    ("dead files", dead_files::check),
    ("dead web files", dead_web_files::check),
    ("web imports", web_imports::check),
    ("server imports", server_imports::check),
    ("closed enums", closed_enums::check),
    ("type names", type_names::check),
    ("leftovers", leftovers::check),
    ("characters", characters::check),
    ("local paths", local_paths::check),
    ("sleeps", sleeps::check),
    ("links", links::check),
    ("texts", texts::check),
    ("words", words::check),
    ("npm packages", dependencies::check_npm),
];

/// Applies every rule to the repository and prints the findings.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    let tree = Tree::read(root)?;
    let mut count = print_findings("rust", &tree.unreadable());
    for (name, rule) in RULES {
        count += print_findings(name, &rule(&tree));
    }
    count += print_findings("crates", &dependencies::check_crates(root)?);
    if count > 0 {
        return Err(format!("tidy: {count} findings"));
    }
    println!("tidy: {} files, {} rules, no findings", tree.files.len(), RULES.len() + 1);
    Ok(())
}

fn print_findings(rule: &str, findings: &[Finding]) -> usize {
    for finding in findings {
        println!("{finding} [{rule}]");
    }
    findings.len()
}
