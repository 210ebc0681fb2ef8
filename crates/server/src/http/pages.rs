//! The pages: files of `web/src`, compiled in or from a folder; the theme; a page for each error.
//!
//! Invariant: a path names a file below the folder or nothing; no part of it begins with a dot.

use super::{Edge, errors::Refusal};
use axum::{
    extract::{Path as UrlPath, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get},
};
use bytes::Bytes;
use parlor_protocol::{close::Close, error::Code};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// What each error and close code means and what to do: a section for each.
const ERRORS: &str = include_str!("../../../../docs/reference/errors.md");

/// Where the pages come from.
#[derive(Debug)]
pub(super) enum Pages {
    BuiltIn(HashMap<&'static str, File>),
    Folder(PathBuf),
}

#[derive(Clone, Debug)]
pub(super) struct File {
    bytes: Bytes,
    tag: HeaderValue,
}

impl File {
    fn new(bytes: Bytes) -> Self {
        let hash = Sha256::digest(&bytes);
        let mut tag = String::from("\"");
        for byte in &hash[..16] {
            let _ = write!(tag, "{byte:02x}");
        }
        tag.push('"');
        Self { bytes, tag: HeaderValue::from_str(&tag).expect("hexadecimal digits in quotes") }
    }
}

impl Pages {
    /// Those compiled in, or those of a folder, read anew each time.
    pub(super) fn new(folder: Option<&Path>) -> Self {
        match folder {
            Some(folder) => Self::Folder(folder.to_owned()),
            None => Self::BuiltIn(
                BUILT_IN.iter().map(|(path, bytes)| (*path, File::new(Bytes::from_static(bytes)))).collect(),
            ),
        }
    }

    async fn file(&self, path: &str) -> Option<File> {
        if path.split('/').any(|part| part.is_empty() || part.starts_with('.') || part.contains(['\\', '\0'])) {
            return None;
        }
        match self {
            Self::BuiltIn(files) => files.get(path).cloned(),
            Self::Folder(folder) => {
                let path = folder.join(path);
                let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
                read.ok()?.ok().map(|bytes| File::new(bytes.into()))
            }
        }
    }
}

/// The paths of pages that are no part of the API.
pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Edge>)> {
    vec![("/", get(index)), ("/web/{*path}", get(file))]
}

async fn index(State(edge): State<Edge>, headers: HeaderMap) -> Result<Response, Refusal> {
    serve(&edge, "index.html", &headers).await
}

async fn file(
    State(edge): State<Edge>,
    UrlPath(path): UrlPath<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    serve(&edge, &path, &headers).await
}

async fn serve(edge: &Edge, path: &str, headers: &HeaderMap) -> Result<Response, Refusal> {
    let file = edge.shared.pages.file(path).await.ok_or(Code::NotFound)?;
    let kept = [(header::ETAG, file.tag.clone()), (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).unwrap_or_default();
    // A list of them, perhaps weakened by a proxy on the way.
    if file.tag.to_str().is_ok_and(|tag| known.contains(tag)) {
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    Ok((kept, [(header::CONTENT_TYPE, media_type(path))], file.bytes).into_response())
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Any other path: a page for whoever wants to see one, for the inbox has addresses of its own.
pub(super) async fn other(
    State(edge): State<Edge>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_page = matches!(method, Method::GET | Method::HEAD) && accepts.contains("text/html");
    let is_reserved = ["/v1/", "/web/", "/demo/", "/conformance/"].iter().any(|prefix| uri.path().starts_with(prefix));
    if is_page && !is_reserved { serve(&edge, "index.html", &headers).await } else { Err(Code::NotFound.into()) }
}

pub(super) async fn theme(State(edge): State<Edge>) -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], edge.shared.theme.css.clone()).into_response()
}

pub(super) async fn error_page(UrlPath(name): UrlPath<String>) -> Result<Response, Refusal> {
    let code = Code::ALL.iter().find(|code| code.name() == name);
    let close = Close::ALL.iter().find(|close| close.name() == name);
    let facts = match (code, close) {
        (Some(code), _) => {
            let again =
                if code.retryable() { "The same request may succeed later." } else { "The same request fails again." };
            format!("{} HTTP status {}. {again}", code.title(), code.status())
        }
        (None, Some(close)) => format!("Close code {}.", close.code()),
        (None, None) => return Err(Code::NotFound.into()),
    };
    let mut body = format!("<h1><code>{name}</code></h1>\n<p>{}</p>\n", escaped(&facts));
    for paragraph in section(&name).split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        let _ = writeln!(body, "<p>{}</p>", escaped(&paragraph.replace('`', "")));
    }
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>{name}</title>\n\
         </head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    );
    Ok(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response())
}

/// The text below the heading of a code.
fn section(name: &str) -> &'static str {
    let heading = format!("### `{name}`");
    ERRORS
        .split_once(&heading)
        .map(|(_, rest)| rest.split("\n#").next().unwrap_or_default())
        .and_then(|rest| rest.split_once('\n'))
        .map_or("", |(_, text)| text)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_and_close_code_is_explained() {
        let names = Code::ALL.iter().map(|code| code.name()).chain(Close::ALL.iter().map(|close| close.name()));
        for name in names {
            assert!(section(name).trim().len() > 40, "{name} is not explained in docs/reference/errors.md");
        }
    }

    #[tokio::test]
    async fn a_path_never_leaves_the_folder() {
        let pages = Pages::new(Some(Path::new(env!("CARGO_MANIFEST_DIR"))));
        assert!(pages.file("Cargo.toml").await.is_some() && pages.file("src/lib.rs").await.is_some());
        for path in ["", "..", "../Cargo.toml", "src/../Cargo.toml", "/etc/passwd", "src//lib.rs", ".git", "a\\b", "\0"]
        {
            assert!(pages.file(path).await.is_none(), "{path:?}");
        }
    }
}
