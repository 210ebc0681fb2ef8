//! `GET /v1/pictures/{id}`: the pictures of users and groups.

use super::{Edge, errors::Refusal};
use crate::identity::actor::Actor;
use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use parlor_protocol::error::{Code, Problem};

/// A picture never changes, so browsers may keep it for good. Its policy forbids scripts in it to run.
pub(super) async fn get(
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
