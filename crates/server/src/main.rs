//! The only binary, `parlor`: see `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    parlor::cli::run()
}
