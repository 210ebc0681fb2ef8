//! The newest message that mentions the user.

use super::fixtures::{ADA, BEN, CONVERSATION, ada, conversation, message};
use parlor_client::state::State;
use parlor_protocol::{
    event::{Event, Scoped},
    ids::{Scope, Seq, UserId, Version},
    model::{Mention, Message},
    reply::Marker,
};

fn mentioning(id: i64, seq: i64, sender: UserId, user: UserId) -> Message {
    let mentions = vec![Mention { user, at: 0, length: 1 }];
    Message { mentions, ..message(CONVERSATION, id, seq, sender) }
}

fn place(version: i64, prev: i64) -> Scoped {
    Scoped { scope: Scope::Conversation(CONVERSATION), version: Version(version), prev: Version(prev) }
}

fn sent(version: i64, prev: i64, message: Message) -> Event {
    let sender = super::fixtures::user(message.sender);
    Event::MessageCreated { place: place(version, prev), message, sender, sender_read_seq: Some(Seq(0)) }
}

fn changed(version: i64, prev: i64, message: Message) -> Event {
    let message = Message { version: Version(version), ..message };
    Event::MessageUpdated { place: place(version, prev), message }
}

fn newest(state: &State) -> i64 {
    state.conversation(CONVERSATION).expect("loaded").mention_seq.0
}

fn is_refetched(state: &State) -> bool {
    format!("{:?}", state.needs()).contains("Conversation")
}

#[test]
fn a_message_that_mentions_the_user_is_the_newest_mention() {
    let mut state = ada();
    state.apply_event(sent(13, 10, mentioning(13, 1, BEN, ADA)));
    assert_eq!(newest(&state), 1);
    state.apply_event(sent(14, 13, mentioning(14, 2, BEN, BEN)));
    state.apply_event(sent(15, 14, mentioning(15, 3, ADA, ADA)));
    assert_eq!(newest(&state), 1, "one of somebody else, and one by the user");
    state.apply_event(changed(16, 15, mentioning(13, 1, BEN, ADA)));
    assert!(!is_refetched(&state), "it was the newest before");
}

#[test]
fn if_a_later_message_mentions_the_user_after_a_change_the_conversation_is_fetched() {
    let mut state = ada();
    state.apply_event(sent(13, 10, message(CONVERSATION, 13, 1, BEN)));
    state.apply_event(changed(14, 13, mentioning(13, 1, BEN, ADA)));
    assert_eq!(newest(&state), 0, "the user may have hidden it before it was loaded");
    assert!(is_refetched(&state));
}

#[test]
fn if_the_newest_mention_is_gone_the_conversation_is_fetched() {
    let mut state = ada();
    state.apply_event(sent(13, 10, mentioning(13, 1, BEN, ADA)));
    state.apply_event(sent(14, 13, mentioning(14, 2, BEN, ADA)));
    state.apply_event(changed(15, 14, message(CONVERSATION, 13, 1, BEN)));
    assert!(!is_refetched(&state), "another one is newer");
    state.apply_event(changed(16, 15, message(CONVERSATION, 14, 2, BEN)));
    assert!(is_refetched(&state));
    state.apply_conversation(conversation(CONVERSATION, 16), state.request_tick());
    assert_eq!(newest(&state), 0);
}

#[test]
fn a_hidden_message_mentions_nobody() {
    let mut state = ada();
    let marker =
        Marker { conversation: CONVERSATION, read_seq: Seq(0), read_at: None, delivered_seq: Seq(0), unread: 0 };
    let place = Scoped { scope: Scope::User(ADA), version: Version(14), prev: Version(4) };
    state.apply_event(Event::MessageHidden { place, seq: Seq(1), marker });
    state.apply_event(sent(13, 10, mentioning(13, 1, BEN, ADA)));
    assert_eq!(newest(&state), 0, "it was hidden before its event arrived");
}
