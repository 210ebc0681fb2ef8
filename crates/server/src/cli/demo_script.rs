//! `parlor demo --alone`: a script that writes as Ben while one person looks, so that they see live delivery.
//!
//! Invariants: it acts through commands, as a client does; it says nothing before Ada's window is open, and ends when
//! somebody else is signed in as Ben; whatever Ada writes meanwhile gets one answer; it says a limited number of things.
//! Absent on purpose: understanding what Ada writes.

use super::demo_story::{self, SeededStory};
use crate::{app::App, commands, hub::Taken, identity::actor::Actor};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use parlor_protocol::{
    command::Command,
    event::Event,
    ids::{ConversationId, Seq, SessionId, UserId},
    model::Message,
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

/// How often it looks who is there, when nothing happens.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between a message of Ada and its being read.
const READS_AFTER: Duration = Duration::from_millis(1200);
/// How long Ben types.
const TYPES_FOR: Duration = Duration::from_millis(2500);
/// What Ben answers in all.
const ANSWERS_MAX: usize = 60;
/// Conversations in which messages wait for an answer.
const WAITING_MAX: usize = 4;
const REACTIONS: [&str; 3] = ["👍", "❤️", "😄"];

/// What Ben says by himself, after Ada has been there and nobody has written for this long.
const OPENINGS: [(Duration, Line); 3] = [
    (
        Duration::from_secs(4),
        Line::text(
            "Hello Ada! Nobody has opened my link, so a small script writes as me. Write something: it answers.",
        ),
    ),
    (Duration::from_secs(45), Line::photo("While you look around: this is the seat on tram 18.", "seat.jpg")),
    (
        Duration::from_mins(2),
        Line::text("I am here if you write. Open the link for Ben in a second window, and you can be me."),
    ),
];
const ANSWERS: [Line; 6] = [
    Line::text("That was here at once. Did you see that I read it?"),
    Line::text("Thank you, Ada. Point at this message: you can reply to it or react to it."),
    Line::photo("Good to know. This is the ring on the handle, by the way.", "ring.jpg"),
    Line::text("I agree. Cut the network and write on: it comes when you are back."),
    Line::text("Noted! Search for “umbrella” above the list, it finds our whole story."),
    Line::text("That is kind of you. I will tell Mira."),
];
const ANSWERS_TO_QUESTIONS: [Line; 3] = [
    Line::text("I am only a script, so: yes."),
    Line::text("Good question. Ask me again when I am a person."),
    Line::text("Hard to say. What do Mira and Tomás think?"),
];
const ANSWER_TO_PICTURE: Line = Line::text("What a good picture! It was here before I could look away.");

/// A text, with the name of a picture.
#[derive(Clone, Copy, Debug)]
struct Line {
    text: &'static str,
    photo: Option<&'static str>,
}

impl Line {
    const fn text(text: &'static str) -> Self {
        Self { text, photo: None }
    }

    const fn photo(text: &'static str, photo: &'static str) -> Self {
        Self { text, photo: Some(photo) }
    }

    /// Returns the answer to a message, when as many have been given.
    fn answer_to(message: &Message, given: usize) -> Self {
        if !message.attachments.is_empty() {
            return ANSWER_TO_PICTURE;
        }
        let lines: &[Self] =
            if message.text.trim_end().ends_with(['?', '？', '؟']) { &ANSWERS_TO_QUESTIONS } else { &ANSWERS };
        lines[given % lines.len()]
    }
}

/// Somebody else is Ben, or the server stops.
#[derive(Debug)]
struct ScriptEnded;

/// See the module documentation.
#[derive(Debug)]
pub(super) struct DemoScript {
    app: Arc<App>,
    /// Ben, in a session that nobody else has.
    actor: Actor,
    ada: UserId,
    /// Where Ben speaks by himself.
    first: ConversationId,
    /// The newest message of each conversation that waits for an answer, in the order in which they came.
    waiting: Vec<Message>,
    openings: usize,
    answers: usize,
}

impl DemoScript {
    pub(super) fn new(app: &Arc<App>, story: &SeededStory) -> Self {
        Self {
            app: app.clone(),
            actor: Actor { user: story.people["ben"], session: SessionId(0) },
            ada: story.people["ada"],
            first: story.first,
            waiting: Vec::new(),
            openings: 0,
            answers: 0,
        }
    }

    /// Acts until it is no longer needed.
    pub(super) async fn run(mut self) {
        let Ok(attached) = self.app.hub.attach(self.actor.user, self.actor.session).await else { return };
        let _present = self.app.presence.connect(self.actor.user);
        let mut quiet_since = None;
        loop {
            match timeout(LOOK_EVERY, attached.send_queue.take()).await {
                Ok(Taken::Closed(_)) => return,
                Ok(Taken::Frames(frames)) => {
                    for frame in &frames {
                        self.notice(frame);
                    }
                }
                Err(_) => {}
            }
            let is_ada_here = !self.app.hub.sessions_of(self.ada).is_empty();
            let acted = if is_ada_here && self.waiting.is_empty() {
                self.speak(*quiet_since.get_or_insert_with(Instant::now)).await
            } else {
                self.answer().await.map(|()| true)
            };
            match acted {
                Ok(true) => quiet_since = None,
                Ok(false) => {}
                Err(ScriptEnded) => return,
            }
        }
    }

    /// Takes what Ada wrote from an event.
    fn notice(&mut self, frame: &Bytes) {
        let Ok(Event::MessageCreated { message, .. }) = serde_json::from_slice(frame) else { return };
        if message.sender != self.ada || message.system.is_some() || self.answers >= ANSWERS_MAX {
            return;
        }
        self.waiting.retain(|other| other.conversation != message.conversation);
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push(message);
        }
    }

    /// Reads the message that waits longest, if one does, and answers it.
    async fn answer(&mut self) -> Result<(), ScriptEnded> {
        self.check()?;
        if self.waiting.is_empty() {
            return Ok(());
        }
        let message = self.waiting.remove(0);
        let (conversation, seq) = (message.conversation, message.seq);
        self.act(Command::Mark { conversation, delivered: Some(seq), read: None }).await?;
        sleep(READS_AFTER).await;
        self.act(Command::Mark { conversation, delivered: None, read: Some(seq) }).await?;
        if self.answers % 2 == 1 {
            let emoji = REACTIONS[self.answers / 2 % REACTIONS.len()].to_owned();
            self.act(Command::React { conversation, seq, emoji, on: true }).await?;
        }
        let line = Line::answer_to(&message, self.answers);
        let reply_to = (self.answers % 3 == 2).then_some(seq);
        self.answers += 1;
        self.say(conversation, line, reply_to).await
    }

    /// Says what is next if it has been quiet for long enough. Returns whether it was.
    async fn speak(&mut self, quiet_since: Instant) -> Result<bool, ScriptEnded> {
        self.check()?;
        // Who has an answer needs no greeting.
        let next = self.openings.max(usize::from(self.answers > 0));
        match OPENINGS.get(next) {
            Some((pause, line)) if quiet_since.elapsed() >= *pause => {
                self.openings = next + 1;
                self.say(self.first, *line, None).await.map(|()| true)
            }
            _ => Ok(false),
        }
    }

    /// Types for a moment, and sends a message.
    async fn say(&self, conversation: ConversationId, line: Line, reply_to: Option<Seq>) -> Result<(), ScriptEnded> {
        self.act(Command::SetTyping { conversation, typing: true }).await?;
        sleep(TYPES_FOR).await;
        self.check()?;
        let client_id = format!("script-{}", URL_SAFE_NO_PAD.encode(self.app.environment.random::<12>()));
        let photos: Vec<_> = line.photo.map(str::to_owned).into_iter().collect();
        // What is refused, such as a picture on a full disk, is left out.
        let uploaded = demo_story::upload(&self.app, self.actor.user, &client_id, &photos).await;
        self.act(Command::Send {
            conversation,
            client_id,
            text: line.text.to_owned(),
            mentions: Vec::new(),
            subject: None,
            reply_to,
            attachments: uploaded.unwrap_or_default(),
            draft: None,
        })
        .await
    }

    /// Carries out a command. A refusal is no reason to end: Ada may have blocked Ben, or removed him from a group.
    async fn act(&self, command: Command) -> Result<(), ScriptEnded> {
        self.check()?;
        if let Err(problem) = commands::execute(&self.app, self.actor, command).await {
            debug!(code = problem.code.name(), "the script of the demo was refused");
        }
        Ok(())
    }

    /// Ends if somebody else is Ben.
    fn check(&self) -> Result<(), ScriptEnded> {
        let mut sessions = self.app.hub.sessions_of(self.actor.user).into_iter();
        // Without its own connection, the server is stopping.
        if sessions.len() == 1 && sessions.all(|session| session == self.actor.session) {
            Ok(())
        } else {
            Err(ScriptEnded)
        }
    }
}
