//! The sources: every text file that git tracks or would track.

use super::rust_source::{self, Rust};
use crate::command::{output, program};
use std::{collections::BTreeSet, fmt, fs, path::Path};

pub(super) struct Tree {
    /// The text files, sorted by path.
    pub(super) files: Vec<File>,
    /// All files and folders, including binary ones.
    pub(super) paths: BTreeSet<String>,
}

pub(super) struct File {
    /// Relative to the root, with slashes.
    pub(super) path: String,
    pub(super) text: String,
    /// The parsed `.rs` file, or why it cannot be parsed.
    rust: Option<Result<Rust, Finding>>,
}

/// A violation of a rule, and its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) what: String,
}

impl Tree {
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let list = output(&mut program("git", &list, root))?;
        let paths: BTreeSet<&str> = list.split('\0').filter(|path| !path.is_empty()).collect();
        let mut read = Vec::new();
        for path in paths {
            // A file may be deleted while git still tracks it.
            let Ok(bytes) = fs::read(root.join(path)) else { continue };
            read.push((path.to_owned(), String::from_utf8(bytes).ok()));
        }
        Ok(Self::new(read))
    }

    fn new(read: Vec<(String, Option<String>)>) -> Self {
        let mut paths = BTreeSet::new();
        for (path, _) in &read {
            paths.insert(path.clone());
            for (at, _) in path.match_indices('/') {
                paths.insert(path[..at].to_owned());
            }
        }
        let files = read.into_iter().filter_map(|(path, text)| Some(File::new(path, text?))).collect();
        Self { files, paths }
    }

    /// Creates a tree from texts, for the tests of the rules.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        Self::new(files.iter().map(|(path, text)| ((*path).to_owned(), Some((*text).to_owned()))).collect())
    }

    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The Rust files that can be parsed.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&File, &Rust)> {
        self.files.iter().filter_map(|file| Some((file, file.rust.as_ref()?.as_ref().ok()?)))
    }

    /// The Rust files that cannot be parsed; no rule can check them.
    pub(super) fn unreadable(&self) -> Vec<Finding> {
        self.files.iter().filter_map(|file| file.rust.as_ref()?.as_ref().err().cloned()).collect()
    }
}

impl File {
    fn new(path: String, text: String) -> Self {
        let mut file = Self { path, text, rust: None };
        file.rust = file.has_extension(&["rs"]).then(|| rust_source::read(&file.path, &file.text));
        file
    }

    pub(super) fn has_extension(&self, extensions: &[&str]) -> bool {
        extensions.iter().any(|extension| self.path.strip_suffix(extension).is_some_and(|path| path.ends_with('.')))
    }

    pub(super) fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }

    /// The lines with their numbers, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// The lines at which a rule finds something in a single file.
#[cfg(test)]
pub(super) fn lines_found(rule: fn(&Tree) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
    let tree = Tree::of(&[(path, text)]);
    assert!(tree.unreadable().is_empty(), "the example must be Rust");
    rule(&tree).iter().map(|finding| finding.line).collect()
}
