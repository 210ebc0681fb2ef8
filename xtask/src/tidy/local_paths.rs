//! No absolute paths of a developer's machine.

use super::source_tree::{Finding, Tree};
use regex_lite::Regex;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let place = Regex::new(r"(^|[^A-Za-z0-9_.~/)}\]-])/(home|root|Users|workspace)/").expect("a regular expression");
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.path != "xtask/src/tidy/local_paths.rs") {
        for (number, line) in file.lines() {
            if place.is_match(line) {
                findings.push(file.finding(number, "a path of a developer's machine"));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{super::source_tree::lines_found, *};

    #[test]
    fn paths_below_a_home_are_found() {
        let text = "cd /home/ada/parlor\n\"/root/x\"\nsee /workspace/x.\n(/Users/ada/x)\nfile:/home/ada\n";
        assert_eq!(lines_found(check, "README.md", text), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn other_paths_are_not() {
        let text = "https://found.example/home/5\n/var/lib/parlor\ndocs/home/x.md\n./home/x ~/home/x\n/homes/x\n";
        assert_eq!(lines_found(check, "README.md", text), [0; 0]);
    }
}
