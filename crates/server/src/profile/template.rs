//! Texts with placeholders in braces, such as `/items/{id}/`.

use serde::{Deserialize, Deserializer, de};
use std::fmt::Write as _;

/// A URL with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Placeholder(String),
}

impl Template {
    /// Parses a template whose placeholders are all in `known`.
    ///
    /// # Errors
    /// A placeholder is not known, or a brace is not closed.
    pub fn parse(text: &str, known: &[&str]) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or("a brace is not closed")?;
            if !known.contains(&name) {
                return Err(format!("{{{name}}} is not known here; known are {}", list(known)));
            }
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Placeholder(name.to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// Fills in values. They are written as parts of a URL's path, as Django's `filepath_to_uri` does.
    #[must_use]
    pub fn url(&self, values: &[(&str, &str)]) -> String {
        self.fill(values, url_path)
    }

    /// Fills in values as they are.
    #[must_use]
    pub fn text(&self, values: &[(&str, &str)]) -> String {
        self.fill(values, str::to_owned)
    }

    fn fill(&self, values: &[(&str, &str)], write: impl Fn(&str) -> String) -> String {
        let value = |name: &str| values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| *value);
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Placeholder(name) => write(value(name)),
        });
        parts.collect()
    }
}

fn list(known: &[&str]) -> String {
    known.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(", ")
}

/// Encodes a path for a URL: `django.utils.encoding.filepath_to_uri`.
fn url_path(path: &str) -> String {
    let mut url = String::with_capacity(path.len());
    for byte in path.trim_start_matches('/').replace('\\', "/").bytes() {
        if byte.is_ascii_alphanumeric() || b"_.-~/!*()'".contains(&byte) {
            url.push(char::from(byte));
        } else {
            write!(url, "%{byte:02X}").expect("writing into a String");
        }
    }
    url
}

fn template<'de, D: Deserializer<'de>>(deserializer: D, known: &[&str]) -> Result<Option<Template>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Template::parse(&text, known).map(Some).map_err(de::Error::custom)
}

/// Reads a template about a file.
pub(super) fn about_file<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Template>, D::Error> {
    template(deserializer, &["id", "file", "filename"])
}

/// Reads a template about a row.
pub(super) fn about_row<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Template>, D::Error> {
    template(deserializer, &["id"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_filled_in_as_parts_of_a_url() {
        let template = Template::parse("/media/{file}?of={id}", &["file", "id"]).expect("a template");
        let url = template.url(&[("file", "message_attachments/2026/März 5#.pdf"), ("id", "7")]);
        assert_eq!(url, "/media/message_attachments/2026/M%C3%A4rz%205%23.pdf?of=7");
        assert_eq!(Template::parse("Item {id}", &["id"]).expect("a template").text(&[("id", "a b")]), "Item a b");
    }

    #[test]
    fn unknown_and_open_placeholders_are_refused() {
        assert!(Template::parse("/{x}", &["id"]).is_err_and(|error| error.contains("{id}")));
        assert!(Template::parse("/{id", &["id"]).is_err());
    }
}
