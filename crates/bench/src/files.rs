//! A large upload: its memory, and its effect on the latency of messages.
//!
//! A user sends a message, waits for its reply, and sends the next a moment later: alone, while another connection
//! uploads over HTTP, and on the socket that uploads.

use crate::{
    Result,
    frames::Clock,
    machine::Bench,
    report::{Load, Row, at, grouped, ms},
    server::Server,
    users::{self, BenchUser},
};
use parlor_client::{
    http::Api,
    socket::{Handshake, Incoming, Socket},
};
use parlor_protocol::{
    command::Command,
    ids::ConversationId,
    model::Upload,
    reply::{UploadBegun, UploadEnded},
};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
};

/// The pause between a reply and the next message.
const PAUSE: Duration = Duration::from_millis(5);
/// The size of one write.
const PIECE_BYTES: usize = 64 * 1024;
/// The timeout of every operation.
const PATIENCE: Duration = Duration::from_mins(5);

/// The measurements of one part.
#[derive(Default)]
pub(crate) struct Measurement {
    latencies: Vec<Duration>,
    memory_max: u64,
}

pub(crate) async fn run(bench: &Bench, bytes: u64, alone: Duration) -> Result<Vec<Row>> {
    let server = bench.serve(&bench.data("files"))?;
    let users = users::make(server.address, 2).await?;
    let conversation = users::pair(server.address, &users).await?[0];
    let mut talk = MessageSocket::open(&server, &users[0], conversation).await?;
    talk.send_for(Duration::from_millis(500), &server).await?;

    let mut rows = Vec::new();
    let before = server.resident_bytes()?;
    let load = Load::new(&server);
    let felt = talk.send_for(alone, &server).await?;
    rows.push(felt.row("messages alone", before, &load.end(&server).1.to_string()));

    let before = server.resident_bytes()?;
    let (load, started) = (Load::new(&server), Instant::now());
    let upload = tokio::task::spawn_local(post(server.address, users[0].token.clone(), bytes));
    let felt = talk.send_until(&upload, &server).await?;
    upload.await.map_err(|error| error.to_string())??;
    let speed = speed(bytes, started.elapsed());
    let detail = format!("{speed}, {}", load.end(&server).1);
    rows.push(felt.row("messages during an upload over HTTP", before, &detail));

    let before = server.resident_bytes()?;
    let (load, started) = (Load::new(&server), Instant::now());
    let felt = talk.upload(bytes, &server).await?;
    let speed = self::speed(bytes, started.elapsed());
    let detail = format!("{speed}, {}", load.end(&server).1);
    rows.push(felt.row("messages on the socket that uploads", before, &detail));
    server.stop()?;
    Ok(rows)
}

fn speed(bytes: u64, time: Duration) -> String {
    format!("{:.0} MB in {:.1} s", bytes as f64 / 1e6, time.as_secs_f64())
}

impl Measurement {
    pub(crate) fn row(mut self, what: &str, before: u64, detail: &str) -> Row {
        self.latencies.sort_unstable();
        let count = self.latencies.len();
        let grown = self.memory_max.saturating_sub(before) as f64;
        Row {
            figure: format!("{what}: p50 and p99 from send to reply, ms"),
            wanted: ["", ""],
            measured: format!("{} and {}", ms(at(&self.latencies, 500)), ms(at(&self.latencies, 990))),
            detail: format!("{count} messages, {} bytes more resident, {detail}", grouped(grown)),
        }
    }

    fn add(&mut self, latency: Duration, server: &Server) -> Result<()> {
        self.latencies.push(latency);
        self.memory_max = self.memory_max.max(server.resident_bytes()?);
        Ok(())
    }
}

/// A socket that sends messages.
pub(crate) struct MessageSocket {
    socket: Socket,
    conversation: ConversationId,
    clock: Clock,
}

impl MessageSocket {
    pub(crate) async fn open(server: &Server, user: &BenchUser, conversation: ConversationId) -> Result<Self> {
        let api = Api::new(server.address).with_token(&user.token);
        let opened = Handshake::new(server.address, api.headers()).open().await;
        let mut socket = opened.map_err(|error| error.to_string())?;
        let resume = Command::Resume { user: user.user, cursor: None };
        socket.call::<parlor_protocol::reply::Heads>(resume).await.map_err(|error| error.to_string())?;
        Ok(Self { socket, conversation, clock: Clock::new() })
    }

    fn message(&self) -> Command {
        Command::send_text(
            self.conversation,
            self.clock.client_id(),
            "How long does this take while a file is on its way?",
        )
    }

