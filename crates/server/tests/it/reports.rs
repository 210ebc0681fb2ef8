//! Reports over HTTP and by the operator's commands, on several devices.

use crate::harness::{Rng, Server, TestUser};
use http::Method;
use parlor::evidence;
use parlor_client::state::State;
use parlor_protocol::{
    command::Command,
    error::Code,
    http::PostSettlement,
    ids::{ConversationId, ReportId, Seq},
    params::NewReport,
    reply::Changed,
    report::{ReportAnswer, ReportReason, ReportSettled, Reported, Reports},
};
use serde_json::Value;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

async fn report(user: &TestUser, conversation: ConversationId, seq: Seq) -> Reported {
    let report = NewReport { conversation, seq, reason: ReportReason::Harassment, note: "Look.".to_owned() };
    user.api.send(Method::POST, "/v1/reports", &report).await.expect("they see it")
}

/// Returns the only open report, as a moderator sees it.
async fn open_report(moderator: &TestUser) -> ReportId {
    let open: Reports = moderator.api.get("/v1/reports").await.expect("a moderator");
    open.reports[0].id
}

/// What a user does about an open report, if they are a moderator, and about their own warnings, at random.
pub(crate) async fn to_moderate(rng: &mut Rng, user: &TestUser, state: &State) -> Vec<Command> {
    let warnings = state.warnings().keys().take(1);
    let mut commands: Vec<Command> = warnings.map(|report| Command::ReadWarning { report: *report }).collect();
    // Users who are no moderators are refused, and a server that has ended does not answer.
    let page = user.api.get::<Reports>("/v1/reports?limit=1").await.ok();
    commands.extend(page.into_iter().flat_map(|page| page.reports).map(|report| Command::SettleReport {
        report: report.id,
        remove: rng.percent(50),
        warn: rng.percent(60),
        note: String::new(),
    }));
    commands
}

fn appoint(server: &Server, user: &TestUser, state: &str) {
    server.must_run(&["user", "moderator", &user.login, state]);
}

fn printed(server: &Server, arguments: &[&str]) -> Value {
    let output = server.run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test]
async fn a_report_is_settled_on_all_devices_of_all_moderators_and_its_sender_is_warned() {
    let mut server = Server::start().await;
    let (ada, ben) = (server.user("Ada").await, server.user("Ben").await);
    let (mo, max) = (server.user("Mo").await, server.user("Max").await);
    let conversation = ada.open_direct(&ben).await.id;
    let seq = ben.send(conversation, "You fool").await.seq;
    appoint(&server, &max, "on");
    let (mut desk, mut other, mut bens) = (mo.connect().await, max.connect().await, ben.connect().await);
    assert_eq!(desk.state.reports(), None);
    appoint(&server, &mo, "on");
    desk.run_until(SOON, |state| state.reports().is_some()).await.expect("an open page learns it at once");
    assert!(desk.state.me().is_some_and(|me| me.moderator));

    report(&ada, conversation, seq).await;
    for device in [&mut desk, &mut other] {
        let counted = device.run_until(SOON, |state| state.reports().is_some_and(|counts| counts.open == 1));
        counted.await.expect("it is received");
    }
    let id = open_report(&mo).await;
    let path = format!("/v1/reports/{id}");
    let found: ReportAnswer = mo.api.get(&path).await.expect("a moderator");
    assert_eq!((found.copies.len(), found.copies[0].message.text.as_str()), (1, "You fool"));
    let body = PostSettlement { remove: true, warn: true, note: "Rude.".to_owned() };
    let settled: ReportSettled =
        max.api.send(Method::POST, &format!("{path}/settlement"), &body).await.expect("a moderator");
    assert_eq!(settled.report.settled_by.map(|user| user.id), Some(max.id));
    for device in [&mut desk, &mut other] {
        let counted = device.run_until(SOON, |state| state.reports().is_some_and(|counts| counts.open == 0));
        counted.await.expect("it is received");
    }
    bens.run_until(SOON, |state| state.warnings().contains_key(&id)).await.expect("he is warned");
    let refused = mo.api.send::<Value>(Method::POST, &format!("{path}/settlement"), &body).await.expect_err("settled");
    assert_eq!(refused.code(), Some(Code::TooLate));

    server.stop().await;
    server.restart().await;
    let (ben, mo) = (ben.through_address(server.address()), mo.through_address(server.address()));
    let mut later = ben.connect().await;
    assert_eq!(later.state.warnings().len(), 1);
    let read = ben.api.request(Method::POST, &format!("/v1/warnings/{id}/read"), "").await.expect("an answer");
    let _: Changed = read.parse().expect("his own");
    later.run_until(SOON, |state| state.warnings().is_empty()).await.expect("it is received");
    let listed: Reports = mo.api.get("/v1/reports?state=settled").await.expect("a moderator");
    assert_eq!(listed.reports[0].note.as_deref(), Some("Rude."));
    appoint(&server, &mo, "off");
    let refused = mo.api.get::<Reports>("/v1/reports").await.expect_err("no longer a moderator");
    assert_eq!(refused.code(), Some(Code::NotAllowed));
}

