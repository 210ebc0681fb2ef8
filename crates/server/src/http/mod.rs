//! The HTTP edge: reads requests, authenticates them, passes commands on, writes answers. It decides nothing.
//!
//! Every request passes `middleware`, which gives it an id, finds its session, counts it, and adds the security
//! headers; every refusal is a problem document that is written there.

mod assets;
mod bodies;
mod conformance_echo;
mod conversations;
mod credentials;
mod declared_sockets;
mod demo;
pub(crate) mod errors;
mod events;
mod extract;
mod files;
mod groups;
mod handshake;
mod headers;
mod health;
mod host;
mod installation;
mod me;
mod messages;
mod middleware;
mod old_sockets;
mod openapi;
mod pictures;
mod presence;
mod reports;
mod rooms;
mod root_path;
mod route;
mod routes;
mod schema;
mod search;
mod sessions;
mod socket;
mod static_file;
mod users;

pub use demo::{DemoLinks, ItemPage};

use crate::{access_log::AccessLog, app::App, commands, identity::actor::Actor, theme::Theme};
use axum::{Router, middleware::from_fn_with_state};
use bytes::Bytes;
use parlor_protocol::{
    command::Command,
    error::{Code, Problem},
    reply::Answer,
};
use std::sync::{Arc, OnceLock};

/// What the handlers share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Edge {
    app: Arc<App>,
    shared: Arc<EdgeState>,
    access_log: Option<AccessLog>,
}

#[derive(Debug)]
struct EdgeState {
    theme: Theme,
    pages: assets::Pages,
    installation: installation::Installation,
    limits: static_file::File,
    demo: Option<DemoLinks>,
    /// Documents for machines, made when they are first requested: it takes longer than the rest of the start.
    openapi: OnceLock<Bytes>,
    schema: OnceLock<Bytes>,
    bodies: bodies::Bodies,
}

impl Edge {
    /// Creates the edge of a running server.
    #[must_use]
    pub fn new(app: Arc<App>, demo: Option<DemoLinks>) -> Self {
        let theme = Theme::of(app.config.accent);
        let pages = assets::Pages::new(&app.config, &theme);
        let shared = EdgeState {
            installation: installation::Installation::new(&app.config, &pages),
            limits: health::limits_file(&app.config),
            pages,
            theme,
            demo,
            openapi: OnceLock::new(),
            schema: OnceLock::new(),
            bodies: bodies::Bodies::new(&app.config.limits),
        };
        Self { app, shared: Arc::new(shared), access_log: None }
    }

    /// Writes an access log.
    #[must_use]
    pub fn with_access_log(self, access_log: Option<AccessLog>) -> Self {
        Self { access_log, ..self }
    }

    fn bodies(&self) -> &bodies::Bodies {
        &self.shared.bodies
    }

    /// Returns what the log should say at start about the theme.
    #[must_use]
    pub fn theme_note(&self) -> Option<&str> {
        self.shared.theme.moved.as_deref()
    }
}

/// The answer of most handlers.
type JsonAnswer = Result<axum::Json<Answer>, errors::Refusal>;

/// Executes the command that a request stands for.
async fn run(edge: &Edge, actor: Actor, command: Command) -> JsonAnswer {
    Ok(axum::Json(commands::execute(&edge.app, actor, command).await?))
}

/// Answers with a document that is made once, on a thread for long work.
async fn document(
    made: fn(&EdgeState) -> &OnceLock<Bytes>,
    edge: Edge,
    make: fn() -> String,
) -> Result<Bytes, Problem> {
    if let Some(document) = made(&edge.shared).get() {
        return Ok(document.clone());
    }
    let making = tokio::task::spawn_blocking(move || made(&edge.shared).get_or_init(|| make().into()).clone());
    making.await.map_err(|_| Code::Internal.into())
}

/// Returns the document `/openapi.json`.
#[must_use]
pub fn openapi_document() -> String {
    openapi::document(&routes::all())
}

/// Returns the router of the main address.
pub fn router(edge: &Edge) -> Router {
    let mut router = Router::new();
    for route in routes::all() {
        router = router.route(route.path, route.handler);
    }
    for (path, handler) in assets::routes().into_iter().chain(installation::routes()) {
        router = router.route(path, handler);
    }
    if edge.shared.demo.is_some() {
        router = router.route("/demo/{name}", demo::route()).route("/demo/items/{id}", demo::items_route());
    }
    if edge.app.config.conformance_echo {
        router = router.route("/conformance/echo", conformance_echo::route());
    }
    let router = router
        .fallback(declared_sockets::open_or_other)
        .method_not_allowed_fallback(|| async { errors::Refusal::from(Code::MethodNotAllowed) })
        .layer(from_fn_with_state(edge.clone(), middleware::pass))
        .with_state(edge.clone());
    root_path::mount(edge, router)
}

/// Returns the router of the metrics listener.
pub fn metrics_router(edge: &Edge) -> Router {
    health::metrics_router().with_state(edge.clone())
}
