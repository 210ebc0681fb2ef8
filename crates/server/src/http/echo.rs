//! `/conformance/echo`: says back what it hears, with the settings of the real socket, for conformance suites.

use super::{Edge, conversations::handshake, errors::Refusal};
use crate::ws;
use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::HeaderMap,
    response::Response,
    routing::{MethodRouter, get},
};

pub(super) fn route() -> MethodRouter<Edge> {
    get(upgrade)
}

async fn upgrade(
    State(edge): State<Edge>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let upgrade = handshake(&headers, upgrade)?;
    Ok(ws::bounded(upgrade, &edge.app.config.limits).on_upgrade(echo))
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let sent = match message {
            Message::Text(_) | Message::Binary(_) => socket.send(message).await,
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) => Ok(()),
        };
        if sent.is_err() {
            return;
        }
    }
}
