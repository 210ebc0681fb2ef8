//! `/v1/host`: what the host may ask for, with its secret.

use super::{Edge, bodies, errors::Refusal, extract};
use crate::task;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
};
use parlor_protocol::{
    error::Code,
    http::{HostId, Recheck},
};
use subtle::ConstantTimeEq as _;

/// Checks sessions of the host at once. Answers when those that have ended there have ended here.
pub(super) async fn recheck(State(edge): State<Edge>, request: Request) -> Result<StatusCode, Refusal> {
    let app = edge.app.clone();
    let secret = app.config.identity.recheck_secret.as_ref().ok_or(Code::NotFound)?;
    if !brings(request.headers(), secret) {
        return Err(Code::NotSignedIn.into());
    }
    let body = bodies::read(&edge, request).await?;
    let recheck: Recheck = if body.is_empty() { Recheck::default() } else { extract::parse(&body)? };
    let ids: Vec<String> = recheck.users.iter().map(HostId::to_string).collect();
    // What has ended there ends here, also if the host does not wait for it.
    task::to_its_end(async move { app.identity.host().ok_or(Code::NotFound)?.check_now(&ids).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn brings(headers: &HeaderMap, secret: &str) -> bool {
    let came = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    came.is_some_and(|came| came.as_bytes().ct_eq(secret.as_bytes()).into())
}
