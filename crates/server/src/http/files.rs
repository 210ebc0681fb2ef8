//! Uploads, and files as they are served.
//!
//! Invariants: a body is written to the disk as it arrives, within its limit and timeout; bytes that were answered as
//! received are kept; a file is reached through membership, and does not exist for users that may not see it.

use super::{
    Edge,
    bodies::Pace,
    errors::Refusal,
    extract::{Id, Query},
};
use crate::{
    domain::rows::FileRow,
    files::{
        disposition::{self, RequestedRange},
        ingest::{Ingest, IngestHandle, QUEUE, StartAt, wrong_offset},
        storage::preview_of,
        storage_problem,
    },
    identity::actor::Actor,
};
use axum::{
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use parlor_protocol::{
    error::{Code, Problem},
    ids::{FileId, UserId},
};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use utoipa::IntoParams;

/// How much of an unwanted body is read anyway, and for how long.
const FORGOTTEN_BYTES: usize = 1024 * 1024;
const FORGOTTEN_TIME: Duration = Duration::from_millis(500);

/// `POST /v1/uploads?…`
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUpload {
    /// The client's own name for it: 1 to 64 visible ASCII characters, the same in every retry.
    client_id: String,
    /// The file's name.
    name: String,
    /// How many bytes the file has.
    bytes: u64,
}

/// `PATCH /v1/uploads/{client_id}?…`
#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Offset {
    /// Where the body continues: `received` of the upload.
    offset: u64,
}

pub(super) async fn begin(
    State(edge): State<Edge>,
    actor: Actor,
    Query(new): Query<NewUpload>,
    request: Request,
) -> Result<Response, Refusal> {
    let files = &edge.app.files;
    let begun = match check_length(request.headers(), new.bytes, 0) {
        Ok(()) => files.begin(actor.user, new.client_id, &new.name, new.bytes).await,
        Err(problem) => Err(problem).inspect_err(|problem| files.refused(problem)),
    };
    match begun {
        Ok(row) => feed(&edge, actor.user, &row, StartAt::Beginning, request).await,
        Err(problem) => refused(problem, request.into_body()).await,
    }
}

pub(super) async fn go_on(
    State(edge): State<Edge>,
    actor: Actor,
    Path(client_id): Path<String>,
    Query(Offset { offset }): Query<Offset>,
    request: Request,
) -> Result<Response, Refusal> {
    let files = &edge.app.files;
    let row = files.row(actor.user, client_id.clone()).await?;
    let checked = match check_length(request.headers(), row.announced_bytes, offset) {
        Ok(()) => Ok(()),
        // How much is left depends on the offset, so that is checked first.
        Err(too_large) => match files.upload(actor.user, client_id).await?.received {
            received if received != offset => Err(wrong_offset(received)),
            _ => Err(too_large),
        },
    };
    match checked {
        Ok(()) => feed(&edge, actor.user, &row, StartAt::Offset(offset), request).await,
        Err(problem) => refused(problem, request.into_body()).await,
    }
}

pub(super) async fn get(
    State(edge): State<Edge>,
    actor: Actor,
    Path(client_id): Path<String>,
) -> Result<Response, Refusal> {
    Ok(axum::Json(edge.app.files.upload(actor.user, client_id).await?).into_response())
}

