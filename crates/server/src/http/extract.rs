//! Extractors of requests, all strict: JSON bodies, queries and ids in paths.

use super::{Edge, bodies, errors::Refusal};
use axum::{
    extract::{FromRef, FromRequest, FromRequestParts, Path, Request},
    http::{HeaderMap, header, request::Parts},
};
use parlor_protocol::error::{Code, Problem};
use serde::de::DeserializeOwned;
use std::str::FromStr;
use utoipa::IntoParams;

/// A JSON body.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

/// The query of a URL. Unknown names are refused if `T` refuses them.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

/// A page of a list.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    /// The `next` of the previous page.
    pub(super) after: Option<String>,
    /// The maximum number of rows: 1 to `page_rows_max`.
    #[param(minimum = 1)]
    pub(super) limit: Option<u32>,
}

/// The id in a path. An invalid id does not exist.
#[derive(Debug)]
pub(super) struct Id<T>(pub(super) T);

/// The two ids in a path.
#[derive(Debug)]
pub(super) struct Ids<T, U>(pub(super) T, pub(super) U);

/// Three different parts of a path.
#[derive(Debug)]
pub(super) struct Three<T, U, V>(pub(super) T, pub(super) U, pub(super) V);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T>
where
    Edge: FromRef<S>,
{
    type Rejection = Refusal;
    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let edge = Edge::from_ref(state);
        if !is_json(request.headers()) {
            return Err(Problem::new(Code::UnsupportedType).with_detail("application/json is expected").into());
        }
        let body = bodies::read(&edge, request).await?;
        parse(&body).map(Self).map_err(Refusal)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(Problem::new(Code::InvalidField).with_detail(rejection.body_text()).into()),
        }
    }
}

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for Id<T> {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.ok().and_then(|Path(text)| text.parse().ok()).map(Self).ok_or_else(|| Code::NotFound.into())
    }
}

impl<S: Send + Sync, T: FromStr, U: FromStr> FromRequestParts<S> for Ids<T, U> {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        path.ok()
            .and_then(|Path((one, other))| Some(Self(one.parse().ok()?, other.parse().ok()?)))
            .ok_or_else(|| Code::NotFound.into())
    }
}

impl<S: Send + Sync, T: FromStr, U: FromStr, V: FromStr> FromRequestParts<S> for Three<T, U, V> {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<(String, String, String)>::from_request_parts(parts, state).await;
        path.ok()
            .and_then(|Path((one, two, three))| Some(Self(one.parse().ok()?, two.parse().ok()?, three.parse().ok()?)))
            .ok_or_else(|| Code::NotFound.into())
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_data() {
            let place = if path == "." { String::new() } else { format!("`{path}`: ") };
            Problem::new(Code::InvalidField).with_detail(format!("{place}{inner}"))
        } else {
            Problem::new(Code::InvalidJson).with_detail(inner.to_string())
        }
    })?;
    json.end().map_err(|error| Problem::new(Code::InvalidJson).with_detail(error.to_string()))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use parlor_protocol::http::{PatchConversation, PutMarker};

    fn code<T: DeserializeOwned>(body: &str) -> Option<Code> {
        parse::<T>(body.as_bytes()).err().map(|problem| problem.code)
    }

    #[test]
    fn a_body_is_exactly_what_is_expected_or_refused() {
        assert_eq!(code::<PatchConversation>(r#"{"title": "Ada"}"#), None);
        for body in
            ["", "{", r#"{"title": "Ada"}x"#, r#"{"title": "Ada"} {}"#, "\u{feff}{}", r#"{"title": "\ud800"}"#, "nul"]
        {
            assert_eq!(code::<PatchConversation>(body), Some(Code::InvalidJson), "{body}");
        }
        for body in ["[]", "5", "{}", r#"{"title": 5}"#, r#"{"title": "a", "x": 1}"#, r#"{"title": "a", "title": "b"}"#]
        {
            assert_eq!(code::<PatchConversation>(body), Some(Code::InvalidField), "{body}");
        }
        for number in ["-1", "1.5", "9007199254740992", "\"1\"", "null", "[1]"] {
            let body = format!("{{\"seq\": {number}}}");
            assert_eq!(code::<PutMarker>(&body), Some(Code::InvalidField), "{body}");
        }
        assert_eq!(code::<PutMarker>(r#"{"seq": 1e999}"#), Some(Code::InvalidJson));
    }

    #[test]
    fn deep_nesting_is_refused_without_harm() {
        let deep = format!("{{\"title\": {}", "[".repeat(100_000));
        assert!(code::<PatchConversation>(&deep).is_some());
        assert_eq!(code::<serde_json::Value>(&deep), Some(Code::InvalidJson));
    }

    #[test]
    fn the_field_that_is_wrong_is_named() {
        let problem = parse::<PutMarker>(br#"{"seq": -1}"#).expect_err("refused");
        assert!(problem.detail.is_some_and(|detail| detail.starts_with("`seq`: ")));
    }
}
