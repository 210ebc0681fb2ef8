//! A row of the host's user table, and what becomes of it here.

use super::{login, text, visible};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};

/// A row of the host's user table.
#[derive(Clone, PartialEq, Eq)]
pub struct HostUser {
    /// The host's id.
    pub external_id: String,
    /// The name that they sign in with at the host. Another one is taken if it is taken here, or cannot be one here.
    pub login: String,
    /// What others see. What cannot be shown is left out, and a longer name is cut off.
    pub name: String,
    /// Whether they may not sign in.
    pub disabled: bool,
    /// The hash of their password; none leaves the password here as it is.
    pub password_hash: Option<String>,
}

impl std::fmt::Debug for HostUser {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("HostUser").field("external_id", &self.external_id).finish_non_exhaustive()
    }
}

impl HostUser {
    /// Returns the login names that they may get, the best first. The last one is always theirs: nobody else can have a
    /// name with a colon.
    #[must_use]
    pub fn logins(&self) -> Vec<String> {
        let id = self.external_id.to_lowercase();
        let own = login::normalize(&self.login);
        let base: String = own.as_deref().unwrap_or("user").chars().take(40).collect();
        let numbered = login::normalize(&format!("{base}-{id}"));
        own.into_iter().chain(numbered).chain([format!("host:{}", self.external_id)]).collect()
    }

    /// Returns the name as it is shown here.
    #[must_use]
    pub fn shown_name(&self, chars_max: u32) -> String {
        let shown = |name: &str| {
            let cut: String = visible::strip_invisible(name).trim().chars().take(chars_max as usize).collect();
            text::title(&cut, chars_max).and_then(|title| text::name(&title, chars_max)).ok()
        };
        let login = || shown(&self.login);
        shown(&self.name).or_else(login).unwrap_or_else(|| format!("User {}", self.external_id))
    }

    /// Returns the password hash as it is kept here; none if no password can match it.
    pub(super) fn password(&self) -> Option<String> {
        self.password_hash.clone().filter(|hash| !hash.is_empty() && !hash.starts_with('!'))
    }

    /// Returns what an equal password hash is known by.
    pub(super) fn password_digest(&self) -> Option<String> {
        Some(STANDARD_NO_PAD.encode(Sha256::digest(self.password_hash.as_ref()?.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(external_id: &str, login: &str, name: &str) -> HostUser {
        let (external_id, login, name) = (external_id.to_owned(), login.to_owned(), name.to_owned());
        HostUser { external_id, login, name, disabled: false, password_hash: None }
    }

    #[test]
    fn a_login_of_the_host_becomes_one_that_is_possible_here() {
        assert_eq!(user("7", "Ada", "").logins(), ["ada", "ada-7", "host:7"]);
        assert_eq!(user("7", "not possible", "").logins(), ["user-7", "host:7"]);
        assert_eq!(user("7", &"a".repeat(150), "").logins(), ["user-7", "host:7"], "too long");
        assert_eq!(user("7", &"a".repeat(64), "").logins()[1], format!("{}-7", "a".repeat(40)));
        assert_eq!(user(&"7".repeat(80), "ada", "").logins(), ["ada".to_owned(), format!("host:{}", "7".repeat(80))]);
    }

    #[test]
    fn a_name_of_the_host_becomes_one_that_can_be_shown() {
        for (name, shown) in [
            ("Ada  Lovelace ", "Ada Lovelace"),
            ("", "ada"),
            ("\u{200b}\u{202e}", "ada"),
            ("A\u{0}da\u{202e}\n", "Ada"),
            (&"x".repeat(300), &"x".repeat(120)),
        ] {
            assert_eq!(user("7", "ada", name).shown_name(120), shown, "{name:?}");
        }
        assert_eq!(user("7", "\u{200b}", " ").shown_name(120), "User 7");
    }
}
