//! The paths of old sockets, which the profile of the application beside Parlor declares.

use super::{Edge, credentials::SocketActor, errors::Refusal, handshake::Handshake};
use crate::{
    host_pages::PageHeaders,
    old_sockets::{self, OldSocketRoute},
};
use axum::{
    extract::FromRequestParts as _,
    http::request::Parts,
    response::{IntoResponse as _, Response},
};
use parlor_protocol::error::{Code, Problem};

/// Returns whether a path is one of an old socket.
pub(super) fn is_old_socket(edge: &Edge, path: &str) -> bool {
    route(edge, path).is_some()
}

fn route(edge: &Edge, path: &str) -> Option<OldSocketRoute> {
    edge.app.host_side.get()?;
    OldSocketRoute::find(edge.app.profile.as_ref(), path)
}

/// Opens an old socket.
pub(super) async fn open(edge: Edge, parts: &mut Parts) -> Result<Response, Response> {
    let route = route(&edge, parts.uri.path()).ok_or_else(|| Refusal::from(Code::NotFound).into_response())?;
    let actor = SocketActor::from_request_parts(parts, &edge).await.map_err(forbidden)?;
    let host = edge.app.host_side.get().ok_or_else(|| Refusal::from(Code::NotFound).into_response())?.clone();
    let handshake = Handshake::from_request_parts(parts, &edge).await?;
    let id = host.id_of(actor.0.user).await.map_err(|problem| Refusal(problem).into_response())?;
    // A user of Parlor only has no place in the application.
    let id = id.ok_or_else(|| forbidden(Code::NotSignedIn.into()))?;
    let page = route.needs_cookies().then(|| PageHeaders::of(&parts.headers));
    let (response, upgrade) = handshake.accept(None);
    tokio::spawn(old_sockets::serve((edge.app, host), route, (actor.0, actor.1), (id, page), upgrade));
    Ok(response)
}

/// A socket of Channels is refused with 403, also without a session.
fn forbidden(Refusal(problem): Refusal) -> Response {
    let status = if problem.code == Code::NotSignedIn { 403 } else { problem.status };
    Refusal(Problem { status, ..problem }).into_response()
}
