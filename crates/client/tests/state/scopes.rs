//! Scopes, versions and the cursor.

use crate::fixtures::{
    ADA, BEN, CONVERSATION, OTHER, ada, changes, conversation, created, cursor, heads, me_answer, member, members,
    message, needs, seqs, unread, user,
};
use parlor_client::state::needs::Need;
use parlor_protocol::{
    event::{Event, Scoped},
    ids::{Scope, Seq, UserId, Version},
    model::{Conversation, Member},
    reply::{Changes, ConversationAnswer, ConversationPage, Heads, Marker, MessagePage},
};

#[test]
fn an_early_event_waits_for_those_before_it() {
    let mut state = ada();
    state.apply_event(created(12, 11, 2, BEN, 2));
    assert_eq!(seqs(&state), [0; 0]);
    assert_eq!(state.needs(), [Need::Changes(CONVERSATION, Version(10))]);
    state.apply_event(created(11, 10, 1, BEN, 1));
    assert_eq!(seqs(&state), [1, 2]);
    assert!(state.is_settled());
    assert_eq!(state.take_appended().iter().map(|message| message.seq.0).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_repeated_event_counts_once() {
    let mut state = ada();
    for event in [created(11, 10, 1, BEN, 1), created(11, 10, 1, BEN, 1), created(12, 11, 2, BEN, 2)] {
        state.apply_event(event.clone());
        state.apply_event(event);
    }
    assert_eq!((seqs(&state), unread(&state)), (vec![1, 2], 2));
}

#[test]
fn no_live_event_moves_the_cursor() {
    let mut state = ada();
    state.apply_event(created(11, 10, 1, BEN, 1));
    assert_eq!(state.cursor(), Some(cursor(10)));
}

#[test]
fn heads_move_the_cursor_only_when_all_their_scopes_are_fetched() {
    let mut state = ada();
    state.apply_heads(heads(30, &[(CONVERSATION, 11), (OTHER, 25)], &[]), state.request_tick());
    assert_eq!(state.needs(), [Need::Conversation(OTHER), Need::Changes(CONVERSATION, Version(10))]);
    state.apply_event(created(11, 10, 1, BEN, 1));
    assert_eq!(state.cursor(), Some(cursor(10)), "the other one is still missing");
    let answer = ConversationAnswer { conversation: conversation(OTHER, 25), users: Vec::new(), cursor: cursor(31) };
    state.apply_conversation_answer(answer, state.request_tick());
    assert_eq!(state.cursor(), Some(cursor(30)));
}

#[test]
fn a_conversation_not_found_is_no_longer_needed() {
    let mut state = ada();
    state.apply_heads(heads(30, &[(OTHER, 25)], &[]), state.request_tick());
    state.apply_not_found(OTHER, state.request_tick());
    assert!(needs(&state).is_empty());
    assert_eq!(state.cursor(), Some(cursor(30)));
}

#[test]
fn a_removed_member_drops_the_conversation_despite_pending_answers() {
    let mut state = ada();
    let requested = state.request_tick();
    state.apply_event(members(11, 10, vec![Member { left: true, ..member(ADA, 0) }], 1, None));
    assert!(state.conversation(CONVERSATION).is_none());
    state.apply_conversation_answer(
        ConversationAnswer { conversation: conversation(CONVERSATION, 10), users: Vec::new(), cursor: cursor(10) },
        requested,
    );
    state.apply_changes(changes(10, 10, Some(conversation(CONVERSATION, 10)), Vec::new()), requested);
    assert!(state.conversation(CONVERSATION).is_none());
    let requested = state.request_tick();
    state.apply_conversation_answer(
        ConversationAnswer { conversation: conversation(CONVERSATION, 15), users: Vec::new(), cursor: cursor(15) },
        requested,
    );
    assert!(state.conversation(CONVERSATION).is_some(), "added again later");
}

#[test]
fn a_return_that_overtakes_the_removal_is_kept() {
    let removal = members(12, 11, vec![Member { left: true, ..member(ADA, 0) }], 1, None);
    let place = Scoped { scope: Scope::Conversation(CONVERSATION), version: Version(13), prev: Version(12) };
    let back = Event::ConversationCreated { place, conversation: Box::new(conversation(CONVERSATION, 13)) };
    let events = [created(11, 10, 1, BEN, 1), removal, back];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut state = ada();
        for place in order {
            state.apply_event(events[place].clone());
        }
        let current = state.conversation(CONVERSATION).map(|conversation| conversation.version);
        assert_eq!(current, Some(Version(13)), "{order:?}");
    }
    // A return that only a later event reveals is fetched.
    let mut state = ada();
    state.apply_event(created(14, 13, 2, BEN, 2));
    state.apply_event(members(11, 10, vec![Member { left: true, ..member(ADA, 0) }], 1, None));
    assert!(state.needs().contains(&Need::Conversation(CONVERSATION)));
}

#[test]
fn a_gone_conversation_is_dropped_unless_it_returned_meanwhile() {
    let mut state = ada();
    state.apply_heads(heads(30, &[], &[CONVERSATION]), state.request_tick());
    assert!(state.conversation(CONVERSATION).is_none() && state.cursor() == Some(cursor(30)));
    let requested = state.request_tick();
    state.apply_conversation(conversation(CONVERSATION, 40), state.request_tick());
    state.apply_heads(heads(35, &[], &[CONVERSATION]), requested);
    assert!(state.conversation(CONVERSATION).is_some());
    assert_eq!(needs(&state), [Need::Conversation(CONVERSATION)]);
}

#[test]
fn pages_of_changes_apply_only_when_complete() {
    let mut state = ada();
    state.apply_heads(heads(30, &[(CONVERSATION, 15)], &[]), state.request_tick());
    state.apply_changes(changes(10, 12, None, vec![message(CONVERSATION, 12, 1, BEN)]), state.request_tick());
    assert_eq!(state.conversation(CONVERSATION).expect("loaded").version, Version(10));
    assert_eq!(state.needs(), [Need::Changes(CONVERSATION, Version(12))]);
    let whole = Conversation { last_seq: Seq(2), unread: 2, ..conversation(CONVERSATION, 15) };
    state.apply_changes(changes(12, 15, Some(whole), vec![message(CONVERSATION, 15, 2, BEN)]), state.request_tick());
    assert_eq!((seqs(&state), unread(&state), state.cursor()), (vec![1, 2], 2, Some(cursor(30))));
}

#[test]
fn changes_that_start_after_the_copy_are_not_applied() {
    let mut state = ada();
    let whole = Conversation { last_seq: Seq(2), ..conversation(CONVERSATION, 15) };
    state.apply_changes(changes(12, 15, Some(whole), vec![message(CONVERSATION, 15, 2, BEN)]), state.request_tick());
    assert_eq!(state.conversation(CONVERSATION).expect("loaded").version, Version(10));
}

#[test]
fn changes_that_come_with_heads_apply_to_every_copy() {
    let mut state = ada();
    state.apply_heads(heads(20, &[], &[]), state.request_tick());
    let newest = message(CONVERSATION, 25, 1, BEN);
    let whole = Conversation { last_seq: Seq(1), unread: 1, ..conversation(CONVERSATION, 25) };
    let along = changes(20, 25, Some(whole), vec![newest]);
    state.apply_heads(Heads { changes: vec![along], ..heads(30, &[(CONVERSATION, 25)], &[]) }, state.request_tick());
    assert_eq!((seqs(&state), unread(&state), state.cursor()), (vec![1], 1, Some(cursor(30))));
}

#[test]
fn too_many_changes_bring_the_newest_page() {
    let mut state = ada();
    state.apply_event(created(11, 10, 1, BEN, 1));
    state.apply_event(created(30, 29, 9, BEN, 9));
    let newest = message(CONVERSATION, 30, 9, BEN);
    let whole = Conversation {
        last_seq: Seq(9),
        last_message: Some(newest.clone()),
        unread: 9,
        ..conversation(CONVERSATION, 30)
    };
    let page = vec![message(CONVERSATION, 29, 8, BEN), newest];
    state.apply_changes(Changes { reset: true, ..changes(11, 30, Some(whole), page) }, state.request_tick());
    assert_eq!((seqs(&state), unread(&state)), (vec![8, 9], 9));
    assert!(state.is_settled(), "the event that was ahead is past");
}

#[test]
fn unread_follows_messages_and_the_users_marker() {
    let mut state = ada();
    state.apply_event(created(11, 10, 1, BEN, 1));
    state.apply_event(created(12, 11, 2, ADA, 0));
    assert_eq!(unread(&state), 1, "she wrote without having read");
    state.apply_event(members(13, 12, vec![member(ADA, 2)], 2, Some(0)));
    assert_eq!(unread(&state), 0);
    state.apply_event(created(14, 13, 3, BEN, 3));
    state.apply_event(members(15, 14, vec![member(ADA, 3)], 2, Some(0)));
    state.apply_event(created(16, 15, 4, ADA, 4));
    assert_eq!(unread(&state), 0);
    let own = &state.conversation(CONVERSATION).expect("loaded").members;
    assert!(own.iter().any(|member| member.user.id == ADA && member.read_seq == Seq(4)));
    for version in 17..140 {
        state.apply_event(created(version, version - 1, version - 12, BEN, version - 12));
    }
    assert_eq!(unread(&state), 100);
}

#[test]
fn crossing_the_fan_out_limit_refetches_the_conversation() {
    let mut state = ada();
    state.apply_event(members(11, 10, vec![member(UserId(3), 0)], 65, None));
    assert_eq!(state.needs(), [Need::Conversation(CONVERSATION)]);
    let large = Conversation { member_count: 65, ..conversation(CONVERSATION, 11) };
    state.apply_conversation_answer(
        ConversationAnswer { conversation: large, users: Vec::new(), cursor: cursor(11) },
        state.request_tick(),
    );
    assert!(state.is_settled());
    state.apply_event(members(12, 11, Vec::new(), 64, None));
    assert_eq!(state.needs(), [Need::Conversation(CONVERSATION)]);
}

#[test]
fn a_marker_of_a_large_conversation_and_its_messages_may_come_in_either_order() {
    let marker = |version: i64, prev: i64, read_seq: i64, unread: u32| Event::MarkerUpdated {
        place: Scoped { scope: Scope::User(ADA), version: Version(version), prev: Version(prev) },
        marker: Marker {
            conversation: CONVERSATION,
            read_seq: Seq(read_seq),
            read_at: None,
            delivered_seq: Seq(read_seq),
            unread,
        },
    };
    // Ben writes 1 and 2; Ada's marker at 1 was counted after both: one is unread.
    let mut in_order = ada();
    in_order.apply_event(created(11, 10, 1, BEN, 1));
    in_order.apply_event(created(12, 11, 2, BEN, 2));
    in_order.apply_event(marker(13, 4, 1, 1));
    let mut marker_first = ada();
    marker_first.apply_event(created(11, 10, 1, BEN, 1));
    marker_first.apply_event(marker(13, 4, 1, 1));
    marker_first.apply_event(created(12, 11, 2, BEN, 2));
    assert_eq!((unread(&in_order), unread(&marker_first)), (1, 1));

    // A marker counted before message 2, and reported after it: the number must be fetched.
    let mut late = ada();
    late.apply_event(created(11, 10, 1, BEN, 1));
    late.apply_event(created(13, 11, 2, BEN, 2));
    late.apply_event(marker(12, 4, 1, 0));
    assert_eq!(needs(&late), [Need::Conversation(CONVERSATION)]);
}

#[test]
fn the_users_own_message_does_not_hide_a_marker_of_another_scope() {
    let mut state = ada();
    for version in 11..=13 {
        state.apply_event(created(version, version - 1, version - 10, BEN, version - 10));
    }
    // Her marker moved to 2 (version 14, of her own scope); her message of version 15 arrives first.
    state.apply_event(created(15, 13, 4, ADA, 2));
    assert_eq!(unread(&state), 3);
    state.apply_event(Event::MarkerUpdated {
        place: Scoped { scope: Scope::User(ADA), version: Version(14), prev: Version(4) },
        marker: Marker {
            conversation: CONVERSATION,
            read_seq: Seq(2),
            read_at: None,
            delivered_seq: Seq(2),
            unread: 1,
        },
    });
    assert_eq!(needs(&state), [Need::Conversation(CONVERSATION)], "the number must be fetched");
}

#[test]
fn a_reset_drops_everything_and_ignores_pending_answers() {
    let mut state = ada();
    let requested = state.request_tick();
    state.apply_heads(Heads { reset: true, ..heads(500, &[], &[]) }, requested);
    assert_eq!((state.conversations().count(), state.cursor()), (0, Some(cursor(500))));
    assert_eq!(state.needs(), [Need::Me]);
    state.apply_conversation_answer(
        ConversationAnswer { conversation: conversation(CONVERSATION, 10), users: Vec::new(), cursor: cursor(10) },
        requested,
    );
    let page = ConversationPage {
        conversations: vec![conversation(OTHER, 10)],
        next: None,
        users: Vec::new(),
        cursor: cursor(12),
    };
    assert_eq!(state.apply_conversation_page(page, requested), None);
    state.finish_list(requested);
    assert_eq!((state.conversations().count(), state.needs()), (0, vec![Need::Me]));
}

fn opened(version: i64) -> Event {
    let place = Scoped { scope: Scope::Conversation(OTHER), version: Version(version), prev: Version(0) };
    Event::ConversationCreated { place, conversation: Box::new(conversation(OTHER, version)) }
}

#[test]
fn a_late_open_event_of_a_left_conversation_is_verified_and_not_kept() {
    let mut reset = ada();
    reset.apply_heads(Heads { reset: true, ..heads(500, &[], &[]) }, reset.request_tick());
    reset.apply_me(me_answer(4), reset.request_tick());
    reset.apply_conversation_page(
        ConversationPage { conversations: vec![], users: Vec::new(), next: None, cursor: cursor(501) },
        reset.request_tick(),
    );
    reset.finish_list(reset.request_tick());
    let mut gone = ada();
    gone.apply_heads(heads(500, &[], &[OTHER]), gone.request_tick());
    let mut waiting = ada();
    waiting.apply_heads(heads(500, &[(CONVERSATION, 20)], &[OTHER]), waiting.request_tick());
    for mut state in [reset, gone, waiting] {
        // Its removal, of version 400, was lost.
        state.apply_event(opened(300));
        assert!(state.conversation(OTHER).is_none());
        assert!(state.needs().contains(&Need::Conversation(OTHER)));
        state.apply_not_found(OTHER, state.request_tick());
        assert!(state.conversation(OTHER).is_none() && !state.needs().contains(&Need::Conversation(OTHER)));
        state.apply_event(opened(501));
        assert!(state.conversation(OTHER).is_some(), "news is taken as it is");
    }
}

#[test]
fn a_returning_member_keeps_nothing_from_before() {
    let mut state = ada();
    state.apply_event(created(11, 10, 1, BEN, 1));
    let back = Member { history_from: Seq(4), ..member(ADA, 3) };
    let whole = Conversation { last_seq: Seq(3), members: vec![back], ..conversation(CONVERSATION, 20) };
    state.apply_heads(heads(30, &[(CONVERSATION, 20)], &[]), state.request_tick());
    state.apply_changes(changes(11, 20, Some(whole), Vec::new()), state.request_tick());
    assert_eq!(seqs(&state), [0; 0]);
    assert!(state.is_settled());
}

#[test]
fn a_page_newer_than_the_events_duplicates_nothing() {
    let mut state = ada();
    let messages = vec![message(CONVERSATION, 11, 1, BEN), message(CONVERSATION, 12, 2, BEN)];
    let page = MessagePage {
        messages,
        quoted: Vec::new(),
        users: vec![user(BEN)],
        previous: None,
        next: None,
        version: Version(12),
        cursor: cursor(12),
    };
    state.apply_message_page(CONVERSATION, page, state.request_tick());
    state.apply_event(created(11, 10, 1, BEN, 1));
    state.apply_event(created(12, 11, 2, BEN, 2));
    assert_eq!((seqs(&state), unread(&state)), (vec![1, 2], 2));
    assert_eq!(state.take_appended().len(), 2);
}

#[test]
fn copies_in_heads_older_than_the_user_are_fetched_again() {
    for (scope_version, is_older) in [(30, false), (31, true)] {
        let mut state = ada();
        state.apply_me(me_answer(scope_version), state.request_tick());
        let copy = changes(10, 25, Some(conversation(CONVERSATION, 25)), Vec::new());
        state.apply_heads(Heads { changes: vec![copy], ..heads(30, &[(CONVERSATION, 25)], &[]) }, state.request_tick());
        let is_needed = needs(&state) == [Need::Changes(CONVERSATION, Version(10))];
        assert_eq!(is_needed, is_older, "{scope_version}: {:?}", state.needs());
    }
}
