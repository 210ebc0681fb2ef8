//! Makes of the web client's sources what a browser loads quickly: one script, one style sheet, and a script for what
//! is first used later; without comments and needless spaces, named by a hash of their bytes, and compressed.
//!
//! Invariant: what cannot be joined with certainty is refused with the place where it stands. The sources keep to a
//! part of the language (see `module`); nothing is guessed.
//!
//! Absent on purpose: source maps (the sources are served beside the joined files), names made shorter (it would need a
//! whole parser, some 90 crates, to save a tenth of the bytes), and plugins.

mod bundle;
mod encoded;
mod module;
mod print;
mod site;
mod style;
mod tokens;

pub use encoded::{Encoded, hash};
pub use site::{Asset, build, signed_out, with_style};

use std::fmt;

/// Why the sources cannot be joined, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, as a path below the folder of the sources.
    pub path: String,
    /// Its line, counted from 1.
    pub line: usize,
    /// What is wrong and what to write instead.
    pub what: String,
}

impl Fault {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "web/src/{}:{}: {}", self.path, self.line, self.what)
    }
}

impl std::error::Error for Fault {}
