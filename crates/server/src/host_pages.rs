//! The host over HTTP, on behalf of a user whose old socket is open: its rule about who may write to whom, and its own
//! view that sends a message, as a browser would call them.
//!
//! Invariants: a user's cookies are kept with their socket, in memory, and are never logged; what may have had an
//! effect is not repeated; an answer that is late, absent or not understood allows nothing; the host may be slow or gone,
//! and then only those wait who ask it.

use crate::{
    config::HostConfig,
    environment::Environment,
    host_answer::{read_body, reason},
    host_side::MessageTarget,
    identity::django::cookies,
    profile::{
        Profile,
        sockets::Action,
        write_rule::WriteRule,
        write_view::{FormValue, WriteView},
    },
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use parlor_protocol::error::{Code, Problem};
use reqwest::{Client, RequestBuilder, Response, Url, redirect::Policy};
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::Semaphore, time::timeout};
use tracing::{debug, warn};

/// Bytes of an answer about who may write to whom.
const ANSWER_BYTES_MAX: usize = 4 * 1024;
/// Bytes of the cookies that are passed on.
const COOKIE_BYTES_MAX: usize = 8 * 1024;
/// Rows that are remembered as those of messages that were answered.
const CLAIMED_MAX: usize = 1024;
/// The field of a form with Django's token (`django.template.context_processors.csrf`).
const CSRF_FIELD: &str = "csrfmiddlewaretoken";
/// Lengths of Django's tokens: a secret, and a secret with its mask (`django.middleware.csrf`).
const CSRF_LENGTHS: [usize; 2] = [32, 64];
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The parameter with which Django's redirect to the sign-in page says where to go after it (`REDIRECT_FIELD_NAME`).
const NEXT: &str = "next";

/// See the module documentation.
pub struct HostPages {
    client: Client,
    base: Option<Url>,
    allow: Option<Url>,
    turns: Semaphore,
    turn_max: Duration,
    claimed: Mutex<VecDeque<i64>>,
}

/// Its URLs may contain passwords.
impl fmt::Debug for HostPages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HostPages")
    }
}

/// Headers of the handshake of an old socket, with which its user's requests are made.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageHeaders {
    /// The cookies, without Parlor's own.
    #[serde(with = "cookies::latin_1")]
    cookies: Vec<u8>,
    #[serde(with = "header_text")]
    host: Option<HeaderValue>,
    /// Where the page is from; it was checked.
    origin: String,
}

impl fmt::Debug for PageHeaders {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PageHeaders").field("origin", &self.origin).finish_non_exhaustive()
    }
}

mod header_text {
    use super::HeaderValue;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};

    #[expect(clippy::ref_option, reason = "the signature that serde calls")]
    pub(super) fn serialize<S: Serializer>(header: &Option<HeaderValue>, serializer: S) -> Result<S::Ok, S::Error> {
        header.as_ref().and_then(|header| header.to_str().ok()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<HeaderValue>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse()).transpose().map_err(D::Error::custom)
    }
}

/// A message as a form.
#[derive(Clone, Debug)]
pub(crate) struct NewPost<'a> {
    pub(crate) sender: &'a str,
    pub(crate) target: &'a MessageTarget,
    pub(crate) text: &'a str,
    pub(crate) subject: Option<&'a str>,
}

/// Why the host cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum HostPagesError {
    /// The profile needs a key that is not set.
    #[error("{key} is needed: the profile {profile} has `{by}`")]
    Missing {
        /// The key of the configuration.
        key: &'static str,
        /// The profile.
        profile: String,
        /// What in it.
        by: &'static str,
    },
    /// A URL is not one. The text does not contain it, because it may contain a password.
    #[error("{key} is no URL that begins with http:// or https://")]
    NotUrl {
        /// The key of the configuration.
        key: &'static str,
    },
    /// The client cannot be made.
    #[error("the host cannot be asked over HTTP: {0}")]
    Client(#[from] reqwest::Error),
}

/// The answer of the host about a message. Further fields are left alone.
#[derive(Deserialize)]
struct Allowed {
    allowed: bool,
}

impl PageHeaders {
    /// Reads the headers of a handshake whose Origin was checked.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let lines: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
        let cookies = cookies::of_host(&lines);
        Self {
            // Too many are treated as none: the host then recognises no user.
            cookies: if cookies.len() <= COOKIE_BYTES_MAX { cookies } else { Vec::new() },
            host: headers.get(header::HOST).cloned(),
            origin: headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).unwrap_or_default().to_owned(),
        }
    }

    /// Adds what the host needs to see the page's own request.
    fn add_to(&self, mut request: RequestBuilder, cookies: &[u8]) -> RequestBuilder {
        if let Some(host) = &self.host {
            request = request.header(header::HOST, host);
        }
        let scheme = if self.origin.starts_with("https:") { "https" } else { "http" };
        request
            .header(header::COOKIE, cookies)
            .header(header::ORIGIN, &self.origin)
            .header(header::REFERER, format!("{}/", self.origin))
            .header("X-Forwarded-Proto", scheme)
    }

    /// Returns the token of the page's cookie, or a new one, and the cookies with it: Django requires that the form and
    /// the cookie have the same.
    fn with_token(&self, name: &str, environment: &Environment) -> (String, Vec<u8>) {
        let known = cookies::cookie([self.cookies.as_slice()], name);
        let is_token = |token: &String| {
            CSRF_LENGTHS.contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if let Some(token) = known.filter(is_token) {
            return (token, self.cookies.clone());
        }
        let random: [u8; CSRF_LENGTHS[0]] = environment.random();
        let token: String = random.iter().map(|byte| char::from(BASE62[usize::from(*byte) % BASE62.len()])).collect();
        // Of several cookies of a name Django takes the last.
        let separator = if self.cookies.is_empty() { "" } else { "; " };
        let cookies = [self.cookies.as_slice(), format!("{separator}{name}={token}").as_bytes()].concat();
        (token, cookies)
    }
}

