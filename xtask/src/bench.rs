//! `cargo xtask bench`: runs the load generator and stores its table in the documentation, with machine and commit.

use crate::command::{cargo, output, program};
use std::{fs, io::ErrorKind, path::Path, process::Stdio};

const PAGE: &str = "docs/operate/figures.md";
const BEGIN: &str = "<!-- figures: begin -->";
const END: &str = "<!-- figures: end -->";

pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let page = root.join(PAGE);
    let text = match fs::read_to_string(&page) {
        Err(error) if error.kind() == ErrorKind::NotFound => new_page(),
        read => read.map_err(|error| format!("{PAGE}: {error}"))?,
    };
    place("", &text)?;
    let bench = [&["run", "--release", "--package", "parlor-bench", "--", "table"], arguments].concat();
    let table = output(cargo(&bench, root).stderr(Stdio::inherit()))?;
    print!("{table}");
    let new = format!("{}\n\n{}", origin(root, arguments)?, table.trim());
    fs::write(&page, place(&new, &text)?).map_err(|error| format!("{PAGE}: {error}"))?;
    println!("\nwritten to {PAGE}");
    Ok(())
}

fn new_page() -> String {
    let says = "What `cargo xtask bench` measured last: the release binary with durability as it comes, and the load\n\
                beside it on one machine. Compare figures of one run only.";
    format!("# Figures\n\n{says}\n\n{BEGIN}\n{END}\n")
}

/// Replaces the text between the page's two markers.
fn place(new: &str, page: &str) -> Result<String, String> {
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.ok_or_else(|| format!("{PAGE} needs the lines `{BEGIN}` and `{END}`"))?;
    Ok(format!("{before}{BEGIN}\n{new}\n{END}{after}"))
}

fn origin(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let commit = output(&mut program("git", &["rev-parse", "--short=12", "HEAD"], root))?;
    let changed = !output(&mut program("git", &["status", "--porcelain", "--untracked-files=no"], root))?.is_empty();
    let state = if changed { " with changes that are not committed" } else { "" };
    let run = if arguments.is_empty() { String::new() } else { format!("; run with `{}`", arguments.join(" ")) };
    Ok(format!("Commit `{}`{state}; {}; {}{run}.", commit.trim(), machine(), rust(root)?))
}

fn rust(root: &Path) -> Result<String, String> {
    Ok(output(&mut program("rustc", &["--version"], root))?.split(" (").next().unwrap_or_default().trim().to_owned())
}

/// Describes the machine in a few words, as far as it can be determined.
fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let cores = std::thread::available_parallelism().map_or_else(|_| "?".to_owned(), |cores| cores.to_string());
    let memory =
        field(&read("/proc/meminfo"), "MemTotal").and_then(|kib| kib.trim_end_matches(" kB").parse::<u64>().ok());
    let memory = memory.map_or_else(|| "?".to_owned(), |kib| (kib / 1024 / 1024).to_string());
    let kernel = read("/proc/sys/kernel/osrelease");
    let system = format!("{} {}", std::env::consts::OS, kernel.trim());
    format!("{model}, {cores} cores, {memory} GiB, {}", system.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_text_between_the_markers_is_replaced() {
        let page = format!("# Figures\n\n{BEGIN}\nold\n{END}\n\nMore.\n");
        assert_eq!(place("new", &page).unwrap(), format!("# Figures\n\n{BEGIN}\nnew\n{END}\n\nMore.\n"));
    }

    #[test]
    fn a_missing_page_is_created_with_its_markers() {
        assert_eq!(place("", &new_page()).unwrap(), new_page().replace(BEGIN, &format!("{BEGIN}\n")));
    }

    #[test]
    fn a_page_without_both_markers_is_refused() {
        for page in ["", BEGIN, END] {
            assert!(place("new", page).is_err(), "{page}");
        }
    }
}
