//! A live old socket: reads frames one after the other, writes answers and messages, sends pings.
//!
//! Invariants: only [`OldSocketConnection::step`] waits; one frame is in progress at a time and nothing more is read
//! meanwhile, so answers keep their order; what it does runs as a task of its own, to its end, so that no commit is cut
//! in the middle; a frame is answered within [`ANSWER_MAX`], whatever the host's database does. Nothing is sent but
//! what the profile declares, so heartbeats are the pings of the transport, which browsers answer by themselves.

use super::{
    OldSocketRoute,
    commands::{self, Done, SocketUser},
    conversation::SocketConversation,
    incoming,
    own_rows::OwnRows,
    render::{Renderer, Subject},
};
use crate::{
    app::App,
    handover::{HeldSocket, SocketRecord},
    host_side::HostSide,
    hub::{AttachError, Attached, Taken},
    identity::actor::Actor,
    listener::until_stopped,
    metrics::CloseLabels,
    mirror::message_row::HostMessageRow,
    profile::{
        frame_template::FrameTemplate,
        sockets::{Action, SocketError, SocketProfile},
    },
    ws::{
        Socket,
        framing::Message,
        wire::{Moved, Stop, WireParts},
    },
};
use bytes::Bytes;
use jiff::tz::TimeZone;
use parlor_protocol::close::Close;
use serde_json::Value;
use std::{collections::VecDeque, pin::Pin, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, Sleep, timeout, timeout_at},
};
use tracing::{debug, warn};

/// Until a frame is answered.
const ANSWER_MAX: Duration = Duration::from_millis(4500);

struct OldSocketConnection {
    app: Arc<App>,
    host: Arc<dyn HostSide>,
    route: Arc<OldSocketRoute>,
    actor: Actor,
    me: SocketUser,
    conversation: SocketConversation,
    zone: TimeZone,
    wire: Socket,
    attached: Attached,
    /// Becomes true when the server restarts in place.
    hold: watch::Receiver<bool>,
    /// The frame in progress; until it is done, nothing is read.
    working: Option<Working>,
    pinged: Instant,
    /// When the connection last paused reading, so that nothing could be read before.
    paused_until: Instant,
    timer: Pin<Box<Sleep>>,
}

/// A frame in progress.
struct Working {
    task: JoinHandle<Result<Done, SocketError>>,
    frame: Value,
    answer: Option<FrameTemplate>,
    /// When it must be answered; none once it was.
    deadline: Option<Instant>,
    /// Where it looks for the row of its message, if a view of the host writes it.
    own_rows: Option<mpsc::Sender<HostMessageRow>>,
}

/// What a socket has from the program before.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// Rows that it has shown.
    pub(super) shown: Vec<i64>,
    /// Rows that wait for it.
    pub(super) rows: VecDeque<Bytes>,
}

/// Why a connection ends.
enum OldSocketEnd {
    Close(Close),
    /// A frame was refused, and the application has no frame for errors.
    Refused(SocketError),
    /// The client closes it, with this code.
    Closed(Option<u16>),
    /// It is served again after a restart in place.
    Held,
    Gone,
}

impl From<Stop> for OldSocketEnd {
    fn from(stop: Stop) -> Self {
        stop.reason().map_or(Self::Gone, Self::Close)
    }
}

/// Serves a socket until it ends.
pub(super) async fn run(
    (app, host): (Arc<App>, Arc<dyn HostSide>),
    route: Arc<OldSocketRoute>,
    (actor, ends): (Actor, u64),
    me: SocketUser,
    wire: Socket,
) {
    let attached = match app.hub.attach_old_socket(actor.user, actor.session).await {
        Ok(attached) => Ok((attached, ends)),
        Err(AttachError::TooMany) => Err(Close::TooFast),
        Err(AttachError::Draining | AttachError::Layer(_)) => Err(Close::Restarting),
    };
    serve((app, host), route, (actor, attached), me, (wire, Past::default())).await;
}

/// Goes on serving a socket until it ends. It was attached when the server started, unless its user has too many
/// connections.
pub(super) async fn resume(
    parts: (Arc<App>, Arc<dyn HostSide>),
    route: Arc<OldSocketRoute>,
    (actor, attached): (Actor, Option<Attached>),
    me: SocketUser,
    socket: (Socket, Past),
) {
    // The session was looked up by another program, so it is looked up again.
    let attached = attached.map(|attached| (attached, u64::MAX)).ok_or(Close::TooFast);
    serve(parts, route, (actor, attached), me, socket).await;
}

