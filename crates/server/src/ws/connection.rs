//! A live socket: reads commands, keeps their order, writes replies and events, sends heartbeats.
//!
//! Invariants: only [`Connection::step`] waits, for whatever comes first, so a peer that does not read blocks nothing.
//! The permits, snapshots and locks that a command needs are held by a task, never by a future that only this
//! connection polls. Events are written only after the first resume was answered. At most `connection_changes_max`
//! commands are in progress, and answers are produced only while at most `connection_queue_bytes_max` bytes are
//! unwritten; beyond either limit, nothing is read.

use super::{
    Socket,
    ending::{self, End, FINISHING, close, time_to_finish},
    frames::{self, HEARTBEAT},
    framing::Message,
    heartbeat::{Activity, Due, Heartbeat},
    subscriptions::{self, Response},
    uploads::{UploadReport, Uploads},
    wire::Moved,
};
use crate::{
    app::App,
    commands::{self, CommandResult},
    domain::Change,
    hub::{AttachError, Attached, Taken},
    identity::actor::Actor,
    presence::PresentConnection,
    queries::{self, QueryRequest},
    request::{ConnectionRequest, Request, SubscriptionRequest},
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
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};
use tracing::{Instrument as _, debug};

/// Bytes of answers that are collected for one write, if more are ready.
const GATHERED_BYTES: usize = 64 * 1024;

/// One socket. Boxed when it is made: the task that serves it would otherwise hold it several times.
pub(super) struct Connection {
    app: Arc<App>,
    actor: Actor,
    wire: Socket,
    attached: Arc<Attached>,
    typist: Typist,
    /// Makes the user present, once the connection has resumed.
    present: Option<PresentConnection>,
    is_resumed: bool,
    is_resuming: bool,
    /// Nothing more is read and no event is written; commands that were read are answered.
    is_finishing: bool,
    /// A change that waits for room in the queue; until it is queued, nothing is read.
    starting: Option<BoxFuture<'static, StartedChange>>,
    /// Queries that were read and not started.
    pending_queries: VecDeque<(i64, QueryRequest)>,
    /// Queries in progress, or whose answers were not taken yet.
    active_queries: usize,
    /// Subscription requests that were read and not started. They are carried out one after the other.
    pending_subscriptions: VecDeque<(i64, SubscriptionRequest)>,
    active_subscription: Option<SubscriptionKind>,
    /// Commands in progress: handles of tasks, and answers of the writer. None of these holds anything.
    running: FuturesUnordered<BoxFuture<'static, Finished>>,
    uploads: Uploads,
    heartbeat: Heartbeat,
}

type StartedChange = (i64, Result<BoxFuture<'static, CommandResult>, Problem>);

/// The subscription request in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SubscriptionKind {
    /// `presence.watch`: events wait until it is answered.
    Presence,
    /// Any other.
    Other,
}

/// The kind of a command that has finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CommandKind {
    Resume,
    Query,
    Subscription,
    Other,
}

/// A command that has finished.
struct Finished {
    id: i64,
    kind: CommandKind,
    response: Response,
}

/// Attaches a socket to the hub, or closes it.
pub(super) async fn open(app: Arc<App>, (actor, ends): (Actor, u64), wire: Socket) -> Option<Box<Connection>> {
    let attached = match app.hub.attach(actor.user, actor.session).await {
        Ok(attached) => attached,
        Err(refused) => {
            let why = if matches!(refused, AttachError::TooMany) { Close::TooFast } else { Close::Restarting };
            debug!(%refused, "a socket was refused");
            close(&app, wire, why).await;
            return None;
        }
    };
    match app.is_signed_in(actor, ends).await {
        Ok(true) => {}
        ended => {
            let why = if ended.is_ok() { Close::SessionEnded } else { Close::Failed };
            app.metrics.closes.get_or_create(&why.into()).inc();
            close(&app, wire, why).await;
            return None;
        }
    }
    let typist = Typist::new(app.typing.clone(), actor.user, attached.id());
    let uploads = Uploads::new(app.files.clone(), actor.user);
    let heartbeat = Heartbeat::new(&app.config.socket);
    Some(Box::new(Connection {
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
        pending_queries: VecDeque::new(),
        active_queries: 0,
        pending_subscriptions: VecDeque::new(),
        active_subscription: None,
        running: FuturesUnordered::new(),
        uploads,
        heartbeat,
    }))
}

