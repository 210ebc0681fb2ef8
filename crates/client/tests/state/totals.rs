//! The unread totals while only some conversations are loaded.

use crate::fixtures::{
    ADA, BEN, CONVERSATION, OTHER, changes, conversation, created, cursor, heads, me_answer, member, message,
};
use parlor_client::state::{State, needs::Need};
use parlor_protocol::{
    event::{Event, Scoped},
    ids::{Scope, Version},
    model::{Conversation, ConversationSettings, Member, Message},
    reply::{ConversationAnswer, ConversationPage, Heads, MeAnswer, Unread},
};

/// The server's totals at a version.
fn reported(version: i64, conversations: u32, messages: u32) -> MeAnswer {
    MeAnswer { unread: Unread { conversations, messages }, cursor: cursor(version), ..me_answer(4) }
}

/// Ada has loaded one conversation of three, with two unread messages of seven, at version 20.
fn some() -> State {
    let mut state = State::new(ADA, 64);
    state.apply_heads(Heads { reset: true, ..heads(10, &[], &[]) }, state.request_tick());
    state.apply_me(reported(20, 3, 7), state.request_tick());
    let loaded = Conversation { unread: 2, ..conversation(CONVERSATION, 10) };
    state.apply_conversation_page(
        ConversationPage { conversations: vec![loaded], users: Vec::new(), next: None, cursor: cursor(21) },
        state.request_tick(),
    );
    state.finish_list(state.request_tick());
    assert!(state.is_settled());
    assert_eq!(unread(&state), (3, 7));
    state
}

fn unread(state: &State) -> (u32, u32) {
    let Unread { conversations, messages } = state.unread();
    (conversations, messages)
}

#[test]
fn totals_follow_loaded_conversations_without_a_fetch() {
    let mut state = some();
    state.apply_event(created(31, 10, 1, BEN, 1));
    assert_eq!(unread(&state), (3, 8));
    let whole = Conversation { unread: 4, ..conversation(CONVERSATION, 33) };
    let missed = vec![message(CONVERSATION, 32, 2, BEN), message(CONVERSATION, 33, 3, BEN)];
    state.apply_changes(changes(31, 33, Some(whole), missed), state.request_tick());
    assert_eq!(unread(&state), (3, 9));
    assert!(state.is_settled());
}

/// The loaded conversation at its version, muted at `version`.
fn muted_at(version: i64) -> ConversationAnswer {
    let settings = ConversationSettings { muted: true, version: Version(version), ..ConversationSettings::default() };
    let copy = Conversation { unread: 2, settings, ..conversation(CONVERSATION, 10) };
    ConversationAnswer { conversation: copy, users: Vec::new(), cursor: cursor(30) }
}

#[test]
fn settings_that_the_totals_include_change_nothing() {
    let mut state = some();
    state.apply_conversation_answer(muted_at(15), state.request_tick());
    assert_eq!(unread(&state), (3, 7));
    assert!(state.is_settled());
}

#[test]
fn settings_that_are_newer_than_the_totals_refetch_them() {
    let mut state = some();
    state.apply_conversation_answer(muted_at(25), state.request_tick());
    assert_eq!(state.needs(), [Need::Me]);
    state.apply_me(reported(30, 2, 5), state.request_tick());
    assert_eq!(unread(&state), (2, 5));
    assert!(state.is_settled());
}

#[test]
fn messages_in_the_totals_are_not_counted_again() {
    let mut state = some();
    // Sent before the totals were reported, and received after.
    state.apply_event(created(15, 10, 1, BEN, 1));
    let older = Conversation { unread: 1, ..conversation(OTHER, 12) };
    state.apply_conversation_answer(
        ConversationAnswer { conversation: older, users: Vec::new(), cursor: cursor(30) },
        state.request_tick(),
    );
    assert_eq!(unread(&state), (3, 7));
    assert!(state.is_settled());
}

