//! `GET /v1/socket`: the handshake after which the connection is a socket.

use super::{Edge, credentials::SocketActor, errors::Refusal, handshake::Handshake};
use crate::ws;
use axum::{extract::State, http::HeaderValue, response::Response};
use parlor_protocol::error::{Code, Problem};

pub(super) async fn open(
    State(edge): State<Edge>,
    SocketActor(actor, ends): SocketActor,
    handshake: Handshake,
) -> Result<Response, Refusal> {
    if !handshake.offers(ws::SUBPROTOCOL) {
        return Err(Problem::new(Code::InvalidField).with_detail("the subprotocol parlor.v1 is expected").into());
    }
    let (response, upgrade) = handshake.accept(Some(HeaderValue::from_static(ws::SUBPROTOCOL)));
    tokio::spawn(ws::serve(edge.app, (actor, ends), upgrade));
    Ok(response)
}
