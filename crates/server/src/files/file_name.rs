//! File names: turns whatever an uploader sends into a name that is safe to show and to save under.

use crate::domain::visible;

/// The maximum length of a name in characters.
const CHARS_MAX: usize = 255;
/// How much of that is kept for the extension when a name is cut.
const EXTENSION_CHARS_MAX: usize = 16;
/// The name of a file without a name.
const NAMELESS: &str = "file";
/// Names that mean devices on Windows, with any extension.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// Returns the last part of a path, without control, direction or invisible characters, without anything that other
/// systems treat specially, and of limited length.
#[must_use]
pub fn sanitize(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = visible::strip_invisible(last).chars().map(replace_reserved).collect();
    let name = name.trim().trim_end_matches(['.', ' ']).trim_start();
    if name.is_empty() || name.chars().all(|character| character == '.') {
        return NAMELESS.to_owned();
    }
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let is_port = |name: &str| {
        let rest = name.strip_prefix("com").or_else(|| name.strip_prefix("lpt"));
        rest.is_some_and(|rest| rest.chars().count() == 1 && rest.chars().all(|c| "0123456789¹²³".contains(c)))
    };
    let name = if DEVICES.contains(&stem.as_str()) || is_port(&stem) { format!("_{name}") } else { name.to_owned() };
    cut(&name)
}

/// Replaces characters that some systems do not allow in names.
fn replace_reserved(character: char) -> char {
    if "<>:\"|?*".contains(character) { '_' } else { character }
}

fn cut(name: &str) -> String {
    let count = name.chars().count();
    if count <= CHARS_MAX {
        return name.to_owned();
    }
    let extension = name.rfind('.').map_or("", |dot| &name[dot..]);
    let extension = if extension.chars().count() <= EXTENSION_CHARS_MAX { extension } else { "" };
    let stem: String = name.chars().take(CHARS_MAX - extension.chars().count()).collect();
    format!("{}{extension}", stem.trim_end())
}

#[cfg(test)]
mod tests {
    use super::sanitize;

    #[test]
    fn only_the_last_part_of_a_path_becomes_the_name() {
        for given in
            ["../../etc/umbrella.jpg", "/umbrella.jpg", "C:\\dir\\umbrella.jpg", "..\\umbrella.jpg", "umbrella.jpg. "]
        {
            assert_eq!(sanitize(given), "umbrella.jpg", "{given}");
        }
        for given in
            ["", ".", "..", "../", "/", "\\", "\0", " \r\n", "\u{202e}", "a/.. ", "\u{200b}", "\u{3164}", "\u{2800}"]
        {
            assert_eq!(sanitize(given), "file", "{given:?}");
        }
    }

    #[test]
    fn a_name_contains_no_hidden_characters_and_nothing_that_other_systems_treat_specially() {
        assert_eq!(sanitize("umbrella\u{202e}gpj.exe"), "umbrellagpj.exe");
        assert_eq!(sanitize("a\r\nSet-Cookie: b=c\".txt"), "aSet-Cookie_ b=c_.txt");
        assert_eq!(sanitize("a\0b.png"), "ab.png");
        for device in ["CON", "con.txt", "NUL", "lpt1.log", "COM9", "aux .x"] {
            assert_eq!(sanitize(device), format!("_{device}"), "{device}");
        }
        assert_eq!(sanitize("console.log"), "console.log");
        assert_eq!(sanitize("Schirm 傘 ☂️ 👩\u{200d}👩\u{200d}👧.jpg"), "Schirm 傘 ☂️ 👩\u{200d}👩\u{200d}👧.jpg");
        assert_eq!(sanitize("می\u{200c}خواهم.txt"), "می\u{200c}خواهم.txt");
    }

    #[test]
    fn a_long_name_is_cut_before_its_extension() {
        let cut = sanitize(&format!("{}.jpeg", "é".repeat(300)));
        assert_eq!(cut.chars().count(), 255);
        assert!(cut.ends_with("é.jpeg"));
        assert_eq!(sanitize(&"a".repeat(300)).len(), 255);
        assert_eq!(sanitize(&format!("a.{}", "b".repeat(300))).len(), 255);
    }
}
