//! One live socket: reads commands, keeps them in order, writes replies and events, minds the heartbeat.
//!
//! Invariants: nothing here waits but [`Connection::step`], for whatever comes first, so that a peer who does not read
//! holds up nothing. What a command holds while it is carried out (permits, snapshots, locks) is held by a task of its
//! own, never by a future that only this connection polls. Events are written only after the first resume was answered.
//! At most `connection_changes_max` commands are under way, and at most `connection_queue_bytes_max` bytes are
//! unwritten before no more is made; beyond either, nothing is read.

use super::{
    Socket,
    ending::{self, End, FINISHING, close, time_to_finish},
    frames::{self, HEARTBEAT},
    framing::Message,
    subscriptions::{self, Carried},
    uploads::{News, Uploads},
    wire::Moved,
};
use crate::{
    app::{Actor, App},
    commands::{self, Asked},
    hub::{Attached, Refused, Taken},
    presence::Present,
    task::Task,
    typing::Typist,
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use parlor_protocol::{
    close::Close,
    command::Command,
    error::{Code, Problem},
    frame::CommandFrame,
    reply::{Answer, Done},
};
use std::{collections::VecDeque, pin::Pin, sync::Arc, time::Duration};
use tokio::time::{Instant, Sleep, timeout};
use tracing::debug;

/// Bytes of answers that are gathered for one write, when more are ready.
const GATHERED_BYTES: usize = 64 * 1024;

struct Connection {
    app: Arc<App>,
    actor: Actor,
    wire: Socket,
    attached: Arc<Attached>,
    typist: Typist,
    /// Counts as somebody's being here, once it has resumed.
    present: Option<Present>,
    is_resumed: bool,
    is_resuming: bool,
    /// Nothing more is read or told; what was read is answered.
    is_finishing: bool,
    /// A change on its way into the queue; until it is in, nothing is read.
    starting: Option<BoxFuture<'static, Started>>,
    /// Queries that were read and not begun.
    queries: VecDeque<(i64, Command)>,
    /// Queries that are being answered, or whose answers nobody took yet.
    querying: usize,
    /// Commands about what is on the screen, carried out one after the other. The first is under way if `on_screen`
    /// says so.
    screen: VecDeque<(i64, Command)>,
    on_screen: Option<OnScreen>,
    /// Commands under way: handles of tasks, and answers of the writer. None of these holds anything.
    running: FuturesUnordered<BoxFuture<'static, Finished>>,
    uploads: Uploads,
    opened: Instant,
    /// Until when it was not read from, so that nothing could be heard.
    deaf: Instant,
    timer: Pin<Box<Sleep>>,
}

type Started = (i64, Result<BoxFuture<'static, commands::Result>, Problem>);

/// A command about the screen that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnScreen {
    /// `presence.watch`: what is told meanwhile waits behind its answer.
    Watch,
    /// Another.
    Other,
}

/// What kind of command has finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Resume,
    Query,
    Screen,
    Other,
}

/// A command that was carried out.
struct Finished {
    id: i64,
    kind: Kind,
    carried: Carried,
}

/// Serves a socket until its end.
pub(super) async fn run(app: Arc<App>, (actor, ends): (Actor, u64), wire: Socket) {
    let attached = match app.hub.attach(actor.user, actor.session).await {
        Ok(attached) => attached,
        Err(refused) => {
            let why = if matches!(refused, Refused::TooMany) { Close::TooFast } else { Close::Restarting };
            debug!(%refused, "a socket was refused");
            return close(&app, wire, why).await;
        }
    };
    match app.is_signed_in(actor, ends).await {
        Ok(true) => {}
        ended => {
            let why = if ended.is_ok() { Close::SessionEnded } else { Close::Failed };
            app.metrics.closes.get_or_create(&why.into()).inc();
            return close(&app, wire, why).await;
        }
    }
    let now = Instant::now();
    let typist = Typist::new(app.typing.clone(), actor.user, attached.id());
    let uploads = Uploads::new(app.files.clone(), actor.user);
    let connection = Connection {
        app,
        actor,
        wire,
        attached: Arc::new(attached),
        typist,
        present: None,
        is_resumed: false,
        is_resuming: false,
        is_finishing: false,
        starting: None,
        queries: VecDeque::new(),
        querying: 0,
        screen: VecDeque::new(),
        on_screen: None,
        running: FuturesUnordered::new(),
        uploads,
        opened: now,
        deaf: now,
        timer: Box::pin(tokio::time::sleep_until(now)),
    };
    Box::pin(connection.serve()).await;
}

