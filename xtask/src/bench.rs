//! `cargo xtask bench`: runs the load generator and stores its table in the documentation, with machine and commit.
//! `cargo xtask bench examples` does the same with the example sites.

use crate::{
    command::{cargo, output, program},
    example,
};
use std::{fs, io::ErrorKind, path::Path, process::Stdio};

const FIGURES: Page = Page {
    path: "docs/operate/figures.md",
    title: "Figures",
    says: "What `cargo xtask bench` measured last: the release binary with durability as it comes, and the load\n\
           beside it on one machine. Compare figures of one run only.",
};
const EXAMPLES: Page = Page {
    path: "docs/integrate/measured.md",
    title: "Daphne and Parlor, measured",
    says: "What `cargo xtask bench examples` measured last: the example sites with their sockets held by Daphne, as\n\
           before, and by Parlor. Compare figures of one run only.",
};
const BEGIN: &str = "<!-- figures: begin -->";
const END: &str = "<!-- figures: end -->";

/// A page with a table.
struct Page {
    path: &'static str,
    title: &'static str,
    says: &'static str,
}

pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<(), String> {
    if let ["examples", more @ ..] = arguments {
        let python = example::set_up(root)?.display().to_string();
        let start = root.join("examples/start.py").display().to_string();
        let command = [&["examples", "--python", &python, "--start", &start, "--unpinned"], more].concat();
        return measure(root, &EXAMPLES, &command, more);
    }
    measure(root, &FIGURES, &[&["table"], arguments].concat(), arguments)
}

/// Runs a command of the load generator and writes its table into a page.
fn measure(root: &Path, page: &Page, command: &[&str], arguments: &[&str]) -> Result<(), String> {
    let path = page.path;
    let file = root.join(path);
    let text = match fs::read_to_string(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => page.empty(),
        read => read.map_err(|error| format!("{path}: {error}"))?,
    };
    page.place("", &text)?;
    let bench = [&["run", "--release", "--package", "parlor-bench", "--"], command].concat();
    let table = output(cargo(&bench, root).stderr(Stdio::inherit()))?;
    print!("{table}");
    let new = format!("{}\n\n{}", origin(root, arguments)?, table.trim());
    fs::write(&file, page.place(&new, &text)?).map_err(|error| format!("{path}: {error}"))?;
    println!("\nwritten to {path}");
    Ok(())
}

impl Page {
    fn empty(&self) -> String {
        format!("# {}\n\n{}\n\n{BEGIN}\n{END}\n", self.title, self.says)
    }

    /// Replaces the text between the page's two markers.
    fn place(&self, new: &str, text: &str) -> Result<String, String> {
        let parts = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
        let (before, after) = parts.ok_or_else(|| format!("{} needs the lines `{BEGIN}` and `{END}`", self.path))?;
        Ok(format!("{before}{BEGIN}\n{new}\n{END}{after}"))
    }
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
        assert_eq!(FIGURES.place("new", &page).unwrap(), format!("# Figures\n\n{BEGIN}\nnew\n{END}\n\nMore.\n"));
    }

    #[test]
    fn a_missing_page_is_created_with_its_markers() {
        assert_eq!(FIGURES.place("", &FIGURES.empty()).unwrap(), FIGURES.empty().replace(BEGIN, &format!("{BEGIN}\n")));
    }

    #[test]
    fn a_page_without_both_markers_is_refused() {
        for page in ["", BEGIN, END] {
            assert!(FIGURES.place("new", page).is_err(), "{page}");
        }
    }
}
