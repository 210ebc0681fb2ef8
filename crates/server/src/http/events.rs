//! Polls: what changed since a cursor, with or without waiting, for clients without a socket.

use super::{Edge, credentials::PollActor, errors::Refusal, extract::Query};
use crate::sync;
use axum::extract::State;
use parlor_protocol::{
    cursor::Cursor,
    error::{Code, Problem},
    reply::Heads,
};
use serde::Deserialize;
use std::time::Duration;
use utoipa::IntoParams;

/// `GET /v1/events`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Events {
    /// How far the client's state goes; absent if it has none. An invalid cursor counts as absent.
    #[param(value_type = Option<String>)]
    #[serde(default, deserialize_with = "parlor_protocol::cursor::deserialize_lenient")]
    cursor: Option<Cursor>,
    /// Seconds to wait for a change, up to `poll_wait_max_ms`; 0 answers at once.
    #[serde(default)]
    wait: u32,
}

pub(super) async fn events(
    State(edge): State<Edge>,
    PollActor(actor, ends): PollActor,
    Query(query): Query<Events>,
) -> Result<axum::Json<Heads>, Refusal> {
    let most = Duration::from_millis(edge.app.config.sync.poll_wait_max_ms);
    let most_s = u64::try_from(most.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
    if u64::from(query.wait) > most_s {
        let detail = format!("`wait`: 0 to {most_s} seconds are expected");
        return Err(Problem::new(Code::InvalidField).with_detail(detail).with_limit(most_s).into());
    }
    let wait = Duration::from_secs(query.wait.into()).min(most);
    Ok(axum::Json(sync::poll(&edge.app, (actor, ends), query.cursor, wait).await?))
}