impl Connection {
    async fn serve(mut self) {
        let end = loop {
            if let Err(end) = self.step().await {
                break end;
            }
        };
        let present = self.present.take();
        if let (End::Close(Close::Silent), Some(present)) = (&end, present) {
            present.vanish();
        }
        match end {
            End::Close(why) => {
                self.app.metrics.closes.get_or_create(&why.into()).inc();
                self.finish(time_to_finish(why, &self.app)).await;
                close(&self.app, self.wire, why).await;
            }
            End::Closed(code) => {
                self.finish(FINISHING).await;
                self.wire.close(code, "", true).await;
            }
            End::Gone => {}
        }
    }

    /// Waits for whatever comes first, and deals with it. Nothing else of a connection waits.
    async fn step(&mut self) -> Result<(), End> {
        let has_room = self.has_room();
        let may_read = self.may_read();
        if !may_read {
            self.deaf = Instant::now();
        }
        let may_tell = has_room && self.may_tell();
        // In no fixed order: events must not keep a busy connection from its replies, nor these from its events.
        tokio::select! {
            taken = self.attached.outbox.take(), if may_tell => match taken {
                Taken::Frames(events) => {
                    self.tell(events);
                    self.gather();
                    Ok(())
                }
                Taken::Closed(why) => Err(End::Close(why)),
            },
            why = self.attached.outbox.until_closed(), if !may_tell && !self.is_finishing => Err(End::Close(why)),
            (id, started) = async { self.starting.as_mut().expect("checked").await }, if self.starting.is_some() => {
                self.starting = None;
                match started {
                    Ok(rest) => self.run(id, Kind::Other, rest),
                    Err(problem) => self.reply(Some(id), Err(problem)),
                }
                Ok(())
            }
            Some(finished) = self.running.next(), if has_room && !self.running.is_empty() => {
                self.finished(finished);
                self.gather();
                Ok(())
            }
            () = self.uploads.changed(), if has_room => {
                self.tell_of_uploads();
                Ok(())
            }
            moved = self.wire.moved(may_read) => match moved? {
                Moved::Read(message) => self.receive(message),
                Moved::Written => Ok(()),
            },
            () = self.timer.as_mut() => self.late(),
        }
    }

    /// Whether all is written, so that more may be made to be written. Until then events wait in the outbox, and answers
    /// with the tasks that made them.
    fn has_room(&self) -> bool {
        self.wire.unwritten() == 0
    }

    fn may_tell(&self) -> bool {
        self.is_resumed && !self.is_finishing && self.on_screen != Some(OnScreen::Watch)
    }

    fn may_read(&self) -> bool {
        let most = self.app.config.limits.connection_changes_max as usize;
        let is_busy = self.is_finishing || self.is_resuming || self.starting.is_some();
        !is_busy && self.under_way() < most
    }

    /// Commands that were read and are not answered.
    fn under_way(&self) -> usize {
        usize::from(self.starting.is_some()) + self.queries.len() + self.screen.len() + self.running.len()
    }

    /// When something is to be said or noticed next.
    fn deadline(&self, now: Instant) -> Instant {
        let socket = &self.app.config.socket;
        let ping_interval = Duration::from_millis(socket.ping_interval_ms);
        let ping = if now >= self.wire.said() + ping_interval { now } else { self.wire.said() } + ping_interval;
        let silence = self.heard() + Duration::from_millis(socket.silence_ms);
        let resume = self.opened + Duration::from_millis(socket.resume_ms);
        if self.is_resumed || self.is_resuming { ping.min(silence) } else { ping.min(silence).min(resume) }
    }

