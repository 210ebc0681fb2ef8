//! A client of the HTTP API with typed answers. An [`Api`] belongs to one user, or is anonymous.
//!
//! Connections are pooled; requests are never retried.

use crate::{error::Error, limits::Limits};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use parlor_protocol::{
    cursor::Cursor,
    error::Problem,
    http::{PostMessage, PutMarker, SignIn, SignedIn},
    ids::{ConversationId, Seq, UserId, Version},
    reply::{Changes, ConversationAnswer, ConversationPage, Heads, Marked, MeAnswer, MessagePage, Sent},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{net::SocketAddr, time::Duration};

/// A raw answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Response {
    /// Parses the answer, or the problem.
    ///
    /// # Errors
    /// The problem, or that the body is neither.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let unreadable = |error: serde_json::Error| {
            Error::Unreadable(format!("{}: {error}: {}", self.status, String::from_utf8_lossy(&self.body)))
        };
        if self.status.is_success() {
            let body = if self.body.is_empty() { b"null" } else { &self.body[..] };
            return serde_json::from_slice(body).map_err(unreadable);
        }
        Err(serde_json::from_slice::<Problem>(&self.body).map_err(unreadable)?.into())
    }
}

/// Sees every answer, with the method and the path with its query.
pub type Observer = fn(&Method, &str, &Response);

/// Idle time after which a pooled connection is dropped: the server closes it after `http.head_ms`, and a request sent
/// at that moment gets no answer.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// A client of the HTTP API.
#[derive(Clone, Debug)]
pub struct Api {
    observer: Option<Observer>,
    address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    headers: HeaderMap,
    timeout: Duration,
}

