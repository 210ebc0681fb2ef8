//! Changed, hidden and answered messages.

use crate::fixtures::{
    ADA, BEN, CONVERSATION, OTHER, ada, changes, conversation, created, cursor, heads, me_answer, member, members,
    message, needs, seqs, unread,
};
use parlor_client::state::{State, needs::Need};
use parlor_protocol::{
    event::{Event, Scoped},
    ids::{Scope, Seq, UserId, Version},
    model::{Conversation, Message},
    params::MessagePlace,
    reply::{ConversationAnswer, Marker, MeAnswer, MessagePage},
};

/// A message at a later version.
fn changed(id: i64, seq: i64, sender: UserId, version: i64) -> Message {
    Message {
        version: Version(version),
        text: format!("changed at {version}"),
        ..message(CONVERSATION, id, seq, sender)
    }
}

fn deleted(id: i64, seq: i64, sender: UserId, version: i64) -> Message {
    Message { deleted: true, text: String::new(), ..changed(id, seq, sender, version) }
}

fn updated(version: i64, prev: i64, message: Message) -> Event {
    let scope = Scope::Conversation(CONVERSATION);
    Event::MessageUpdated { place: Scoped { scope, version: Version(version), prev: Version(prev) }, message }
}

fn hidden(version: i64, prev: i64, seq: i64, read_seq: i64, unread: u32) -> Event {
    let place = Scoped { scope: Scope::User(ADA), version: Version(version), prev: Version(prev) };
    let marker = Marker {
        conversation: CONVERSATION,
        read_seq: Seq(read_seq),
        read_at: None,
        delivered_seq: Seq(read_seq),
        unread,
    };
    Event::MessageHidden { place, seq: Seq(seq), marker }
}

fn page(version: i64, messages: Vec<Message>, quoted: Vec<Message>) -> MessagePage {
    MessagePage {
        messages,
        quoted,
        users: Vec::new(),
        previous: None,
        next: None,
        version: Version(version),
        cursor: cursor(version),
    }
}

fn texts(state: &State) -> Vec<String> {
    state.messages(CONVERSATION).map(|message| message.text.clone()).collect()
}

/// Ada with two unread messages of Ben, at version 12.
fn with_two() -> State {
    let mut state = ada();
    state.apply_event(created(11, 10, 1, BEN, 1));
    state.apply_event(created(12, 11, 2, BEN, 2));
    assert_eq!((seqs(&state), unread(&state)), (vec![1, 2], 2));
    state
}

#[test]
fn a_changed_message_changes_in_every_copy() {
    let mut state = with_two();
    state.apply_event(updated(13, 12, changed(12, 2, BEN, 13)));
    assert_eq!(texts(&state), ["text 11", "changed at 13"]);
    assert_eq!(
        state.conversation(CONVERSATION).and_then(|copy| copy.last_message.clone()).expect("there").version.0,
        13
    );
    state.apply_event(updated(14, 13, changed(11, 1, BEN, 14)));
    assert_eq!(texts(&state), ["changed at 14", "changed at 13"]);
    assert_eq!(state.conversation(CONVERSATION).and_then(|copy| copy.last_message.clone()).expect("there").seq, Seq(2));
    assert!(state.is_settled() && unread(&state) == 2, "an edit is not unread again");
}

#[test]
fn the_newer_copy_of_a_message_is_kept() {
    let mut state = with_two();
    state.apply_event(updated(13, 12, changed(11, 1, BEN, 13)));
    // A page that was read before the change, and one that was read after a change whose event is still to come.
    state.apply_message_page(
        CONVERSATION,
        page(12, vec![message(CONVERSATION, 11, 1, BEN)], vec![]),
        state.request_tick(),
    );
    state.apply_message_page(CONVERSATION, page(15, vec![changed(12, 2, BEN, 15)], vec![]), state.request_tick());
    state.apply_event(updated(14, 13, changed(12, 2, BEN, 14)));
    assert_eq!(texts(&state), ["changed at 13", "changed at 15"]);
}

