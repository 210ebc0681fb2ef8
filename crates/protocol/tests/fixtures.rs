//! The frames in `fixtures/`, which Rust and JavaScript must both accept, and those that must be refused.

use parlor_protocol::{
    command::Command,
    command_names::NAMES,
    error::{Code, Problem},
    event::Event,
    frame::CommandFrame,
    frame::ReplyFrame,
    reply::Answer,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::PathBuf};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    name: String,
    frame: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefusedFrame {
    name: String,
    text: String,
    re: Option<i64>,
    code: Code,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// The examples of all files of a kind (`command`, `reply`, `event`), by the rest of the file's name.
fn examples(kind: &str) -> BTreeMap<String, Vec<Example>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder().join("frames")).expect("the folder of frames") {
        let path = entry.expect("a file").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("an ASCII name").to_owned();
        let Some(rest) = name.strip_prefix(kind).and_then(|rest| rest.strip_prefix('.')) else { continue };
        let text = fs::read_to_string(&path).expect("a readable file");
        let list: Vec<Example> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!list.is_empty(), "{name} has no example");
        found.insert(rest.strip_suffix(".json").expect("a .json file").to_owned(), list);
    }
    found
}

#[test]
fn every_command_round_trips() {
    let examples = examples("command");
    assert_eq!(examples.keys().map(String::as_str).collect::<Vec<_>>(), sorted(&NAMES), "one file for each command");
    for (file, list) in examples {
        for Example { name, frame } in list {
            let command = CommandFrame::parse(&frame.to_string())
                .unwrap_or_else(|refused| panic!("{file}, {name}: {:?}", refused.problem));
            let written: Value = serde_json::from_str(&command.to_text()).expect("JSON");
            assert_eq!(written, frame, "{file}, {name}");
            assert_eq!(frame["type"], file.as_str(), "{name} is in the file of another command");
            assert_eq!(CommandFrame::parse(&command.to_text()), Ok(command), "{file}, {name}");
        }
    }
}

#[test]
fn every_event_round_trips() {
    let examples = examples("event");
    for (file, list) in &examples {
        for Example { name, frame } in list {
            let event: Event =
                serde_json::from_value(frame.clone()).unwrap_or_else(|error| panic!("{file}, {name}: {error}"));
            assert_eq!(&serde_json::to_value(&event).expect("JSON"), frame, "{file}, {name}");
            assert_eq!(type_of(&event), file, "{name} is in the file of another event");
        }
    }
    assert_eq!(examples.keys().map(String::as_str).collect::<Vec<_>>(), sorted(&EVENTS), "one file for each event");
}

#[test]
fn every_reply_round_trips() {
    let examples = examples("reply");
    let expected = [&NAMES[..], &["error"]].concat();
    assert_eq!(examples.keys().map(String::as_str).collect::<Vec<_>>(), sorted(&expected), "one file for each command");
    for (file, list) in examples {
        for Example { name, frame } in list {
            let (answer, error) = read_reply(&file, &frame);
            let reply = ReplyFrame { re: frame["re"].as_i64(), answer: answer.as_ref(), error: error.as_ref() };
            assert_eq!(serde_json::to_value(&reply).expect("JSON"), frame, "{file}, {name}");
        }
    }
}

#[test]
fn every_refused_frame_is_refused_with_its_code() {
    let text = fs::read_to_string(folder().join("refused.json")).expect("a readable file");
    let list: Vec<RefusedFrame> = serde_json::from_str(&text).expect("a list of refused frames");
    for code in [Code::InvalidJson, Code::InvalidField, Code::UnknownCommand] {
        assert!(list.iter().any(|frame| frame.code == code), "no frame is refused with {}", code.name());
    }
    for RefusedFrame { name, text, re, code } in list {
        let refused = CommandFrame::parse(&text).expect_err(&name);
        assert_eq!((refused.problem.code, refused.re), (code, re), "{name}: {:?}", refused.problem.detail);
    }
}

/// The names of all events.
const EVENTS: [&str; 19] = [
    "message.created",
    "conversation.created",
    "conversation.updated",
    "member.updated",
    "marker.updated",
    "me.updated",
    "scope.changed",
    "message.updated",
    "message.hidden",
    "scope.advanced",
    "typing.changed",
    "presence.changed",
    "upload.progress",
    "settings.updated",
    "block.updated",
    "draft.updated",
    "report.updated",
    "warning.created",
    "warning.read",
];

