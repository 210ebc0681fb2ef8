//! Login names.

use super::visible;
use parlor_protocol::error::{Code, Problem};
use unicode_normalization::UnicodeNormalization as _;

/// Returns a login name in the form in which it is stored, or refuses it.
///
/// # Errors
/// Anything that cannot be one.
pub fn validate(text: &str) -> Result<String, Problem> {
    normalize(text).ok_or_else(|| {
        Problem::new(Code::InvalidField)
            .with_detail("`login`: 1 to 64 letters, digits and . _ - @ + are expected")
            .with_limit(64)
    })
}

/// Returns a login name in lower case and composed form, or `None` if it cannot be one.
#[must_use]
pub fn normalize(text: &str) -> Option<String> {
    let login = text.trim().nfc().collect::<String>().to_lowercase();
    let is_letter = |character: char| character.is_alphanumeric() && !visible::is_hidden(character);
    let is_allowed = |character: char| is_letter(character) || "._-@+".contains(character);
    let length = login.chars().take(65).count();
    ((1..=64).contains(&length) && login.chars().all(is_allowed)).then_some(login)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_names_are_normalized_and_invalid_ones_refused() {
        assert_eq!(normalize("  Ada.L+x@Example-1_ ").as_deref(), Some("ada.l+x@example-1_"));
        assert_eq!(normalize("Tomás").as_deref(), Some("tomás"));
        assert_eq!(normalize("Toma\u{301}s").as_deref(), Some("tomás"), "composed");
        for invalid in
            ["", "  ", "\u{3164}", "a\u{115f}", "a\u{200b}", "a b", "a/b", "a\0", "a\nb", "<a>", &"a".repeat(65)]
        {
            assert_eq!(normalize(invalid), None, "{invalid:?}");
        }
    }
}