#[test]
fn a_page_older_than_a_change_of_an_unloaded_message_is_fetched_again() {
    let mut state = ada();
    let loaded = Conversation { last_seq: Seq(2), ..conversation(CONVERSATION, 10) };
    state.apply_conversation_answer(
        ConversationAnswer { conversation: loaded, users: Vec::new(), cursor: cursor(10) },
        state.request_tick(),
    );
    let requested = state.request_tick();
    assert_eq!(state.needs(), [Need::Messages(CONVERSATION, None)]);
    state.apply_event(updated(11, 10, changed(5, 1, BEN, 11)));
    let old = vec![message(CONVERSATION, 5, 1, BEN), message(CONVERSATION, 6, 2, BEN)];
    state.apply_message_page(CONVERSATION, page(10, old, vec![]), requested);
    assert_eq!((seqs(&state), state.needs()), (vec![], vec![Need::Messages(CONVERSATION, None)]));
    let new = vec![changed(5, 1, BEN, 11), message(CONVERSATION, 6, 2, BEN)];
    state.apply_message_page(CONVERSATION, page(11, new, vec![]), state.request_tick());
    assert_eq!(texts(&state), ["changed at 11", "text 6"]);
}

#[test]
fn only_deleting_an_unread_message_makes_the_count_unknown() {
    let mut state = with_two();
    state.apply_event(members(13, 12, vec![member(ADA, 1)], 2, Some(1)));
    state.apply_event(updated(14, 13, deleted(11, 1, BEN, 14)));
    assert!(state.is_settled(), "it was read");
    state.apply_event(created(15, 14, 3, ADA, 1));
    state.apply_event(updated(16, 15, deleted(15, 3, ADA, 16)));
    assert!(state.is_settled(), "it was my own");
    state.apply_event(updated(17, 16, deleted(12, 2, BEN, 17)));
    assert_eq!(state.needs(), [Need::Conversation(CONVERSATION)]);
    let answer = Conversation {
        last_seq: Seq(3),
        members: vec![member(ADA, 1), member(BEN, 2)],
        ..conversation(CONVERSATION, 17)
    };
    state.apply_conversation_answer(
        ConversationAnswer { conversation: answer, users: Vec::new(), cursor: cursor(17) },
        state.request_tick(),
    );
    assert!(state.is_settled() && unread(&state) == 0);
}

#[test]
fn a_newer_conversation_does_not_skip_changes_of_loaded_messages() {
    let mut state = with_two();
    let answer = Conversation { last_seq: Seq(2), ..conversation(CONVERSATION, 15) };
    state.apply_conversation_answer(
        ConversationAnswer { conversation: answer.clone(), users: Vec::new(), cursor: cursor(15) },
        state.request_tick(),
    );
    assert_eq!(state.needs(), [Need::Changes(CONVERSATION, Version(12))]);
    state.apply_changes(changes(12, 15, Some(answer), vec![changed(11, 1, BEN, 14)]), state.request_tick());
    assert_eq!(texts(&state), ["changed at 14", "text 12"]);
    assert!(state.is_settled());
}

#[test]
fn changes_arrive_by_version_and_are_stored_by_seq() {
    let mut state = with_two();
    state.apply_event(Event::ScopeChanged { scope: Scope::Conversation(CONVERSATION), version: Version(20) });
    let new = |id, seq| message(CONVERSATION, id, seq, BEN);
    state.apply_changes(changes(12, 16, None, vec![new(13, 3), changed(14, 4, BEN, 16)]), state.request_tick());
    assert_eq!(state.needs(), [Need::Changes(CONVERSATION, Version(16))]);
    let last = Conversation { last_seq: Seq(5), ..conversation(CONVERSATION, 20) };
    let rest = vec![new(17, 5), changed(11, 1, BEN, 18), changed(13, 3, BEN, 20)];
    state.apply_changes(changes(16, 20, Some(last), rest), state.request_tick());
    assert_eq!(texts(&state), ["changed at 18", "text 12", "changed at 20", "changed at 16", "text 17"]);
}

#[test]
fn a_hidden_message_keeps_only_its_place() {
    let mut state = with_two();
    state.apply_event(hidden(13, 4, 1, 0, 1));
    let first = state.messages(CONVERSATION).next().cloned().expect("its place");
    assert!(first.hidden && first.text.is_empty());
    assert!(needs(&state).is_empty() && unread(&state) == 1);
    // No other copy reveals it again: neither an event, nor a page that was read before.
    state.apply_event(updated(14, 12, changed(11, 1, BEN, 14)));
    state.apply_message_page(CONVERSATION, page(14, vec![changed(11, 1, BEN, 14)], vec![]), state.request_tick());
    let first = state.messages(CONVERSATION).next().cloned().expect("its place");
    assert!(first.hidden && first.text.is_empty() && first.version == Version(14));
    state.apply_event(updated(15, 14, deleted(11, 1, BEN, 15)));
    assert!(needs(&state).is_empty() && unread(&state) == 1, "it did not count any more");
}

