//! `/v1/reports` and `/v1/warnings`: reporting messages, and what moderators do about it.

use super::{
    Edge, JsonAnswer,
    errors::Refusal,
    extract::{Id, Json, Query},
    run,
};
use crate::{identity::actor::Actor, queries};
use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use parlor_protocol::{
    command::Command,
    error::{Code, Problem},
    http::PostSettlement,
    ids::ReportId,
    params::NewReport,
    report::ReportState,
};
use serde::Deserialize;
use utoipa::IntoParams;

/// `GET /v1/reports`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportQuery {
    /// `open` or `settled`; open ones if absent.
    #[param(value_type = Option<String>)]
    state: Option<ReportState>,
    /// The `next` of the previous page.
    after: Option<String>,
    /// The maximum number of rows: 1 to `page_rows_max`.
    #[param(minimum = 1)]
    limit: Option<u32>,
}

pub(super) async fn report(State(edge): State<Edge>, actor: Actor, Json(body): Json<NewReport>) -> JsonAnswer {
    run(&edge, actor, Command::Report(body)).await
}

pub(super) async fn list(State(edge): State<Edge>, actor: Actor, Query(query): Query<ReportQuery>) -> JsonAnswer {
    let ReportQuery { state, after, limit } = query;
    run(&edge, actor, Command::ListReports { state: state.unwrap_or(ReportState::Open), after, limit }).await
}

pub(super) async fn get(State(edge): State<Edge>, actor: Actor, Id(report): Id<ReportId>) -> JsonAnswer {
    run(&edge, actor, Command::GetReport { report }).await
}

pub(super) async fn settle(
    State(edge): State<Edge>,
    actor: Actor,
    Id(report): Id<ReportId>,
    Json(body): Json<PostSettlement>,
) -> JsonAnswer {
    let PostSettlement { remove, warn, note } = body;
    run(&edge, actor, Command::SettleReport { report, remove, warn, note }).await
}

pub(super) async fn read_warning(State(edge): State<Edge>, actor: Actor, Id(report): Id<ReportId>) -> JsonAnswer {
    run(&edge, actor, Command::ReadWarning { report }).await
}

pub(super) async fn evidence(
    State(edge): State<Edge>,
    actor: Actor,
    Id(report): Id<ReportId>,
) -> Result<Response, Refusal> {
    let evidence = queries::evidence(&edge.app, actor, report).await?;
    let body = serde_json::to_vec_pretty(&evidence).expect("evidence has string keys only");
    let disposition = format!("attachment; filename=\"report-{report}.json\"");
    let disposition = HeaderValue::from_str(&disposition).map_err(|_| Problem::from(Code::Internal))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, body).into_response())
}