    /// The timer is over. Deadlines only move away, except after a refused resume, which sets it anew; so it may be early.
    fn late(&mut self) -> Result<(), End> {
        let now = Instant::now();
        let socket = &self.app.config.socket;
        let is_silent = now >= self.heard() + Duration::from_millis(socket.silence_ms);
        let is_new = !self.is_resumed && !self.is_resuming;
        if is_silent || (is_new && now >= self.opened + Duration::from_millis(socket.resume_ms)) {
            return Err(End::Close(Close::Silent));
        }
        let is_quiet = now >= self.wire.said() + Duration::from_millis(socket.ping_interval_ms);
        // What is on its way says as much as a heartbeat.
        if is_quiet && self.has_room() {
            self.wire.text(HEARTBEAT);
        }
        let deadline = self.deadline(now);
        self.timer.as_mut().reset(deadline);
        Ok(())
    }

    /// The last sign of life.
    fn heard(&self) -> Instant {
        self.wire.heard().max(self.deaf)
    }

    fn receive(&mut self, message: Message) -> Result<(), End> {
        if let Some(present) = &self.present {
            present.heard();
        }
        match message {
            Message::Text(text) if text.trim_ascii() == HEARTBEAT => {}
            Message::Text(text) => {
                // It was checked as it came.
                let text = str::from_utf8(&text).map_err(|_| End::Close(Close::NotUtf8))?;
                match CommandFrame::parse(text) {
                    Ok(frame) => self.begin(frame),
                    Err(refused) => self.reply(refused.re, Err(refused.problem)),
                }
            }
            Message::Binary(_) if self.uploads.is_empty() => return Err(End::Close(Close::Unsupported)),
            Message::Binary(frame) => {
                if let Err(problem) = self.uploads.take(frame.freeze()) {
                    self.reply(None, Err(problem));
                }
            }
            Message::Ping(_) | Message::Pong => {}
            Message::Close(code) => return Err(End::Closed(code)),
        }
        Ok(())
    }

    fn begin(&mut self, frame: CommandFrame) {
        let CommandFrame { id, command } = frame;
        match command {
            Command::Resume { .. } if !self.is_resumed => {
                self.is_resuming = true;
                let (app, actor) = (self.app.clone(), self.actor);
                self.run_apart(id, Kind::Resume, async move { commands::answer(&app, actor, command).await });
            }
            _ if !self.is_resumed => self.reply(Some(id), Err(Code::NotResumed.into())),
            Command::SetPresence { idle } => {
                if let Some(present) = &self.present {
                    present.set_idle(idle);
                }
                self.reply(Some(id), Ok(Answer::Done(Done {})));
            }
            // What is on a connection's screen is its own affair, and done in the order in which it is asked for.
            Command::WatchPresence { .. } | Command::Show { .. } | Command::SetTyping { .. } => {
                if let Command::SetTyping { conversation, typing } = command {
                    self.typist.note(conversation, typing);
                }
                self.screen.push_back((id, command));
                self.begin_on_screen();
            }
            Command::BeginUpload { client_id, name, bytes } => {
                let beginning = self.uploads.begin(client_id, name, bytes);
                self.run_apart(id, Kind::Other, beginning);
            }
            Command::EndUpload { upload } => {
                let ending = self.uploads.end(upload);
                self.run_apart(id, Kind::Other, ending);
            }
            Command::CancelUpload { upload } => {
                let cancelling = self.uploads.cancel(upload);
                self.run_apart(id, Kind::Other, cancelling);
            }
            command => match commands::sort(&self.app, self.actor, command) {
                Ok(Asked::Query(command)) => {
                    self.queries.push_back((id, command));
                    self.begin_queries();
                }
                Ok(Asked::Change(change)) => {
                    let (app, actor) = (self.app.clone(), self.actor);
                    let mut starting: BoxFuture<'static, Started> =
                        Box::pin(async move { (id, commands::begin(app, actor, change).await) });
                    // Nearly always there is room, and it is in at once.
                    match (&mut starting).now_or_never() {
                        Some((id, Ok(rest))) => self.run(id, Kind::Other, rest),
                        Some((id, Err(problem))) => self.reply(Some(id), Err(problem)),
                        None => self.starting = Some(starting),
                    }
                }
                Err(problem) => self.reply(Some(id), Err(problem)),
            },
        }
    }

    /// Waits for what holds nothing.
    fn run(&mut self, id: i64, kind: Kind, work: impl Future<Output = commands::Result> + Send + 'static) {
        self.running.push(Box::pin(async move { Finished { id, kind, carried: Carried::of(work.await) } }));
    }

