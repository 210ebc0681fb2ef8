//! A raw socket: frames in, frames out, and everything that a misbehaving client can do.
//!
//! It answers heartbeats unless told not to, and sends nothing else on its own. Dropping it drops the connection
//! without a close frame. Reading is cancel-safe: no frame is lost.

use crate::error::Error;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use parlor_protocol::{command::Command, error::Problem, frame::CommandFrame};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{collections::VecDeque, net::SocketAddr, time::Duration};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout_at},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest, handshake::client::Request},
};

/// How to open a socket.
#[derive(Clone, Debug)]
pub struct Handshake {
    address: SocketAddr,
    path: String,
    headers: HeaderMap,
    receive_buffer: Option<u32>,
}

impl Handshake {
    /// Prepares a handshake with the subprotocol `parlor.v1` and these headers, such as those of an
    /// [`Api`](crate::http::Api).
    #[must_use]
    pub fn new(address: SocketAddr, headers: &HeaderMap) -> Self {
        let mut headers = headers.clone();
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("parlor.v1"));
        Self { address, path: "/v1/socket".to_owned(), headers, receive_buffer: None }
    }

    /// Sets a header.
    ///
    /// # Panics
    /// The value has characters that no header may have.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.insert(name, HeaderValue::from_str(value).expect("a header's value"));
        self
    }

    /// Adds another value of a header.
    ///
    /// # Panics
    /// The value has characters that no header may have.
    #[must_use]
    pub fn with_another(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.append(name, HeaderValue::from_str(value).expect("a header's value"));
        self
    }

    /// Removes a header.
    #[must_use]
    pub fn without(mut self, name: &HeaderName) -> Self {
        self.headers.remove(name);
        self
    }

    /// Uses another path.
    #[must_use]
    pub fn at_path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Limits the kernel's receive buffer.
    #[must_use]
    pub fn with_receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Opens the socket.
    ///
    /// # Errors
    /// The server refused the handshake, or did not answer it.
    pub async fn open(&self) -> Result<Socket, HandshakeError> {
        let stream = self.connect().await.map_err(|error| HandshakeError::Interrupted(error.to_string()))?;
        match client_async(self.request(), stream).await {
            Ok((stream, _)) => Ok(Socket::new(stream)),
            Err(tungstenite::Error::Http(response)) => {
                let (head, body) = response.into_parts();
                Err(HandshakeError::Refused {
                    status: head.status,
                    headers: Box::new(head.headers),
                    body: body.unwrap_or_default(),
                })
            }
            Err(error) => Err(HandshakeError::Interrupted(error.to_string())),
        }
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn request(&self) -> Request {
        let uri = format!("ws://{}{}", self.address, self.path);
        let mut request = uri.into_client_request().expect("an address and a path make a request");
        for (name, value) in &self.headers {
            request.headers_mut().append(name, value.clone());
        }
        request
    }
}

/// Why no socket was opened.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The server answered with another status than 101.
    #[error("refused with status {status}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// The headers.
        headers: Box<HeaderMap>,
        /// The part of the body that arrived with the head.
        body: Vec<u8>,
    },
    /// There was no valid answer.
    #[error("interrupted: {0}")]
    Interrupted(String),
}

/// Something received from the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// `{}`
    Heartbeat,
    /// A reply to the command with this `id`; `None` if the server could not read the `id`.
    Reply(Option<i64>, Result<Value, Box<Problem>>),
    /// An event.
    Event(Value),
    /// The server closed the socket with this code and reason.
    Closed(u16, String),
    /// The connection ended without a close frame.
    Disconnected(String),
    /// Anything that the protocol does not define.
    Other(String),
}

/// An open socket.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    next_id: i64,
    buffered: VecDeque<Incoming>,
    answers_heartbeats: bool,
    frames: u64,
    last_frame_at: Instant,
}

impl Socket {
    fn new(stream: WebSocketStream<TcpStream>) -> Self {
        let set_aside = VecDeque::new();
        Self {
            stream,
            next_id: 1,
            buffered: set_aside,
            answers_heartbeats: true,
            frames: 0,
            last_frame_at: Instant::now(),
        }
    }

    /// Stops answering heartbeats.
    pub fn stop_answering_heartbeats(&mut self) {
        self.answers_heartbeats = false;
    }

    /// Returns the number of data frames received, including heartbeats.
    #[must_use]
    pub fn frame_count(&self) -> u64 {
        self.frames
    }

    /// Returns when the last frame was received.
    #[must_use]
    pub fn last_frame_at(&self) -> Instant {
        self.last_frame_at
    }