impl HostPages {
    /// Makes it, if the profile needs it.
    ///
    /// # Errors
    /// See [`HostPagesError`].
    pub(crate) fn new(config: &HostConfig, profile: Option<&Profile>) -> Result<Option<Self>, HostPagesError> {
        let Some(profile) = profile else { return Ok(None) };
        let actions = profile.sockets.iter().flat_map(|socket| &socket.receive).map(|rule| &rule.action);
        let sends: Vec<_> = actions
            .filter_map(|action| match action {
                Action::Send(send) => Some(send),
                Action::MarkRead { .. } | Action::CountUnread | Action::Answer => None,
            })
            .collect();
        let needed = |is_needed: bool, key, value: &Option<String>, by| match value {
            Some(value) => url(key, value).map(Some),
            None if is_needed => Err(HostPagesError::Missing { key, profile: profile.name.clone(), by }),
            None => Ok(None),
        };
        let is_view = sends.iter().any(|send| send.view.is_some());
        let is_callback = sends.iter().any(|send| send.allow == Some(WriteRule::Callback));
        let base = needed(is_view, "host.url", &config.url, "write = \"view\"")?;
        let allow = needed(is_callback, "host.allow_url", &config.allow_url, "allow = \"callback\"")?;
        if !(is_view || is_callback) {
            return Ok(None);
        }
        // Another library may already have installed a provider; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let turn_max = Duration::from_millis(config.http_timeout_ms);
        // A connection that the host closes in this moment would leave open whether a message was sent.
        let client = Client::builder()
            .timeout(turn_max)
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0)
            .no_proxy()
            .build()?;
        let turns = Semaphore::new(config.http_requests_max as usize);
        Ok(Some(Self { client, base, allow, turns, turn_max, claimed: Mutex::default() }))
    }

    /// Asks the host whether a user may write to another: `GET URL?sender=…&recipient=…&context=…` with their
    /// cookies answers 200 and `{"allowed": true}` or `false`, or 401 or 403 for no.
    ///
    /// # Errors
    /// `unavailable`: the host does not say.
    pub(crate) async fn may_write(
        &self,
        page: &PageHeaders,
        sender: &str,
        target: &MessageTarget,
    ) -> Result<bool, Problem> {
        let mut url = self.allow.clone().ok_or_else(|| failed("host.allow_url is not set"))?;
        url.query_pairs_mut().append_pair("sender", sender).append_pair("recipient", &target.recipient);
        if let Some(context) = &target.context {
            url.query_pairs_mut().append_pair("context", context);
        }
        let request = page.add_to(self.client.get(url), &page.cookies).header(header::ACCEPT, "application/json");
        let response = self.send(request).await?;
        match response.status() {
            StatusCode::OK => {
                let body = read_body(response, ANSWER_BYTES_MAX).await.map_err(failed)?;
                let answer: Allowed = serde_json::from_slice(&body)
                    .map_err(|_| failed("its answer is not {\"allowed\": true} or {\"allowed\": false}"))?;
                Ok(answer.allowed)
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(false),
            status => Err(failed(&format!("it answers {status}; 200, 401 or 403 is expected"))),
        }
    }

    /// Sends a message by the host's own view. When this returns, the view has accepted it.
    ///
    /// # Errors
    /// `not_allowed`, `not_found`, `invalid_field`: the view refuses it; `unavailable`: the host does not answer, and it
    /// may have been sent.
    pub(crate) async fn post(
        &self,
        (page, environment): (&PageHeaders, &Environment),
        view: &WriteView,
        post: &NewPost<'_>,
    ) -> Result<(), Problem> {
        let base = self.base.as_ref().ok_or_else(|| failed("host.url is not set"))?;
        let url = format!("{}{}", base.as_str().trim_end_matches('/'), view.path);
        let url: Url = url.parse().map_err(|_| failed("the path is no URL"))?;
        let (token, cookies) = page.with_token(&view.csrf_cookie, environment);
        let mut request = page.add_to(self.client.post(url), &cookies);
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8");
        for (name, value) in &view.headers {
            request = request.header(name, value);
        }
        accepted(&self.send(request.body(form(view, &token, post))).await?)
    }

    /// Takes the row of a message that was sent by the view, so that no other message is answered with it. Returns false
    /// if it is taken.
    pub(crate) fn claim(&self, row_id: i64) -> bool {
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        if claimed.contains(&row_id) {
            return false;
        }
        if claimed.len() == CLAIMED_MAX {
            claimed.pop_front();
        }
        claimed.push_back(row_id);
        true
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Problem> {
        let waiting = timeout(self.turn_max, self.turns.acquire());
        let Ok(Ok(_turn)) = waiting.await else { return Err(failed("it has too much to answer")) };
        // The text of an error of the client contains the URL, which may contain a secret.
        request.send().await.map_err(|error| failed(reason(&error)))
    }
}

fn url(key: &'static str, text: &str) -> Result<Url, HostPagesError> {
    let url: Url = text.parse().map_err(|_| HostPagesError::NotUrl { key })?;
    if ["http", "https"].contains(&url.scheme()) { Ok(url) } else { Err(HostPagesError::NotUrl { key }) }
}

fn form(view: &WriteView, token: &str, post: &NewPost<'_>) -> String {
    let fields = view.form.iter().map(|(name, value)| (name.as_str(), of_post(value, post)));
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair(CSRF_FIELD, token).extend_pairs(fields).finish()
}

fn of_post<'a>(value: &'a FormValue, post: &NewPost<'a>) -> &'a str {
    match value {
        FormValue::Constant(text) => text,
        FormValue::Text => post.text,
        FormValue::Subject => post.subject.unwrap_or_default(),
        FormValue::Sender => post.sender,
        FormValue::Recipient => &post.target.recipient,
        FormValue::Context => post.target.context.as_deref().unwrap_or_default(),
    }
}

/// Whether a view accepts what was sent to it, by the status of its answer.
fn accepted(response: &Response) -> Result<(), Problem> {
    let status = response.status();
    if status.is_redirection() {
        let location = response.headers().get(header::LOCATION).map(HeaderValue::as_bytes).unwrap_or_default();
        return if leads_to_sign_in(location) { Err(Code::NotAllowed.into()) } else { Ok(()) };
    }
    if status.is_success() {
        return Ok(());
    }
    debug!(%status, "the host's view refuses a message");
    Err(match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Code::NotAllowed.into(),
        StatusCode::NOT_FOUND => Code::NotFound.into(),
        StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge.into(),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => failed(&format!("it answers {status}")),
        status if status.is_client_error() => Code::InvalidField.into(),
        status => failed(&format!("it answers {status}")),
    })
}

