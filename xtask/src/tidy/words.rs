//! One word for one thing: words that the sources avoid, and what to write instead.

use super::source_tree::{File, Finding, Tree};
use regex_lite::Regex;

const TEXT_EXTENSIONS: [&str; 8] = ["rs", "js", "mjs", "css", "html", "md", "toml", "py"];

/// Lowercase words, matched as whole words in any case.
const WORDS: [(&str, &str); 7] = [
    ("anew", "again, or a verb such as reload"),
    ("asker", "viewer, or the user"),
    ("follower", "consumer"),
    ("heed", "fix, or follow"),
    ("thereof", "of it"),
    ("whoever", "the user, the client or the member who"),
    ("whomever", "the user, the client or the member whom"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let words: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
    let pattern = Regex::new(&format!(r"(?i)(?:^|[^a-z0-9])({})(?:$|[^a-z0-9])", words.join("|")));
    let pattern = pattern.expect("a regular expression");
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| is_checked(file)) {
        for (number, line) in file.lines() {
            for found in pattern.captures_iter(line) {
                let word = found[1].to_lowercase();
                let instead = WORDS.iter().find(|(avoided, _)| *avoided == word).map_or("", |(_, instead)| instead);
                findings.push(file.finding(number, format!("`{word}`: write {instead}")));
            }
        }
    }
    findings
}

fn is_checked(file: &File) -> bool {
    file.has_extension(&TEXT_EXTENSIONS)
        && file.path != "xtask/src/tidy/words.rs"
        && file.path != "CHANGELOG.md"
        && !file.path.starts_with("fixtures/")
}

#[cfg(test)]
mod tests {
    use super::{super::source_tree::lines_found, *};

    #[test]
    fn avoided_words_are_found_in_code_comments_and_pages() {
        let text = "fn asker() {}\n// Whoever comes.\nstatic IS_ASKER: u8 = 1;\nfn load_anew() {}\n";
        assert_eq!(lines_found(check, "crates/x/src/x.rs", text), [1, 2, 3, 4]);
        assert_eq!(lines_found(check, "docs/x.md", "Load it anew.\nHeed the lints.\n"), [1, 2]);
        assert_eq!(lines_found(check, "web/src/x.js", "/** A follower. */\n"), [1]);
    }

    #[test]
    fn a_finding_names_the_word_to_write() {
        let found = check(&Tree::of(&[("docs/x.md", "The asker.")]));
        assert_eq!(
            found.iter().map(|finding| finding.what.as_str()).collect::<Vec<_>>(),
            ["`asker`: write viewer, or the user"]
        );
    }

    #[test]
    fn parts_of_words_and_other_files_are_not_found() {
        assert_eq!(lines_found(check, "docs/x.md", "Tasker, renewal, unheeded.\n"), [0; 0]);
        assert_eq!(lines_found(check, "crates/x/x.sql", "SELECT asker\n"), [0; 0]);
        assert_eq!(lines_found(check, "CHANGELOG.md", "anew\n"), [0; 0]);
    }
}