pub(super) async fn give_up(
    State(edge): State<Edge>,
    actor: Actor,
    Path(client_id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let row = edge.app.files.row(actor.user, client_id).await?;
    edge.app.files.cancel(actor.user, row.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses a body whose announced length is too long, before reading it.
fn check_length(headers: &HeaderMap, bytes: u64, offset: u64) -> Result<(), Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let left = bytes.saturating_sub(offset);
    match length {
        Some(length) if length > left => Err(Problem::new(Code::TooLarge)
            .with_detail(format!("the body has {length} bytes; of the {bytes} announced {left} are to come"))
            .with_limit(left)),
        _ => Ok(()),
    }
}

async fn feed(edge: &Edge, owner: UserId, row: &FileRow, from: StartAt, request: Request) -> Result<Response, Refusal> {
    let feed = match edge.app.files.ingest(owner, row.id, from, QUEUE).await {
        Err(problem) => return refused(problem, request.into_body()).await,
        Ok(Ingest::Finished(upload)) => {
            forget(request.into_body()).await;
            return Ok(axum::Json(upload).into_response());
        }
        Ok(Ingest::Open(feed)) => feed,
    };
    let is_slow = pour(&feed, request, edge.app.config.http.body_ms).await;
    match feed.finish().await {
        // The bytes that arrived are kept, so a client that was too slow can continue from there.
        Ok(_) if is_slow => Err(Code::TimedOut.into()),
        Ok(upload) => Ok(axum::Json(upload).into_response()),
        Err(problem) => Err(problem.into()),
    }
}

/// Refuses a body that may still be arriving: a client that is still writing may not read the answer before.
async fn refused(problem: Problem, body: Body) -> Result<Response, Refusal> {
    forget(body).await;
    Err(problem.into())
}

/// Reads a little of a body and drops it.
async fn forget(mut body: Body) {
    let (mut came, deadline) = (0, Instant::now() + FORGOTTEN_TIME);
    while came < FORGOTTEN_BYTES {
        let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await else { return };
        came += frame.data_ref().map_or(0, bytes::Bytes::len);
    }
}

/// Passes the body on as it arrives. Returns true if it came too slowly.
async fn pour(feed: &IngestHandle, request: Request, time_ms: u64) -> bool {
    let mut body = request.into_body();
    let mut pace = Pace::new(time_ms);
    loop {
        let Ok(frame) = timeout_at(pace.deadline(), body.frame()).await else { return true };
        let Some(Ok(frame)) = frame else { return false };
        let Ok(piece) = frame.into_data() else { continue };
        pace.came(piece.len());
        let handed = Instant::now();
        if !feed.send(piece).await {
            forget(body).await;
            return false;
        }
        pace.waited(handed.elapsed());
    }
}

pub(super) async fn file(
    State(edge): State<Edge>,
    actor: Actor,
    Id(id): Id<FileId>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let row = visible(&edge, actor, id).await?;
    let media_type = row.attachment().media_type;
    serve(&edge, &row.blob, row.bytes, &format!("\"{id}\""), &media_type, &row.name, &headers).await
}

pub(super) async fn preview(
    State(edge): State<Edge>,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let id: FileId = id.parse().map_err(|_| Problem::from(Code::NotFound))?;
    let row = visible(&edge, actor, id).await?;
    let kind = row.preview.ok_or(Problem::from(Code::NotFound))?;
    let blob = preview_of(&row.blob);
    let bytes = edge.app.files.storage.bytes(&blob).await.map_err(|error| storage_problem(&error))?;
    let bytes = bytes.ok_or(Problem::from(Code::NotFound))?;
    let (tag, name) = (format!("\"{id}-preview\""), format!("small {}", row.name));
    serve(&edge, &blob, bytes, &tag, kind.media_type(), &name, &headers).await
}

async fn visible(edge: &Edge, actor: Actor, id: FileId) -> Result<FileRow, Refusal> {
    let found = edge.app.files.store.visible_file(actor.user, id).await?;
    found.ok_or_else(|| Code::NotFound.into())
}

async fn serve(
    edge: &Edge,
    blob: &str,
    bytes: u64,
    tag: &str,
    media_type: &str,
    name: &str,
    request: &HeaderMap,
) -> Result<Response, Refusal> {
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::ETAG, tag);
    // Browsers must revalidate their copy: the file may have been deleted, or another user may be signed in.
    set(header::CACHE_CONTROL, "private, no-cache");
    set(header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(header::ACCEPT_RANGES, "bytes");
    if is_cached(request, tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    let (status, range) = match disposition::requested_range(range_of(request, tag), bytes) {
        RequestedRange::All => (StatusCode::OK, 0..bytes),
        RequestedRange::Range(range) => {
            let last = range.end - 1;
            set(header::CONTENT_RANGE, &format!("bytes {}-{last}/{bytes}", range.start));
            (StatusCode::PARTIAL_CONTENT, range)
        }
        RequestedRange::Unsatisfiable => {
            let problem = Problem::new(Code::RangeNotSatisfiable)
                .with_detail(format!("the file has {bytes} bytes"))
                .with_limit(bytes);
            let mut response = Refusal(problem).into_response();
            let whole =
                HeaderValue::from_str(&format!("bytes */{bytes}")).map_err(|_| Problem::from(Code::Internal))?;
            response.headers_mut().insert(header::CONTENT_RANGE, whole);
            return Ok(response);
        }
    };
    set(header::CONTENT_TYPE, media_type);
    set(header::CONTENT_DISPOSITION, &disposition::of(media_type, name));
    set(header::CONTENT_LENGTH, &(range.end - range.start).to_string());
    let pieces = edge.app.files.storage.get(blob, range).await.map_err(|error| storage_problem(&error))?;
    let pieces = pieces.ok_or(Problem::from(Code::NotFound))?;
    let metrics = edge.app.metrics.clone();
    let counted = pieces.inspect(move |piece| {
        if let Ok(piece) = piece {
            metrics.download_bytes.inc_by(piece.len() as u64);
        }
    });
    Ok((status, headers, Body::from_stream(counted)).into_response())
}

/// Returns whether `If-None-Match` names it.
fn is_cached(request: &HeaderMap, tag: &str) -> bool {
    let values = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| {
        let value = value.trim();
        value == "*" || value.strip_prefix("W/").unwrap_or(value) == tag
    })
}

/// Returns the `Range` header, if there is one and it is for this version of the file.
fn range_of<'a>(request: &'a HeaderMap, tag: &str) -> Option<&'a str> {
    let mut ranges = request.get_all(header::RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return None };
    match request.get(header::IF_RANGE) {
        Some(value) if value.as_bytes() != tag.as_bytes() => None,
        _ => range.to_str().ok(),
    }
}
