//! Liveness, readiness, limits, the site's name, and metrics.

use super::{Edge, errors::Refusal, static_file::File};
use crate::config::Config;
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use parlor_protocol::{
    error::{Code, RETRY_AFTER_MS},
    http::Health,
    limits::LimitsAnswer,
};
use serde::Serialize;
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;

/// The site's name, and what a sign-in page needs to know.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({"name": "Parlor", "sign_up": false, "session_days": 30, "accounts": true,
    "sign_in_url": null, "sign_out_url": null}))]
pub(super) struct Site {
    /// The name of the site.
    name: String,
    /// Whether users can sign up.
    sign_up: bool,
    /// Days after which an unused session ends.
    session_days: u32,
    /// Whether users have accounts here, and so sign in here.
    accounts: bool,
    /// Where users sign in who have no account here; `{return}` in it stands for the path to come back to.
    sign_in_url: Option<String>,
    /// Where these users sign out.
    sign_out_url: Option<String>,
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
    let fine = if edge.app.is_layer_connected() { "ok" } else { "degraded" };
    let mut response = (status, Json(Health { status: trouble.unwrap_or(fine).to_owned() })).into_response();
    if trouble.is_some() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

pub(super) async fn limits(State(edge): State<Edge>, headers: HeaderMap) -> Response {
    edge.shared.limits.unstored_answer("application/json", &headers)
}

/// Makes the answer to `GET /v1/limits`, which every page fetches.
pub(super) fn limits_file(config: &Config) -> File {
    File::compressed(&serde_json::to_string(&in_force(config)).expect("limits have string keys only"))
}

/// Returns what `GET /v1/limits` says about a configuration.
pub(super) fn in_force(config: &Config) -> LimitsAnswer {
    let Config { socket, sync, messages, .. } = config;
    LimitsAnswer {
        limits: config.limits.clone(),
        ping_interval_ms: socket.ping_interval_ms,
        silence_ms: socket.silence_ms,
        resume_ms: socket.resume_ms,
        poll_wait_max_ms: sync.poll_wait_max_ms,
        body_ms: config.http.body_ms,
        marker_interval_ms: sync.marker_interval_ms,
        edit_within_ms: messages.edit_within_ms,
        delete_within_ms: messages.delete_within_ms,
        unsent_ms: config.files.unsent_ms,
        retry_after_ms: RETRY_AFTER_MS,
        receipts: messages.receipts,
        search: config.search.enabled,
        who_may_write: config.who_may_write.name().to_owned(),
        history: config.groups.history,
    }
}

pub(super) async fn site(State(edge): State<Edge>) -> Json<Site> {
    let config = &edge.app.config;
    let (accounts, identity) = (&config.accounts, &config.identity);
    let has_accounts = edge.app.identity.has_accounts();
    let address = |url: &String| Some(url.clone()).filter(|url| !url.is_empty() && !has_accounts);
    Json(Site {
        name: config.name.clone(),
        sign_up: accounts.sign_up && has_accounts,
        session_days: accounts.session_days,
        accounts: has_accounts,
        sign_in_url: address(&identity.sign_in_url),
        sign_out_url: address(&identity.sign_out_url),
    })
}

/// On the main address it needs the operator's token; without a configured token it does not exist.
pub(super) async fn metrics(State(edge): State<Edge>, headers: HeaderMap) -> Result<Response, Refusal> {
    let Some(token) = &edge.app.config.metrics.token else { return Err(Code::NotFound.into()) };
    let came = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if came.is_some_and(|came| came.as_bytes().ct_eq(token.as_bytes()).into()) {
        return Ok(text(&edge));
    }
    Err(Code::NotSignedIn.into())
}

fn text(edge: &Edge) -> Response {
    edge.app.update_gauges();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], edge.app.metrics.text()).into_response()
}

/// The metrics listener asks for no token: who can reach it is the operator's choice.
pub(super) fn metrics_router() -> Router<Edge> {
    Router::new().route("/metrics", get(|State(edge): State<Edge>| async move { text(&edge) }))
}