    /// Sends a command and returns its `id` without waiting for the reply.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn send(&mut self, command: Command) -> Result<i64, Error> {
        let id = self.next_id;
        self.next_id += 1;
        self.send_text(&CommandFrame { id, command }.to_text()).await?;
        Ok(id)
    }

    /// Sends a text frame.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn send_text(&mut self, text: &str) -> Result<(), Error> {
        self.send_message(Message::text(text)).await
    }

    /// Sends a binary frame.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn send_binary(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.send_message(Message::binary(bytes.to_vec())).await
    }

    /// Sends any WebSocket message: pings, closes, hand-made frames.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn send_message(&mut self, message: Message) -> Result<(), Error> {
        self.stream.send(message).await.map_err(|error| Error::Interrupted(error.to_string()))
    }

    /// Writes raw bytes, bypassing the framing.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn send_raw(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes).await.map_err(|error| Error::Interrupted(error.to_string()))
    }

    /// Returns the next incoming item, those buffered by [`Self::call`] first; `None` after the deadline.
    pub async fn next_before(&mut self, deadline: Instant) -> Option<Incoming> {
        match self.buffered.pop_front() {
            Some(incoming) => Some(incoming),
            None => self.read_before(deadline).await,
        }
    }

    /// Returns the next incoming item within this time.
    pub async fn next(&mut self, within: Duration) -> Option<Incoming> {
        self.next_before(Instant::now() + within).await
    }

    async fn read_before(&mut self, deadline: Instant) -> Option<Incoming> {
        loop {
            let incoming = match timeout_at(deadline, self.stream.next()).await {
                Err(_) => return None,
                Ok(None) => Incoming::Disconnected("the stream ended".to_owned()),
                Ok(Some(Err(error))) => Incoming::Disconnected(error.to_string()),
                Ok(Some(Ok(Message::Text(text)))) => {
                    self.frames += 1;
                    self.last_frame_at = Instant::now();
                    classify(text.as_str())
                }
                Ok(Some(Ok(Message::Close(frame)))) => {
                    let (code, reason) = frame
                        .map_or((1005, String::new()), |frame| (frame.code.into(), frame.reason.as_str().to_owned()));
                    Incoming::Closed(code, reason)
                }
                Ok(Some(Ok(Message::Binary(bytes)))) => Incoming::Other(format!("{} binary bytes", bytes.len())),
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)))) => continue,
            };
            if incoming == Incoming::Heartbeat && self.answers_heartbeats {
                // If this fails the connection has ended, and the next read reports it.
                let _ended = self.send_text("{}").await;
            }
            return Some(incoming);
        }
    }

    /// Sends a command and waits for its reply; other items are buffered for [`Self::next`].
    ///
    /// # Errors
    /// The server refused it, or no readable reply came.
    pub async fn call<T: DeserializeOwned>(&mut self, command: Command) -> Result<T, Error> {
        let id = self.send(command).await?;
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match self.read_before(deadline).await {
                None => return Err(Error::TimedOut),
                Some(Incoming::Reply(Some(re), answer)) if re == id => {
                    let answer = answer.map_err(Error::Refused)?;
                    return serde_json::from_value(answer).map_err(|error| Error::Unreadable(error.to_string()));
                }
                Some(ended @ (Incoming::Closed(..) | Incoming::Disconnected(_))) => {
                    let why = format!("{ended:?}");
                    self.buffered.push_back(ended);
                    return Err(Error::Interrupted(why));
                }
                Some(other) => self.buffered.push_back(other),
            }
        }
    }

    /// Closes the socket and waits for the server's close frame.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn close(mut self) -> Result<(), Error> {
        self.stream.close(None).await.map_err(|error| Error::Interrupted(error.to_string()))
    }

    /// Drops the connection at once, with a TCP reset.
    pub fn abort(self) {
        // If this fails, dropping the stream still ends the connection, only without a reset.
        let _ignored = self.stream.get_ref().set_zero_linger();
    }
}

/// Classifies a text frame.
fn classify(text: &str) -> Incoming {
    let Ok(Value::Object(mut object)) = serde_json::from_str(text) else { return Incoming::Other(text.to_owned()) };
    if object.is_empty() {
        return Incoming::Heartbeat;
    }
    if let Some(re) = object.remove("re") {
        let answer = match object.remove("error") {
            None => Ok(Value::Object(object)),
            Some(error) => match serde_json::from_value(error) {
                Ok(problem) => Err(Box::new(problem)),
                Err(_) => return Incoming::Other(text.to_owned()),
            },
        };
        return Incoming::Reply(re.as_i64(), answer);
    }
    if object.contains_key("type") {
        return Incoming::Event(Value::Object(object));
    }
    Incoming::Other(text.to_owned())
}
