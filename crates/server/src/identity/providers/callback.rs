//! The callback: a URL of the host that is asked, with the cookies of a request, who they belong to.
//!
//! `GET URL` with the header `Cookie` answers 200 and `{"id": …, "username": …, "name": …}`, or 401 or 403 for nobody.
//! Anything else is a failure of the host.

use super::{Credential, HostSession, Verdict};
use crate::{
    config::{CallbackConfig, ProviderKind},
    domain::host_user::HostUser,
    identity::django::cookies,
};
use futures_util::{StreamExt as _, stream};
use http::{StatusCode, header};
use parlor_protocol::error::{Code, Problem};
use reqwest::{Client, redirect::Policy};
use serde::Deserialize;
use std::{fmt::Write as _, time::Duration};
use tokio::{sync::Semaphore, time::timeout};

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Bytes of the cookies that are passed on.
const COOKIE_BYTES_MAX: usize = 8 * 1024;

/// Asks the host.
#[derive(Debug)]
pub(crate) struct Callback {
    config: CallbackConfig,
    client: Client,
    turns: Semaphore,
}

/// The answer of the host. Further fields are left alone.
#[derive(Deserialize)]
struct Person {
    id: Id,
    username: String,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Number(i64),
    Text(String),
}

impl Callback {
    /// # Errors
    /// The client cannot be made: the machine has no certificates.
    pub(crate) fn new(config: &CallbackConfig) -> Result<Self, reqwest::Error> {
        // Another library may already have installed a provider; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(Duration::from_millis(config.timeout_ms))
            .redirect(Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { turns: Semaphore::new(config.requests_max as usize), client, config: config.clone() })
    }

    pub(crate) fn credential(&self, lines: &[&[u8]]) -> Option<Credential> {
        let mut key = String::new();
        for name in &self.config.cookies {
            if let Some(value) = cookies::cookie(lines.iter().copied(), name) {
                // The separators are in no cookie.
                write!(key, "{name}={value};").expect("writing into a String");
            }
        }
        let cookies = cookies::of_host(lines);
        (!key.is_empty() && cookies.len() <= COOKIE_BYTES_MAX).then_some(Credential {
            provider: ProviderKind::Callback,
            key,
            cookies,
        })
    }

    pub(crate) fn cache_ms(&self) -> i64 {
        i64::try_from(self.config.cache_ms).unwrap_or(i64::MAX)
    }

    pub(crate) fn outage_ms(&self) -> i64 {
        i64::try_from(self.config.outage_ms).unwrap_or(i64::MAX)
    }

    pub(crate) async fn ask_all(&self, credentials: Vec<Credential>) -> Vec<Result<Verdict, Problem>> {
        let mut asks = Vec::with_capacity(credentials.len());
        for credential in credentials {
            asks.push(self.ask(credential));
        }
        stream::iter(asks).buffered(self.config.requests_max as usize).collect().await
    }

    pub(crate) async fn ask(&self, credential: Credential) -> Result<Verdict, Problem> {
        let waiting = timeout(Duration::from_millis(self.config.timeout_ms), self.turns.acquire());
        let Ok(Ok(_turn)) = waiting.await else { return Err(failed("it has too much to answer")) };
        let request = self.client.get(&self.config.url).header(header::COOKIE, &credential.cookies);
        let request = request.header(header::ACCEPT, "application/json");
        // The text of an error of the client contains the URL, which may contain a secret.
        let response = request.send().await.map_err(|error| failed(reason(&error)))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Ok(Verdict::Nobody),
            status => return Err(failed(&format!("it answers {status}; 200, 401 or 403 is expected"))),
        }
        let body = body(response).await?;
        let person: Person = serde_json::from_slice(&body).map_err(|error| {
            failed(&format!(
                "its answer is not understood: {}",
                if error.is_data() { "a field is absent or of the wrong type" } else { "it is not JSON" }
            ))
        })?;
        let id = match person.id {
            Id::Number(id) => id.to_string(),
            Id::Text(id) => id,
        };
        if id.is_empty() {
            return Err(failed("its answer has an empty id"));
        }
        let name = person.name.unwrap_or_default();
        let user = HostUser { external_id: id, login: person.username, name, disabled: false, password_hash: None };
        Ok(Verdict::SignedIn(HostSession { user, expires_at: None }))
    }
}

async fn body(mut response: reqwest::Response) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| failed(reason(&error)))? {
        if body.len() + piece.len() > ANSWER_BYTES_MAX {
            return Err(failed("its answer is too long"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn reason(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "it does not answer in time"
    } else if error.is_connect() {
        "it cannot be reached"
    } else {
        "the connection failed"
    }
}

/// Logs why the host cannot be asked, and refuses what depended on it.
fn failed(reason: &str) -> Problem {
    tracing::warn!(reason, "the callback failed");
    Problem::new(Code::Unavailable).with_detail("the application that people sign in to does not answer")
}