/// Whether a redirect is that of Django's `login_required`.
fn leads_to_sign_in(location: &[u8]) -> bool {
    let query = location.iter().position(|byte| *byte == b'?').map(|at| &location[at + 1..]).unwrap_or_default();
    form_urlencoded::parse(query).any(|(name, _)| name == NEXT)
}

/// Logs why the host cannot be asked, and refuses what depended on it.
fn failed(reason: &str) -> Problem {
    warn!(reason, "the host did not answer a request of an old socket");
    Problem::new(Code::Unavailable).with_detail("the application does not answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(cookies: &str) -> PageHeaders {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, cookies.parse().expect("a header"));
        headers.insert(header::ORIGIN, HeaderValue::from_static("https://site.example"));
        PageHeaders::of(&headers)
    }

    #[test]
    fn the_token_of_the_cookie_is_used_and_a_new_one_is_in_both_places() {
        let environment = Environment::real();
        let token = "a".repeat(32);
        let known = page(&format!("sessionid=x; csrftoken={token}")).with_token("csrftoken", &environment);
        assert_eq!(known, (token.clone(), format!("sessionid=x; csrftoken={token}").into_bytes()));
        for cookies in ["sessionid=x", "sessionid=x; csrftoken=", "sessionid=x; csrftoken=<script>"] {
            let page = page(cookies);
            let (made, sent) = page.with_token("csrftoken", &environment);
            assert!(made.len() == 32 && made.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{made}");
            assert_eq!(cookies::cookie([sent.as_slice()], "csrftoken"), Some(made), "the last one counts");
            assert_eq!(cookies::cookie([sent.as_slice()], "sessionid"), Some("x".to_owned()));
        }
    }

    #[test]
    fn cookies_of_parlor_are_not_passed_on_and_none_is_shown() {
        let page = page("sessionid=secret; parlor_session=own; __Host-parlor_session=own; __Secure-parlor_session=own");
        assert_eq!(page.cookies, b"sessionid=secret");
        assert_eq!(format!("{page:?}"), "PageHeaders { origin: \"https://site.example\", .. }");
    }

    #[test]
    fn a_redirect_to_the_sign_in_page_is_recognised() {
        for (location, is_sign_in) in [
            ("/login/?next=/inbox/", true),
            ("https://site.example/accounts/login/?a=1&next=%2F", true),
            ("/inbox/?item_id=5&recipient_id=2", false),
            ("/next/", false),
            ("", false),
        ] {
            assert_eq!(leads_to_sign_in(location.as_bytes()), is_sign_in, "{location}");
        }
    }
}
