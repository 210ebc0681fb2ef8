//! `GET /v1/search`: the command `message.search` as a query.

use super::{Edge, JsonAnswer, extract::Query, run};
use crate::identity::actor::Actor;
use axum::extract::State;
use parlor_protocol::{
    command::Command,
    error::{Code, Problem},
    ids::{ConversationId, UserId},
    model::ContextKey,
    params::Search,
};
use serde::Deserialize;
use utoipa::IntoParams;

/// `GET /v1/search`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchQuery {
    /// Beginnings of words, in any order; of scripts without spaces two or more characters in a row.
    #[serde(default)]
    query: String,
    /// Only in this conversation.
    #[param(value_type = Option<i64>)]
    conversation: Option<ConversationId>,
    /// Only messages of this sender.
    #[param(value_type = Option<i64>)]
    sender: Option<UserId>,
    /// Only in conversations about a thing of this type; with `context_id`.
    context_type: Option<String>,
    /// The host's id of that thing; with `context_type`.
    context_id: Option<String>,
    /// Only what was written at or after this time (RFC 3339).
    from: Option<String>,
    /// Only what was written before this time (RFC 3339).
    until: Option<String>,
    /// Only messages that carry a file.
    #[serde(default)]
    has_file: bool,
    /// The `next` of the previous page.
    after: Option<String>,
    /// The maximum number of rows: 1 to `page_rows_max`.
    #[param(minimum = 1)]
    limit: Option<u32>,
}

pub(super) async fn get(State(edge): State<Edge>, actor: Actor, Query(query): Query<SearchQuery>) -> JsonAnswer {
    let context = match (query.context_type, query.context_id) {
        (Some(kind), Some(id)) => Some(ContextKey { kind, id }),
        (None, None) => None,
        _ => {
            let problem = Problem::new(Code::InvalidField);
            return Err(problem.with_detail("`context_type` and `context_id` are expected together").into());
        }
    };
    let search = Search {
        query: query.query,
        conversation: query.conversation,
        sender: query.sender,
        context,
        from: query.from,
        until: query.until,
        has_file: query.has_file,
        after: query.after,
        limit: query.limit,
    };
    run(&edge, actor, Command::Search(search)).await
}