/// A new event does not compile before it has a name in [`EVENTS`], and so a file of examples.
fn type_of(event: &Event) -> &'static str {
    match event {
        Event::MessageCreated { .. } => EVENTS[0],
        Event::ConversationCreated { .. } => EVENTS[1],
        Event::ConversationUpdated { .. } => EVENTS[2],
        Event::MembersUpdated { .. } => EVENTS[3],
        Event::MarkerUpdated { .. } => EVENTS[4],
        Event::MeUpdated { .. } => EVENTS[5],
        Event::ScopeChanged { .. } => EVENTS[6],
        Event::MessageUpdated { .. } => EVENTS[7],
        Event::MessageHidden { .. } => EVENTS[8],
        Event::ScopeAdvanced { .. } => EVENTS[9],
        Event::TypingChanged { .. } => EVENTS[10],
        Event::PresenceChanged { .. } => EVENTS[11],
        Event::UploadProgress { .. } => EVENTS[12],
        Event::SettingsUpdated { .. } => EVENTS[13],
        Event::BlockUpdated { .. } => EVENTS[14],
        Event::DraftUpdated { .. } => EVENTS[15],
        Event::ReportUpdated { .. } => EVENTS[16],
        Event::WarningCreated { .. } => EVENTS[17],
        Event::WarningRead { .. } => EVENTS[18],
    }
}

/// A new command does not compile before its answer is defined.
fn read_reply(file: &str, frame: &Value) -> (Option<Answer>, Option<Problem>) {
    if file == "error" {
        return (None, Some(read(&frame["error"])));
    }
    let command = &examples("command")[file][0].frame.to_string();
    let answer = match CommandFrame::parse(command).expect("an example of a command").command {
        Command::Resume { .. } => Answer::Heads(read(frame)),
        Command::ListConversations { .. } => Answer::Conversations(read(frame)),
        Command::GetConversation { .. } => Answer::Conversation(read(frame)),
        Command::GetChanges { .. } => Answer::Changes(read(frame)),
        Command::Open(_) => Answer::Opened(read(frame)),
        Command::Show { .. } => Answer::Shown(read(frame)),
        Command::Mark { .. } => Answer::Marked(read(frame)),
        Command::AddMembers { .. }
        | Command::RemoveMember { .. }
        | Command::UpdateMember { .. }
        | Command::UpdateConversation { .. }
        | Command::UpdateSettings { .. }
        | Command::ClearConversation { .. }
        | Command::Hide { .. }
        | Command::Block { .. }
        | Command::Unblock { .. }
        | Command::ReadWarning { .. }
        | Command::UpdateMe(_) => Answer::Changed(read(frame)),
        Command::SaveDraft { .. } => Answer::DraftSaved(read(frame)),
        Command::ListMembers { .. } => Answer::Members(read(frame)),
        Command::Send { .. } | Command::Forward { .. } => Answer::Sent(read(frame)),
        Command::Edit { .. } | Command::Delete { .. } | Command::React { .. } => Answer::MessageChanged(read(frame)),
        Command::ListReactions { .. } => Answer::Reactions(read(frame)),
        Command::Search(_) => Answer::Found(read(frame)),
        Command::WatchPresence { .. } => Answer::Watched(read(frame)),
        Command::BeginUpload { .. } => Answer::UploadBegun(read(frame)),
        Command::EndUpload { .. } => Answer::UploadEnded(read(frame)),
        Command::SetTyping { .. } | Command::SetPresence { .. } | Command::CancelUpload { .. } => {
            Answer::Done(read(frame))
        }
        Command::Cancel { .. } => Answer::Cancelled(read(frame)),
        Command::ListMessages { .. } => Answer::Messages(read(frame)),
        Command::GetMe { .. } => Answer::Me(read(frame)),
        Command::ListUsers { .. } | Command::ListBlocks { .. } => Answer::Users(read(frame)),
        Command::Report(_) => Answer::Reported(read(frame)),
        Command::ListReports { .. } => Answer::Reports(read(frame)),
        Command::GetReport { .. } => Answer::Report(read(frame)),
        Command::SettleReport { .. } => Answer::ReportSettled(read(frame)),
    };
    (Some(answer), None)
}

fn read<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn sorted<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let mut names = names.to_vec();
    names.sort_unstable();
    names
}
