//! The sockets of broadcast rooms, at the paths that the profile declares.
//!
//! A user who may not join is refused before the socket is opened, and so are pages of other sites, since a browser
//! sends cookies from these too.

use super::{
    Edge,
    credentials::{Caller, SocketVisitor},
    errors::Refusal,
    handshake::Handshake,
};
use crate::{app::App, bridge::names::is_group, profile::rooms::WhoMayJoin, ws::Visit};
use axum::{
    extract::FromRequestParts as _,
    http::request::Parts,
    response::{IntoResponse, Response},
};
use parlor_protocol::error::{Code, Problem};

/// Whether a path is that of a room.
pub(super) fn is_room(app: &App, path: &str) -> bool {
    app.bridge.as_ref().is_some_and(|bridge| bridge.is_room(path))
}

/// Opens a socket in a room.
pub(super) async fn open(edge: &Edge, parts: &mut Parts) -> Result<Response, Response> {
    let refuse = |code: Code| Refusal::from(code).into_response();
    let visitor = SocketVisitor::from_request_parts(parts, edge).await.map_err(IntoResponse::into_response)?;
    let bridge = edge.app.bridge.as_ref().ok_or_else(|| refuse(Code::NotFound))?;
    let (room, group) = bridge.room_at(parts.uri.path()).ok_or_else(|| refuse(Code::NotFound))?;
    let SocketVisitor(caller) = visitor;
    let Caller { actor, ends, .. } = caller;
    if room.join == WhoMayJoin::SignedIn {
        may_join(&edge.app, &caller).await.map_err(|problem| Refusal(problem).into_response())?;
    }
    if !is_group(&group) {
        return Err(refuse(Code::NotFound));
    }
    let handshake = Handshake::from_request_parts(parts, edge).await?;
    let user = actor.map(|actor| (actor, ends));
    let visit = Visit::begin(&edge.app, bridge, (room, &group), user).await;
    let visit = visit.map_err(|problem| Refusal(problem).into_response())?;
    let (response, upgrade) = handshake.accept(None);
    tokio::spawn(visit.serve(upgrade));
    Ok(response)
}

/// Checks that somebody is signed in. Beside an application that is one of its users: an account of Parlor, which
/// perhaps anybody can make, is none of its.
async fn may_join(app: &App, caller: &Caller) -> Result<(), Problem> {
    // Channels answers 403, and no page sees more than that.
    let not_allowed = || Problem::from(Code::NotAllowed);
    let signed_in = caller.signed_in();
    let actor = signed_in.map_err(|problem| if problem.code == Code::NotSignedIn { not_allowed() } else { problem })?;
    if app.identity.host().is_some() && app.host_users.external_id_of(actor.user).await?.is_none() {
        return Err(not_allowed());
    }
    Ok(())
}
