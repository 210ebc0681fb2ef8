//! What people want of messages that are there, for the tests of convergence: and how they ask for it over HTTP.

use crate::harness::{Chance, Person, unique};
use http::Method;
use parlor_client::{error::Error, state::State};
use parlor_protocol::{
    command::Command,
    http::{PatchMessage, PostForward, PostMessage},
    ids::{ConversationId, Seq},
    params::MessagePlace,
};
use serde_json::Value;

const EMOJI: [&str; 4] = ["👍", "❤️", "👩🏽‍🚀", "🇩🇪"];

/// A message of the conversation, more often a new one.
fn some_message(chance: &mut Chance, state: &State, conversation: ConversationId) -> Seq {
    let last = state.conversation(conversation).map_or(0, |held| held.last_seq.0);
    let back = if chance.percent(70) { chance.below(4) } else { chance.below(usize::try_from(last).unwrap_or(0) + 1) };
    Seq((last - i64::try_from(back).expect("small")).max(1))
}

/// Something to say: sometimes with a subject, sometimes as an answer.
pub(crate) fn say(chance: &mut Chance, state: &State, conversation: ConversationId, who: usize) -> Command {
    let client_id = format!("say-{}", unique());
    Command::Send {
        conversation,
        text: format!("{client_id} says person {who}"),
        client_id,
        subject: chance.percent(10).then(|| "A subject".to_owned()),
        reply_to: chance.percent(25).then(|| some_message(chance, state, conversation)),
        attachments: Vec::new(),
    }
}

/// Something to change about a message that is there, one's own or another's.
pub(crate) fn revise(chance: &mut Chance, state: &State, conversation: ConversationId) -> Command {
    let seq = some_message(chance, state, conversation);
    match chance.below(20) {
        0..6 => {
            let above = chance.percent(60).then(|| "Another subject".to_owned());
            let subject = chance.percent(30).then_some(above);
            let text = (subject.is_none() || chance.percent(50)).then(|| format!("changed {}", unique()));
            Command::Edit { conversation, seq, text, subject }
        }
        6..9 => Command::Delete { conversation, seq },
        9..12 => Command::Hide { conversation, seq },
        12..18 => {
            let emoji = (*chance.pick(&EMOJI)).to_owned();
            Command::React { conversation, seq, emoji, on: chance.percent(70) }
        }
        _ => {
            let known: Vec<_> = state.conversations().map(|held| held.id).collect();
            let from = MessagePlace { conversation: *chance.pick(&known), seq };
            Command::Forward { conversation, client_id: format!("forward-{}", unique()), from }
        }
    }
}

/// The same over HTTP.
pub(crate) async fn by_http(person: &Person, command: Command) -> Result<Value, Error> {
    let api = &person.api;
    match command {
        Command::Send { conversation, client_id, text, subject, reply_to, attachments } => {
            let body = PostMessage { client_id, text, subject, reply_to, attachments };
            api.send(Method::POST, &format!("/v1/conversations/{conversation}/messages"), &body).await
        }
        Command::Forward { conversation, client_id, from } => {
            let body = PostForward { client_id, from };
            api.send(Method::POST, &format!("/v1/conversations/{conversation}/forwards"), &body).await
        }
        Command::Edit { conversation, seq, text, subject } => {
            api.send(Method::PATCH, &path(conversation, seq), &PatchMessage { text, subject }).await
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
        other => unreachable!("nobody does {other:?} by HTTP here"),
    }
}

fn path(conversation: ConversationId, seq: Seq) -> String {
    format!("/v1/conversations/{conversation}/messages/{seq}")
}
