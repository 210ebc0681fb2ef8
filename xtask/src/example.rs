//! `cargo xtask example`: starts an example site of `examples/` with Parlor beside it, and prints a link for each of two
//! people. The virtual environment is in the target directory; the processes are `examples/start.py`'s.

use crate::{
    command::{cargo, program, run as run_program},
    setup::on_path,
    test::target,
};
use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
};

/// What the examples need, and what they needed before Parlor.
const REQUIREMENTS: [&str; 2] = ["examples/requirements.txt", "examples/requirements-channels.txt"];
/// The sites, each a folder of `examples/`.
const SITES: [&str; 2] = ["findit", "accounting"];

/// Runs an example until it is stopped. The first argument is the site, the others are those of `start.py`.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let (Some(site), true) = (arguments.first(), on_path("nginx")) else {
        return Err(if arguments.is_empty() { usage() } else { missing("nginx", "nginx-light") });
    };
    if !SITES.contains(site) {
        return Err(usage());
    }
    let python = set_up(root)?;
    let mut start = program(python, &["examples/start.py"], root);
    start.args(arguments);
    let needs_no_build =
        |argument: &&str| argument.starts_with("--parlor") || ["channels", "--help"].contains(argument);
    if !arguments.iter().any(needs_no_build) {
        run_program(&mut cargo(&["build", "--release", "--package", "parlor"], root))?;
        start.arg("--parlor").arg(target(root)?.join("release/parlor"));
    }
    // It takes this process's place, so that Ctrl+C reaches it alone and the prompt waits until all parts are stopped.
    Err(format!("examples/start.py could not be started: {}", start.exec()))
}

fn usage() -> String {
    format!("cargo xtask example {} [ARGS]; ARGS go to examples/start.py, --help lists them", SITES.join("|"))
}

fn missing(what: &str, package: &str) -> String {
    format!("{what} is missing. Debian: apt-get install {package}")
}

/// Installs what the examples need into a virtual environment, unless it is installed, and returns its Python.
pub(crate) fn set_up(root: &Path) -> Result<PathBuf, String> {
    let folder = target(root)?.join("examples");
    let read = |file: &str| fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"));
    let wanted = REQUIREMENTS.into_iter().map(read).collect::<Result<String, String>>()?;
    let python = folder.join("bin/python");
    let stamp = folder.join("installed-requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) && python.is_file() {
        return Ok(python);
    }
    if !on_path("python3") {
        return Err(missing("Python 3", "python3 python3-venv"));
    }
    let name = folder.to_str().ok_or("the target directory has a name that is not UTF-8")?;
    run_program(&mut program("python3", &["-m", "venv", name], root))
        .map_err(|error| format!("{error}\n{}", missing("perhaps Python's venv", "python3-venv")))?;
    let mut pip = program(&python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check"], root);
    pip.args(REQUIREMENTS.iter().flat_map(|file| ["-r", file]));
    run_program(&mut pip)?;
    fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(python)
}

/// Runs the tests of the sites.
pub(crate) fn test(root: &Path) -> Result<(), String> {
    let python = set_up(root)?;
    for site in SITES {
        let folder = root.join("examples").join(site);
        let data = target(root)?.join("examples/data").join(site);
        run_program(program(&python, &["manage.py", "test"], &folder).env("EXAMPLE_DATA", data))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_shows_the_configuration_of_nginx_that_the_examples_run_with() {
        let root = crate::root();
        let read = |path: &str| fs::read_to_string(root.join(path)).expect("a page");
        let conf = read("examples/nginx.conf");
        for site in SITES {
            let page = read(&format!("docs/integrate/from-channels-{site}.md"));
            assert!(page.contains(&format!("```nginx\n{conf}```\n")), "{site}");
        }
    }
}