    /// Sends a message and waits for its reply; other frames are dropped.
    async fn send(&mut self) -> Result<Duration> {
        let (message, started) = (self.message(), Instant::now());
        let id = self.socket.send(message).await.map_err(|error| error.to_string())?;
        loop {
            match self.socket.next(PATIENCE).await {
                Some(Incoming::Reply(Some(re), answer)) if re == id => {
                    answer.map_err(|problem| format!("a message was refused: {}", problem.title))?;
                    return Ok(started.elapsed());
                }
                Some(Incoming::Event(_) | Incoming::Heartbeat) => {}
                other => return Err(format!("no reply to a message: {other:?}")),
            }
        }
    }

    pub(crate) async fn send_for(&mut self, time: Duration, server: &Server) -> Result<Measurement> {
        let (mut felt, started) = (Measurement::default(), Instant::now());
        while started.elapsed() < time {
            felt.add(self.send().await?, server)?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(felt)
    }

    async fn send_until(&mut self, upload: &JoinHandle<Result<()>>, server: &Server) -> Result<Measurement> {
        let mut felt = Measurement::default();
        while !upload.is_finished() {
            felt.add(self.send().await?, server)?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(felt)
    }

    /// Uploads in binary frames, and sends messages in between.
    async fn upload(&mut self, bytes: u64, server: &Server) -> Result<Measurement> {
        let client_id = self.clock.client_id();
        let command = Command::BeginUpload { client_id, name: "large.bin".to_owned(), bytes };
        let begun: UploadBegun = self.socket.call(command).await.map_err(|error| error.to_string())?;
        let (id, chunk) = (begun.upload.id, u64::from(begun.chunk_bytes_max));
        let data = vec![7; usize::try_from(chunk).map_err(|error| error.to_string())?];
        let (mut felt, mut sent, mut reported) = (Measurement::default(), 0, 0);
        let (mut requested, mut rested) = (None, Instant::now());
        while reported < bytes {
            while sent < bytes && sent + chunk - reported <= u64::from(begun.window_bytes) {
                let length = chunk.min(bytes - sent);
                let piece = &data[..usize::try_from(length).map_err(|error| error.to_string())?];
                let frame = [&id.0.to_be_bytes()[..], &sent.to_be_bytes(), piece].concat();
                self.socket.send_binary(&frame).await.map_err(|error| error.to_string())?;
                sent += length;
            }
            if requested.is_none() && rested.elapsed() >= PAUSE {
                let (message, started) = (self.message(), Instant::now());
                let number = self.socket.send(message).await.map_err(|error| error.to_string())?;
                requested = Some((number, started));
            }
            match (self.socket.next(PATIENCE).await, requested) {
                (Some(Incoming::Event(event)), _) => {
                    if event["type"] == "upload.progress" {
                        reported = event["received"].as_u64().unwrap_or(reported);
                    }
                }
                (Some(Incoming::Reply(Some(re), Ok(_))), Some((number, started))) if re == number => {
                    felt.add(started.elapsed(), server)?;
                    (requested, rested) = (None, Instant::now());
                }
                (Some(Incoming::Heartbeat), _) => {}
                (other, _) => return Err(format!("an upload over the socket: {other:?}")),
            }
        }
        let ended: UploadEnded =
            self.socket.call(Command::EndUpload { upload: id }).await.map_err(|error| error.to_string())?;
        if ended.upload.attachment.is_some() { Ok(felt) } else { Err("the upload is not finished".to_owned()) }
    }
}

/// Uploads in one request, chunk by chunk.
async fn post(server: SocketAddr, token: String, bytes: u64) -> Result<()> {
    let failed = |error: std::io::Error| format!("an upload broke: {error}");
    let mut stream = TcpStream::connect(server).await.map_err(failed)?;
    let head = format!(
        "POST /v1/uploads?client_id=large&name=large.bin&bytes={bytes} HTTP/1.1\r\nHost: {server}\r\n\
         Connection: close\r\nAuthorization: Bearer {token}\r\nContent-Length: {bytes}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.map_err(failed)?;
    let piece = vec![7; PIECE_BYTES];
    let mut left = bytes;
    while left > 0 {
        let length = left.min(PIECE_BYTES as u64);
        stream.write_all(&piece[..length as usize]).await.map_err(failed)?;
        left -= length;
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.map_err(failed)?;
    let body = crate::websocket::find(&answer, b"\r\n\r\n").map_or(&[][..], |end| &answer[end + 4..]);
    let upload: Upload = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if upload.attachment.is_some() { Ok(()) } else { Err("the upload is not finished".to_owned()) }
}
