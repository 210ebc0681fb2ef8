//! Builds what a browser loads from the web client's sources: one script, one style sheet, and a script of the modules
//! loaded later; without comments and needless spaces, with short names, named by a hash of their bytes, and compressed.
//!
//! Invariant: code that cannot be joined with certainty is refused with its file and line. The sources use a subset of
//! the language (see `module`); nothing is guessed.
//!
//! Absent on purpose: source maps (the sources are served beside the bundle), rewriting of code (it would need a full
//! parser, some 90 crates, to save a thirtieth of the bytes), and plugins.

mod bundle;
mod css;
mod declarations;
mod encodings;
mod minify;
mod module;
mod names;
mod site;
mod tokenizer;

pub use encodings::{Encoded, hash};
pub use site::{Asset, build, signed_out, with_style};

use std::fmt;

/// Why the sources cannot be joined, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleError {
    /// The file, relative to the folder of the sources.
    pub path: String,
    /// Its line, from 1.
    pub line: usize,
    /// What is wrong and what to write instead.
    pub what: String,
}

impl BundleError {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for BundleError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "web/src/{}:{}: {}", self.path, self.line, self.what)
    }
}

impl std::error::Error for BundleError {}
