//! `/demo/{name}?{token}`: the demo's links, each of which signs its person in. There only while a demo runs.

use super::{
    Edge,
    credentials::{Caller, cookies_for},
    errors::Refusal,
};
use crate::identity;
use axum::{
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{AppendHeaders, IntoResponse as _, Response},
    routing::{MethodRouter, get},
};
use parlor_protocol::{error::Code, ids::UserId};
use std::{collections::HashMap, fmt};
use subtle::ConstantTimeEq as _;

/// The people of the demo by the name in their link, and the token that the links carry.
#[derive(Clone)]
pub struct DemoLinks {
    /// Good as long as the demo runs.
    pub token: String,
    /// Whom each name signs in.
    pub people: HashMap<String, UserId>,
}

impl fmt::Debug for DemoLinks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DemoLinks").field("people", &self.people).finish_non_exhaustive()
    }
}

pub(super) fn route() -> MethodRouter<Edge> {
    get(sign_in)
}

async fn sign_in(State(edge): State<Edge>, Path(name): Path<String>, parts: Parts) -> Result<Response, Refusal> {
    let links = edge.shared.demo.as_ref().ok_or(Code::NotFound)?;
    let token = parts.uri.query().unwrap_or_default();
    if !bool::from(token.as_bytes().ct_eq(links.token.as_bytes())) {
        return Err(Code::NotFound.into());
    }
    let user = *links.people.get(&name).ok_or(Code::NotFound)?;
    let caller = Caller::of(&edge.app, &parts).await?;
    let home = [
        (header::LOCATION, HeaderValue::from_static("/")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    if caller.actor.is_some_and(|actor| actor.user == user) {
        return Ok((StatusCode::SEE_OTHER, home).into_response());
    }
    let signed = identity::sign_in_as(&edge.app, user, caller.signs_in_from(&edge.app, &parts)).await?;
    let cookies = cookies_for(&edge.app, &parts, &signed.token, &signed.device);
    let cookies = AppendHeaders(cookies.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok((StatusCode::SEE_OTHER, home, cookies).into_response())
}
