//! What browsers need to install the inbox and to open it without a connection: the web app manifest
//! (<https://www.w3.org/TR/appmanifest/>) and the script of the service worker, both with the settings of this server.
//!
//! Invariant: the worker's script changes whenever a file that it keeps does, so that browsers notice.

use super::{
    Edge,
    assets::{INDEX, Pages},
    static_file::File,
};
use crate::config::Config;
use axum::{
    extract::State,
    http::HeaderMap,
    response::Response,
    routing::{MethodRouter, get},
};
use parlor_bundler::hash;
use serde_json::json;

/// The two files.
#[derive(Debug)]
pub(super) struct Installation {
    manifest: File,
    worker: File,
}

impl Installation {
    pub(super) fn new(config: &Config, pages: &Pages) -> Self {
        Self { manifest: File::compressed(&manifest(config)), worker: File::compressed(&worker(config, pages)) }
    }
}

/// Returns the paths, which never change: a browser looks for newer versions there.
pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Edge>)> {
    vec![("/app.webmanifest", get(serve_manifest)), ("/worker.js", get(serve_worker))]
}

async fn serve_manifest(State(edge): State<Edge>, headers: HeaderMap) -> Response {
    edge.shared.installation.manifest.answer("application/manifest+json", &headers)
}

async fn serve_worker(State(edge): State<Edge>, headers: HeaderMap) -> Response {
    edge.shared.installation.worker.answer("text/javascript; charset=utf-8", &headers)
}

fn manifest(config: &Config) -> String {
    let root = &config.http.root_path.0;
    let start = format!("{root}/");
    let icon = |file: &str, purpose: &str| json!({"src": format!("{root}/web/inbox/{file}"), "type": "image/svg+xml", "sizes": "any", "purpose": purpose});
    let mut manifest = json!({
        "id": start,
        "start_url": start,
        "scope": start,
        "name": config.name,
        "short_name": config.name,
        "display": "standalone",
        "theme_color": "#f3f2ef",
        "background_color": "#f3f2ef",
        "categories": ["social"],
        "icons": [icon("icon.svg", "any"), icon("app-icon.svg", "maskable")],
    });
    // Without the worker, what is shared would be in the server's log.
    if config.offline {
        manifest["share_target"] = json!({
            "action": start,
            "method": "GET",
            "enctype": "application/x-www-form-urlencoded",
            "params": {"title": "share-title", "text": "share-text", "url": "share-url"},
        });
    }
    manifest.to_string()
}

/// Returns the worker's script: what it keeps, and then the source. Where the worker is switched off, and beside pages
/// of a folder, which change while they are developed, it is one that removes itself.
fn worker(config: &Config, pages: &Pages) -> String {
    let root = &config.http.root_path.0;
    let script = |path: &str| pages.built_in(path).map(|file| String::from_utf8_lossy(file.bytes()).into_owned());
    let page = pages.built_in(INDEX).filter(|_| config.offline);
    let (Some(page), Some(source)) = (page, script("worker.js")) else {
        let source =
            script("worker-off.js").unwrap_or_else(|| include_str!("../../../../web/src/worker-off.js").to_owned());
        return format!("self.parlorFiles={};\n{source}", json!({"root": root}));
    };
    let files: Vec<_> = pages.immutable().into_iter().map(|path| format!("{root}/web/{path}")).collect();
    let version = files_version(page.hash(), &files, &source);
    let kept = json!({"version": version, "root": root, "page": format!("{root}/web/{INDEX}"), "files": files});
    format!("self.parlorFiles={kept};\n{source}")
}

/// Returns the version of what a worker keeps. Another worker keeps its files apart, even if they are the same: it may
/// keep them in another way.
fn files_version(page: &str, files: &[String], source: &str) -> String {
    hash(format!("{page}\n{}\n{source}", files.join("\n")).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::Theme;

    fn pages(config: &Config) -> Pages {
        Pages::new(config, &Theme::of(config.accent))
    }

    fn below(root: &str) -> Config {
        let mut config = Config::default();
        config.http.root_path = root.parse().expect("a path");
        config
    }

    #[test]
    fn the_worker_keeps_all_files_that_the_page_names_below_the_root_path() {
        let config = below("/in/box");
        let pages = pages(&config);
        let script = worker(&config, &pages);
        let page = String::from_utf8_lossy(pages.built_in(INDEX).expect("a page").bytes()).into_owned();
        let named: Vec<_> = page.split('"').filter(|part| part.contains("/web/")).collect();
        assert!(named.len() > 3, "{page}");
        for path in named {
            assert!(path.starts_with("/in/box/web/") && script.contains(&format!("\"{path}\"")), "{path}");
        }
        assert!(script.contains("/web/german-") && !script.contains("/web/inbox/"), "{script}");
        assert!(
            page.contains("content=\"/in/box/worker.js\"") && page.contains("href=\"/in/box/app.webmanifest\""),
            "{page}"
        );
    }

    #[test]
    fn another_accent_is_another_version_of_the_worker() {
        let other = Config { accent: "#7a1f5c".parse().expect("a colour"), ..Config::default() };
        let config = Config::default();
        assert_ne!(worker(&config, &pages(&config)), worker(&other, &pages(&other)));
    }

    #[test]
    fn another_script_of_the_worker_is_another_version_of_what_it_keeps() {
        let files = ["/web/a-0123456789abcdef.js".to_owned()];
        assert_ne!(files_version("page", &files, "one"), files_version("page", &files, "another"));
        assert_eq!(files_version("page", &files, "one"), files_version("page", &files, "one"));
    }

    #[test]
    fn a_worker_that_is_switched_off_removes_itself_and_the_page_names_none() {
        let config = Config { offline: false, ..below("/box") };
        let pages = pages(&config);
        let script = worker(&config, &pages);
        assert!(script.contains("unregister") && !script.contains("respondWith"), "{script}");
        let page = String::from_utf8_lossy(pages.built_in(INDEX).expect("a page").bytes()).into_owned();
        assert!(!page.contains("worker.js") && page.contains("app.webmanifest"), "{page}");
    }
}
