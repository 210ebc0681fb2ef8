//! Every limit, in one place. All can be set in the configuration, each down to 1; `GET /v1/limits` tells them.

use crate::params::History;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The limits in force. The defaults stand in `parlor.default.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Unicode scalar values in a message's text.
    pub text_chars_max: u32,
    /// Unicode scalar values in a message's subject.
    pub subject_chars_max: u32,
    /// Files of one message.
    pub message_attachments_max: u32,
    /// Bytes of one file.
    pub upload_bytes_max: u64,
    /// Files of one person that are under way, or there and not yet sent.
    pub uploads_unsent_max: u32,
    /// Uploads that one socket sends at the same time.
    pub connection_uploads_max: u32,
    /// Bytes of a file in one binary frame of a socket.
    pub upload_chunk_bytes_max: u32,
    /// Bytes of all files of one person that are kept, forwarded ones included.
    pub user_files_bytes_max: u64,
    /// Bytes of a picture that is looked at; a larger one is kept as a file like any other.
    pub image_bytes_max: u32,
    /// Pixels of a picture, all of one frame.
    pub image_pixels_max: u32,
    /// Frames of an animated picture.
    pub image_frames_max: u32,
    /// Pictures in files that are looked at, at the same time.
    pub image_checks_max: u32,
    /// Different emoji under one message.
    pub message_emoji_max: u32,
    /// Reactions under one message, of everybody.
    pub message_reactions_max: u32,
    /// Characters in the name of a person, a group or a context.
    pub name_chars_max: u32,
    /// Characters in a `client_id`.
    pub client_id_chars_max: u32,
    /// Characters of a password; more are refused, not cut.
    pub password_chars_max: u32,
    /// Characters of a new password, at the least.
    pub password_chars_min: u32,
    /// Bytes of an HTTP request's head.
    pub head_bytes_max: u32,
    /// Bytes of an HTTP request's body.
    pub body_bytes_max: u32,
    /// Bytes of such bodies of one person that are held at once.
    pub user_body_bytes_max: u32,
    /// Bytes of such bodies from one address that are held at once.
    pub address_body_bytes_max: u32,
    /// Bytes of such bodies of everybody that are held at once.
    pub bodies_bytes_max: u64,
    /// Pictures of themselves and of groups that one person sets in a quarter of an hour.
    pub user_pictures_max: u32,
    /// Bytes of a picture of oneself, as sent.
    pub picture_bytes_max: u32,
    /// Width or height of a picture of oneself, as sent.
    pub picture_pixels_max: u32,
    /// Bytes of one frame from a client, and of one message made of several.
    pub frame_bytes_max: u32,
    /// Rows of one page of anything.
    pub page_rows_max: u32,
    /// Rows of one page when the client does not say.
    pub page_rows: u32,
    /// Bytes of text in one page of messages; a page ends early rather than pass it.
    pub page_bytes_max: u32,
    /// Changed messages of one conversation after which a client is reset to its newest page.
    pub changes_rows_max: u32,
    /// Changed scopes after which a client is reset as a whole.
    pub heads_max: u32,
    /// Changed conversations whose changes come along with the heads.
    pub heads_changes_max: u32,
    /// People in a conversation up to which every change is told to each of them by name; in larger ones
    /// it is told to those who show it, and hinted to the rest.
    pub conversation_fan_out_max: u32,
    /// People in a group.
    pub group_members_max: u32,
    /// Conversations of one person.
    pub conversations_max: u32,
    /// Conversations about one context.
    pub context_conversations_max: u32,
    /// Sessions of one person; the oldest ends when one more begins.
    pub sessions_max: u32,
    /// Conversations that one connection shows.
    pub shown_max: u32,
    /// People whose presence one connection is told.
    pub watched_max: u32,
    /// Places at which somebody writes just now that are remembered.
    pub typing_max: u32,
    /// Changes of one connection that wait for their commit; then it is not read from.
    pub connection_changes_max: u32,
    /// Changes of one person that wait for their commit.
    pub user_changes_max: u32,
    /// Reads of one person that are under way at once; more wait.
    pub user_queries_max: u32,
    /// Unicode scalar values in what is searched for.
    pub search_query_chars_max: u32,
    /// Words in what is searched for.
    pub search_words_max: u32,
    /// Whoever sees no more messages than this in what is searched has each of them compared, without the index.
    pub search_unindexed_max: u32,
    /// Messages that one search compares; then it answers what it has, and where to go on.
    pub search_candidates_max: u32,
    /// Changes that wait for the next commit, of everybody.
    pub commit_queue_max: u32,
    /// Changes in one commit.
    pub commit_changes_max: u32,
    /// Bytes of text in one commit.
    pub commit_bytes_max: u32,
    /// Members whose markers wait for their second to pass.
    pub markers_max: u32,
    /// Events that wait to be written to one connection; then it is closed with `slow_reader`.
    pub connection_queue_max: u32,
    /// Bytes that wait to be written to one connection; then it is closed with `slow_reader`.
    pub connection_queue_bytes_max: u32,
    /// Connections (sockets and HTTP) from one address.
    pub address_connections_max: u32,
    /// Live sockets and polls of one person.
    pub user_connections_max: u32,
    /// Connections of everybody.
    pub connections_max: u32,
    /// Frames from one connection in a second, on average over ten.
    pub frames_per_second_max: u32,
    /// HTTP requests of one person or address in a second, on average over ten.
    pub requests_per_second_max: u32,
    /// Wrong attempts to sign in to one account in a quarter of an hour.
    pub account_attempts_max: u32,
    /// Wrong attempts to sign in from one address in a quarter of an hour.
    pub address_attempts_max: u32,
    /// Accounts and addresses whose attempts are remembered.
    pub attempts_remembered_max: u32,
    /// Passwords that are checked at the same time.
    pub password_checks_max: u32,
}

/// `GET /v1/limits`: the limits in force, and every other number and switch that a client goes by. New ones may come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitsAnswer {
    /// Every limit.
    #[serde(flatten)]
    pub limits: Limits,
    /// The server sends `{}` on a socket when it has sent nothing else for so long, in milliseconds.
    pub ping_interval_ms: u64,
    /// The server closes a socket from which no frame came for so long, in milliseconds.
    pub silence_ms: u64,
    /// Time until `session.resume` must have come on a new socket, in milliseconds.
    pub resume_ms: u64,
    /// The longest `wait` of `GET /v1/events`, in milliseconds.
    pub poll_wait_max_ms: u64,
    /// Time until the body of a request must be there, in milliseconds; every 16 KiB of it give a second more.
    pub body_ms: u64,
    /// Time for which one's marks in one conversation are gathered into one change, in milliseconds.
    pub marker_interval_ms: u64,
    /// Time after sending in which one's own message can be edited, in milliseconds; 0 for any time.
    pub edit_within_ms: u64,
    /// The same for deleting it for everyone.
    pub delete_within_ms: u64,
    /// Time for which an upload is kept that nobody goes on with or sends, in milliseconds.
    pub unsent_ms: u64,
    /// When to try again where an answer says nothing better, in milliseconds.
    pub retry_after_ms: u64,
    /// Whether anybody is told how far others have read.
    pub receipts: bool,
    /// Whether messages can be searched.
    pub search: bool,
    /// Who may open a conversation with whom: `everyone`, `shared_context`, `nobody`; others may come.
    pub who_may_write: String,
    /// What people who are added to a group see of what was written before, where nothing is said.
    pub history: History,
}
