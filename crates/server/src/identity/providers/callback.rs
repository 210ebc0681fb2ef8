//! The callback: a URL of the host that is asked, with the cookies of a request, who they belong to.
//!
//! `GET URL` with the header `Cookie` answers 200 and `{"id": …, "username": …, "name": …}`, or 401 or 403 for no user.
//! Anything else is a failure of the host.

use super::{
    Credential, HostSession, Verdict,
    turns::{Requester, Turn, Turns},
};
use crate::{
    config::{CallbackConfig, ProviderKind},
    domain::host_user::HostUser,
    host_answer::{read_body, reason},
    identity::django::cookies,
};
use http::{HeaderValue, StatusCode, header};
use parlor_protocol::error::{Code, Problem};
use reqwest::{Client, redirect::Policy};
use serde::Deserialize;
use std::{fmt::Write as _, time::Duration};

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Bytes of the cookies that are passed on.
const COOKIE_BYTES_MAX: usize = 8 * 1024;
/// When a request that got no turn should be tried again.
const RETRY_AFTER_MS: u64 = 1000;

/// Asks the host.
#[derive(Debug)]
pub(crate) struct Callback {
    config: CallbackConfig,
    client: Client,
    turns: Turns,
}

/// The answer of the host. Further fields are left alone.
#[derive(Deserialize)]
struct CallbackUser {
    id: CallbackUserId,
    username: String,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum CallbackUserId {
    Number(i64),
    Text(String),
}

impl Callback {
    /// # Errors
    /// The client cannot be made: the machine has no certificates.
    pub(crate) fn new(config: &CallbackConfig) -> Result<Self, reqwest::Error> {
        // Another library may already have installed a provider; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let timeout = Duration::from_millis(config.timeout_ms);
        let client = Client::builder().timeout(timeout).redirect(Policy::none()).no_proxy().build()?;
        Ok(Self { turns: Turns::new(config.requests_max as usize, timeout), client, config: config.clone() })
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
        (!key.is_empty()).then_some(Credential { provider: ProviderKind::Callback, key, cookies })
    }

    pub(crate) fn cache_ms(&self) -> i64 {
        i64::try_from(self.config.cache_ms).unwrap_or(i64::MAX)
    }

    pub(crate) fn outage_ms(&self) -> i64 {
        i64::try_from(self.config.outage_ms).unwrap_or(i64::MAX)
    }

    /// Returns how many requests there are at once.
    pub(crate) fn requests_max(&self) -> usize {
        self.config.requests_max as usize
    }

    /// Waits for a turn to ask.
    ///
    /// # Errors
    /// `unavailable`: others have waited for longer. That is no failure of the host.
    pub(crate) async fn turn(&self, requester: Requester) -> Result<Turn<'_>, Problem> {
        self.turns.take(requester).await.ok_or_else(|| {
            let problem = Problem::new(Code::Unavailable).with_detail("too many requests wait for the application");
            problem.with_retry_after_ms(RETRY_AFTER_MS)
        })
    }

    /// Asks, in a turn that was taken.
    pub(crate) async fn ask(&self, credential: &Credential) -> Result<Verdict, Problem> {
        if credential.cookies.len() > COOKIE_BYTES_MAX {
            let problem = Problem::new(Code::TooLarge).with_detail("the cookies are too large to be passed on");
            return Err(problem.with_limit(COOKIE_BYTES_MAX as u64));
        }
        // They came in a header.
        let cookies = HeaderValue::from_bytes(&credential.cookies).map_err(|_| Problem::from(Code::InvalidField))?;
        let request = self.client.get(&self.config.url).header(header::COOKIE, cookies);
        let request = request.header(header::ACCEPT, "application/json");
        // The text of an error of the client contains the URL, which may contain a secret.
        let response = request.send().await.map_err(|error| failed(reason(&error)))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Ok(Verdict::SignedOut),
            status => return Err(failed(&format!("it answers {status}; 200, 401 or 403 is expected"))),
        }
        let body = read_body(response, ANSWER_BYTES_MAX).await.map_err(failed)?;
        let person: CallbackUser = serde_json::from_slice(&body).map_err(|error| {
            failed(&format!(
                "its answer is not understood: {}",
                if error.is_data() { "a field is absent or of the wrong type" } else { "it is not JSON" }
            ))
        })?;
        let id = match person.id {
            CallbackUserId::Number(id) => id.to_string(),
            CallbackUserId::Text(id) => id,
        };
        if id.is_empty() {
            return Err(failed("its answer has an empty id"));
        }
        let name = person.name.unwrap_or_default();
        let user = HostUser { external_id: id, login: person.username, name, disabled: false, password_hash: None };
        Ok(Verdict::SignedIn(HostSession { user, expires_at: None }))
    }
}

/// Logs why the host cannot be asked, and refuses what depended on it.
fn failed(reason: &str) -> Problem {
    tracing::warn!(reason, "the callback failed");
    Problem::new(Code::Unavailable).with_detail("the application that users sign in to does not answer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[tokio::test]
    async fn cookies_are_passed_on_byte_by_byte_and_more_than_the_limit_is_a_clear_error() {
        let callback = Callback::new(&Config::default().callback).expect("a client");
        let lines = [b"theme=gr\xfcn; sessionid=abc;".as_slice(), b" parlor_session=x; \xc3\xa9=1"];
        let credential = callback.credential(&lines).expect("a session's cookie");
        assert_eq!(credential.cookies, b"theme=gr\xfcn; sessionid=abc; \xc3\xa9=1");
        assert!(HeaderValue::from_bytes(&credential.cookies).is_ok());
        assert!(callback.credential(&[b"theme=dark"]).is_none());
        let long = format!("sessionid=abc; x={}", "x".repeat(COOKIE_BYTES_MAX));
        let long = callback.credential(&[long.as_bytes()]).expect("a session's cookie");
        assert_eq!(callback.ask(&long).await.expect_err("too large").code, Code::TooLarge);
    }
}
