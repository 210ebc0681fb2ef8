//! How many reports, reporters and moderators there are at most, and the pages of reports.

use super::{
    TestCluster, code, commit_together, conformance,
    groups::{act, does},
    reports::{about, appoint, me, open_report, reported, settle},
};
use parlor::domain::{Change, Content, Outcome};
use parlor_protocol::{
    command::Command,
    error::Code,
    ids::{ReportId, UserId},
    params::NewReport,
    report::ReportState,
};
use serde_json::json;
use std::sync::atomic::Ordering;

conformance! {
    a_user_reports_as_many_messages_in_a_day_as_the_limit_allows,
    reports_are_listed_page_by_page_in_their_order,
    there_are_up_to_a_hundred_moderators,
    a_batch_of_reports_takes_the_same_number_of_statements_however_many_they_are,
    notes_are_checked,
}

async fn a_user_reports_as_many_messages_in_a_day_as_the_limit_allows(cluster: TestCluster) {
    const DAY_MS: i64 = 86_400_000;
    let app = cluster.node_with(&[("limits.reports_per_day_max", "2")]).await;
    let conversation = cluster.direct("Ada", "Ben").await;
    for _ in 0..5 {
        cluster.send("Ben", conversation, "hello").await;
    }
    let ada = cluster.user("Ada").await;
    let report = async |seq| act(&app, ada, Command::Report(about(conversation, seq))).await;
    report(1).await.expect("within the limit");
    cluster.clock.fetch_add(DAY_MS / 2, Ordering::Relaxed);
    report(2).await.expect("within the limit");
    let refused = report(3).await.expect_err("over the limit");
    assert_eq!((refused.code, refused.limit), (Code::TooMany, Some(2)));
    let wait_ms = i64::try_from(refused.retry_after_ms.expect("it says when")).expect("a day at most");
    assert!(wait_ms <= DAY_MS / 2 && wait_ms > DAY_MS / 2 - 10_000, "until the first is a day old: {wait_ms}");
    assert_eq!(report(2).await.expect("a repeat does not count")["duplicate"], true);
    cluster.clock.fetch_add(wait_ms, Ordering::Relaxed);
    let both = futures_util::join!(report(3), report(4));
    let refused: Vec<Code> = [both.0, both.1].into_iter().filter_map(|one| Some(one.err()?.code)).collect();
    assert_eq!(refused, [Code::TooMany], "those of one moment count, too");
    cluster.clock.fetch_sub(100 * DAY_MS, Ordering::Relaxed);
    report(5).await.expect("times of a clock that was set back do not count");
}

async fn reports_are_listed_page_by_page_in_their_order(cluster: TestCluster) {
    appoint(&cluster, "Mo", true).await;
    let conversation = cluster.direct("Ada", "Ben").await;
    let mut ids = Vec::new();
    for seq in 1..=5 {
        cluster.send("Ben", conversation, "hello").await;
        ids.push(reported(&cluster, "Ada", (conversation, seq)).await);
    }
    let pages = async |state| {
        let (mut after, mut listed) = (None, Vec::new());
        loop {
            let list = Command::ListReports { state, after, limit: Some(2) };
            let page = does(&cluster, "Mo", list).await.expect("a page");
            let rows = page["reports"].as_array().expect("reports");
            assert!(rows.len() <= 2);
            listed.extend(rows.iter().map(|row| ReportId(row["id"].as_i64().expect("an id"))));
            after = page["next"].as_str().map(str::to_owned);
            if after.is_none() {
                return listed;
            }
        }
    };
    assert_eq!(pages(ReportState::Open).await, ids);
    for id in [ids[3], ids[0], ids[2]] {
        settle(&cluster, "Mo", id, (false, false)).await.expect("a moderator");
    }
    assert_eq!(pages(ReportState::Open).await, [ids[1], ids[4]]);
    assert_eq!(pages(ReportState::Settled).await, [ids[2], ids[0], ids[3]], "the last one first");
    let nonsense = Command::ListReports { state: ReportState::Open, after: Some("x".to_owned()), limit: None };
    assert_eq!(code(does(&cluster, "Mo", nonsense).await), Code::InvalidField);
}

async fn there_are_up_to_a_hundred_moderators(cluster: TestCluster) {
    let add = |index: usize| Change::AddUser {
        login: format!("user{index}"),
        name: format!("User {index}"),
        password_hash: None,
    };
    let (added, _) = commit_together(&cluster.app, &(0..101).map(add).collect::<Vec<_>>()).await;
    let users: Vec<UserId> = added
        .iter()
        .map(|one| match one.outcome {
            Outcome::UserAdded(user) => user,
            _ => panic!("a user"),
        })
        .collect();
    let appoint = |user: &UserId| Change::SetModerator { user: *user, on: true };
    commit_together(&cluster.app, &users[..100].iter().map(appoint).collect::<Vec<_>>()).await;
    let refused = cluster.app.commit.submit(appoint(&users[100])).await.expect_err("one too many");
    assert_eq!((refused.code, refused.limit), (Code::LimitReached, Some(100)));
    cluster.app.commit.submit(appoint(&users[0])).await.expect("nothing to do");
    let off = Change::SetModerator { user: users[0], on: false };
    cluster.app.commit.submit(off).await.expect("always possible");
    cluster.app.commit.submit(appoint(&users[100])).await.expect("there is room");
}

async fn a_batch_of_reports_takes_the_same_number_of_statements_however_many_they_are(cluster: TestCluster) {
    appoint(&cluster, "Mo", true).await;
    let conversation = cluster.direct("Ada", "Ben").await;
    let [ada, ben] = [cluster.user("Ada").await, cluster.user("Ben").await];
    let send = |_| Change::Send { actor: ben, conversation, client_id: cluster.key(), content: Content::text("hello") };
    commit_together(&cluster.app, &(0..20).map(send).collect::<Vec<_>>()).await;
    let report = |seq| Change::Report { actor: ada, report: about(conversation, seq) };
    let (_, few) = commit_together(&cluster.app, &(1..=2).map(report).collect::<Vec<_>>()).await;
    let (_, many) = commit_together(&cluster.app, &(3..=20).map(report).collect::<Vec<_>>()).await;
    assert_eq!(few, many, "however many they are");
    assert_eq!(me(&cluster, "Mo", None).await["reports"], json!({"open": 20}));
    cluster.is_consistent().await;
}

async fn notes_are_checked(cluster: TestCluster) {
    appoint(&cluster, "Mo", true).await;
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ben", conversation, "hello").await;
    let with = |note: &str| Command::Report(NewReport { note: note.to_owned(), ..about(conversation, 1) });
    let max = usize::try_from(cluster.app.config.limits.report_note_chars_max).expect("small");
    assert_eq!(code(does(&cluster, "Ada", with(&"x".repeat(max + 1))).await), Code::TextTooLong);
    assert_eq!(code(does(&cluster, "Ada", with("a\0b")).await), Code::TextControl);
    does(&cluster, "Ada", with(" \n ")).await.expect("a note may be empty");
    let report = open_report(&cluster, (conversation, 1)).await;
    let settle = |note: String| Command::SettleReport { report, remove: false, warn: false, note };
    assert_eq!(code(does(&cluster, "Mo", settle("x".repeat(max + 1))).await), Code::TextTooLong);
    let settled = does(&cluster, "Mo", settle(String::new())).await.expect("a note may be empty");
    assert_eq!((&settled["report"]["note"], &settled["report"]["reasons"][0]["note"]), (&json!(""), &json!("")));
}
