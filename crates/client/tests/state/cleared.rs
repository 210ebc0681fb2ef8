//! Conversations that the user has cleared.

use super::fixtures::{ADA, BEN, CONVERSATION, ada, conversation, created, message, seqs};
use parlor_client::state::State;
use parlor_protocol::{
    event::{Event, Scoped},
    ids::{Scope, Seq, Version},
    model::{Conversation, ConversationSettings},
};

fn cleared(seq: i64, version: i64) -> Event {
    let place = Scoped { scope: Scope::User(ADA), version: Version(version), prev: Version(4) };
    let settings =
        ConversationSettings { cleared_seq: Seq(seq), version: Version(version), ..ConversationSettings::default() };
    Event::SettingsUpdated { place, conversation: CONVERSATION, settings }
}

/// Ada with two messages of Ben.
fn with_two() -> State {
    let mut state = ada();
    state.apply_event(created(13, 10, 1, BEN, 1));
    state.apply_event(created(14, 13, 2, BEN, 2));
    assert_eq!(seqs(&state), [1, 2]);
    state
}

fn last(state: &State) -> Option<i64> {
    state.conversation(CONVERSATION)?.last_message.as_ref().map(|last| last.seq.0)
}

#[test]
fn cleared_messages_are_dropped_and_later_ones_added() {
    let mut state = with_two();
    state.apply_event(cleared(1, 15));
    assert_eq!((seqs(&state), last(&state)), (vec![2], Some(2)));
    let mut state = with_two();
    state.apply_event(cleared(2, 15));
    assert_eq!((seqs(&state), last(&state)), (vec![], None));
    state.apply_event(created(16, 14, 3, BEN, 3));
    assert_eq!((seqs(&state), last(&state)), (vec![3], Some(3)), "the run begins after what was cleared");
}

#[test]
fn a_copy_from_before_shows_nothing_of_it_and_is_fetched_again() {
    let mut state = with_two();
    let requested_at = state.request_tick();
    state.apply_event(cleared(2, 15));
    let copy = Conversation {
        last_seq: Seq(2),
        last_message: Some(message(CONVERSATION, 14, 2, BEN)),
        unread: 2,
        ..conversation(CONVERSATION, 14)
    };
    state.apply_conversation(copy, requested_at);
    assert_eq!(last(&state), None);
    assert!(format!("{:?}", state.needs()).contains("Conversation"), "its count may be wrong");
}

#[test]
fn older_settings_do_not_bring_it_back() {
    let mut state = with_two();
    state.apply_event(cleared(2, 15));
    let copy = Conversation { last_seq: Seq(2), ..conversation(CONVERSATION, 14) };
    state.apply_conversation(copy, state.request_tick());
    assert_eq!(state.settings(CONVERSATION).cleared_seq, Seq(2));
}
