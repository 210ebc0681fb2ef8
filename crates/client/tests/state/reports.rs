//! Reports and warnings.

use super::fixtures::{ADA, CONVERSATION, ada, me_answer, user};
use parlor_client::state::State;
use parlor_protocol::{
    event::{Event, Scoped},
    ids::{ReportId, Scope, Seq, Version},
    model::ConversationKind,
    report::{Report, ReportCounts, ReportState, Warning},
};

fn place(version: i64, prev: i64) -> Scoped {
    Scoped { scope: Scope::User(ADA), version: Version(version), prev: Version(prev) }
}

fn warning(report: i64) -> Warning {
    let at = "2026-11-22T09:30:00.000Z".to_owned();
    Warning { report: ReportId(report), conversation: CONVERSATION, seq: Seq(1), at }
}

fn updated(version: i64, prev: i64, open: u32) -> Event {
    let report = Report {
        id: ReportId(11),
        version: Version(version),
        state: ReportState::Open,
        created_at: "2026-11-22T09:20:00.000Z".to_owned(),
        sender: user(ADA),
        conversation: CONVERSATION,
        conversation_kind: ConversationKind::Direct,
        title: None,
        seq: Seq(1),
        text: "hello".to_owned(),
        reasons: Vec::new(),
        reason_count: 1,
        settled_at: None,
        settled_by: None,
        removed: false,
        warned: false,
        note: None,
    };
    Event::ReportUpdated { place: place(version, prev), report: Box::new(report), open }
}

fn warned(state: &State) -> Vec<i64> {
    state.warnings().keys().map(|report| report.0).collect()
}

#[test]
fn warnings_come_and_go_and_an_answer_without_them_changes_none() {
    let mut state = ada();
    state.apply_event(Event::WarningCreated { place: place(11, 4), warning: warning(11) });
    state.apply_event(Event::WarningCreated { place: place(12, 11), warning: warning(12) });
    assert_eq!(warned(&state), [11, 12]);
    state.apply_me(me_answer(12), state.request_tick());
    assert_eq!(warned(&state), [11, 12], "unchanged");
    state.apply_event(Event::WarningRead { place: place(13, 12), report: ReportId(11) });
    assert_eq!(warned(&state), [12]);
    let answer = parlor_protocol::reply::MeAnswer { warnings: Some(vec![warning(14)]), ..me_answer(14) };
    state.apply_me(answer, state.request_tick());
    assert_eq!(warned(&state), [14], "the answer has all of them");
}

#[test]
fn moderators_count_open_reports_and_others_have_no_count() {
    let mut state = ada();
    assert_eq!(state.reports(), None);
    let answer = parlor_protocol::reply::MeAnswer { reports: Some(ReportCounts { open: 2 }), ..me_answer(11) };
    state.apply_me(answer, state.request_tick());
    state.apply_event(updated(13, 12, 4));
    assert_eq!(state.reports(), Some(ReportCounts { open: 2 }), "it is early");
    state.apply_event(updated(12, 11, 3));
    assert_eq!(state.reports(), Some(ReportCounts { open: 4 }));
    state.apply_me(me_answer(14), state.request_tick());
    assert_eq!(state.reports(), None, "no longer a moderator");
}