impl Connection {
    /// Serves the socket until it ends.
    pub(super) async fn serve(mut self: Box<Self>) {
        let end = loop {
            if let Err(end) = self.step().await {
                break end;
            }
        };
        Box::pin(self.end(end)).await;
    }

    /// Answers what was read, and closes the socket.
    async fn end(mut self: Box<Self>, end: End) {
        let present = self.present.take();
        if let (End::Close(Close::Silent), Some(present)) = (&end, present) {
            present.expire();
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

    /// Waits for whatever comes first and handles it. Nothing else of a connection waits.
    async fn step(&mut self) -> Result<(), End> {
        let has_room = self.has_room();
        let may_read = self.may_read();
        if !may_read {
            self.heartbeat.pause();
        }
        let may_write_events = has_room && self.may_write_events();
        // Polled in random order: events must not starve replies, nor replies events.
        tokio::select! {
            taken = self.attached.send_queue.take(), if may_write_events => match taken {
                Taken::Frames(events) => {
                    self.write_events(events);
                    self.collect_ready();
                    Ok(())
                }
                Taken::Closed(why) => Err(End::Close(why)),
            },
            why = self.attached.send_queue.until_closed(), if !may_write_events && !self.is_finishing => Err(End::Close(why)),
            (id, started) = async { self.starting.as_mut().expect("checked").await }, if self.starting.is_some() => {
                self.starting = None;
                match started {
                    Ok(rest) => self.run(id, CommandKind::Other, rest),
                    Err(problem) => self.reply(Some(id), Err(problem)),
                }
                Ok(())
            }
            Some(finished) = self.running.next(), if has_room && !self.running.is_empty() => {
                self.finished(finished);
                self.collect_ready();
                Ok(())
            }
            () = self.uploads.changed(), if has_room => {
                self.write_upload_events();
                Ok(())
            }
            moved = self.wire.moved(may_read) => match moved? {
                Moved::Read(message) => self.receive(message),
                Moved::Written => Ok(()),
            },
            () = self.heartbeat.fired() => self.on_timer(),
        }
    }

    /// Whether everything is written, so that more may be queued. Until then events wait in the send queue, and answers in
    /// the tasks that produced them.
    fn has_room(&self) -> bool {
        self.wire.unwritten() == 0
    }

    fn may_write_events(&self) -> bool {
        self.is_resumed && !self.is_finishing && self.active_subscription != Some(SubscriptionKind::Presence)
    }

    fn may_read(&self) -> bool {
        let max = self.app.config.limits.connection_changes_max as usize;
        let is_busy = self.is_finishing || self.is_resuming || self.starting.is_some();
        !is_busy && self.unanswered() < max
    }

    /// Counts the commands that were read and are not answered.
    fn unanswered(&self) -> usize {
        let pending = self.pending_queries.len() + self.pending_subscriptions.len();
        usize::from(self.starting.is_some()) + pending + self.running.len()
    }

    fn activity(&self) -> Activity {
        Activity {
            last_sent: self.wire.last_sent(),
            last_received: self.wire.last_received(),
            is_new: !self.is_resumed && !self.is_resuming,
        }
    }

    fn on_timer(&mut self) -> Result<(), End> {
        match self.heartbeat.due(self.activity(), Instant::now()) {
            Due::Close => return Err(End::Close(Close::Silent)),
            // Bytes that are still being written serve as a heartbeat.
            Due::Heartbeat if self.has_room() => self.wire.text(HEARTBEAT),
            Due::Heartbeat | Due::Nothing => {}
        }
        self.heartbeat.reset(self.activity());
        Ok(())
    }

    fn receive(&mut self, message: Message) -> Result<(), End> {
        if let Some(present) = &self.present {
            present.touch();
        }
        match message {
            Message::Text(text) if text.trim_ascii() == HEARTBEAT => {}
            Message::Text(text) => {
                // The framing has checked it.
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

    fn begin(&mut self, CommandFrame { id, command }: CommandFrame) {
        let is_resume = matches!(command, Command::Resume { .. });
        if !self.is_resumed && !is_resume {
            return self.reply(Some(id), Err(Code::NotResumed.into()));
        }
        match Request::of(command, self.actor.user, &self.app.config.limits) {
            Ok(Request::Query(query)) if !self.is_resumed => {
                self.is_resuming = true;
                let (app, actor) = (self.app.clone(), self.actor);
                self.spawn(id, CommandKind::Resume, async move { queries::answer(&app, actor, query).await });
            }
            Ok(Request::Query(query)) => {
                self.pending_queries.push_back((id, query));
                self.start_queries();
            }
            Ok(Request::Change(change)) => self.start_change(id, change),
            Ok(Request::Subscription(request)) => {
                if let SubscriptionRequest::SetTyping { conversation, typing } = request {
                    self.typist.note(conversation, typing);
                }
                self.pending_subscriptions.push_back((id, request));
                self.start_subscription();
            }
            Ok(Request::Connection(request)) => self.start_connection_request(id, request),
            Err(problem) => self.reply(Some(id), Err(problem)),
        }
    }

    fn start_change(&mut self, id: i64, change: Change) {
        let (app, actor) = (self.app.clone(), self.actor);
        let mut starting: BoxFuture<'static, StartedChange> =
            Box::pin(async move { (id, commands::begin(app, actor, change).await) });
        // Nearly always the queue has room, and the change is in it at once.
        match (&mut starting).now_or_never() {
            Some((id, Ok(rest))) => self.run(id, CommandKind::Other, rest),
            Some((id, Err(problem))) => self.reply(Some(id), Err(problem)),
            None => self.starting = Some(starting),
        }
    }

    fn start_connection_request(&mut self, id: i64, request: ConnectionRequest) {
        match request {
            ConnectionRequest::SetPresence { idle } => {
                if let Some(present) = &self.present {
                    present.set_idle(idle);
                }
                self.reply(Some(id), Ok(Answer::Done(Done {})));
            }
            ConnectionRequest::BeginUpload { client_id, name, bytes } => {
                let beginning = self.uploads.begin(client_id, name, bytes);
                self.spawn(id, CommandKind::Other, beginning);
            }
            ConnectionRequest::EndUpload { upload } => {
                let ending = self.uploads.end(upload);
                self.spawn(id, CommandKind::Other, ending);
            }
            ConnectionRequest::CancelUpload { upload } => {
                let cancelling = self.uploads.cancel(upload);
                self.spawn(id, CommandKind::Other, cancelling);
            }
        }
    }

    /// Waits for work that holds nothing.
    fn run(&mut self, id: i64, kind: CommandKind, work: impl Future<Output = CommandResult> + Send + 'static) {
        self.running.push(Box::pin(async move { Finished { id, kind, response: Response::of(work.await) } }));
    }

    /// Runs work that may hold something as a task.
    fn spawn(&mut self, id: i64, kind: CommandKind, work: impl Future<Output = CommandResult> + Send + 'static) {
        let task = Task::spawn(ending::traced(ending::request_id(&self.app), work));
        self.run(id, kind, async move { task.await.unwrap_or_else(|| Err(Code::Internal.into())) });
    }

    /// Starts pending queries, as long as their answers fit into what may be unwritten; at least one.
    fn start_queries(&mut self) {
        let limits = &self.app.config.limits;
        let (page_bytes, bytes_max) = (limits.page_bytes_max as usize, limits.connection_queue_bytes_max as usize);
        let queries_max = limits.user_queries_max as usize;
        while self.active_queries == 0
            || (self.active_queries < queries_max
                && self.wire.unwritten() + (self.active_queries + 1) * page_bytes <= bytes_max)
        {
            let Some((id, query)) = self.pending_queries.pop_front() else { return };
            self.active_queries += 1;
            let (app, actor) = (self.app.clone(), self.actor);
            self.spawn(id, CommandKind::Query, async move { queries::answer(&app, actor, query).await });
        }
    }

    /// Starts the next subscription request, unless one is in progress.
    fn start_subscription(&mut self) {
        if self.active_subscription.is_some() {
            return;
        }
        let Some((id, request)) = self.pending_subscriptions.pop_front() else { return };
        self.active_subscription = Some(match request {
            SubscriptionRequest::WatchPresence { .. } => SubscriptionKind::Presence,
            SubscriptionRequest::Show { .. } | SubscriptionRequest::SetTyping { .. } => SubscriptionKind::Other,
        });
        let request_id = ending::request_id(&self.app);
        let execution = subscriptions::execute(self.app.clone(), self.actor, self.attached.clone(), request);
        let task = Task::spawn(execution.instrument(ending::span(&request_id)));
        self.running.push(Box::pin(async move {
            let mut response = task.await.unwrap_or_else(|| Response::of(Err(Code::Internal.into())));
            response.answer = response.answer.map_err(|problem| ending::with_id(problem, &request_id));
            Finished { id, kind: CommandKind::Subscription, response }
        }));
    }

    fn write_upload_events(&mut self) {
        for news in self.uploads.news() {
            match news {
                UploadReport::Kept(event) => self.wire.text(&frames::event(&event)),
                UploadReport::Failed(problem) => self.reply(None, Err(problem)),
            }
        }
    }

    /// Queues the answer of a command, and starts what waited for it.
    fn finished(&mut self, finished: Finished) {
        let Finished { id, kind, response: Response { events, answer } } = finished;
        self.write_events(events);
        let is_done = answer.is_ok();
        self.reply(Some(id), answer);
        match kind {
            CommandKind::Resume => {
                self.is_resuming = false;
                self.is_resumed = is_done;
                self.present = self.is_resumed.then(|| self.app.presence.connect(self.actor.user));
                self.heartbeat.reset(self.activity());
            }
            CommandKind::Query => {
                self.active_queries -= 1;
                self.start_queries();
            }
            CommandKind::Subscription => {
                self.active_subscription = None;
                self.start_subscription();
            }
            CommandKind::Other => {}
        }
    }

    /// Queues whatever else is ready, so that it goes out in the same write: the reply and the event of a send are
    /// ready at nearly the same moment.
    fn collect_ready(&mut self) {
        while self.wire.unwritten() < GATHERED_BYTES
            && let Some(Some(finished)) = self.running.next().now_or_never()
        {
            self.finished(finished);
        }
        if self.may_write_events() {
            let events = self.attached.send_queue.take_ready();
            self.write_events(events);
        }
    }

    fn write_events(&mut self, events: VecDeque<Bytes>) {
        for event in events {
            self.wire.text(&event);
        }
    }

    fn reply(&mut self, re: Option<i64>, result: CommandResult) {
        let result = result.map_err(|problem| ending::named(&self.app, problem));
        self.wire.text(&frames::reply(re, &result));
    }

    /// Answers the commands that were read, within this time.
    async fn finish(&mut self, within: Duration) {
        if within.is_zero() {
            return;
        }
        self.is_finishing = true;
        let finishing = async {
            while self.unanswered() > 0 || !self.has_room() {
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

    fn bytes<A, B, C, F: Future>(_: impl FnOnce(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_that_waits_is_small() {
        let task = bytes(crate::ws::serve);
        assert!(task <= 1536, "{task} bytes for each; box what is rarely needed");
        let connection = size_of::<Connection>();
        assert!(connection <= 1024, "{connection} bytes for each; box what is rarely needed");
    }
}
