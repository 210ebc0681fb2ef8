use super::{
    conversation::SocketConversation,
    incoming::{self, IncomingMessage},
    render::{Renderer, Subject},
    *,
};
use crate::{
    host_side::MessageTarget,
    mirror::message_row::HostMessageRow,
    profile::{
        frame_template::FrameTemplate,
        sockets::{Action, SocketError},
    },
};
use serde::Deserialize;
use serde_json::{Value, json};

/// A file of `fixtures/old_sockets`: the frames of an application, to the byte.
#[derive(Deserialize)]
struct FrameFixture {
    profile: String,
    sent: Vec<SentCase>,
    received: Vec<ReceivedCase>,
    #[serde(default)]
    answers: Vec<AnswerCase>,
}

/// A row of the host, and the frames that a socket sends for it.
#[derive(Deserialize)]
struct SentCase {
    name: String,
    path: String,
    me: String,
    row: HostMessageRow,
    frames: Vec<String>,
}

/// A frame of the page, and what it means.
#[derive(Deserialize)]
struct ReceivedCase {
    name: String,
    path: String,
    me: String,
    frame: String,
    message: Option<MessageCase>,
    read: Option<Vec<i64>>,
    action: Option<String>,
    #[serde(default)]
    ignored: bool,
    error: Option<SocketError>,
}

#[derive(Deserialize)]
struct MessageCase {
    recipient: String,
    context: Option<String>,
    text: String,
    subject: Option<String>,
}

/// What a frame led to, and the answer.
#[derive(Deserialize)]
struct AnswerCase {
    name: String,
    frame: Option<Value>,
    row: Option<HostMessageRow>,
    message_id: Option<i64>,
    unread_count: Option<i64>,
    error: Option<SocketError>,
    text: String,
}

fn fixtures() -> Vec<(FrameFixture, Arc<Profile>)> {
    let texts = [
        include_str!("../../../../fixtures/old_sockets/findit.json"),
        include_str!("../../../../fixtures/old_sockets/accounting.json"),
        include_str!("../../../../fixtures/old_sockets/rooms.json"),
    ];
    let read = |text: &str| {
        let fixture: FrameFixture = serde_json::from_str(text).expect("a fixture");
        let application = match fixture.profile.as_str() {
            "rooms" => Profile::parse("rooms.toml", &example_of_the_book()),
            name => Profile::load(name),
        };
        (fixture, Arc::new(application.expect("a valid profile")))
    };
    texts.map(read).into()
}

/// The profile of a third application, as the book shows it.
fn example_of_the_book() -> String {
    let page = include_str!("../../../../docs/integrate/old-sockets.md");
    let example = page.split("```toml title=rooms.toml\n").nth(1).and_then(|rest| rest.split("```").next());
    example.expect("an example").to_owned()
}

fn route(application: &Arc<Profile>, path: &str) -> OldSocketRoute {
    OldSocketRoute::find(Some(application), path).expect("a path of the profile")
}

fn render(route: &OldSocketRoute, me: &str, template: &FrameTemplate, subject: Subject<'_>) -> String {
    Renderer { profile: route.profile(), zone: &route.zone(), me, path: &route.path }.frame(template, subject)
}

#[test]
fn rows_of_the_host_become_the_frames_that_the_pages_know() {
    for (fixture, application) in fixtures() {
        for case in fixture.sent {
            let route = route(&application, &case.path);
            let mut conversation = SocketConversation::new(route.profile(), &route.path, case.me.clone());
            let rules = conversation.rules(route.profile(), &case.row);
            let subject = Subject { message: Some(&case.row), ..Subject::default() };
            let frames: Vec<_> = rules.iter().map(|rule| render(&route, &case.me, &rule.frame, subject)).collect();
            assert_eq!(frames, case.frames, "{}: {}", fixture.profile, case.name);
        }
    }
}

#[test]
fn frames_of_the_pages_mean_what_they_meant() {
    for (fixture, application) in fixtures() {
        for case in fixture.received {
            let route = route(&application, &case.path);
            let name = format!("{}: {}", fixture.profile, case.name);
            let found = incoming::parse(route.profile(), case.frame.as_bytes());
            let read = found.and_then(|found| {
                let Some(found) = found else { return Ok(None) };
                Ok(Some(match &found.rule.action {
                    Action::Send(send) => {
                        let new = incoming::new_message(route.profile(), &route.path, &case.me, send, &found.frame)?;
                        let IncomingMessage { target: MessageTarget { recipient, context }, text, subject } = new;
                        json!({ "recipient": recipient, "context": context, "text": text, "subject": subject })
                    }
                    Action::MarkRead { message } => json!(incoming::message_ids(&found.frame, message)?),
                    Action::CountUnread => json!("count_unread"),
                    Action::Answer => json!("answer"),
                }))
            });
            let expected = case.message.map(|message| {
                let MessageCase { recipient, context, text, subject } = message;
                json!({ "recipient": recipient, "context": context, "text": text, "subject": subject })
            });
            let expected = expected.or(case.read.map(|ids| json!(ids))).or(case.action.map(|action| json!(action)));
            assert!(case.error.is_some() || case.ignored || expected.is_some(), "{name} expects nothing");
            assert_eq!(read, case.error.map_or(Ok(expected), Err), "{name}");
        }
    }
}

