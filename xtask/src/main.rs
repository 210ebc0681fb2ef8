//! The tasks of this repository. `cargo xtask` lists them.
//!
//! They use the machine's own tools (cargo, git, npm) and print their output. Absent on purpose: building and
//! releasing, for which `cargo build --release` is enough.

mod bench;
mod channels;
mod command;
mod conformance;
mod example;
mod setup;
mod steps;
mod test;
mod tidy;

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

const USAGE: &str = "\
cargo xtask test           set up what the tests need and run all of them
cargo xtask test --fast    the same without the browser
cargo xtask tidy           only the checks of the sources
cargo xtask bench [ARGS]   measure, and write the table into docs/operate/figures.md; ARGS go to the bench
cargo xtask bench examples [ARGS]
                           measure the example sites before and after, into docs/integrate/measured.md
cargo xtask example NAME   start the example site findit or accounting with Parlor beside it, until Ctrl+C
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root();
    match *words {
        ["test"] => test::run(&root, true),
        ["test", "--fast"] => test::run(&root, false),
        ["tidy"] => exit_code(tidy::check(&root)),
        ["bench", ref rest @ ..] => exit_code(bench::run(&root, rest)),
        ["example", ref rest @ ..] => exit_code(example::run(&root, rest)),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprint!("xtask: {:?} is no task\n\n{USAGE}", words.join(" "));
            ExitCode::from(2)
        }
    }
}

fn exit_code(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// The repository's root: the folder above this package.
fn root() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&package).parent().expect("the package lies in the repository").to_owned()
}