#[tokio::test]
async fn the_evidence_of_an_open_report_is_one_file_that_shows_changes() {
    let mut server = Server::start().await;
    let (ada, ben, mo) = (server.user("Ada").await, server.user("Ben").await, server.user("Mo").await);
    let conversation = ada.open_direct(&ben).await.id;
    ada.send(conversation, "Hello — \"Ben\"").await;
    let seq = ben.send(conversation, "You fool\n😠").await.seq;
    appoint(&server, &mo, "on");
    report(&ada, conversation, seq).await;
    let id = open_report(&mo).await;
    let path = format!("/v1/reports/{id}/evidence");
    let refused = ada.api.request(Method::GET, &path, "").await.expect("an answer").parse::<Value>();
    assert_eq!(refused.expect_err("no moderator").code(), Some(Code::NotAllowed));
    let answer = mo.api.request(Method::GET, &path, "").await.expect("an answer");
    let header = |name| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert_eq!(header("content-disposition"), format!("attachment; filename=\"report-{id}.json\""));
    assert_eq!(header("cache-control"), "no-store");
    let mut file: Value = answer.parse().expect("JSON");
    assert_eq!(file["copies"].as_array().map(Vec::len), Some(2));
    assert_eq!((&file["report"]["id"], &file["exported_by"]), (&serde_json::json!(id), &serde_json::json!(mo.id)));
    assert!(file["server"].as_str().is_some_and(|server| server.starts_with("parlor ")), "{file}");
    let hash = file.as_object_mut().and_then(|file| file.remove("sha256")).expect("a hash");
    assert_eq!(hash, evidence::hash(&file));
    file["copies"][1]["message"]["text"] = "You fine fellow".into();
    assert_ne!(hash, evidence::hash(&file));

    // The operator has the same, beside a running server and without one.
    for is_running in [true, false] {
        if !is_running {
            server.stop().await;
        }
        let listed = printed(&server, &["report", "list", "--json"]);
        assert_eq!(listed["reports"][0]["id"], serde_json::json!(id));
        let exported = printed(&server, &["report", "export", &id.to_string()]);
        assert_eq!((&exported["exported_by"], exported["copies"].as_array().map(Vec::len)), (&Value::Null, Some(2)));
        assert_eq!(server.run(&["report", "export", "999999"]).status.code(), Some(4));
    }
    server.restart().await;
    let mo = mo.through_address(server.address());
    let body = PostSettlement::default();
    let _: ReportSettled =
        mo.api.send(Method::POST, &format!("/v1/reports/{id}/settlement"), &body).await.expect("a moderator");
    let refused = mo.api.request(Method::GET, &path, "").await.expect("an answer").parse::<Value>();
    assert_eq!(refused.expect_err("the copies are gone").code(), Some(Code::TooLate));
    assert_eq!(server.run(&["report", "export", &id.to_string()]).status.code(), Some(3));
    assert_eq!(printed(&server, &["report", "list", "--settled", "--json"])["reports"][0]["removed"], false);
    assert_eq!(server.run(&["user", "moderator", "nobody", "on"]).status.code(), Some(4));
}
