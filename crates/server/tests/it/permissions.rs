//! Permissions: every command, sent by every kind of caller. A command without a row here fails, and so does a path
//! that answers without a session and is not listed as public.

use crate::{
    harness::{Server, Setup, TestUser, unique},
    raw_http,
};
use parlor_client::socket::{Handshake, Socket};
use parlor_protocol::{
    command::Command,
    command_names::NAMES,
    error::{Code, Problem},
    ids::{ConversationId, FileId, ReportId, Seq, UserId, Version},
    model::{Message, Role},
    params::{DraftUpdate, MeUpdate, MessagePlace, NewReport, Open, Search, SettingsUpdate},
    reply::{Heads, MessagePage},
    report::{ReportReason, ReportState},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The outcome for each caller: the code of the refusal, or success.
type Outcomes = [&'static str; 5];

/// The callers, in the order of [`Outcomes`].
const WHO: [&str; 5] = ["an outsider", "a former member", "a member", "a moderator", "an owner"];

const DONE: &str = "";
const ANYBODY: Outcomes = [DONE; 5];
const INSIDERS: Outcomes = ["not_found", "not_found", DONE, DONE, DONE];
const MODERATORS: Outcomes = ["not_found", "not_found", "not_allowed", DONE, DONE];
const OWNERS: Outcomes = ["not_found", "not_found", "not_allowed", "not_allowed", DONE];
const NO_INSIDER: Outcomes = ["not_found", "not_found", "not_allowed", "not_allowed", "not_allowed"];
const NOBODY: Outcomes = ["not_found"; 5];
/// No caller is a moderator of the server.
const NO_MODERATOR: Outcomes = ["not_allowed"; 5];

/// The targets of a command.
pub(crate) struct Targets {
    pub(crate) group: ConversationId,
    /// A message sent before the former member left, and a system line.
    pub(crate) message: Seq,
    pub(crate) line: Seq,
    pub(crate) caller: UserId,
    /// A member who does nothing, a group's owner, and a user who shares no conversation.
    pub(crate) target: UserId,
    pub(crate) owner: UserId,
    pub(crate) stranger: UserId,
    /// A message in a conversation of the caller.
    pub(crate) own: MessagePlace,
    /// An unsent file of the target.
    pub(crate) upload: FileId,
    pub(crate) key: String,
}

struct Row {
    name: &'static str,
    what: &'static str,
    outcomes: Outcomes,
    command: fn(&Targets) -> Command,
}

const fn row(name: &'static str, what: &'static str, outcomes: Outcomes, command: fn(&Targets) -> Command) -> Row {
    Row { name, what, outcomes, command }
}

fn every_row() -> impl Iterator<Item = Row> {
    of_conversations().into_iter().chain(of_users()).chain(of_messages())
}

fn of_conversations() -> Vec<Row> {
    vec![
        row("session.resume", "", ANYBODY, |targets| Command::Resume { user: targets.caller, cursor: None }),
        row("conversation.list", "", ANYBODY, |_| Command::ListConversations { after: None, limit: Some(200) }),
        row("conversation.get", "", INSIDERS, |targets| Command::GetConversation { conversation: targets.group }),
        row("conversation.changes", "", INSIDERS, |targets| Command::GetChanges {
            conversation: targets.group,
            since: Version(0),
        }),
        row("conversation.open", "", ANYBODY, |targets| {
            let (client_id, user) = (targets.key.clone(), Some(targets.stranger));
            Command::Open(Open { client_id, user, role: None, group: None, context: None })
        }),
        row("conversation.show", "", ANYBODY, |targets| Command::Show { conversations: vec![targets.group] }),
        row("conversation.mark", "", INSIDERS, |targets| Command::Mark {
            conversation: targets.group,
            delivered: None,
            read: Some(targets.message),
        }),
        row("conversation.settings", "", INSIDERS, |targets| Command::UpdateSettings {
            conversation: targets.group,
            settings: SettingsUpdate { pinned: Some(true), ..SettingsUpdate::default() },
        }),
        row("conversation.clear", "", INSIDERS, |targets| Command::ClearConversation {
            conversation: targets.group,
            seq: Seq(0),
        }),
        row("draft.save", "", INSIDERS, |targets| Command::SaveDraft {
            conversation: targets.group,
            draft: DraftUpdate { text: "not yet".to_owned(), ..DraftUpdate::default() },
        }),
        row("conversation.update", "", MODERATORS, |targets| Command::UpdateConversation {
            conversation: targets.group,
            title: targets.key.clone(),
        }),
        row("conversation.typing", "begins", INSIDERS, |targets| typing(targets, true)),
        row("conversation.typing", "ends", INSIDERS, |targets| typing(targets, false)),
        row("member.list", "", INSIDERS, |targets| Command::ListMembers {
            conversation: targets.group,
            after: None,
            limit: None,
        }),
        row("member.add", "", MODERATORS, |targets| Command::AddMembers {
            conversation: targets.group,
            users: vec![targets.stranger],
            history: None,
        }),
        row("member.add", "themselves", ["not_found", "not_found", "not_allowed", DONE, DONE], |targets| {
            Command::AddMembers { conversation: targets.group, users: vec![targets.caller], history: None }
        }),
        row("member.update", "", OWNERS, |targets| role(targets, targets.target, Role::Moderator)),
        row("member.update", "themselves", OWNERS, |targets| role(targets, targets.caller, Role::Owner)),
        row("member.remove", "", MODERATORS, |targets| remove(targets, targets.target)),
        row("member.remove", "an owner", OWNERS, |targets| remove(targets, targets.owner)),
        row("member.remove", "themselves", INSIDERS, |targets| remove(targets, targets.caller)),
    ]
}

fn of_users() -> Vec<Row> {
    vec![
        row("presence.watch", "", ANYBODY, |targets| Command::WatchPresence { users: vec![targets.target] }),
        row("presence.set", "", ANYBODY, |_| Command::SetPresence { idle: true }),
        row("user.list", "", ANYBODY, |_| Command::ListUsers { query: String::new(), after: None, limit: None }),
        row("user.block", "", ANYBODY, |targets| Command::Block { user: targets.stranger }),
        row("user.block", "nobody", NOBODY, |targets| Command::Block { user: UserId(targets.stranger.0 + 1_000_000) }),
        row("user.unblock", "", ANYBODY, |targets| Command::Unblock { user: targets.stranger }),
        row("user.blocks", "", ANYBODY, |_| Command::ListBlocks { after: None, limit: None }),
        row("report.list", "", NO_MODERATOR, |_| Command::ListReports {
            state: ReportState::Open,
            after: None,
            limit: None,
        }),
        row("report.get", "", NO_MODERATOR, |_| Command::GetReport { report: ReportId(1) }),
        row("report.settle", "", NO_MODERATOR, |_| Command::SettleReport {
            report: ReportId(1),
            remove: true,
            warn: true,
            note: String::new(),
        }),
        row("warning.read", "another's", ANYBODY, |_| Command::ReadWarning { report: ReportId(1) }),
        row("me.get", "", ANYBODY, |_| Command::GetMe { since: None }),
        row("me.update", "", ANYBODY, |targets| {
            Command::UpdateMe(MeUpdate { name: Some(targets.key.clone()), ..MeUpdate::default() })
        }),
    ]
}

fn of_messages() -> Vec<Row> {
    vec![
        row("message.send", "", INSIDERS, |targets| Command::send_text(targets.group, &targets.key, "hello")),
        row("message.send", "a file of another's", NOBODY, |targets| {
            send(targets, "hello", None, vec![targets.upload])
        }),
        row("message.send", "an answer", INSIDERS, |targets| send(targets, "yes", Some(targets.message), vec![])),
        row("message.forward", "out of it", INSIDERS, |targets| {
            let from = MessagePlace { conversation: targets.group, seq: targets.message };
            Command::Forward { conversation: targets.own.conversation, client_id: targets.key.clone(), from }
        }),
        row("message.forward", "into it", INSIDERS, |targets| Command::Forward {
            conversation: targets.group,
            client_id: targets.key.clone(),
            from: targets.own,
        }),
        row("message.edit", "another's", NO_INSIDER, |targets| edit(targets, targets.message)),
        row("message.edit", "a line of the system", NO_INSIDER, |targets| edit(targets, targets.line)),
        row("message.delete", "another's", MODERATORS, |targets| delete(targets, targets.message)),
        row("message.delete", "a line of the system", NO_INSIDER, |targets| delete(targets, targets.line)),
        row("message.hide", "", INSIDERS, |targets| Command::Hide {
            conversation: targets.group,
            seq: targets.message,
        }),
        row("message.report", "another's", INSIDERS, |targets| report(targets, targets.message)),
        row("message.report", "a line of the system", NO_INSIDER, |targets| report(targets, targets.line)),
        row("message.react", "", INSIDERS, |targets| react(targets, true)),
        row("message.react", "takes away what is not there", INSIDERS, |targets| react(targets, false)),
        row("message.reactions", "", INSIDERS, |targets| Command::ListReactions {
            conversation: targets.group,
            seq: targets.message,
            after: None,
            limit: None,
        }),
        row("message.search", "here", INSIDERS, |targets| {
            Command::Search(Search { conversation: Some(targets.group), ..canary() })
        }),
        row("message.search", "everywhere", ANYBODY, |_| Command::Search(canary())),
        row("message.cancel", "another's", ANYBODY, |targets| Command::Cancel { client_id: targets.key.clone() }),
        row("message.list", "", INSIDERS, |targets| Command::ListMessages {
            conversation: targets.group,
            before: None,
            after: None,
            around: Some(targets.message),
            limit: None,
        }),
        row("upload.begin", "", ANYBODY, |targets| Command::BeginUpload {
            client_id: targets.key.clone(),
            name: "umbrella.txt".to_owned(),
            bytes: 3,
        }),
        row("upload.end", "another's", NOBODY, |targets| Command::EndUpload { upload: targets.upload }),
        row("upload.cancel", "another's", NOBODY, |targets| Command::CancelUpload { upload: targets.upload }),
    ]
}

/// Builds a command of every kind.
pub(crate) fn every_command(targets: &Targets) -> Vec<Command> {
    let rows = every_row();
    rows.map(|row| (row.command)(targets)).collect()
}

fn typing(targets: &Targets, typing: bool) -> Command {
    Command::SetTyping { conversation: targets.group, typing }
}

fn role(targets: &Targets, user: UserId, role: Role) -> Command {
    Command::UpdateMember { conversation: targets.group, user, role }
}

fn remove(targets: &Targets, user: UserId) -> Command {
    Command::RemoveMember { conversation: targets.group, user }
}

fn send(targets: &Targets, text: &str, reply_to: Option<Seq>, attachments: Vec<FileId>) -> Command {
    let (client_id, text) = (targets.key.clone(), text.to_owned());
    Command::Send {
        conversation: targets.group,
        client_id,
        text,
        mentions: vec![],
        subject: None,
        reply_to,
        attachments,
        draft: None,
    }
}

fn edit(targets: &Targets, seq: Seq) -> Command {
    Command::Edit { conversation: targets.group, seq, text: Some("not so".to_owned()), mentions: vec![], subject: None }
}

fn delete(targets: &Targets, seq: Seq) -> Command {
    Command::Delete { conversation: targets.group, seq }
}

fn report(targets: &Targets, seq: Seq) -> Command {
    let note = String::new();
    Command::Report(NewReport { conversation: targets.group, seq, reason: ReportReason::Spam, note })
}

fn react(targets: &Targets, on: bool) -> Command {
    Command::React { conversation: targets.group, seq: targets.message, emoji: "👍".to_owned(), on }
}

/// The text of every message here, and the title of every group.
const CANARY: &str = "canarybird";

fn canary() -> Search {
    Search { query: CANARY.to_owned(), ..Search::default() }
}

/// A caller with an open socket.
struct Caller {
    user: TestUser,
    socket: Socket,
    own: MessagePlace,
}

impl Caller {
    async fn new(server: &Server, name: &str, stranger: &TestUser) -> Self {
        let user = server.user(name).await;
        let socket = resumed(&user).await;
        let conversation = user.group("Notes", &[stranger]).await;
        let seq = user.send(conversation, "in my own place").await.seq;
        Self { user, socket, own: MessagePlace { conversation, seq } }
    }

    /// The code of the refusal, or the answer.
    async fn ask(&mut self, command: Command) -> Result<Value, Box<Problem>> {
        match self.socket.call::<Value>(command.clone()).await {
            Ok(answer) => Ok(answer),
            Err(parlor_client::error::Error::Refused(mut problem)) => {
                assert!(problem.request_id.take().is_some(), "{command:?} is refused without a request_id");
                Err(problem)
            }
            Err(other) => panic!("{command:?}: {other}"),
        }
    }
}

async fn resumed(user: &TestUser) -> Socket {
    let mut socket = Handshake::new(user.api.address(), user.api.headers()).open().await.expect("a socket");
    let _: Heads = socket.call(Command::Resume { user: user.id, cursor: None }).await.expect("resumed");
    socket
}

/// All callers and the targets.
struct Fixture {
    /// In the order of [`WHO`].
    callers: Vec<Caller>,
    target: TestUser,
    stranger: TestUser,
    upload: FileId,
}

impl Fixture {
    async fn new(server: &Server) -> Self {
        let (target, stranger) = (server.user("target").await, server.user("stranger").await);
        let mut callers = Vec::new();
        for name in ["outsider", "former", "member", "moderator", "owner"] {
            callers.push(Caller::new(server, name, &stranger).await);
        }
        let path = format!("/v1/uploads?client_id=up-{}&name=umbrella.txt&bytes=3", unique());
        let uploaded = target.api.request(http::Method::POST, &path, "abc").await.expect("an answer");
        let upload: parlor_protocol::model::Upload = uploaded.parse().expect("taken in");
        Self { callers, target, stranger, upload: upload.id }
    }

    /// Opens a group with all but the outsider, which the former member has left.
    async fn group(&self, caller: usize) -> Targets {
        let users: Vec<&TestUser> = self.callers.iter().map(|caller| &caller.user).collect();
        let [_, former, member, moderator, owner] = users[..] else { unreachable!("five") };
        let group = owner.group(CANARY, &[former, member, moderator, &self.target]).await;
        let path = format!("/v1/conversations/{group}/members/{}", moderator.id);
        let body = json!({"role": "moderator"});
        let made = owner.api.send::<Value>(http::Method::PATCH, &path, &body).await;
        made.expect("an owner gives roles");
        let message = self.target.send(group, &format!("{CANARY} {}", unique())).await.seq;
        former.leave(group).await;
        let page: MessagePage = owner.api.messages(group, "").await.expect("a page");
        let line = page.messages.iter().find(|message: &&Message| message.system.is_some()).expect("a line").seq;
        Targets {
            group,
            message,
            line,
            caller: users[caller].id,
            target: self.target.id,
            owner: owner.id,
            stranger: self.stranger.id,
            own: self.callers[caller].own,
            upload: self.upload,
            key: format!("key-{}", unique()),
        }
    }

    /// A field of the table.
    async fn try_command(&mut self, row: &Row, who: usize) {
        let (name, asks) = (format!("{} {}", row.name, row.what), WHO[who]);
        let targets = self.group(who).await;
        let version = self.version(targets.group).await;
        let expected = row.outcomes[who];
        let answer = self.callers[who].ask((row.command)(&targets)).await;
        let code = answer.as_ref().map_or_else(|problem| problem.code.name(), |_| DONE);
        assert_eq!(code, expected, "{name}, sent by {asks}: {answer:?}");
        if who < 2 {
            let text = format!("{answer:?}");
            assert!(!text.contains(CANARY), "{name} reveals a foreign message to {asks}: {text}");
        }
        if row.name == "presence.watch" {
            let status = &answer.as_ref().expect("done")["presence"][0]["status"];
            assert_eq!(status == "unknown", who < 2, "{asks}: {status}");
        }
        if row.name == "conversation.show" {
            let heads = answer.as_ref().expect("done")["heads"].as_array().expect("a list").len();
            assert_eq!(heads == 0, who < 2, "{asks}");
        }
        let Err(problem) = answer else { return };
        if row.name != "member.remove" {
            assert_eq!(self.version(targets.group).await, version, "{name}, refused to {asks}, had an effect");
        }
        if problem.code.name() == "not_found" && who < 2 {
            let group = ConversationId(targets.group.0 + 1_000_000);
            let missing = self.callers[who].ask((row.command)(&Targets { group, ..targets })).await;
            assert_eq!(missing, Err(problem), "{name}: for {asks} the hidden looks like the missing");
        }
    }

    /// The version of a group.
    async fn version(&mut self, conversation: ConversationId) -> Value {
        let answer = self.callers[4].ask(Command::GetConversation { conversation }).await.expect("an owner may");
        answer["conversation"]["version"].clone()
    }
}

#[tokio::test]
async fn every_command_is_allowed_or_refused_by_role() {
    let rows: Vec<Row> = every_row().collect();
    let named: BTreeSet<&str> = rows.iter().map(|row| row.name).collect();
    assert_eq!(named, NAMES.into_iter().collect(), "every command has a row, and every row a command");
    let server = Setup::new()
        .with("limits.frames_per_second_max", 10_000)
        .with("limits.openings_per_hour_max", 10_000)
        .start()
        .await;
    let mut fixture = Fixture::new(&server).await;
    for row in &rows {
        let targets = fixture.group(2).await;
        assert_eq!(type_of(&(row.command)(&targets)), row.name);
        for who in 0..WHO.len() {
            fixture.try_command(row, who).await;
        }
    }
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn every_command_is_refused_before_the_resume() {
    let server = Server::start().await;
    let fixture = Fixture::new(&server).await;
    let targets = fixture.group(4).await;
    let user = &fixture.callers[4].user;
    let mut socket = Handshake::new(user.api.address(), user.api.headers()).open().await.expect("a socket");
    for row in every_row().filter(|row| row.name != "session.resume") {
        let refused = socket.call::<Value>((row.command)(&targets)).await.expect_err(row.name);
        assert_eq!(refused.code().map(Code::name), Some("not_resumed"), "{}", row.name);
    }
    let _: Heads = socket.call(Command::Resume { user: user.id, cursor: None }).await.expect("and then it is received");
}

fn type_of(command: &Command) -> String {
    let value = serde_json::to_value(command).expect("commands have string keys only");
    value["type"].as_str().expect("a name").to_owned()
}

/// Public paths: signing in, and what reveals nothing about users.
const FOR_ANYBODY: [&str; 13] = [
    "post /v1/session",
    "delete /v1/session",
    "post /v1/users",
    "get /v1/limits",
    "get /v1/site",
    "post /v1/host/recheck",
    "get /livez",
    "get /readyz",
    "get /metrics",
    "get /openapi.json",
    "get /schema.json",
    "get /errors/{code}",
    "get /theme.css",
];

#[tokio::test]
async fn every_path_that_is_not_public_requires_a_session() {
    let server = Server::start().await;
    let document: Value = server.api().get("/openapi.json").await.expect("the document");
    let mut tried = 0;
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys().filter(|method| *method != "parameters") {
            if FOR_ANYBODY.contains(&format!("{method} {path}").as_str()) {
                continue;
            }
            let mut place = String::new();
            for part in path.split('/').skip(1) {
                place.push('/');
                place.push_str(if part.starts_with('{') { "1" } else { part });
            }
            let headers = [("Content-Type", "application/json")];
            for session in [None, Some("Bearer nonsense")] {
                let headers: Vec<_> =
                    headers.into_iter().chain(session.map(|session| ("Authorization", session))).collect();
                let answer = raw_http::ask(server.address(), &method.to_uppercase(), &place, &headers, "{}").await;
                assert_eq!(answer.outcome(), (401, "not_signed_in"), "{method} {place}");
                tried += 1;
            }
        }
    }
    assert!(tried > 60, "{tried}");
}