/// Serves a socket that is attached, with the hub's count of ended sessions when its session was looked up.
async fn serve(
    (app, host): (Arc<App>, Arc<dyn HostSide>),
    route: Arc<OldSocketRoute>,
    (actor, attached): (Actor, Result<(Attached, u64), Close>),
    me: SocketUser,
    (wire, past): (Socket, Past),
) {
    let refused = match attached {
        Ok((attached, ends)) => match app.is_signed_in(actor, ends).await {
            Ok(true) => {
                let mut connection = OldSocketConnection::new((app, host), route, (actor, me), wire, attached);
                connection.conversation.resume(past.shown);
                connection.deliver(past.rows);
                return Box::pin(connection.serve()).await;
            }
            Ok(false) => Close::SessionEnded,
            Err(_) => Close::Failed,
        },
        Err(refused) => refused,
    };
    app.metrics.closes.get_or_create(&refused.into()).inc();
    wire.close(Some(close_code(route.profile(), refused)), refused.name(), false).await;
}

impl OldSocketConnection {
    fn new(
        (app, host): (Arc<App>, Arc<dyn HostSide>),
        route: Arc<OldSocketRoute>,
        (actor, me): (Actor, SocketUser),
        wire: Socket,
        attached: Attached,
    ) -> Self {
        let now = Instant::now();
        Self {
            conversation: SocketConversation::new(route.profile(), &route.path, me.id.clone()),
            zone: route.zone(),
            hold: app.holding.signal(),
            app,
            host,
            route,
            actor,
            me,
            wire,
            attached,
            working: None,
            pinged: now,
            paused_until: now,
            timer: Box::pin(tokio::time::sleep_until(now)),
        }
    }

    async fn serve(mut self) {
        let mut end = loop {
            if let Err(end) = self.step().await {
                break end;
            }
        };
        if matches!(end, OldSocketEnd::Held)
            && let Err(refused) = self.finish_frame().await
        {
            end = refused;
        }
        let profile = self.route.profile();
        let (cause, code, is_answer) = match end {
            OldSocketEnd::Close(why) => {
                let is_broken = matches!(why, Close::ProtocolError | Close::NotUtf8 | Close::TooLarge | Close::TooFast);
                (why.name(), Some(close_code(profile, why)), is_broken)
            }
            OldSocketEnd::Refused(SocketError::Unavailable) => ("unavailable", Some(profile.close.unavailable), false),
            OldSocketEnd::Refused(_) => ("refused", Some(profile.close.refused), false),
            OldSocketEnd::Closed(code) => return self.wire.close(code, "", true).await,
            OldSocketEnd::Held => return self.hold(),
            OldSocketEnd::Gone => return,
        };
        debug!(cause, "an old socket is closed");
        self.app.metrics.closes.get_or_create(&CloseLabels { cause }).inc();
        if matches!(end, OldSocketEnd::Close(Close::Restarting | Close::Expired)) {
            self.finish().await;
        }
        self.wire.close(code, cause, is_answer).await;
    }

    /// Answers the frame in progress and writes the messages that wait, within half of the grace period: the page may
    /// not come back for them.
    async fn finish(&mut self) {
        let finishing_max = Duration::from_millis(self.app.config.stop.grace_ms / 2);
        let finishing = async {
            if let Some(mut working) = self.working.take() {
                let done = (&mut working.task).await;
                // It is being closed in any case.
                let _end = self.answer(&working, done.unwrap_or(Err(SocketError::Unavailable)));
            }
            let waiting = self.attached.send_queue.take_ready();
            self.deliver(waiting);
            while self.wire.unwritten() > 0 {
                self.wire.moved(false).await?;
            }
            Ok::<(), Stop>(())
        };
        let _late = timeout(finishing_max, finishing).await;
    }

