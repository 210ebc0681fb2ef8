//! All limits. Each can be set in the configuration, down to 1; `GET /v1/limits` returns them.

use crate::params::History;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The limits in force. The defaults are in `parlor.default.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Unicode scalar values in a message's text.
    pub text_chars_max: u32,
    /// Unicode scalar values in a message's subject.
    pub subject_chars_max: u32,
    /// Mentions in a message.
    pub message_mentions_max: u32,
    /// Attachments of a message.
    pub message_attachments_max: u32,
    /// Bytes of a file.
    pub upload_bytes_max: u64,
    /// Files of one user that are being uploaded, or finished and not yet sent.
    pub uploads_unsent_max: u32,
    /// Concurrent uploads of one socket.
    pub connection_uploads_max: u32,
    /// Bytes of a file in one binary frame.
    pub upload_chunk_bytes_max: u32,
    /// Bytes of all stored files of one user, including forwarded ones.
    pub user_files_bytes_max: u64,
    /// Bytes of a picture that is processed; a larger one is stored like any other file.
    pub image_bytes_max: u32,
    /// Pixels of a picture, all of one frame.
    pub image_pixels_max: u32,
    /// Frames of an animated picture.
    pub image_frames_max: u32,
    /// Pictures in files that are processed concurrently.
    pub image_checks_max: u32,
    /// Different emoji under one message.
    pub message_emoji_max: u32,
    /// Reactions under one message, of all users.
    pub message_reactions_max: u32,
    /// Characters in the name of a user, a group or a context.
    pub name_chars_max: u32,
    /// Characters in a `client_id`.
    pub client_id_chars_max: u32,
    /// Characters of a password; more are refused, not cut.
    pub password_chars_max: u32,
    /// Minimum characters of a new password.
    pub password_chars_min: u32,
    /// Bytes of an HTTP request's head.
    pub head_bytes_max: u32,
    /// Bytes of an HTTP request's body.
    pub body_bytes_max: u32,
    /// Bytes of request bodies of one user held at once.
    pub user_body_bytes_max: u32,
    /// Bytes of request bodies from one address held at once.
    pub address_body_bytes_max: u32,
    /// Bytes of request bodies of all users held at once.
    pub bodies_bytes_max: u64,
    /// Profile and group pictures that one user sets in a quarter of an hour.
    pub user_pictures_max: u32,
    /// Bytes of a profile picture, as sent.
    pub picture_bytes_max: u32,
    /// Width or height of a profile picture, as sent.
    pub picture_pixels_max: u32,
    /// Bytes of a client's frame, and of a message of several frames.
    pub frame_bytes_max: u32,
    /// Rows of any page.
    pub page_rows_max: u32,
    /// Rows of a page if the client sets no limit.
    pub page_rows: u32,
    /// Bytes of text in a page of messages; a page ends early to stay below it.
    pub page_bytes_max: u32,
    /// Changed messages of one conversation after which a client is reset to its newest page.
    pub changes_rows_max: u32,
    /// Changed scopes after which the whole client is reset.
    pub heads_max: u32,
    /// Changed conversations whose changes are included with the heads.
    pub heads_changes_max: u32,
    /// Members up to which every change of a conversation is sent to each member; in larger ones, it is sent to
    /// connections that show the conversation, and as a hint to the others.
    pub conversation_fan_out_max: u32,
    /// Members of a group.
    pub group_members_max: u32,
    /// Conversations of one user.
    pub conversations_max: u32,
    /// Conversations that one user has pinned.
    pub pinned_max: u32,
    /// New conversations that one user opens in an hour.
    pub openings_per_hour_max: u32,
    /// Users whom one user has blocked.
    pub blocks_max: u32,
    /// Drafts of one user that are not empty.
    pub drafts_max: u32,
    /// Unicode scalar values in the texts of all drafts of one user.
    pub drafts_chars_max: u32,
    /// Messages that one user reports in a day.
    pub reports_per_day_max: u32,
    /// Unicode scalar values in the note of a report.
    pub report_note_chars_max: u32,
    /// Conversations of one context.
    pub context_conversations_max: u32,
    /// Sessions of one user; the oldest ends when one more begins.
    pub sessions_max: u32,
    /// Conversations that one connection shows.
    pub shown_max: u32,
    /// Users whose presence one connection watches.
    pub watched_max: u32,
    /// Typing states remembered at once.
    pub typing_max: u32,
    /// Uncommitted changes of one connection; beyond it, the connection is not read.
    pub connection_changes_max: u32,
    /// Uncommitted changes of one user.
    pub user_changes_max: u32,
    /// Concurrent queries of one user; more wait.
    pub user_queries_max: u32,
    /// Unicode scalar values in a search query.
    pub search_query_chars_max: u32,
    /// Words in a search query.
    pub search_words_max: u32,
    /// Messages up to which a search compares each one without the index.
    pub search_unindexed_max: u32,
    /// Messages that one search compares; then it returns its results, and where to continue.
    pub search_candidates_max: u32,
    /// Uncommitted changes of all users.
    pub commit_queue_max: u32,
    /// Changes in one commit.
    pub commit_changes_max: u32,
    /// Bytes of text in one commit.
    pub commit_bytes_max: u32,
    /// Members whose markers wait to be committed.
    pub markers_max: u32,
    /// Unsent events of one connection; beyond it, the connection is closed with `slow_reader`.
    pub connection_queue_max: u32,
    /// Unsent bytes of one connection; beyond it, the connection is closed with `slow_reader`.
    pub connection_queue_bytes_max: u32,
    /// Connections (sockets and HTTP) from one address.
    pub address_connections_max: u32,
    /// Sockets and waiting polls of one user.
    pub user_connections_max: u32,
    /// Connections of all users.
    pub connections_max: u32,
    /// Frames per second from one connection, on average over ten seconds.
    pub frames_per_second_max: u32,
    /// HTTP requests per second of one user or address, on average over ten seconds.
    pub requests_per_second_max: u32,
    /// Failed sign-in attempts of one user in a quarter of an hour.
    pub account_attempts_max: u32,
    /// Failed sign-in attempts from one address in a quarter of an hour.
    pub address_attempts_max: u32,
    /// Users and addresses whose attempts are remembered.
    pub attempts_remembered_max: u32,
    /// Passwords that are checked concurrently.
    pub password_checks_max: u32,
}

/// `GET /v1/limits`: the limits in force, and every other number and switch that a client needs. New ones may be added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitsAnswer {
    /// Every limit.
    #[serde(flatten)]
    pub limits: Limits,
    /// The server sends `{}` on a socket after sending nothing else for this long, in milliseconds.
    pub ping_interval_ms: u64,
    /// The server closes a socket after receiving no frame for this long, in milliseconds.
    pub silence_ms: u64,
    /// Timeout for `session.resume` on a new socket, in milliseconds.
    pub resume_ms: u64,
    /// The longest `wait` of `GET /v1/events`, in milliseconds.
    pub poll_wait_max_ms: u64,
    /// Timeout for the body of a request, in milliseconds; every 16 KiB of it add a second.
    pub body_ms: u64,
    /// Time during which a user's marks in one conversation are combined into one change, in milliseconds.
    pub marker_interval_ms: u64,
    /// Time after sending during which a message can be edited, in milliseconds; 0 for no limit.
    pub edit_within_ms: u64,
    /// The same for deleting it for everyone.
    pub delete_within_ms: u64,
    /// Time after which an unused upload is removed, in milliseconds.
    pub unsent_ms: u64,
    /// The default retry delay, in milliseconds.
    pub retry_after_ms: u64,
    /// Whether receipts are enabled.
    pub receipts: bool,
    /// Whether messages can be searched.
    pub search: bool,
    /// Who may open a conversation with whom: `everyone`, `shared_context`, `nobody`; others may be added.
    pub who_may_write: String,
    /// What new members of a group see of earlier messages by default.
    pub history: History,
}