impl Api {
    /// Creates an anonymous client.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .pool_idle_timeout(IDLE_MAX)
            .build_http();
        Self { observer: None, address, client, headers: HeaderMap::new(), timeout: Duration::from_secs(30) }
    }

    /// Passes every answer to an observer.
    #[must_use]
    pub fn with_observer(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Sets the timeout of a request.
    #[must_use]
    pub fn with_timeout(mut self, patience: Duration) -> Self {
        self.timeout = patience;
        self
    }

    /// Sends this header with every request.
    ///
    /// # Panics
    /// The value has characters that no header may have.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.insert(name, HeaderValue::from_str(value).expect("a header's value"));
        self
    }

    /// Authenticates with a bearer token.
    #[must_use]
    pub fn with_token(self, token: &str) -> Self {
        self.with_header(header::AUTHORIZATION, &format!("Bearer {token}"))
    }

    /// Names the expected user with every request.
    #[must_use]
    pub fn as_user(self, user: UserId) -> Self {
        self.with_header(HeaderName::from_static("parlor-user"), &user.to_string())
    }

    /// Returns the server's address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a request and returns the raw answer.
    ///
    /// # Errors
    /// No answer came.
    ///
    /// # Panics
    /// The path is invalid.
    pub async fn request(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Result<Response, Error> {
        let mut request = Request::builder().method(method.clone()).uri(format!("http://{}{path}", self.address));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body.into())).expect("method, path and headers make a request");
        let interrupted = |error: &dyn std::error::Error| Error::Interrupted(error_chain(error));
        let whole = async {
            let response = self.client.request(request).await.map_err(|error| interrupted(&error))?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| interrupted(&error))?.to_bytes();
            Ok(Response { status: head.status, headers: head.headers, body })
        };
        let answer = tokio::time::timeout(self.timeout, whole).await.map_err(|_| Error::TimedOut)?;
        if let (Some(observer), Ok(response)) = (self.observer, &answer) {
            observer(&method, path, response);
        }
        answer
    }

    /// Fetches the limits.
    ///
    /// # Errors
    /// The server refused it, or no readable answer came.
    pub async fn limits(&self) -> Result<Limits, Error> {
        self.get("/v1/limits").await
    }

    /// Sends a GET request and parses the answer.
    ///
    /// # Errors
    /// The server refused it, or no readable answer came.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.request(Method::GET, path, Bytes::new()).await?.parse()
    }

    /// Sends a JSON body and parses the answer.
    ///
    /// # Errors
    /// The server refused it, or no readable answer came.
    ///
    /// # Panics
    /// The body cannot be serialized.
    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        let body = serde_json::to_vec(body).expect("bodies have string keys only");
        let json = self.clone().with_header(header::CONTENT_TYPE, "application/json");
        json.request(method, path, body).await?.parse()
    }

    /// Signs in with a bearer token and returns the client of that user.
    ///
    /// # Errors
    /// The server refused it, or no readable answer came.
    pub async fn sign_in(&self, login: &str, password: &str) -> Result<(Self, SignedIn), Error> {
        let body = SignIn { login: login.to_owned(), password: password.to_owned(), token: true };
        let signed_in: SignedIn = self.send(Method::POST, "/v1/session", &body).await?;
        let Some(token) = &signed_in.token else { return Err(Error::Unreadable("no token".to_owned())) };
        let api = self.clone().with_token(token).as_user(signed_in.me.user.id);
        Ok((api, signed_in))
    }

    /// Returns the headers sent with every request, for a socket's handshake.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Polls for heads, waiting up to `wait_s` seconds.
    ///
    /// # Errors
    /// The server refused it, or no readable answer came.
    pub async fn events(&self, cursor: Option<Cursor>, wait_s: u32) -> Result<Heads, Error> {
        let cursor = cursor.map(|cursor| format!("cursor={cursor}&")).unwrap_or_default();
        self.get(&format!("/v1/events?{cursor}wait={wait_s}")).await
    }

    /// Fetches a page of the conversation list.
    ///
    /// # Errors
    /// The server refused it, or no readable answer came.
    pub async fn conversations(&self, after: Option<&str>, limit: Option<u32>) -> Result<ConversationPage, Error> {
        let after = after.map(|after| format!("after={after}&")).unwrap_or_default();
        let limit = limit.map(|limit| format!("limit={limit}")).unwrap_or_default();
        self.get(&format!("/v1/conversations?{after}{limit}")).await
    }

    /// Fetches a conversation.
    ///
    /// # Errors
    /// The server refused it, or no readable answer came.
    pub async fn conversation(&self, conversation: ConversationId) -> Result<ConversationAnswer, Error> {
        self.get(&format!("/v1/conversations/{conversation}")).await
    }

    /// Fetches the changes of a conversation.
    ///
    /// # Errors
    /// The server refused it, or no readable answer came.
    pub async fn changes(&self, conversation: ConversationId, since: Version) -> Result<Changes, Error> {
        self.get(&format!("/v1/conversations/{conversation}/changes?since={since}")).await
    }

    /// Fetches a page of messages; `anchor` is a query such as `after=7`, or empty for the newest.
    ///
    /// # Errors
    /// The server refused it, or no readable answer came.
    pub async fn messages(&self, conversation: ConversationId, anchor: &str) -> Result<MessagePage, Error> {
        self.get(&format!("/v1/conversations/{conversation}/messages?{anchor}")).await
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The server refused it, or no readable answer came.
    pub async fn post_message(&self, conversation: ConversationId, client_id: &str, text: &str) -> Result<Sent, Error> {
        let body = PostMessage {
            client_id: client_id.to_owned(),
            text: text.to_owned(),
            mentions: Vec::new(),
            subject: None,
            reply_to: None,
            attachments: Vec::new(),
            draft: None,
        };
        self.send(Method::POST, &format!("/v1/conversations/{conversation}/messages"), &body).await
    }

    /// Marks a conversation as read up to `seq`.
    ///
    /// # Errors
    /// The server refused it, or no readable answer came.
    pub async fn put_read(&self, conversation: ConversationId, seq: Seq) -> Result<Marked, Error> {
        self.send(Method::PUT, &format!("/v1/conversations/{conversation}/read"), &PutMarker { seq }).await
    }

    /// Fetches the signed-in user.
    ///
    /// # Errors
    /// The server refused it, or no readable answer came.
    pub async fn me(&self) -> Result<MeAnswer, Error> {
        self.get("/v1/me").await
    }
}

/// Formats an error with its causes.
fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