    /// Answers the frame in progress, which may wait for a row.
    async fn finish_frame(&mut self) -> Result<(), OldSocketEnd> {
        let unwritten_max = self.app.config.limits.connection_queue_bytes_max as usize;
        while let Some(mut working) = self.working.take() {
            let deadline = working.deadline.unwrap_or_else(Instant::now);
            let has_room = self.wire.unwritten() < unwritten_max;
            let taken = tokio::select! {
                done = timeout_at(deadline, &mut working.task) => {
                    let done = done.ok().and_then(Result::ok).unwrap_or(Err(SocketError::Unavailable));
                    return self.answer(&working, done);
                }
                taken = self.attached.send_queue.take(), if has_room => taken,
            };
            self.working = Some(working);
            match taken {
                Taken::Frames(rows) => self.deliver(rows),
                Taken::Closed(why) => return Err(OldSocketEnd::Close(why)),
            }
        }
        Ok(())
    }

    /// Gives the socket up between two bytes, to be served again after the restart. It stays attached.
    fn hold(self) {
        let WireParts { stream, input, output, end } = self.wire.into_parts();
        let Some(stream) = stream.into_descriptor() else { return };
        let record = SocketRecord {
            path: self.route.request_path.clone(),
            user: self.actor.user,
            session: self.actor.session,
            external_id: self.me.id,
            page: self.me.page,
            input,
            output,
            shown: self.conversation.shown(),
            rows: Vec::new(),
            host_session: None,
            life_left_ms: end.map(|end| milliseconds(end.saturating_duration_since(Instant::now()))),
        };
        self.app.holding.hold(HeldSocket { stream, record, attached: Some(self.attached) });
    }

    /// Waits for whatever comes first and handles it. Nothing else of a connection waits.
    async fn step(&mut self) -> Result<(), OldSocketEnd> {
        let has_room = self.wire.unwritten() == 0;
        let may_read = self.working.is_none();
        if !may_read {
            self.paused_until = Instant::now();
        }
        // Polled in random order: messages must not starve answers, nor answers messages.
        tokio::select! {
            taken = self.attached.send_queue.take(), if has_room => match taken {
                Taken::Frames(rows) => {
                    self.deliver(rows);
                    Ok(())
                }
                Taken::Closed(why) => Err(OldSocketEnd::Close(why)),
            },
            why = self.attached.send_queue.until_closed(), if !has_room => Err(OldSocketEnd::Close(why)),
            done = async { (&mut self.working.as_mut().expect("checked").task).await }, if !may_read && has_room => {
                let working = self.working.take().expect("checked");
                self.answer(&working, done.unwrap_or(Err(SocketError::Unavailable)))
            }
            moved = self.wire.moved(may_read) => match moved? {
                Moved::Read(message) => self.receive(message),
                Moved::Written => Ok(()),
            },
            () = self.timer.as_mut() => self.on_timer(),
            () = until_stopped(&mut self.hold) => {
                let may_be_held = self.wire.stream().is_plain();
                Err(if may_be_held { OldSocketEnd::Held } else { OldSocketEnd::Close(Close::Restarting) })
            }
        }
    }

    /// Returns when something was last received, or could not have been.
    fn last_received(&self) -> Instant {
        self.wire.last_received().max(self.paused_until)
    }

    fn on_timer(&mut self) -> Result<(), OldSocketEnd> {
        let now = Instant::now();
        let socket = &self.app.config.socket;
        let silence = self.last_received() + Duration::from_millis(socket.silence_ms);
        if now >= silence {
            return Err(OldSocketEnd::Close(Close::Silent));
        }
        let ping_interval = Duration::from_millis(socket.ping_interval_ms);
        if now >= self.pinged.max(self.last_received()) + ping_interval {
            self.pinged = now;
            self.wire.ping();
        }
        let late = self.working.as_mut().and_then(|working| working.deadline.take_if(|deadline| now >= *deadline));
        if late.is_some() {
            self.refuse(SocketError::Unavailable, None)?;
        }
        let mut next = (self.pinged.max(self.last_received()) + ping_interval).min(silence);
        if let Some(deadline) = self.working.as_ref().and_then(|working| working.deadline) {
            next = next.min(deadline);
        }
        self.timer.as_mut().reset(next);
        Ok(())
    }

    fn receive(&mut self, message: Message) -> Result<(), OldSocketEnd> {
        match message {
            Message::Text(text) => self.begin(&text),
            Message::Binary(_) => Err(OldSocketEnd::Close(Close::Unsupported)),
            Message::Ping(_) | Message::Pong => Ok(()),
            Message::Close(code) => Err(OldSocketEnd::Closed(code)),
        }
    }