#[test]
fn hiding_the_newest_message_makes_the_last_message_unknown() {
    let mut state = with_two();
    let before = state.request_tick();
    state.apply_event(hidden(13, 4, 2, 0, 1));
    assert_eq!(needs(&state), [Need::Conversation(CONVERSATION)]);
    let outdated = Conversation {
        last_seq: Seq(2),
        last_message: Some(message(CONVERSATION, 12, 2, BEN)),
        unread: 2,
        ..conversation(CONVERSATION, 12)
    };
    state.apply_conversation_answer(
        ConversationAnswer { conversation: outdated.clone(), users: Vec::new(), cursor: cursor(12) },
        before,
    );
    assert_eq!(needs(&state), [Need::Conversation(CONVERSATION)], "that copy was read before");
    assert_eq!(state.conversation(CONVERSATION).expect("loaded").last_message, None);
    let fresh = Conversation { last_message: Some(message(CONVERSATION, 11, 1, BEN)), unread: 1, ..outdated };
    state.apply_conversation_answer(
        ConversationAnswer { conversation: fresh, users: Vec::new(), cursor: cursor(13) },
        state.request_tick(),
    );
    assert!(needs(&state).is_empty() && unread(&state) == 1);
}

#[test]
fn a_message_hidden_before_its_event_appears_as_its_place() {
    let mut state = ada();
    state.apply_event(hidden(12, 4, 1, 0, 0));
    state.apply_event(created(11, 10, 1, BEN, 1));
    let first = state.messages(CONVERSATION).next().cloned().expect("its place");
    assert!(first.hidden && first.text.is_empty());
    assert_eq!(unread(&state), 0, "the number was counted later");
    assert_eq!(state.conversation(CONVERSATION).expect("loaded").last_message, None);
}

#[test]
fn a_late_marker_does_not_restore_an_older_unread_count() {
    let mut state = with_two();
    // Read up to 1 at version 13, hidden at 14; the first event arrives later.
    state.apply_event(hidden(14, 4, 2, 1, 0));
    assert_eq!(needs(&state), [Need::Conversation(CONVERSATION)], "for another marker than the current one");
    let fresh = Conversation {
        last_seq: Seq(2),
        last_message: Some(message(CONVERSATION, 11, 1, BEN)),
        members: vec![member(ADA, 1), member(BEN, 2)],
        ..conversation(CONVERSATION, 13)
    };
    state.apply_conversation_answer(
        ConversationAnswer { conversation: fresh, users: Vec::new(), cursor: cursor(14) },
        state.request_tick(),
    );
    // Messages are loaded, so the changes in between are fetched and not skipped.
    assert_eq!(needs(&state), [Need::Changes(CONVERSATION, Version(12))]);
}

#[test]
fn messages_hidden_while_offline_arrive_with_me() {
    let mut state = with_two();
    state.apply_heads(heads(20, &[], &[]), state.request_tick());
    state.apply_event(Event::ScopeChanged { scope: Scope::User(ADA), version: Version(20) });
    assert_eq!(state.needs(), [Need::Me]);
    let places = vec![
        MessagePlace { conversation: CONVERSATION, seq: Seq(1) },
        MessagePlace { conversation: OTHER, seq: Seq(9) },
    ];
    state.apply_me(MeAnswer { hidden: places, ..me_answer(20) }, state.request_tick());
    assert!(state.messages(CONVERSATION).next().is_some_and(|message| message.hidden));
    assert_eq!(state.needs(), [Need::Conversation(CONVERSATION)], "what is unread is another");
}

#[test]
fn a_reset_of_hidden_messages_reloads_them() {
    let mut state = with_two();
    let before = state.request_tick();
    state.apply_event(Event::ScopeChanged { scope: Scope::User(ADA), version: Version(20) });
    state.apply_me(MeAnswer { hidden_reset: true, ..me_answer(20) }, state.request_tick());
    assert_eq!(seqs(&state), [0; 0]);
    let old = vec![message(CONVERSATION, 11, 1, BEN), message(CONVERSATION, 12, 2, BEN)];
    state.apply_message_page(CONVERSATION, page(12, old, vec![]), before);
    assert_eq!(seqs(&state), [0; 0], "that page was requested before");
    assert_eq!(state.needs(), [Need::Conversation(CONVERSATION), Need::Messages(CONVERSATION, None)]);
}

