//! Whether the server lives and is ready, its limits, its name, and its figures.

use super::{Edge, errors::Refusal};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use parlor_protocol::{error::Code, http::Health, limits::Limits};
use serde::Serialize;
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;

/// What the operator named this place, and what a sign-in page needs to know.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({"name": "Parlor", "sign_up": false, "session_days": 30}))]
pub(super) struct Site {
    /// What the site calls itself.
    name: String,
    /// Whether people can make accounts for themselves.
    sign_up: bool,
    /// Days after which an unused sign-in ends.
    session_days: u32,
}

pub(super) async fn live() -> Json<Health> {
    Json(Health { status: "ok".to_owned() })
}

pub(super) async fn ready(State(edge): State<Edge>) -> Response {
    let trouble = if edge.app.is_draining() {
        Some("draining")
    } else if edge.app.store.ping().await.is_err() {
        Some("store")
    } else {
        None
    };
    let status = if trouble.is_some() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(Health { status: trouble.unwrap_or("ok").to_owned() })).into_response()
}

pub(super) async fn limits(State(edge): State<Edge>) -> Json<Limits> {
    Json(edge.app.config.limits.clone())
}

pub(super) async fn site(State(edge): State<Edge>) -> Json<Site> {
    let config = &edge.app.config;
    let accounts = &config.accounts;
    Json(Site { name: config.name.clone(), sign_up: accounts.sign_up, session_days: accounts.session_days })
}

/// On the main address: with the operator's token only; without one configured there is nothing here.
pub(super) async fn metrics(State(edge): State<Edge>, headers: HeaderMap) -> Result<Response, Refusal> {
    let Some(token) = &edge.app.config.metrics.token else { return Err(Code::NotFound.into()) };
    let came = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if came.is_some_and(|came| came.as_bytes().ct_eq(token.as_bytes()).into()) {
        return Ok(text(&edge));
    }
    Err(Code::NotSignedIn.into())
}

fn text(edge: &Edge) -> Response {
    edge.app.count_what_is_held();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], edge.app.metrics.text()).into_response()
}

/// The listener of its own asks for no token: that it is reached at all is the operator's choice.
pub(super) fn metrics_router() -> Router<Edge> {
    Router::new().route("/metrics", get(|State(edge): State<Edge>| async move { text(&edge) }))
}
