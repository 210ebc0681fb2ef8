//! The path of an old socket, with named parts: `ws/chat/{item}-{other}/`.
//!
//! A path matches as a route of Django does: whole, with its trailing slash, each part being one or more of `[\w-]`. In
//! a segment with several parts a part has no `-`, so that there is one way to read it.

use serde::{Deserialize, Deserializer, de};
use std::{collections::BTreeMap, str::FromStr};

/// The parts of a path that matched, by name.
pub type PathParts = BTreeMap<String, String>;

/// See the module documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {
    /// Without the leading slash.
    text: String,
    pieces: Vec<PathPiece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PathPiece {
    Literal(String),
    Part { name: String, may_have_dashes: bool },
}

impl PathTemplate {
    /// Returns the parts of a decoded path that matches, with or without the slash at its beginning.
    #[must_use]
    pub fn matches(&self, path: &str) -> Option<PathParts> {
        let mut rest = path.strip_prefix('/').unwrap_or(path);
        let mut parts = PathParts::new();
        for piece in &self.pieces {
            match piece {
                PathPiece::Literal(literal) => rest = rest.strip_prefix(literal.as_str())?,
                PathPiece::Part { name, may_have_dashes } => {
                    let belongs =
                        |sign: char| sign.is_alphanumeric() || sign == '_' || (*may_have_dashes && sign == '-');
                    let end = rest.find(|sign| !belongs(sign)).unwrap_or(rest.len());
                    let (part, after) = rest.split_at(end);
                    if part.is_empty() {
                        return None;
                    }
                    parts.insert(name.clone(), part.to_owned());
                    rest = after;
                }
            }
        }
        rest.is_empty().then_some(parts)
    }

    /// Returns whether a part has this name.
    #[must_use]
    pub fn has_part(&self, wanted: &str) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, PathPiece::Part { name, .. } if name == wanted))
    }

    /// Returns the template as it is written, without the slash at its beginning.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for PathTemplate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('/').unwrap_or(text);
        let mut pieces = Vec::new();
        for segment in text.split_inclusive('/') {
            let count = segment.matches('{').count();
            read_segment(segment, count < 2, &mut pieces)?;
        }
        let names: Vec<&String> = pieces.iter().filter_map(PathPiece::name).collect();
        if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            return Err(format!("the part {{{}}} is there twice", twice.1));
        }
        if !matches!(pieces.first(), Some(PathPiece::Literal(_))) {
            return Err("a path begins with a name, such as ws/".to_owned());
        }
        if ["v1/", "web/"].iter().any(|taken| text.starts_with(taken)) {
            return Err("paths that begin with v1/ or web/ belong to Parlor".to_owned());
        }
        Ok(Self { text: text.to_owned(), pieces })
    }
}

impl PathPiece {
    const fn name(&self) -> Option<&String> {
        match self {
            Self::Part { name, .. } => Some(name),
            Self::Literal(_) => None,
        }
    }
}

fn read_segment(segment: &str, may_have_dashes: bool, pieces: &mut Vec<PathPiece>) -> Result<(), String> {
    let mut rest = segment;
    while !rest.is_empty() {
        let (literal, part) = rest.split_once('{').map_or((rest, None), |(literal, part)| (literal, Some(part)));
        if literal.contains('}') || literal.contains(['%', '?', '#']) || literal.chars().any(char::is_whitespace) {
            return Err(format!("`{literal}` cannot be in a path"));
        }
        let is_after_part = matches!(pieces.last(), Some(PathPiece::Part { .. }));
        let is_ambiguous = |sign: char| sign.is_alphanumeric() || sign == '_' || (may_have_dashes && sign == '-');
        if is_after_part && literal.chars().next().map_or(part.is_some(), is_ambiguous) {
            return Err("after a part comes a `/`, a `.` or, between two parts, a `-`".to_owned());
        }
        if !literal.is_empty() {
            pieces.push(PathPiece::Literal(literal.to_owned()));
        }
        let Some(part) = part else { break };
        let (name, after) = part.split_once('}').ok_or("a `{` without its `}`")?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(format!("{{{name}}} is not a name of letters, digits and _"));
        }
        pieces.push(PathPiece::Part { name: name.to_owned(), may_have_dashes });
        rest = after;
    }
    Ok(())
}

impl<'de> Deserialize<'de> for PathTemplate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(template: &str, path: &str) -> Option<Vec<(String, String)>> {
        let template: PathTemplate = template.parse().expect("a template");
        template.matches(path).map(|parts| parts.into_iter().collect())
    }

    #[test]
    fn a_path_matches_whole_with_its_slash_as_in_django() {
        let pair = |item: &str, other: &str| {
            Some(vec![("item".to_owned(), item.to_owned()), ("other".to_owned(), other.to_owned())])
        };
        let template = "ws/chat/{item}-{other}/";
        assert_eq!(parts(template, "/ws/chat/5-2/"), pair("5", "2"));
        assert_eq!(parts(template, "ws/chat/a_b-é9/"), pair("a_b", "é9"));
        for other in [
            "/ws/chat/5-2",
            "/ws/chat/5-2/x",
            "/ws/chat/5-2//",
            "//ws/chat/5-2/",
            "/ws/chat/5/",
            "/ws/chat/5-/",
            "/ws/chat/-2/",
            "/ws/chat/5-2-3/",
            "/ws/chat/5 -2/",
            "/ws/chat/5-2%/",
            "/WS/chat/5-2/",
            "/x/ws/chat/5-2/",
            "",
            "/",
        ] {
            assert_eq!(parts(template, other), None, "{other}");
        }
        assert_eq!(parts("/ws/messages/", "/ws/messages/"), Some(vec![]));
        assert_eq!(parts("ws/messages/", "/ws/messages"), None);
    }

    #[test]
    fn a_part_alone_in_its_segment_may_have_dashes() {
        let room = |name: &str| Some(vec![("room".to_owned(), name.to_owned())]);
        assert_eq!(parts("ws/{room}/", "/ws/a-b_c-9/"), room("a-b_c-9"));
        assert_eq!(parts("ws/{room}", "/ws/x"), room("x"));
        assert_eq!(parts("ws/{room}/", "/ws/a/b/"), None);
    }

    #[test]
    fn a_template_that_could_be_read_in_two_ways_is_refused() {
        for (text, reason) in [
            ("ws/{a}{b}/", "after a part"),
            ("ws/{a}x{b}/", "after a part"),
            ("ws/{a}-x/", "after a part"),
            ("ws/{a}-{a}/", "twice"),
            ("ws/{a/", "without its"),
            ("ws/a}/", "cannot be in a path"),
            ("ws/{}/", "not a name"),
            ("ws/{a b}/", "not a name"),
            ("ws/x y/", "cannot be in a path"),
            ("{a}/", "begins with a name"),
            ("v1/socket", "belong to Parlor"),
            ("", "begins with a name"),
        ] {
            let error = text.parse::<PathTemplate>().expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
