//! Requests of the HTTP API, with typed answers. One [`Api`] is one person's, or nobody's.
//!
//! Connections are kept and used again; a request is never repeated by itself.

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

/// An answer as it came.
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
    /// Reads the answer, or the problem.
    ///
    /// # Errors
    /// The problem, or that the body is neither.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
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

/// Looks at every answer: the method, the path with its query, and what came.
pub type Observer = fn(&Method, &str, &Response);

/// So long a connection rests before it is left for a new one: the server closes it after `http.head_ms`, and what is sent
/// at that moment is not answered.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// A client of the HTTP API.
#[derive(Clone, Debug)]
pub struct Api {
    observer: Option<Observer>,
    address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    headers: HeaderMap,
    patience: Duration,
}

impl Api {
    /// Of nobody yet.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .pool_idle_timeout(IDLE_MAX)
            .build_http();
        Self { observer: None, address, client, headers: HeaderMap::new(), patience: Duration::from_secs(30) }
    }

    /// Shows every answer to an observer.
    #[must_use]
    pub fn with_observer(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Gives up a request after so long.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
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

    /// With a bearer token from now on.
    #[must_use]
    pub fn with_token(self, token: &str) -> Self {
        self.with_header(header::AUTHORIZATION, &format!("Bearer {token}"))
    }

    /// Says whose page this is with every request.
    #[must_use]
    pub fn as_user(self, user: UserId) -> Self {
        self.with_header(HeaderName::from_static("parlor-user"), &user.to_string())
    }

    /// Where the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends any request and gives the answer as it came.
    ///
    /// # Errors
    /// No answer came.
    ///
    /// # Panics
    /// The path is not one.
    pub async fn request(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Result<Response, Error> {
        let mut request = Request::builder().method(method.clone()).uri(format!("http://{}{path}", self.address));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body.into())).expect("method, path and headers make a request");
        let interrupted = |error: &dyn std::error::Error| Error::Interrupted(chain(error));
        let whole = async {
            let response = self.client.request(request).await.map_err(|error| interrupted(&error))?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| interrupted(&error))?.to_bytes();
            Ok(Response { status: head.status, headers: head.headers, body })
        };
        let answer = tokio::time::timeout(self.patience, whole).await.map_err(|_| Error::TimedOut)?;
        if let (Some(observer), Ok(response)) = (self.observer, &answer) {
            observer(&method, path, response);
        }
        answer
    }

    /// What the server says that clients go by.
    ///
    /// # Errors
    /// The server refused it, or no readable answer came.
    pub async fn limits(&self) -> Result<Limits, Error> {
        self.get("/v1/limits").await
    }

    /// Asks for something and reads the answer.
    ///
    /// # Errors
    /// The server refused it, or no readable answer came.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.request(Method::GET, path, Bytes::new()).await?.read()
    }

    /// Sends a JSON body and reads the answer.
    ///
    /// # Errors
    /// The server refused it, or no readable answer came.
    ///
    /// # Panics
    /// The body cannot be JSON.
    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        let body = serde_json::to_vec(body).expect("bodies have string keys only");
        let json = self.clone().with_header(header::CONTENT_TYPE, "application/json");
        json.request(method, path, body).await?.read()
    }

    /// Signs in with a bearer token and gives the client of that person.
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

    /// The headers that say who asks, for a socket's handshake.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Heads, after at most so many seconds.
    ///
    /// # Errors
    /// The server refused it, or no readable answer came.
    pub async fn events(&self, cursor: Option<Cursor>, wait_s: u32) -> Result<Heads, Error> {
        let cursor = cursor.map(|cursor| format!("cursor={cursor}&")).unwrap_or_default();
        self.get(&format!("/v1/events?{cursor}wait={wait_s}")).await
    }

    /// A page of the list.
    ///
    /// # Errors
    /// The server refused it, or no readable answer came.
    pub async fn conversations(&self, after: Option<&str>, limit: Option<u32>) -> Result<ConversationPage, Error> {
        let after = after.map(|after| format!("after={after}&")).unwrap_or_default();
        let limit = limit.map(|limit| format!("limit={limit}")).unwrap_or_default();
        self.get(&format!("/v1/conversations?{after}{limit}")).await
    }

    /// One conversation.
    ///
    /// # Errors
    /// The server refused it, or no readable answer came.
    pub async fn conversation(&self, conversation: ConversationId) -> Result<ConversationAnswer, Error> {
        self.get(&format!("/v1/conversations/{conversation}")).await
    }

    /// What changed in one.
    ///
    /// # Errors
    /// The server refused it, or no readable answer came.
    pub async fn changes(&self, conversation: ConversationId, since: Version) -> Result<Changes, Error> {
        self.get(&format!("/v1/conversations/{conversation}/changes?since={since}")).await
    }

    /// A page of messages; `anchor` is such as `after=7`, or empty for the newest.
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
            subject: None,
            reply_to: None,
            attachments: Vec::new(),
        };
        self.send(Method::POST, &format!("/v1/conversations/{conversation}/messages"), &body).await
    }

    /// Marks as read up to here.
    ///
    /// # Errors
    /// The server refused it, or no readable answer came.
    pub async fn put_read(&self, conversation: ConversationId, seq: Seq) -> Result<Marked, Error> {
        self.send(Method::PUT, &format!("/v1/conversations/{conversation}/read"), &PutMarker { seq }).await
    }

    /// The signed-in person.
    ///
    /// # Errors
    /// The server refused it, or no readable answer came.
    pub async fn me(&self) -> Result<MeAnswer, Error> {
        self.get("/v1/me").await
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
