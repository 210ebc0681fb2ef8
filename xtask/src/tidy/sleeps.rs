//! Tests wait for a condition, not for a time. Where time must pass (to let something forbidden happen, or between two
//! checks of a condition), a comment on the line or above says `waits for: …`.

use super::{
    rust_source::{find, of_tests},
    source_tree::{File, Finding, Tree},
};
use regex_lite::Regex;

const WHAT: &str = "a test that waits by the clock; wait for a condition, or say `// waits for: …`";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, rust) in tree.rust() {
        for pattern in [["sleep", "("], ["sleep_until", "("], ["sleep_ms", "("]] {
            let waits = find(rust, &pattern).map(|tokens| &tokens[0]).filter(|token| token.in_test);
            for wait in waits.filter(|token| !explained(file, token.line)) {
                findings.push(file.finding(wait.line, WHAT));
            }
        }
    }
    let wait = Regex::new(r"\b(setTimeout|waitForTimeout|sleep)\(").expect("a regular expression");
    for file in tree.files.iter().filter(|file| of_tests(&file.path) && file.has_extension(&["js", "mjs"])) {
        for (number, line) in file.lines() {
            if wait.is_match(line) && !line.trim_start().starts_with("//") && !explained(file, number) {
                findings.push(file.finding(number, WHAT));
            }
        }
    }
    findings
}

fn explained(file: &File, line: usize) -> bool {
    let says_why = |line: &str| line.split_once("// waits for: ").is_some_and(|(_, why)| !why.trim().is_empty());
    let above = line.checked_sub(2).and_then(|index| file.text.lines().nth(index));
    file.text.lines().nth(line - 1).is_some_and(says_why)
        || above.is_some_and(|above| above.trim_start().starts_with("//") && says_why(above))
}

#[cfg(test)]
mod tests {
    use super::{super::source_tree::lines_found, *};

    #[test]
    fn a_sleep_in_a_test_is_found() {
        let text = "async fn f() {\n tokio::time::sleep(SECOND).await;\n thread::sleep(SECOND);\n // waits for:\n sleep(SECOND);\n}\n";
        assert_eq!(lines_found(check, "crates/server/tests/it/a.rs", text), [2, 3, 5]);
        let text = "await page.waitForTimeout(500);\nawait new Promise((done) => setTimeout(done, 10));\n";
        assert_eq!(lines_found(check, "web/test/a.test.js", text), [1, 2]);
    }

    #[test]
    fn a_sleep_with_a_reason_is_not_found() {
        let text = "fn f() {\n // waits for: nothing to come\n sleep(SECOND);\n sleep(SECOND); // waits for: the next look\n}\n";
        assert_eq!(lines_found(check, "crates/server/tests/it/a.rs", text), [0; 0]);
        let text = "setTimeout(done, 10); // waits for: the next look\n";
        assert_eq!(lines_found(check, "web/test/a.test.js", text), [0; 0]);
    }

    #[test]
    fn a_sleep_outside_tests_is_not_found() {
        assert_eq!(lines_found(check, "crates/server/src/a.rs", "async fn f() { sleep(SECOND).await }\n"), [0; 0]);
        assert_eq!(lines_found(check, "web/src/a.js", "setTimeout(retry, 10);\n"), [0; 0]);
    }
}