#[test]
fn quoted_messages_are_fetched_and_follow_their_changes() {
    let answer =
        |id: i64, seq: i64, to: i64| Message { reply_to: Some(Seq(to)), ..message(CONVERSATION, id, seq, BEN) };
    let mut state = ada();
    let quoted = vec![message(CONVERSATION, 3, 3, ADA)];
    let first = vec![answer(8, 8, 3), answer(9, 9, 8), answer(10, 10, 4)];
    let loaded = Conversation { last_seq: Seq(10), ..conversation(CONVERSATION, 10) };
    state.apply_conversation_answer(
        ConversationAnswer { conversation: loaded, users: Vec::new(), cursor: cursor(10) },
        state.request_tick(),
    );
    state.apply_message_page(CONVERSATION, page(10, first, quoted), state.request_tick());
    assert_eq!(state.quote(CONVERSATION, Seq(8)).expect("loaded").seq, Seq(8));
    assert_eq!(state.needs(), [Need::Quote(CONVERSATION, Seq(4))]);
    // It is older than the user's history, so it does not exist for them.
    state.apply_quote_page(CONVERSATION, Seq(4), page(10, vec![], vec![]), state.request_tick());
    assert!(state.is_settled() && state.quote(CONVERSATION, Seq(4)).is_none());
    state.apply_event(updated(11, 10, changed(3, 3, ADA, 11)));
    assert_eq!(state.quote(CONVERSATION, Seq(3)).expect("loaded").text, "changed at 11");
    state.apply_event(hidden(12, 4, 3, 0, 0));
    assert!(state.quote(CONVERSATION, Seq(3)).is_some_and(|message| message.hidden));
}

#[test]
fn a_removed_message_leaves_its_place_and_its_conversation_is_fetched() {
    let removed = |version: i64| Message { hidden: true, text: String::new(), ..changed(12, 2, BEN, version) };
    let mut state = with_two();
    state.apply_event(updated(13, 12, removed(13)));
    assert_eq!(seqs(&state), [1, 2], "its place is left");
    assert!(state.messages(CONVERSATION).last().is_some_and(|last| last.hidden && last.text.is_empty()));
    assert_eq!(state.conversation(CONVERSATION).expect("loaded").last_message, None);
    assert_eq!(needs(&state), [Need::Conversation(CONVERSATION)], "the newest message and what is unread are unknown");
    // An older copy brings nothing back.
    let old = vec![message(CONVERSATION, 11, 1, BEN), message(CONVERSATION, 12, 2, BEN)];
    state.apply_message_page(CONVERSATION, page(12, old, vec![]), state.request_tick());
    assert!(state.messages(CONVERSATION).last().is_some_and(|last| last.hidden));
}

#[test]
fn a_message_that_is_shown_again_is_fetched() {
    let mut state = with_two();
    state.apply_event(hidden(13, 4, 1, 0, 1));
    assert_eq!(texts(&state)[0], "");
    let before = state.request_tick();
    let stub = Message { hidden: true, text: String::new(), ..message(CONVERSATION, 11, 1, BEN) };
    state.apply_event(Event::ScopeChanged { scope: Scope::User(ADA), version: Version(20) });
    assert_eq!(state.needs(), [Need::Me]);
    let places = vec![MessagePlace { conversation: CONVERSATION, seq: Seq(1) }];
    state.apply_me(MeAnswer { unhidden: places, ..me_answer(20) }, state.request_tick());
    let wanted = [Need::Conversation(CONVERSATION), Need::Messages(CONVERSATION, None)];
    assert_eq!(state.needs(), wanted);
    state.apply_message_page(CONVERSATION, page(12, vec![stub], vec![]), before);
    assert_eq!(state.needs(), wanted, "that page was requested before");
    let both = vec![message(CONVERSATION, 11, 1, BEN), message(CONVERSATION, 12, 2, BEN)];
    state.apply_message_page(CONVERSATION, page(12, both, vec![]), state.request_tick());
    assert!(state.messages(CONVERSATION).all(|message| !message.hidden && !message.text.is_empty()));
}
