//! Runs other programs from the repository's root, without standard input, showing their output.

use std::{
    env,
    ffi::OsStr,
    path::Path,
    process::{Command, Output, Stdio},
};

/// Creates a command with its arguments and its folder.
pub(crate) fn program(name: impl AsRef<OsStr>, arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    // `cargo run` sets variables about this package; a nested cargo must not see them, or it rebuilds.
    for (key, _) in env::vars_os() {
        let of_this_package = |prefix: &&str| key.to_string_lossy().starts_with(*prefix);
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"].iter().any(of_this_package) {
            command.env_remove(&key);
        }
    }
    command
}

/// The cargo that runs this.
pub(crate) fn cargo(arguments: &[&str], folder: &Path) -> Command {
    program(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), arguments, folder)
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let name = name_of(command);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name}: {status}")),
        Err(error) => Err(format!("{name} could not be started: {error}")),
    }
}

/// Runs a program and returns its output.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let name = name_of(command);
    let Output { status, stdout, stderr } =
        command.output().map_err(|error| format!("{name} could not be started: {error}"))?;
    if !status.success() {
        return Err(format!("{name}: {status}\n{}", String::from_utf8_lossy(&stderr).trim_end()));
    }
    String::from_utf8(stdout).map_err(|_| format!("{name} printed what is not UTF-8"))
}

fn name_of(command: &Command) -> String {
    let path = Path::new(command.get_program());
    path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