    fn begin(&mut self, text: &[u8]) -> Result<(), OldSocketEnd> {
        let route = self.route.clone();
        let incoming = match incoming::parse(route.profile(), text) {
            Ok(Some(incoming)) => incoming,
            Ok(None) => return Ok(()),
            Err(error) => return self.refuse(error, None),
        };
        let answer = incoming.rule.answer.clone();
        let (app, host, me) = (self.app.clone(), self.host.clone(), self.me.clone());
        let (action, frame, route) = (incoming.rule.action.clone(), incoming.frame.clone(), self.route.clone());
        let deadline = Instant::now() + ANSWER_MAX;
        let is_by_view = matches!(&action, Action::Send(send) if send.view.is_some());
        let (own_rows, rows) = is_by_view.then(|| OwnRows::new(deadline)).unzip();
        let work = async move { commands::run((&app, &*host), &route, &me, (&action, &frame), (rows, deadline)).await };
        let task = tokio::spawn(work);
        self.working = Some(Working { task, frame: incoming.frame, answer, deadline: Some(deadline), own_rows });
        if self.timer.deadline() > deadline {
            self.timer.as_mut().reset(deadline);
        }
        Ok(())
    }

    /// Answers a frame that is done, unless it was too late.
    fn answer(&mut self, working: &Working, done: Result<Done, SocketError>) -> Result<(), OldSocketEnd> {
        if working.deadline.is_none() {
            return Ok(());
        }
        let done = match done {
            Ok(done) => done,
            Err(error) => return self.refuse(error, Some(&working.frame)),
        };
        let Some(template) = &working.answer else { return Ok(()) };
        let frame = Some(&working.frame);
        let text = match &done {
            Done::Sent(row) => self.render(template, Subject { message: Some(row), frame, ..Subject::default() }),
            Done::Read(message_id) => {
                self.render(template, Subject { message_id: *message_id, frame, ..Subject::default() })
            }
            Done::Counted(unread_count) => {
                self.render(template, Subject { unread_count: Some(*unread_count), frame, ..Subject::default() })
            }
            Done::Answered => self.render(template, Subject { frame, ..Subject::default() }),
        };
        self.wire.text(text.as_bytes());
        Ok(())
    }

    /// Refuses a frame: by a frame for errors, or by closing.
    fn refuse(&mut self, error: SocketError, frame: Option<&Value>) -> Result<(), OldSocketEnd> {
        debug!(error = error.name(), "a frame of an old socket was refused");
        let errors = &self.route.profile().errors;
        let of_json = errors.invalid_json.as_ref().filter(|_| error == SocketError::InvalidJson);
        let Some(template) = of_json.or(errors.frame.as_ref()) else { return Err(OldSocketEnd::Refused(error)) };
        let text = self.render(template, Subject { error: Some(error), frame, ..Subject::default() });
        self.wire.text(text.as_bytes());
        Ok(())
    }

    fn deliver(&mut self, rows: VecDeque<Bytes>) {
        for row in rows {
            let Ok(row) = serde_json::from_slice::<HostMessageRow>(&row) else {
                warn!("a row of the host could not be decoded");
                continue;
            };
            if let Some(rows) = self.working.as_ref().and_then(|working| working.own_rows.as_ref())
                && row.sender.id == self.me.id
            {
                // The task has found its row, or there are too many: it then answers that it does not know.
                drop(rows.try_send(row.clone()));
            }
            let route = self.route.clone();
            for rule in self.conversation.rules(route.profile(), &row) {
                let text = self.render(&rule.frame, Subject { message: Some(&row), ..Subject::default() });
                self.wire.text(text.as_bytes());
            }
        }
    }

    fn render(&self, template: &FrameTemplate, subject: Subject<'_>) -> String {
        let (profile, path) = (self.route.profile(), &self.route.path);
        Renderer { profile, zone: &self.zone, me: &self.me.id, path }.frame(template, subject)
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the code of the standard for a reason, unless the profile has one.
fn close_code(profile: &SocketProfile, why: Close) -> u16 {
    match why {
        Close::Restarting | Close::Expired => profile.close.restarting,
        Close::SessionEnded | Close::Disabled => profile.close.session_ended,
        Close::ProtocolError => 1002,
        Close::Unsupported => 1003,
        Close::NotUtf8 => 1007,
        Close::TooFast => 1008,
        Close::TooLarge => 1009,
        Close::Failed => 1011,
        Close::SlowReader | Close::Silent => 1013,
    }
}
