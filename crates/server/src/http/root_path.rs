//! Serving below a path (`http.root_path`): takes it off requests. `assets.rs` puts it before what the page names.
//!
//! Invariant: nothing is served beside the path but what has a place of its own: the sockets of an application, whose
//! pages name them, and the health checks.

use super::{Edge, declared_sockets, errors::Refusal, middleware};
use crate::{access_log::AskedPath, config::RootPath};
use axum::{
    Router,
    extract::Request,
    http::{StatusCode, Uri, header, uri::PathAndQuery},
    middleware::from_fn_with_state,
    response::{IntoResponse as _, Response},
};
use parlor_protocol::error::Code;
use tower::ServiceExt as _;

/// Where health checks are looked for.
const HEALTH: [&str; 2] = ["/livez", "/readyz"];

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    /// This path, below the root path or with a place of its own.
    Inside(&'a str),
    /// The root path without its last slash.
    Door,
    /// Nothing.
    Outside,
}

/// Serves a router below the root path.
pub(super) fn mount(edge: &Edge, inner: Router) -> Router {
    if edge.app.config.http.root_path.0.is_empty() {
        return inner;
    }
    let nothing = Router::new()
        .fallback(|| async { Refusal::from(Code::NotFound) })
        .layer(from_fn_with_state(edge.clone(), middleware::pass));
    let edge = edge.clone();
    Router::new().fallback(move |request: Request| {
        let (edge, inner, nothing) = (edge.clone(), inner.clone(), nothing.clone());
        async move { pass_on(&edge, request, inner, nothing).await }
    })
}

async fn pass_on(edge: &Edge, mut request: Request, inner: Router, nothing: Router) -> Response {
    let root = &edge.app.config.http.root_path;
    let path = request.uri().path().to_owned();
    let router = match place(root, &path, |path| declared_sockets::is_declared(edge, path)) {
        Place::Inside(inside) => {
            let uri = with_path(request.uri(), inside);
            *request.uri_mut() = uri;
            request.extensions_mut().insert(AskedPath(path));
            inner
        }
        Place::Door => {
            let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
            let to = [(header::LOCATION, format!("{}/{query}", root.0))];
            return (StatusCode::PERMANENT_REDIRECT, to).into_response();
        }
        Place::Outside => nothing,
    };
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn place<'a>(root: &RootPath, path: &'a str, is_declared: impl FnOnce(&str) -> bool) -> Place<'a> {
    match path.strip_prefix(&root.0) {
        Some("") => Place::Door,
        Some(inside) if inside.starts_with('/') => Place::Inside(inside),
        _ if HEALTH.contains(&path) || is_declared(path) => Place::Inside(path),
        _ => Place::Outside,
    }
}

fn with_path(uri: &Uri, path: &str) -> Uri {
    let mut parts = uri.clone().into_parts();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path: Result<PathAndQuery, _> = format!("{path}{query}").parse();
    parts.path_and_query = Some(path.expect("a part of a path that begins with a slash is a path"));
    Uri::from_parts(parts).expect("only the path has changed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_below_the_root_path_or_has_a_place_of_its_own_or_is_nothing() {
        let root: RootPath = "/in/box".parse().expect("a path");
        let of = |path: &'static str| place(&root, path, |path| path == "/ws/chat/");
        assert_eq!(of("/in/box/"), Place::Inside("/"));
        assert_eq!(of("/in/box/v1/me"), Place::Inside("/v1/me"));
        assert_eq!(of("/in/box"), Place::Door);
        assert_eq!((of("/ws/chat/"), of("/livez")), (Place::Inside("/ws/chat/"), Place::Inside("/livez")));
        for outside in ["/", "/v1/me", "/in/boxes/", "/in", "/in/box2", "/metrics"] {
            assert_eq!(of(outside), Place::Outside, "{outside}");
        }
        assert_eq!(with_path(&"/in/box/a?b=c".parse().expect("a URI"), "/a"), "/a?b=c");
    }
}
