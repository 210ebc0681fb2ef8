//! `/conformance/echo`: echoes messages over the same socket code as the product's, for conformance suites.

use super::{Edge, handshake::Handshake};
use crate::ws;
use axum::{
    extract::State,
    response::Response,
    routing::{MethodRouter, get},
};

pub(super) fn route() -> MethodRouter<Edge> {
    get(upgrade)
}

async fn upgrade(State(edge): State<Edge>, handshake: Handshake) -> Response {
    let (response, upgrade) = handshake.accept(None);
    tokio::spawn(ws::echo(edge.app, upgrade));
    response
}