#[test]
fn a_changed_conversation_that_was_not_loaded_refetches_the_totals() {
    let mut state = some();
    let newer = Conversation { unread: 3, ..conversation(OTHER, 30) };
    state.apply_conversation_answer(
        ConversationAnswer { conversation: newer, users: Vec::new(), cursor: cursor(30) },
        state.request_tick(),
    );
    assert_eq!(state.needs(), [Need::Me]);
    state.apply_me(reported(30, 3, 8), state.request_tick());
    assert_eq!(unread(&state), (3, 8));
    assert!(state.is_settled());
}

#[test]
fn left_conversations_no_longer_count() {
    let mut state = some();
    state.drop_conversation(CONVERSATION);
    state.apply_me(reported(30, 2, 5), state.request_tick());
    assert_eq!(unread(&state), (2, 5));
    assert!(state.is_settled());
    let row = Member { left: true, ..member(ADA, 0) };
    let place = Scoped { scope: Scope::Conversation(OTHER), version: Version(31), prev: Version(12) };
    state.apply_event(Event::MembersUpdated {
        place,
        members: vec![row],
        member_count: 1,
        unread: None,
        message: None,
    });
    assert_eq!(state.needs(), [Need::Me]);
}

#[test]
fn totals_overtaken_by_events_are_fetched_again() {
    let mut state = some();
    state.drop_conversation(OTHER);
    let requested = state.request_tick();
    state.apply_event(created(31, 10, 1, BEN, 1));
    state.apply_me(reported(30, 2, 6), requested);
    assert_eq!(state.needs(), [Need::Me]);
    state.apply_me(reported(31, 2, 7), state.request_tick());
    assert_eq!(unread(&state), (2, 7));
    assert!(state.is_settled());
    // An older answer does not replace a newer one.
    state.apply_me(reported(30, 9, 9), requested);
    assert_eq!(unread(&state), (2, 7));
}

#[test]
fn uncertain_unread_counts_refetch_the_totals() {
    let mut state = some();
    // The totals do not include it: it was deleted by then. Only the whole conversation has the new count.
    let deleted = Message { deleted: true, version: Version(15), ..message(CONVERSATION, 9, 1, BEN) };
    let place = Scoped { scope: Scope::Conversation(CONVERSATION), version: Version(15), prev: Version(10) };
    state.apply_event(Event::MessageUpdated { place, message: deleted });
    assert_eq!(state.needs(), [Need::Conversation(CONVERSATION)]);
    let requested = state.request_tick();
    state.apply_event(created(31, 15, 2, BEN, 2));
    let renewed = Conversation { unread: 2, ..conversation(CONVERSATION, 31) };
    state.apply_conversation_answer(
        ConversationAnswer { conversation: renewed, users: Vec::new(), cursor: cursor(31) },
        requested,
    );
    assert_eq!(state.needs(), [Need::Me]);
    state.apply_me(reported(31, 3, 8), state.request_tick());
    assert_eq!(unread(&state), (3, 8));
    assert!(state.is_settled());
}

#[test]
fn changes_that_started_before_the_totals_refetch_them() {
    let whole = |version: i64| Conversation { unread: 3, ..conversation(CONVERSATION, version) };
    // A message sent before and edited after; a marker that moved before; a reset.
    let mut edited = some();
    let late = message(CONVERSATION, 15, 1, BEN);
    let late = Message { version: Version(31), ..late };
    edited.apply_changes(changes(10, 31, Some(whole(31)), vec![late]), edited.request_tick());
    let mut marked = some();
    let members = vec![Member { version: Version(15), ..member(ADA, 0) }, member(BEN, 0)];
    let moved = Conversation { members, ..whole(31) };
    marked.apply_changes(changes(10, 31, Some(moved), vec![message(CONVERSATION, 31, 1, BEN)]), marked.request_tick());
    let mut reset = some();
    let much = changes(10, 31, Some(whole(31)), vec![message(CONVERSATION, 31, 1, BEN)]);
    reset.apply_changes(parlor_protocol::reply::Changes { reset: true, ..much }, reset.request_tick());
    for state in [edited, marked, reset] {
        assert_eq!(state.needs(), [Need::Me]);
    }
}
