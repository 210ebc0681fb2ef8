//! `cargo xtask test`: everything that must pass before a change lands, and what CI runs.
//!
//! Clippy, the tests and the journeys share one profile and one set of features, so that little is built twice; the
//! journeys use the binary that the tests built.

use crate::{
    channels,
    command::{cargo, output, program, run as run_program},
    conformance, example, setup,
    steps::Steps,
    tidy,
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

pub(crate) fn run(root: &Path, browser: bool) -> ExitCode {
    let mut steps = Steps::default();
    if !steps.run("set-up", || setup::run(root, browser)) {
        return steps.finish();
    }
    steps.run("format", || run_program(&mut cargo(&["fmt", "--all", "--check"], root)));
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    steps.run("clippy", || run_program(&mut cargo(&clippy, root)));
    steps.run("tidy", || tidy::check(root));
    steps.run("channels", || channels::install(root, &target(root)?));
    steps.run("example packages", || example::set_up(root).map(drop));
    steps.run("tests", || run_program(&mut cargo(&["test", "--workspace", "--no-fail-fast"], root)));
    steps.run("conformance", || {
        let binary = binary(root)?;
        conformance::run(root, &target(root)?, &binary)
    });
    steps.run("examples", || example::test(root));
    web(&mut steps, root, browser);
    steps.finish()
}

fn web(steps: &mut Steps, root: &Path, browser: bool) {
    let web = root.join("web");
    let packages = steps.run("web packages", || install(&web));
    let mut scripts = vec![("web types", "types"), ("web units", "unit")];
    if browser {
        scripts.push(("web journeys", "journeys"));
    }
    for (name, script) in scripts {
        if !packages {
            steps.cannot_run(name, "there are no web packages");
            continue;
        }
        steps.run(name, || {
            let mut npm = program("npm", &["run", "--silent", script], &web);
            if script == "journeys" {
                pass_server_path(&mut npm, root)?;
            }
            run_program(&mut npm)
        });
    }
}

/// The journeys start the server with their own environment, and it refuses unknown PARLOR_ variables: so they get only
/// the path of the binary, and only if it is not the default.
fn pass_server_path(npm: &mut Command, root: &Path) -> Result<(), String> {
    for (key, _) in env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("PARLOR_")) {
        npm.env_remove(key);
    }
    let binary = binary(root)?;
    if !binary.starts_with(root.join("target")) {
        npm.env("PARLOR_BIN", binary);
    }
    npm.env("EXAMPLES_PYTHON", example::set_up(root)?);
    Ok(())
}

/// Installs the packages of `package-lock.json`, unless they are installed. No package scripts run.
fn install(web: &Path) -> Result<(), String> {
    let lock = fs::read(web.join("package-lock.json")).map_err(|error| format!("web/package-lock.json: {error}"))?;
    let stamp = web.join("node_modules/.installed-package-lock.json");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        println!("node_modules is what package-lock.json says");
        return Ok(());
    }
    run_program(&mut program("npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund"], web))?;
    fs::write(&stamp, lock).map_err(|error| format!("{}: {error}", stamp.display()))
}

/// The binary that `cargo test --workspace` built for the integration tests.
fn binary(root: &Path) -> Result<PathBuf, String> {
    let binary = target(root)?.join("debug").join(format!("parlor{}", env::consts::EXE_SUFFIX));
    if binary.is_file() { Ok(binary) } else { Err(format!("{} is not there; see the tests", binary.display())) }
}

/// The target directory.
pub(crate) fn target(root: &Path) -> Result<PathBuf, String> {
    let text = output(&mut cargo(&["metadata", "--format-version", "1", "--no-deps"], root))?;
    let metadata: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    metadata["target_directory"]
        .as_str()
        .map(PathBuf::from)
        .ok_or("cargo metadata names no target directory".to_owned())
}
