//! The web client's files: compiled in, or from a folder; the theme; a page for each error.
//!
//! Invariant: a path names a file below the folder or nothing; no part of it begins with a dot.

use super::{Edge, credentials::brings_cookie, errors::Refusal, static_file::File};
use crate::{
    config::{Config, RootPath},
    theme::Theme,
};
use axum::{
    extract::{Path as UrlPath, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get},
};
use parlor_bundler::{signed_out, with_style};
use parlor_protocol::{close::Close, error::Code};
use std::{collections::HashMap, fmt::Write as _, path::PathBuf};

/// A file made by the build.
struct BuiltIn {
    path: &'static str,
    is_immutable: bool,
    plain: &'static [u8],
    brotli: &'static [u8],
    gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// The meaning of each error and close code, and what to do: a section for each.
const ERRORS: &str = include_str!("../../../../docs/reference/errors.md");

/// The page for users that are signed in.
pub(super) const INDEX: &str = "index.html";
/// The page for users that are not signed in.
const SIGNED_OUT: &str = "signed-out.html";

const WORKER: &str = "/worker.js";

/// Where the files come from.
#[derive(Debug)]
pub(super) enum Pages {
    BuiltIn(HashMap<String, File>),
    Folder(PathBuf, Placed),
}

/// How the page is changed for this server.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    root: RootPath,
    offline: bool,
}

impl Placed {
    /// Puts the root path before the addresses in the head of the page, and removes the service worker's if it is off.
    fn page(&self, page: &str) -> String {
        let root = &self.root.0;
        let mut page = page.to_owned();
        for path in ["/web/", "/theme.css", "/app.webmanifest", WORKER] {
            page = page.replace(&format!("=\"{path}"), &format!("=\"{root}{path}"));
        }
        if self.offline {
            return page;
        }
        let names_worker = |line: &&str| line.contains(&format!("=\"{root}{WORKER}\""));
        page.split_inclusive('\n').filter(|line| !names_worker(line)).collect()
    }
}

impl Pages {
    /// Returns those compiled in, with a theme, or those of a folder, which are read for each request.
    pub(super) fn new(config: &Config, theme: &Theme) -> Self {
        let placed = Placed { root: config.http.root_path.clone(), offline: config.offline };
        if let Some(folder) = &config.web {
            return Self::Folder(folder.clone(), placed);
        }
        let mut files: HashMap<String, File> = BUILT_IN
            .iter()
            .map(|one| {
                let file = File::built_in(one.plain, one.brotli, one.gzip);
                (one.path.to_owned(), if one.is_immutable { file.immutable() } else { file })
            })
            .collect();
        if !theme.is_built_in {
            dress(&mut files, theme);
        }
        for page in [INDEX, SIGNED_OUT] {
            if let Some(mut file) = files.remove(page) {
                let text = String::from_utf8_lossy(file.bytes()).into_owned();
                let changed = placed.page(&text);
                if changed != text {
                    file = File::compressed(&changed);
                }
                files.insert(page.to_owned(), file.by_cookie());
            }
        }
        Self::BuiltIn(files)
    }

    /// Returns a file that is compiled in.
    pub(super) fn built_in(&self, path: &str) -> Option<&File> {
        match self {
            Self::BuiltIn(files) => files.get(path),
            Self::Folder(..) => None,
        }
    }

    /// Returns the sorted paths of the files that never change, below `/web/`.
    pub(super) fn immutable(&self) -> Vec<&str> {
        let Self::BuiltIn(files) = self else { return Vec::new() };
        let mut paths: Vec<_> = files.iter().filter(|(_, file)| file.is_immutable()).map(|(path, _)| &**path).collect();
        paths.sort_unstable();
        paths
    }

    async fn file(&self, path: &str) -> Option<File> {
        if path.split('/').any(|part| part.is_empty() || part.starts_with('.') || part.contains(['\\', '\0'])) {
            return None;
        }
        match self {
            Self::BuiltIn(files) => files.get(path).cloned(),
            Self::Folder(folder, _) => {
                let path = folder.join(path);
                let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
                read.ok()?.ok().map(|bytes| File::plain(bytes.into()))
            }
        }
    }

