//! No control characters but newline and tab, and none that change the text direction: they hide content.

use super::source_tree::{Finding, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    // The inputs of the fuzz targets are odd on purpose.
    for file in tree.files.iter().filter(|file| !file.path.starts_with("fixtures/fuzz/")) {
        for (index, line) in file.text.split('\n').enumerate() {
            if let Some(sign) = line.chars().find(|sign| is_hidden(*sign)) {
                findings.push(
                    file.finding(index + 1, format!("the character U+{:04X}; write it escaped", u32::from(sign))),
                );
            }
        }
    }
    findings
}

fn is_hidden(sign: char) -> bool {
    let turns_direction = matches!(sign, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (sign.is_control() && sign != '\t') || turns_direction || sign == '\u{feff}'
}

#[cfg(test)]
mod tests {
    use super::{super::source_tree::lines_found, *};

    #[test]
    fn hidden_characters_are_found() {
        let text = "a\r\nb\u{1b}[1m\n\u{feff}c\n\u{202e}d\n\u{85}e\n\u{0}f\n\u{2066}g\n";
        assert_eq!(lines_found(check, "README.md", text), [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn other_languages_and_emoji_are_not() {
        assert_eq!(lines_found(check, "README.md", "שלום\tCléo 👩\u{200d}👩\u{200d}👧 ☂\u{fe0f}\n"), [0; 0]);
    }
}
