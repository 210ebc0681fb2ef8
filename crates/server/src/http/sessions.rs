//! `/v1/session` and `/v1/me/sessions`: signing in and out, and a user's sessions.

use super::{
    Edge,
    credentials::{Anybody, cookies_for, no_cookie},
    errors::Refusal,
    extract::{Id, Json, Page, Query},
};
use crate::{
    app::App,
    commands,
    identity::{actor::Actor, sign_in::StartedSession},
    paging,
};
use axum::{
    extract::State,
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use parlor_protocol::{
    command::Command,
    error::Code,
    http::{Sessions, SignIn, SignedIn},
    ids::SessionId,
    reply::Answer,
};
use std::sync::Arc;

pub(super) async fn sign_in(
    State(edge): State<Edge>,
    Anybody(caller): Anybody,
    parts: Parts,
    Json(body): Json<SignIn>,
) -> Result<Response, Refusal> {
    let client = caller.client(&edge.app, &parts).await?;
    let session = edge.app.identity.sign_in(&body.login, body.password, client).await?;
    respond_signed_in(&edge.app, &parts, session, body.token).await
}

/// Answers a sign-in with the session's token: in cookies, or in the body.
pub(super) async fn respond_signed_in(
    app: &Arc<App>,
    parts: &Parts,
    StartedSession { actor, token, device }: StartedSession,
    in_body: bool,
) -> Result<Response, Refusal> {
    let Answer::Me(answer) = commands::execute(app, actor, Command::GetMe { since: None }).await? else {
        return Err(Code::Internal.into());
    };
    let cookies = (!in_body).then(|| cookies_for(app, parts, &token, &device));
    let body = SignedIn { me: answer.me, token: in_body.then_some(token.0) };
    let mut response = axum::Json(body).into_response();
    for cookie in cookies.into_iter().flatten() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Ends the session of Parlor, if there is one. Signing out twice is no error.
pub(super) async fn sign_out(
    State(edge): State<Edge>,
    Anybody(caller): Anybody,
    parts: Parts,
) -> Result<Response, Refusal> {
    let own = caller.own_session(&edge.app, &parts).await?;
    edge.app.identity.sign_out(own, caller.actor).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().insert(header::SET_COOKIE, no_cookie(&edge.app, &parts));
    Ok(response)
}

pub(super) async fn list(
    State(edge): State<Edge>,
    actor: Actor,
    Query(page): Query<Page>,
) -> Result<axum::Json<Sessions>, Refusal> {
    let before: Option<SessionId> = paging::position(page.after.as_deref())?;
    let rows = paging::page_size(&edge.app.config.limits, page.limit)? as usize;
    let mut sessions = edge.app.identity.list_sessions(actor).await?;
    sessions.retain(|session| before.is_none_or(|before| session.id < before));
    let is_last = sessions.len() <= rows;
    sessions.truncate(rows);
    let next = sessions.last().filter(|_| !is_last).map(|session| session.id.to_string());
    Ok(axum::Json(Sessions { sessions, next }))
}

pub(super) async fn end(
    State(edge): State<Edge>,
    actor: Actor,
    Id(session): Id<SessionId>,
) -> Result<StatusCode, Refusal> {
    edge.app.identity.end_own_session(actor, session).await?;
    Ok(StatusCode::NO_CONTENT)
}
