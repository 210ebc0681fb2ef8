//! Drafts, which several devices of one user write.

use super::fixtures::{ADA, CONVERSATION, ada, me_answer};
use parlor_client::state::State;
use parlor_protocol::{
    event::{Event, Scoped},
    ids::{Scope, Version},
    model::Draft,
    reply::{DraftOf, MeAnswer},
};

fn draft(text: &str, version: i64) -> Draft {
    Draft { text: text.to_owned(), version: Version(version), ..Draft::default() }
}

fn updated(text: &str, version: i64, prev: i64) -> Event {
    let place = Scoped { scope: Scope::User(ADA), version: Version(version), prev: Version(prev) };
    Event::DraftUpdated { place, conversation: CONVERSATION, draft: draft(text, version) }
}

fn text(state: &State) -> Option<&str> {
    state.draft(CONVERSATION).map(|draft| draft.text.as_str())
}

#[test]
fn the_newest_draft_is_current_and_one_that_was_sent_is_none() {
    let mut state = ada();
    state.apply_event(updated("On tram", 15, 4));
    assert_eq!(text(&state), Some("On tram"));
    let mut answer = me_answer(16);
    answer.drafts = vec![DraftOf { conversation: CONVERSATION, draft: draft("older", 14) }];
    state.apply_me(answer, state.request_tick());
    assert_eq!(text(&state), Some("On tram"), "the older copy is ignored");
    state.apply_event(updated("", 17, 16));
    assert_eq!((text(&state), state.drafts().count()), (None, 0));
}

#[test]
fn an_answer_with_all_drafts_forgets_the_others() {
    let mut state = ada();
    state.apply_event(updated("On tram", 15, 4));
    let answer = MeAnswer { hidden_reset: true, ..me_answer(16) };
    state.apply_me(answer, state.request_tick());
    assert_eq!(text(&state), None);
}
