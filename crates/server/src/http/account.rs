//! Sessions, one's own profile, pictures, signing up.

use super::{
    Edge, bodies,
    credentials::{Anybody, cookies_for, no_cookie},
    errors::Refusal,
    extract::{Id, Json, Page, Query},
};
use crate::{
    app::{Actor, App},
    commands,
    domain::{Change, Outcome, Profile},
    identity, paging,
};
use axum::{
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use parlor_protocol::{
    command::Command,
    error::{Code, Problem},
    http::{PutPassword, Sessions, SignIn, SignUp, SignedIn},
    ids::SessionId,
    params::MeUpdate,
    reply::{Answer, Changed},
};
use std::sync::Arc;

type Answered<T> = Result<axum::Json<T>, Refusal>;

pub(super) async fn sign_in(
    State(edge): State<Edge>,
    Anybody(caller): Anybody,
    parts: Parts,
    Json(body): Json<SignIn>,
) -> Result<Response, Refusal> {
    let from = caller.signs_in_from(&edge.app, &parts);
    let signed = identity::sign_in(&edge.app, &body.login, body.password, from).await?;
    signed_in(&edge.app, &parts, signed, body.token).await
}

pub(super) async fn sign_up(
    State(edge): State<Edge>,
    Anybody(caller): Anybody,
    parts: Parts,
    Json(body): Json<SignUp>,
) -> Result<Response, Refusal> {
    let from = caller.signs_in_from(&edge.app, &parts);
    let signed = identity::sign_up(&edge.app, &body.login, body.name, body.password, from).await?;
    signed_in(&edge.app, &parts, signed, false).await
}

async fn signed_in(
    app: &Arc<App>,
    parts: &Parts,
    identity::SignedIn { actor, token, device }: identity::SignedIn,
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

/// Signing out twice is no failure.
pub(super) async fn sign_out(
    State(edge): State<Edge>,
    Anybody(caller): Anybody,
    parts: Parts,
) -> Result<Response, Refusal> {
    if let Some(actor) = caller.actor {
        identity::end(&edge.app, actor.user, actor.session).await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().insert(header::SET_COOKIE, no_cookie(&edge.app, &parts));
    Ok(response)
}

pub(super) async fn update_me(State(edge): State<Edge>, actor: Actor, Json(body): Json<MeUpdate>) -> Answered<Answer> {
    Ok(axum::Json(commands::execute(&edge.app, actor, Command::UpdateMe(body)).await?))
}

pub(super) async fn put_password(
    State(edge): State<Edge>,
    actor: Actor,
    Json(body): Json<PutPassword>,
) -> Result<StatusCode, Refusal> {
    identity::change_password(&edge.app, actor, body.current, body.new).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn put_picture(State(edge): State<Edge>, actor: Actor, request: Request) -> Answered<Changed> {
    identity::count_picture(&edge.app, actor.user)?;
    let (file, _share) = bodies::picture(&edge, request).await?;
    let id = identity::set_picture(&edge.app, actor.user, file).await?;
    show_picture(&edge.app, actor, Some(id)).await
}

pub(super) async fn delete_picture(State(edge): State<Edge>, actor: Actor) -> Answered<Changed> {
    show_picture(&edge.app, actor, None).await
}

async fn show_picture(app: &App, actor: Actor, picture: Option<String>) -> Answered<Changed> {
    let change = Change::UpdateProfile { user: actor.user, profile: Profile::pictured(picture) };
    match app.commit.submit(change).await? {
        Outcome::Answer(Answer::Changed(changed)) => Ok(axum::Json(changed)),
        _ => Err(Code::Internal.into()),
    }
}

pub(super) async fn list_sessions(
    State(edge): State<Edge>,
    actor: Actor,
    Query(page): Query<Page>,
) -> Answered<Sessions> {
    let before: Option<SessionId> = paging::position(page.after.as_deref())?;
    let rows = paging::page_size(&edge.app.config.limits, page.limit)? as usize;
    let mut sessions = identity::sessions(&edge.app, actor).await?;
    sessions.retain(|session| before.is_none_or(|before| session.id < before));
    let is_last = sessions.len() <= rows;
    sessions.truncate(rows);
    let next = sessions.last().filter(|_| !is_last).map(|session| session.id.to_string());
    Ok(axum::Json(Sessions { sessions, next }))
}

pub(super) async fn end_session(
    State(edge): State<Edge>,
    actor: Actor,
    Id(session): Id<SessionId>,
) -> Result<StatusCode, Refusal> {
    identity::end_session(&edge.app, actor, session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A picture never changes, so whoever has it need not ask again. Its policy lets nothing in it run.
pub(super) async fn picture(
    State(edge): State<Edge>,
    _actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let tag = HeaderValue::from_str(&format!("\"{id}\"")).map_err(|_| Problem::from(Code::NotFound))?;
    let kept = [
        (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable")),
        (header::ETAG, tag.clone()),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("sandbox; default-src 'none'; style-src 'unsafe-inline'"),
        ),
    ];
    let found = edge.app.store.picture(id).await?;
    let picture = found.ok_or(Problem::from(Code::NotFound))?;
    if headers.get(header::IF_NONE_MATCH) == Some(&tag) {
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    let media_type = HeaderValue::from_str(&picture.media_type).map_err(|_| Problem::from(Code::Internal))?;
    Ok((kept, [(header::CONTENT_TYPE, media_type)], picture.bytes).into_response())
}
