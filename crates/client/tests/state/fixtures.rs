//! Builders of answers and events for the tests of the state.

use parlor_client::state::{State, needs::Need};
use parlor_protocol::{
    cursor::Cursor,
    event::{Event, Scoped},
    ids::{ConversationId, Epoch, MessageId, Scope, Seq, UserId, Version},
    model::{Conversation, ConversationKind, ConversationSettings, Me, Member, Message, Role, User},
    reply::{Changes, ConversationPage, Head, Heads, MeAnswer, Unread},
};

pub(crate) const ADA: UserId = UserId(1);
pub(crate) const BEN: UserId = UserId(2);
pub(crate) const CONVERSATION: ConversationId = ConversationId(10);
pub(crate) const OTHER: ConversationId = ConversationId(20);

pub(crate) fn cursor(version: i64) -> Cursor {
    Cursor { epoch: Epoch(5), version: Version(version) }
}

pub(crate) fn user(id: UserId) -> User {
    User { id, name: format!("person {id}"), picture: None, version: Version(1) }
}

pub(crate) fn member(id: UserId, read_seq: i64) -> Member {
    Member {
        user: user(id),
        role: Role::Member,
        context_role: None,
        read_at: None,
        read_seq: Seq(read_seq),
        delivered_seq: Seq(read_seq),
        history_from: Seq(1),
        left: false,
        version: Version(3),
    }
}

pub(crate) fn conversation(id: ConversationId, version: i64) -> Conversation {
    Conversation {
        id,
        version: Version(version),
        kind: ConversationKind::Group,
        title: Some("tram 18".to_owned()),
        picture: None,
        context: None,
        created_by: ADA,
        created_at: "2026-11-22T09:00:00.000Z".to_owned(),
        activity: Version(version),
        last_seq: Seq(0),
        last_message: None,
        member_count: 2,
        members: vec![member(ADA, 0), member(BEN, 0)],
        unread: 0,
        mention_seq: Seq(0),
        settings: ConversationSettings::default(),
    }
}

pub(crate) fn message(conversation: ConversationId, id: i64, seq: i64, sender: UserId) -> Message {
    Message {
        id: MessageId(id),
        conversation,
        seq: Seq(seq),
        version: Version(id),
        sender,
        client_id: format!("client-{id}"),
        subject: None,
        text: format!("text {id}"),
        attachments: Vec::new(),
        reply_to: None,
        mentions: Vec::new(),
        forwarded: false,
        reactions: Vec::new(),
        edited_at: None,
        deleted: false,
        hidden: false,
        system: None,
        created_at: "2026-11-22T09:00:00.000Z".to_owned(),
    }
}

pub(crate) fn created(version: i64, prev: i64, seq: i64, sender: UserId, sender_read_seq: i64) -> Event {
    let scope = Scope::Conversation(CONVERSATION);
    Event::MessageCreated {
        place: Scoped { scope, version: Version(version), prev: Version(prev) },
        message: message(CONVERSATION, version, seq, sender),
        sender: user(sender),
        sender_read_seq: Some(Seq(sender_read_seq)),
    }
}

pub(crate) fn members(version: i64, prev: i64, rows: Vec<Member>, member_count: u32, unread: Option<u32>) -> Event {
    let scope = Scope::Conversation(CONVERSATION);
    let place = Scoped { scope, version: Version(version), prev: Version(prev) };
    Event::MembersUpdated { place, members: rows, member_count, unread, message: None }
}

pub(crate) fn heads(version: i64, scopes: &[(ConversationId, i64)], gone: &[ConversationId]) -> Heads {
    let head =
        |(id, version): &(ConversationId, i64)| Head { scope: Scope::Conversation(*id), version: Version(*version) };
    Heads {
        user: ADA,
        cursor: cursor(version),
        reset: false,
        heads: scopes.iter().map(head).collect(),
        gone: gone.iter().map(|id| Scope::Conversation(*id)).collect(),
        changes: Vec::new(),
    }
}

pub(crate) fn changes(since: i64, version: i64, conversation: Option<Conversation>, messages: Vec<Message>) -> Changes {
    Changes {
        scope: Scope::Conversation(CONVERSATION),
        since: Version(since),
        version: Version(version),
        reset: false,
        more: conversation.is_none(),
        conversation,
        messages,
        quoted: Vec::new(),
        users: Vec::new(),
    }
}

/// Ada with one open conversation at version 10 and everything loaded, the cursor at 10.
pub(crate) fn ada() -> State {
    let mut state = State::new(ADA, 64);
    let reset = Heads { reset: true, ..heads(10, &[], &[]) };
    state.apply_heads(reset, state.request_tick());
    let page = ConversationPage {
        conversations: vec![conversation(CONVERSATION, 10)],
        next: None,
        users: Vec::new(),
        cursor: cursor(12),
    };
    state.apply_conversation_page(page, state.request_tick());
    state.finish_list(state.request_tick());
    state.open(CONVERSATION);
    state.apply_me(me_answer(4), state.request_tick());
    assert!(state.is_settled() && state.cursor() == Some(cursor(10)), "the page does not move the cursor");
    state
}

pub(crate) fn me_answer(version: i64) -> MeAnswer {
    let me = Me {
        user: user(ADA),
        login: "ada".to_owned(),
        receipts: true,
        presence: true,
        moderator: false,
        scope_version: Version(version),
    };
    MeAnswer {
        me,
        markers: Vec::new(),
        unread: Unread::default(),
        now: "2026-11-22T09:00:00.000Z".to_owned(),
        settings: Vec::new(),
        blocks: None,
        drafts: Vec::new(),
        reports: None,
        warnings: None,
        hidden: Vec::new(),
        unhidden: Vec::new(),
        hidden_reset: false,
        cursor: cursor(99),
    }
}

/// The needs except the unread totals, which `totals.rs` tests.
pub(crate) fn needs(state: &State) -> Vec<Need> {
    state.needs().into_iter().filter(|need| *need != Need::Me).collect()
}

pub(crate) fn seqs(state: &State) -> Vec<i64> {
    state.messages(CONVERSATION).map(|message| message.seq.0).collect()
}

pub(crate) fn unread(state: &State) -> u32 {
    state.conversation(CONVERSATION).expect("loaded").unread
}