#[test]
fn answers_and_errors_are_those_that_the_pages_know() {
    for (fixture, application) in fixtures() {
        for case in fixture.answers {
            let (path, request_path) = (PathParts::new(), String::new());
            let route = OldSocketRoute { application: application.clone(), index: 0, path, request_path };
            let profile = route.profile();
            let subject = Subject {
                message: case.row.as_ref(),
                message_id: case.message_id,
                unread_count: case.unread_count,
                error: case.error,
                frame: case.frame.as_ref(),
                ..Subject::default()
            };
            let template = match case.error {
                Some(SocketError::InvalidJson) if profile.errors.invalid_json.is_some() => &profile.errors.invalid_json,
                Some(_) => &profile.errors.frame,
                None => {
                    let frame = case.frame.as_ref().expect("a frame").to_string();
                    let found = incoming::parse(profile, frame.as_bytes()).expect("a frame").expect("a rule");
                    &found.rule.answer
                }
            };
            let answer = render(&route, "1", template.as_ref().expect("an answer"), subject);
            assert_eq!(answer, case.text, "{}: {}", fixture.profile, case.name);
        }
    }
}

#[test]
fn a_very_deep_frame_is_refused() {
    let application = Arc::new(Profile::load("findit").expect("a valid profile"));
    let text = "[".repeat(50_000) + &"]".repeat(50_000);
    let route = route(&application, "/ws/chat/5-2/");
    assert!(matches!(incoming::parse(route.profile(), text.as_bytes()), Err(SocketError::InvalidJson)));
}

#[test]
fn findit_closes_on_errors_and_shows_each_message_once() {
    let application = Arc::new(Profile::load("findit").expect("a valid profile"));
    let route = route(&application, "/ws/chat/5-2/");
    assert!(route.profile().errors.frame.is_none() && route.profile().errors.invalid_json.is_none());
    let (fixture, _) = fixtures().remove(0);
    let row = &fixture.sent[1].row;
    let mut conversation = SocketConversation::new(route.profile(), &route.path, "1".to_owned());
    let mut frames = |id: i64| conversation.rules(route.profile(), &HostMessageRow { row_id: id, ..row.clone() }).len();
    assert_eq!([frames(1), frames(2), frames(1), frames(2)], [1, 1, 0, 0]);
    assert_eq!((3..1000).map(&mut frames).sum::<usize>(), 997);
    assert_eq!(frames(999), 0);
}

#[test]
fn accounting_shows_a_message_again_when_its_attachments_arrive() {
    let application = Arc::new(Profile::load("accounting").expect("a valid profile"));
    let route = route(&application, "/ws/messages/");
    let (fixture, _) = fixtures().remove(1);
    let row = &fixture.sent[0].row;
    let mut conversation = SocketConversation::new(route.profile(), &route.path, "2".to_owned());
    let bare = HostMessageRow { attachments: Vec::new(), ..row.clone() };
    assert_eq!([&bare, row].map(|row| conversation.rules(route.profile(), row).len()), [1, 1]);
}

#[test]
fn paths_are_decoded_as_the_application_decodes_them() {
    assert_eq!(decoded("/ws/caf%C3%A9%2D5/").as_deref(), Some("/ws/café-5/"));
    assert_eq!(decoded("/100%/%zz/%+1/%4").as_deref(), Some("/100%/%zz/%+1/%4"));
    assert_eq!(decoded("/%FF"), None);
}

#[test]
fn only_the_paths_of_the_profile_lead_to_its_sockets() {
    let findit = Arc::new(Profile::load("findit").expect("a valid profile"));
    let accounting = Arc::new(Profile::load("accounting").expect("a valid profile"));
    assert!(OldSocketRoute::find(Some(&findit), "/ws/chat/5-2/").is_some_and(|route| route.path["other"] == "2"));
    assert!(OldSocketRoute::find(Some(&accounting), "/ws/messages/").is_some_and(|route| route.path.is_empty()));
    for path in ["/ws/chat/5-2", "/ws/messages/", "/ws/chat/5%2F2/", "/ws/", "/ws/inbox/", "/"] {
        assert!(OldSocketRoute::find(Some(&findit), path).is_none(), "{path}");
    }
    assert!(OldSocketRoute::find(Some(&accounting), "/ws/messages").is_none());
    assert!(OldSocketRoute::find(None, "/ws/messages/").is_none());
}
