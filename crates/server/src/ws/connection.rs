//! One live socket: reads commands, keeps them in order, writes replies and events, minds the heartbeat.
//!
//! Invariants: events are written only after the first resume was answered; at most `connection_changes_max`
//! commands are under way, beyond that nothing is read; all that queued is written with one flush.

use super::{
    frames::{self, HEARTBEAT},
    uploads::{News, Uploads},
};
use crate::{
    app::{Actor, App},
    commands,
    hub::{Attached, Refused, Taken},
    presence::Present,
    typing::Typist,
};
use axum::extract::ws::{Message, WebSocket};
use futures_util::{FutureExt, SinkExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use parlor_protocol::{
    close::Close,
    command::{Command, CommandFrame},
    error::{Code, Problem},
};
use std::{pin::Pin, sync::Arc, time::Duration};
use tokio::time::{Instant, Sleep, timeout};
use tracing::debug;

/// Seconds over which `frames_per_second_max` is averaged.
const RATE_WINDOW_S: f64 = 10.0;
/// How long the closing handshake may take.
const CLOSING: Duration = Duration::from_secs(1);

type Reply = (i64, commands::Result);

pub(super) struct Connection {
    pub(super) app: Arc<App>,
    pub(super) actor: Actor,
    socket: WebSocket,
    pub(super) attached: Attached,
    pub(super) typist: Typist,
    /// Counts as somebody's being here, once it has resumed.
    pub(super) present: Option<Present>,
    is_resumed: bool,
    /// A command on its way into the queue; until it is in, nothing is read.
    starting: Option<BoxFuture<'static, Started>>,
    /// Commands under way.
    running: FuturesUnordered<BoxFuture<'static, Reply>>,
    uploads: Uploads,
    opened: Instant,
    heard: Instant,
    said: Instant,
    timer: Pin<Box<Sleep>>,
    /// Frames that may still come, refilled with time.
    allowance: f64,
    refilled: Instant,
}

type Started = (i64, Result<BoxFuture<'static, commands::Result>, Problem>);

/// Why the connection ends.
pub(super) enum End {
    /// The server closes it.
    Close(Close),
    /// The other side did, or the network.
    Gone,
}

/// Serves a socket until its end.
pub(super) async fn run(app: Arc<App>, (actor, ends): (Actor, u64), mut socket: WebSocket) {
    let attached = match app.hub.attach(actor.user, actor.session).await {
        Ok(attached) => attached,
        Err(refused) => {
            let why = if matches!(refused, Refused::TooMany) { Close::TooFast } else { Close::Restarting };
            debug!(%refused, "a socket was refused");
            let closing = frames::close(why, retry_after_ms(&app));
            drop(timeout(CLOSING, socket.send(closing)).await);
            return;
        }
    };
    match app.is_signed_in(actor, ends).await {
        Ok(true) => {}
        ended => {
            let why = if ended.is_ok() { Close::SessionEnded } else { Close::Failed };
            app.metrics.closes.get_or_create(&why.into()).inc();
            drop(timeout(CLOSING, socket.send(frames::close(why, 0))).await);
            return;
        }
    }
    let now = Instant::now();
    let allowance = f64::from(app.config.limits.frames_per_second_max) * RATE_WINDOW_S;
    let typist = Typist::new(app.typing.clone(), actor.user, attached.id());
    let uploads = Uploads::new(app.files.clone(), actor.user);
    let connection = Connection {
        app,
        actor,
        socket,
        attached,
        typist,
        present: None,
        is_resumed: false,
        starting: None,
        running: FuturesUnordered::new(),
        uploads,
        opened: now,
        heard: now,
        said: now,
        timer: Box::pin(tokio::time::sleep_until(now)),
        allowance,
        refilled: now,
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
        if let End::Close(why) = end {
            self.app.metrics.closes.get_or_create(&why.into()).inc();
            if why == Close::Restarting {
                self.finish().await;
            }
            drop(timeout(CLOSING, self.close(why)).await);
        } else {
            // The library answers the other side's close frame when it is asked for the next.
            drop(timeout(CLOSING, self.socket.recv()).await);
        }
    }

    /// Waits for whatever comes first, and deals with it.
    async fn step(&mut self) -> Result<(), End> {
        let most = self.app.config.limits.connection_changes_max as usize;
        let is_open = self.starting.is_none() && self.running.len() < most;
        // In no fixed order: events must not keep a busy connection from its replies, nor these from its events.
        tokio::select! {
            taken = self.attached.outbox.take(), if self.is_resumed => match taken {
                Taken::Frames(events) => {
                    let mut frames = Vec::with_capacity(events.len() + self.running.len());
                    self.ready_replies(&mut frames);
                    frames.extend(events.into_iter().filter_map(frames::event));
                    self.write(frames).await
                }
                Taken::Closed(why) => Err(End::Close(why)),
            },
            why = self.attached.outbox.until_closed(), if !self.is_resumed => Err(End::Close(why)),
            (id, started) = async { self.starting.as_mut().expect("checked").await }, if self.starting.is_some() => {
                self.starting = None;
                match started {
                    Ok(rest) => self.running.push(Box::pin(async move { (id, rest.await) })),
                    Err(problem) => self.reply(Some(id), &Err(problem)).await?,
                }
                Ok(())
            }
            Some(reply) = self.running.next(), if !self.running.is_empty() => self.replies(reply).await,
            () = self.uploads.changed() => self.tell_of_uploads().await,
            message = self.socket.recv(), if is_open => self.receive(message).await,
            () = self.timer.as_mut() => self.late().await,
        }
    }

    fn deadline(&self) -> Instant {
        let socket = &self.app.config.socket;
        let ping = self.said + Duration::from_millis(socket.ping_interval_ms);
        let silence = self.heard + Duration::from_millis(socket.silence_ms);
        let resume = self.opened + Duration::from_millis(socket.resume_ms);
        if self.is_resumed { ping.min(silence) } else { ping.min(silence).min(resume) }
    }

    /// The timer is over. Deadlines only move away, and it is set anew here alone, so it may be early.
    async fn late(&mut self) -> Result<(), End> {
        let now = Instant::now();
        let socket = &self.app.config.socket;
        let is_silent = now >= self.heard + Duration::from_millis(socket.silence_ms);
        if is_silent || (!self.is_resumed && now >= self.opened + Duration::from_millis(socket.resume_ms)) {
            return Err(End::Close(Close::Silent));
        }
        if now >= self.said + Duration::from_millis(socket.ping_interval_ms) {
            self.write(vec![Message::Text(HEARTBEAT.into())]).await?;
        }
        let deadline = self.deadline();
        self.timer.as_mut().reset(deadline);
        Ok(())
    }

    async fn receive(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        let message = match message {
            None => return Err(End::Gone),
            Some(Err(cause)) => return Err(why_unreadable(&cause)),
            Some(Ok(message)) => message,
        };
        self.heard = Instant::now();
        if let Some(present) = &self.present {
            present.heard();
        }
        let is_paced = matches!(&message, Message::Binary(frame) if self.uploads.is_paced(frame));
        if !is_paced {
            self.spend_allowance()?;
        }
        let most = self.app.config.limits.frame_bytes_max as usize;
        match message {
            Message::Text(text) if text.len() > most => Err(End::Close(Close::TooLarge)),
            Message::Text(text) if text.trim() == HEARTBEAT => Ok(()),
            Message::Text(text) => match CommandFrame::parse(&text) {
                Ok(frame) => self.begin(frame).await,
                Err(refused) => self.reply(refused.re, &Err(refused.problem)).await,
            },
            Message::Binary(frame) if frame.len() > most => Err(End::Close(Close::TooLarge)),
            Message::Binary(_) if self.uploads.is_empty() => Err(End::Close(Close::Unsupported)),
            Message::Binary(frame) => match self.uploads.take(frame) {
                Ok(()) => Ok(()),
                Err(problem) => self.reply(None, &Err(problem)).await,
            },
            Message::Ping(_) | Message::Pong(_) => Ok(()),
            Message::Close(_) => Err(End::Gone),
        }
    }

    /// Counts a frame against the rate.
    fn spend_allowance(&mut self) -> Result<(), End> {
        let rate = f64::from(self.app.config.limits.frames_per_second_max);
        let passed = self.heard.saturating_duration_since(self.refilled).as_secs_f64();
        self.allowance = (self.allowance + passed * rate).min(rate * RATE_WINDOW_S) - 1.0;
        self.refilled = self.heard;
        if self.allowance < 0.0 { Err(End::Close(Close::TooFast)) } else { Ok(()) }
    }

    async fn begin(&mut self, frame: CommandFrame) -> Result<(), End> {
        let CommandFrame { id, command } = frame;
        match command {
            Command::Resume { .. } if !self.is_resumed => Box::pin(self.resume(id, command)).await,
            _ if !self.is_resumed => self.reply(Some(id), &Err(Code::NotResumed.into())).await,
            // What is on a connection's screen is its own affair, and done in the order in which it is asked for.
            Command::WatchPresence { users } => Box::pin(self.watch(id, &users)).await,
            Command::Show { .. } | Command::SetPresence { .. } | Command::SetTyping { .. } => {
                let answer = Box::pin(self.on_screen(command)).await;
                self.reply(Some(id), &answer).await
            }
            Command::BeginUpload { client_id, name, bytes } => {
                let beginning = self.uploads.begin(client_id, name, bytes);
                self.running.push(Box::pin(async move { (id, beginning.await) }));
                Ok(())
            }
            Command::EndUpload { upload } => {
                let ending = self.uploads.end(upload);
                self.running.push(Box::pin(async move { (id, ending.await) }));
                Ok(())
            }
            Command::CancelUpload { upload } => {
                let cancelling = self.uploads.cancel(upload);
                self.running.push(Box::pin(async move { (id, cancelling.await) }));
                Ok(())
            }
            command => {
                let (app, actor) = (self.app.clone(), self.actor);
                let mut starting: BoxFuture<'static, Started> =
                    Box::pin(async move { (id, commands::begin(app, actor, command).await) });
                // Nearly always there is room, and it is in at once.
                match (&mut starting).now_or_never() {
                    Some((id, Ok(rest))) => self.running.push(Box::pin(async move { (id, rest.await) })),
                    Some((id, Err(problem))) => self.reply(Some(id), &Err(problem)).await?,
                    None => self.starting = Some(starting),
                }
                Ok(())
            }
        }
    }

    async fn tell_of_uploads(&mut self) -> Result<(), End> {
        let frame = |news| match news {
            News::Kept(event) => frames::told(&event),
            News::Failed(problem) => frames::reply(None, &Err(problem)),
        };
        let frames: Vec<Message> = self.uploads.news().into_iter().map(frame).collect();
        if frames.is_empty() { Ok(()) } else { self.write(frames).await }
    }

    /// The first resume: the connection is in its topic, and what arrives meanwhile waits behind the answer.
    async fn resume(&mut self, id: i64, command: Command) -> Result<(), End> {
        let result = commands::execute(&self.app, self.actor, command).await;
        self.reply(Some(id), &result).await?;
        self.is_resumed = result.is_ok();
        self.present = self.is_resumed.then(|| self.app.presence.arrive(self.actor.user));
        Ok(())
    }

    /// Writes this reply, and whatever other replies and events are there: who sends gets both at nearly one moment.
    async fn replies(&mut self, (id, result): Reply) -> Result<(), End> {
        let mut frames = vec![frames::reply(Some(id), &result)];
        self.ready_replies(&mut frames);
        if self.is_resumed {
            frames.extend(self.attached.outbox.take_ready().into_iter().filter_map(frames::event));
        }
        self.write(frames).await
    }

    fn ready_replies(&mut self, frames: &mut Vec<Message>) {
        while let Some(Some((id, result))) = self.running.next().now_or_never() {
            frames.push(frames::reply(Some(id), &result));
        }
    }

    async fn reply(&mut self, re: Option<i64>, result: &commands::Result) -> Result<(), End> {
        self.write(vec![frames::reply(re, result)]).await
    }

    /// Writes frames with one flush. Whoever does not read in time is closed by his full outbox.
    pub(super) async fn write(&mut self, frames: Vec<Message>) -> Result<(), End> {
        let Self { socket, attached, .. } = self;
        let writing = async {
            for frame in frames {
                socket.feed(frame).await?;
            }
            socket.flush().await
        };
        tokio::select! {
            biased;
            written = writing => written.map_err(|_| End::Gone)?,
            why = attached.outbox.until_closed() => return Err(End::Close(why)),
        }
        self.said = Instant::now();
        Ok(())
    }

    /// Waits for what was accepted, and answers it.
    async fn finish(&mut self) {
        let grace = Duration::from_millis(self.app.config.stop.grace_ms / 2);
        let Self { socket, running, starting, .. } = self;
        let finishing = async {
            if let Some(starting) = starting.take() {
                let (id, started) = starting.await;
                running.push(Box::pin(async move {
                    match started {
                        Ok(rest) => (id, rest.await),
                        Err(problem) => (id, Err(problem)),
                    }
                }));
            }
            while let Some((id, result)) = running.next().await {
                socket.send(frames::reply(Some(id), &result)).await?;
            }
            Ok::<(), axum::Error>(())
        };
        drop(timeout(grace, finishing).await);
    }

    /// Says why.
    async fn close(&mut self, why: Close) -> Result<(), axum::Error> {
        self.socket.send(frames::close(why, retry_after_ms(&self.app))).await?;
        // Until the other side has closed too, so that the frame is not lost in a reset.
        while let Some(Ok(_)) = self.socket.recv().await {}
        Ok(())
    }
}

/// A delay that differs for each connection.
fn retry_after_ms(app: &App) -> u64 {
    let stop = &app.config.stop;
    stop.retry_after_min_ms + app.environment.jitter(stop.retry_after_max_ms.saturating_sub(stop.retry_after_min_ms))
}

/// What the library would not read: too large, or not UTF-8; else the network is gone.
fn why_unreadable(cause: &axum::Error) -> End {
    let text = cause.to_string();
    debug!(%cause, "a socket could not be read");
    if text.contains("too long") || text.contains("too big") {
        End::Close(Close::TooLarge)
    } else if text.contains("UTF-8") || text.contains("utf-8") {
        End::Close(Close::Unsupported)
    } else {
        End::Gone
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