    /// Carries out what may hold something, as a task.
    fn run_apart(&mut self, id: i64, kind: Kind, work: impl Future<Output = commands::Result> + Send + 'static) {
        let task = Task::spawn(work);
        self.run(id, kind, async move { task.await.unwrap_or_else(|| Err(Code::Internal.into())) });
    }

    /// Begins queries that wait, as long as their answers fit into what may be unwritten; at least one.
    fn begin_queries(&mut self) {
        let limits = &self.app.config.limits;
        let (page, most) = (limits.page_bytes_max as usize, limits.connection_queue_bytes_max as usize);
        let share = limits.user_queries_max as usize;
        while self.querying == 0
            || (self.querying < share && self.wire.unwritten() + (self.querying + 1) * page <= most)
        {
            let Some((id, command)) = self.queries.pop_front() else { return };
            self.querying += 1;
            let (app, actor) = (self.app.clone(), self.actor);
            self.run_apart(id, Kind::Query, async move { commands::answer(&app, actor, command).await });
        }
    }

    /// Begins the next command about the screen, when the one before is done.
    fn begin_on_screen(&mut self) {
        if self.on_screen.is_some() {
            return;
        }
        let Some((id, command)) = self.screen.pop_front() else { return };
        let is_watch = matches!(command, Command::WatchPresence { .. });
        self.on_screen = Some(if is_watch { OnScreen::Watch } else { OnScreen::Other });
        let task = Task::spawn(subscriptions::carry_out(self.app.clone(), self.actor, self.attached.clone(), command));
        self.running.push(Box::pin(async move {
            let carried = task.await.unwrap_or_else(|| Carried::of(Err(Code::Internal.into())));
            Finished { id, kind: Kind::Screen, carried }
        }));
    }

    fn tell_of_uploads(&mut self) {
        for news in self.uploads.news() {
            match news {
                News::Kept(event) => self.wire.text(&frames::event(&event)),
                News::Failed(problem) => self.reply(None, Err(problem)),
            }
        }
    }

    /// Queues the answer of a command, and begins what waited for it.
    fn finished(&mut self, finished: Finished) {
        let Finished { id, kind, carried: Carried { before, answer } } = finished;
        self.tell(before);
        let is_done = answer.is_ok();
        self.reply(Some(id), answer);
        match kind {
            Kind::Resume => {
                self.is_resuming = false;
                self.is_resumed = is_done;
                self.present = self.is_resumed.then(|| self.app.presence.arrive(self.actor.user));
                let deadline = self.deadline(Instant::now());
                self.timer.as_mut().reset(deadline);
            }
            Kind::Query => {
                self.querying -= 1;
                self.begin_queries();
            }
            Kind::Screen => {
                self.on_screen = None;
                self.begin_on_screen();
            }
            Kind::Other => {}
        }
    }

    /// Queues whatever else is there, so that it goes out in the same write: who sends gets the reply and the event at
    /// nearly one moment.
    fn gather(&mut self) {
        while self.wire.unwritten() < GATHERED_BYTES
            && let Some(Some(finished)) = self.running.next().now_or_never()
        {
            self.finished(finished);
        }
        if self.may_tell() {
            let events = self.attached.outbox.take_ready();
            self.tell(events);
        }
    }

    fn tell(&mut self, events: VecDeque<Bytes>) {
        for event in events {
            self.wire.text(&event);
        }
    }

    fn reply(&mut self, re: Option<i64>, result: commands::Result) {
        let result = result.map_err(|problem| ending::named(&self.app, problem));
        self.wire.text(&frames::reply(re, &result));
    }

    /// Answers what was read, within this time.
    async fn finish(&mut self, within: Duration) {
        if within.is_zero() {
            return;
        }
        self.is_finishing = true;
        let finishing = async {
            while self.under_way() > 0 || !self.has_room() {
                if self.step().await.is_err() {
                    return;
                }
            }
        };
        drop(timeout(within, finishing).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<S, F: Future>(_: impl FnOnce(S) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_that_waits_is_small() {
        let size = bytes(Connection::serve);
        assert!(size <= 4096, "{size} bytes for each; what is rare is to be in a box of its own");
    }
}