    /// Serves the page itself. It starts as the inbox or as the sign-in page, depending on whether the browser has a
    /// session cookie, valid or not; the script corrects it.
    async fn page(&self, is_in: bool) -> Option<File> {
        match self {
            Self::BuiltIn(_) => self.file(if is_in { INDEX } else { SIGNED_OUT }).await,
            Self::Folder(_, placed) => {
                let page = self.file(INDEX).await?;
                let page = File::plain(placed.page(&String::from_utf8_lossy(page.bytes())).into());
                let out = || File::plain(signed_out(&String::from_utf8_lossy(page.bytes())).into());
                Some(if is_in { page } else { out() }.by_cookie())
            }
        }
    }
}

/// Adds the style sheet of a theme, and links to it in the pages.
fn dress(files: &mut HashMap<String, File>, theme: &Theme) {
    let style = File::compressed(&theme.css).immutable();
    let path = format!("theme-{}.css", style.hash());
    for page in [INDEX, SIGNED_OUT] {
        if let Some(file) = files.get_mut(page) {
            let text = String::from_utf8_lossy(file.bytes());
            *file = File::compressed(&with_style(&text, &format!("/web/{path}")));
        }
    }
    files.insert(path, style);
}

/// Returns the paths that are not part of the API.
pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Edge>)> {
    vec![("/", get(index)), ("/web/{*path}", get(file))]
}

async fn index(State(edge): State<Edge>, headers: HeaderMap) -> Result<Response, Refusal> {
    let is_in = brings_cookie(&edge.app, &headers);
    let sign_in_url = &edge.app.config.identity.sign_in_url;
    if !is_in && !edge.app.identity.has_accounts() && !sign_in_url.is_empty() {
        let back = format!("{}/", edge.app.config.http.root_path.0).replace('/', "%2F");
        let to = [(header::LOCATION, sign_in_url.replace("{return}", &back)), (header::VARY, "Cookie".to_owned())];
        return Ok((StatusCode::SEE_OTHER, to).into_response());
    }
    let page = edge.shared.pages.page(is_in).await.ok_or(Code::NotFound)?;
    Ok(page.answer("text/html; charset=utf-8", &headers))
}

async fn file(
    State(edge): State<Edge>,
    UrlPath(path): UrlPath<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let file = edge.shared.pages.file(&path).await.ok_or(Code::NotFound)?;
    Ok(file.answer(media_type(&path), &headers))
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

/// Answers any other path with a 404 page. The inbox is at `/` only, since its own URLs are behind a `#`.
pub(super) fn other(root: &RootPath, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_page = matches!(*method, Method::GET | Method::HEAD) && accepts.contains("text/html");
    if !is_page || uri.path().starts_with("/v1/") {
        return Refusal::from(Code::NotFound).into_response();
    }
    let link = format!("<a href=\"{}/\">To the inbox</a>", root.0);
    let body = format!("<h1>Nothing is here</h1>\n<p>There is no page at this address. {link}</p>\n");
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (StatusCode::NOT_FOUND, kind, page("Nothing is here", &body)).into_response()
}

/// Serves the theme under a fixed name, for pages of a folder and for other applications.
pub(super) async fn theme(State(edge): State<Edge>, headers: HeaderMap) -> Response {
    File::plain(edge.shared.theme.css.clone().into()).answer("text/css; charset=utf-8", &headers)
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
    Ok(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page(&name, &body)).into_response())
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         </head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// Returns the text below the heading of a code.
fn section(name: &str) -> &'static str {
    let heading = format!("### `{name}`");
    ERRORS
        .split_once(&heading)
        .map(|(_, rest)| rest.split("\n#").next().unwrap_or_default())
        .and_then(|rest| rest.split_once('\n'))
        .map_or("", |(_, text)| text)
}

pub(super) fn escaped(text: &str) -> String {
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
        let theme = Theme::of("#7a1f5c".parse().expect("a colour"));
        let config = Config { web: Some(env!("CARGO_MANIFEST_DIR").into()), ..Config::default() };
        let pages = Pages::new(&config, &theme);
        assert!(pages.file("Cargo.toml").await.is_some() && pages.file("src/lib.rs").await.is_some());
        for path in ["", "..", "../Cargo.toml", "src/../Cargo.toml", "/etc/passwd", "src//lib.rs", ".git", "a\\b", "\0"]
        {
            assert!(pages.file(path).await.is_none(), "{path:?}");
        }
    }
}
