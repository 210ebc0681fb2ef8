//! Random actions on messages for the convergence tests, as commands and as HTTP requests.

use crate::harness::{Rng, TestUser, unique};
use http::Method;
use parlor_client::{error::Error, state::State};
use parlor_protocol::{
    command::Command,
    http::{PatchMessage, PostForward, PostMessage},
    ids::{ConversationId, Seq, UserId, Version},
    model::Mention,
    params::{DraftUpdate, MessagePlace, NewReport},
    report::ReportReason,
};
use serde_json::Value;

const EMOJI: [&str; 4] = ["👍", "❤️", "👩🏽‍🚀", "🇩🇪"];

/// Picks a message of the conversation, preferring recent ones.
fn some_message(rng: &mut Rng, state: &State, conversation: ConversationId) -> Seq {
    let last = state.conversation(conversation).map_or(0, |held| held.last_seq.0);
    let back = if rng.percent(70) { rng.below(4) } else { rng.below(usize::try_from(last).unwrap_or(0) + 1) };
    Seq((last - i64::try_from(back).expect("small")).max(1))
}

/// Mentions somebody at random, who may be no member.
fn some_mentions(rng: &mut Rng, state: &State, conversation: ConversationId) -> Vec<Mention> {
    if rng.percent(50) {
        return Vec::new();
    }
    let members = state.conversation(conversation).into_iter().flat_map(|held| &held.members);
    let users: Vec<UserId> = members.map(|member| member.user.id).chain([state.user()]).collect();
    let count = rng.below(3);
    (0..count).map(|at| Mention { user: *rng.pick(&users), at: u32::try_from(at).expect("small"), length: 1 }).collect()
}

/// A message to send: sometimes with a subject, sometimes a reply.
pub(crate) fn send_or_reply(rng: &mut Rng, state: &State, conversation: ConversationId, who: usize) -> Command {
    let client_id = format!("say-{}", unique());
    Command::Send {
        conversation,
        text: format!("{client_id} says person {who}"),
        client_id,
        mentions: some_mentions(rng, state, conversation),
        subject: rng.percent(10).then(|| "A subject".to_owned()),
        reply_to: rng.percent(25).then(|| some_message(rng, state, conversation)),
        attachments: Vec::new(),
        draft: state.draft(conversation).filter(|_| rng.percent(70)).map(|draft| draft.version),
    }
}

/// A draft, written over the one that this client knows, or sometimes over an older one.
pub(crate) fn save_draft(rng: &mut Rng, state: &State, conversation: ConversationId) -> Command {
    let since =
        state.draft(conversation).filter(|_| rng.percent(80)).map_or_else(Version::default, |draft| draft.version);
    let mut draft = DraftUpdate { since, ..DraftUpdate::default() };
    if rng.percent(75) {
        draft.text = format!("drafted {}", unique());
        draft.mentions = some_mentions(rng, state, conversation);
        draft.reply_to = rng.percent(20).then(|| some_message(rng, state, conversation));
    }
    Command::SaveDraft { conversation, draft }
}

/// A change of an existing message, one's own or another's.
pub(crate) fn revise(rng: &mut Rng, state: &State, conversation: ConversationId) -> Command {
    let seq = some_message(rng, state, conversation);
    match rng.below(20) {
        0..6 => {
            let above = rng.percent(60).then(|| "Another subject".to_owned());
            let subject = rng.percent(30).then_some(above);
            let text = (subject.is_none() || rng.percent(50)).then(|| format!("changed {}", unique()));
            let mentions = if text.is_some() { some_mentions(rng, state, conversation) } else { Vec::new() };
            Command::Edit { conversation, seq, text, mentions, subject }
        }
        6..9 => Command::Delete { conversation, seq },
        9..12 => Command::Hide { conversation, seq },
        12..18 => {
            let emoji = (*rng.pick(&EMOJI)).to_owned();
            Command::React { conversation, seq, emoji, on: rng.percent(70) }
        }
        _ => {
            let known: Vec<_> = state.conversations().map(|held| held.id).collect();
            let from = MessagePlace { conversation: *rng.pick(&known), seq };
            Command::Forward { conversation, client_id: format!("forward-{}", unique()), from }
        }
    }
}

/// A report of a message, for any reason.
pub(crate) fn report(rng: &mut Rng, state: &State, conversation: ConversationId) -> Command {
    let seq = some_message(rng, state, conversation);
    Command::Report(NewReport { conversation, seq, reason: ReportReason::Spam, note: "again".to_owned() })
}

/// The same over HTTP.
pub(crate) async fn by_http(user: &TestUser, command: Command) -> Result<Value, Error> {
    let api = &user.api;
    match command {
        Command::Send { conversation, client_id, text, mentions, subject, reply_to, attachments, draft } => {
            let body = PostMessage { client_id, text, mentions, subject, reply_to, attachments, draft };
            api.send(Method::POST, &format!("/v1/conversations/{conversation}/messages"), &body).await
        }
        Command::SaveDraft { conversation, draft } => {
            api.send(Method::PUT, &format!("/v1/conversations/{conversation}/draft"), &draft).await
        }
        Command::Forward { conversation, client_id, from } => {
            let body = PostForward { client_id, from };
            api.send(Method::POST, &format!("/v1/conversations/{conversation}/forwards"), &body).await
        }
        Command::Edit { conversation, seq, text, mentions, subject } => {
            api.send(Method::PATCH, &path(conversation, seq), &PatchMessage { text, mentions, subject }).await
        }
        Command::Delete { conversation, seq } => {
            api.request(Method::DELETE, &path(conversation, seq), "").await?.parse()
        }
        Command::Hide { conversation, seq } => {
            api.request(Method::POST, &format!("{}/hide", path(conversation, seq)), "").await?.parse()
        }
        Command::React { conversation, seq, emoji, on } => {
            let emoji = emoji.bytes().fold(String::new(), |path, byte| format!("{path}%{byte:02X}"));
            let method = if on { Method::PUT } else { Method::DELETE };
            api.request(method, &format!("{}/reactions/{emoji}", path(conversation, seq)), "").await?.parse()
        }
        other => unreachable!("{other:?} has no HTTP form here"),
    }
}

fn path(conversation: ConversationId, seq: Seq) -> String {
    format!("/v1/conversations/{conversation}/messages/{seq}")
}
