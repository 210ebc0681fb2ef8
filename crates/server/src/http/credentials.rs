//! Credentials: the session of a cookie or of a bearer token, and the client's address.
//!
//! Invariants: with a bearer token, cookies are ignored. With a cookie, every request that changes something and every
//! socket handshake has exactly one Origin, this server's or an allowed one. Forwarded headers count only when they
//! come from a trusted proxy.

use super::{Edge, errors::Refusal};
use crate::{
    address::visitor,
    app::App,
    config::ProviderKind,
    identity::{
        ClientKey,
        actor::Actor,
        host_sessions::{HostSessions, Visitor},
        sign_in::Client,
        token::Token,
    },
    listener::Peer,
    origin::Origin,
};
use axum::{
    extract::{FromRef, FromRequestParts},
    http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts},
};
use parlor_protocol::error::{Code, Problem};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

/// What the middleware knows about a request to the API.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// An IPv4 address, or an IPv6 network.
    pub(super) address: IpAddr,
    /// How it was authenticated; none if it brought nothing.
    pub(super) by: Option<By>,
    /// The session, if the credentials name one that is alive.
    pub(super) actor: Option<Actor>,
    /// Why it is not known whose the credentials are; it refuses what needs somebody, and nothing else.
    pub(super) failure: Option<Problem>,
    /// The key under which the request has been counted already.
    pub(super) counted: Option<ClientKey>,
    /// How many sessions the hub had counted as ended before the session was looked up.
    pub(super) ends: u64,
}

/// How a session was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Cookie,
    Bearer,
}

/// The user of a valid socket handshake, and the hub's count of ended sessions before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct SocketActor(pub(super) Actor, pub(super) u64);

/// The user of a poll, and the same count.
#[derive(Clone, Copy, Debug)]
pub(super) struct PollActor(pub(super) Actor, pub(super) u64);

/// The caller of a request that changes something, signed in or not.
#[derive(Clone, Debug)]
pub(super) struct Anybody(pub(super) Caller);

/// The caller of a socket handshake on a page of this site, signed in or not.
#[derive(Clone, Debug)]
pub(super) struct SocketVisitor(pub(super) Caller);

const COOKIE: &str = "parlor_session";
/// The cookie of a browser that has signed in before. It stays when the session ends.
const DEVICE: &str = "parlor_device";
/// Browsers keep no cookie longer. The server ends sessions by their last use.
const COOKIE_SECONDS: u32 = 400 * 24 * 60 * 60;
const PARLOR_USER: HeaderName = HeaderName::from_static("parlor-user");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

impl Caller {
    /// Reads the credentials of a request and looks its session up.
    pub(super) async fn of(app: &App, parts: &Parts) -> Self {
        let address = visitor(address_of(app, &parts.headers, &parts.extensions));
        let ends = app.hub.session_ends();
        let mut caller = Self { address, by: None, actor: None, failure: None, counted: None, ends };
        if let Some(token) = bearer(&parts.headers) {
            caller.by = Some(By::Bearer);
            caller.note(app.identity.find_session(&token).await);
            return caller;
        }
        for provider in app.identity.providers() {
            let Some(found) = find(app, parts, *provider, &mut caller).await else { continue };
            caller.by = Some(By::Cookie);
            caller.note(found);
            // If it failed, another provider may know them.
            if caller.actor.is_some() {
                break;
            }
        }
        caller
    }

    fn note(&mut self, found: Result<Option<Actor>, Problem>) {
        match found {
            Ok(None) => {}
            Ok(actor) => (self.actor, self.failure) = (actor, None),
            Err(problem) => self.failure = Some(problem),
        }
    }

    /// Returns the session.
    ///
    /// # Errors
    /// `not_signed_in`, or why that is not known.
    pub(super) fn signed_in(&self) -> Result<Actor, Problem> {
        self.actor.ok_or_else(|| self.failure.clone().unwrap_or_else(|| Code::NotSignedIn.into()))
    }

    /// Returns the key under which this request is counted.
    pub(super) fn key(&self) -> ClientKey {
        self.actor.map_or(ClientKey::Address(self.address), |actor| ClientKey::User(actor.user))
    }

    /// Returns the session of Parlor itself that the request names, also if the host knows somebody else by its cookies.
    ///
    /// # Errors
    /// `unavailable`: the store does not answer.
    pub(super) async fn own_session(&self, app: &App, parts: &Parts) -> Result<Option<Actor>, Problem> {
        if self.by == Some(By::Bearer) {
            return self.failure.clone().map_or(Ok(self.actor), Err);
        }
        let Some(token) = cookie(app, &parts.headers, is_https(app, parts)) else { return Ok(None) };
        app.identity.find_session(&token).await
    }

    /// Returns what a sign-in needs to know of the client.
    ///
    /// # Errors
    /// `unavailable`: the store does not answer.
    pub(super) async fn client(&self, app: &App, parts: &Parts) -> Result<Client, Problem> {
        let headers = &parts.headers;
        let agent = headers.get(header::USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()).into_owned());
        let device = cookie_named(headers, &cookie_name(app, DEVICE, is_https(app, parts)));
        // Anything else was not issued by this server.
        let device = device.filter(Token::is_well_formed);
        let previous = self.own_session(app, parts).await?;
        Ok(Client { address: self.address, agent: agent.unwrap_or_default(), previous, device })
    }
}

/// Looks up whom a provider knows by the cookies of a request; none if it brings nothing of this provider.
async fn find(
    app: &App,
    parts: &Parts,
    provider: ProviderKind,
    caller: &mut Caller,
) -> Option<Result<Option<Actor>, Problem>> {
    if provider == ProviderKind::Accounts {
        let token = cookie(app, &parts.headers, is_https(app, parts))?;
        return Some(app.identity.find_session(&token).await);
    }
    let credential = app.identity.host()?.credential(provider, &cookie_lines(&parts.headers))?;
    let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let visitor = Visitor { address: caller.address, agent };
    Some(app.identity.find_host_session(credential, visitor, &mut caller.counted).await)
}

impl<S: Send + Sync> FromRequestParts<S> for Actor
where
    Edge: FromRef<S>,
{
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let is_change = parts.method != Method::GET && parts.method != Method::HEAD;
        signed_in(parts, &Edge::from_ref(state).app, is_change)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SocketActor
where
    Edge: FromRef<S>,
{
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let actor = signed_in(parts, &Edge::from_ref(state).app, true)?;
        Ok(Self(actor, caller(parts)?.ends))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PollActor
where
    Edge: FromRef<S>,
{
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let actor = signed_in(parts, &Edge::from_ref(state).app, false)?;
        Ok(Self(actor, caller(parts)?.ends))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Anybody
where
    Edge: FromRef<S>,
{
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let caller = caller(parts)?;
        if caller.by != Some(By::Bearer) {
            check_origin(&Edge::from_ref(state).app, parts, caller.by.is_some())?;
        }
        Ok(Self(caller))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SocketVisitor
where
    Edge: FromRef<S>,
{
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let caller = caller(parts)?;
        if caller.by != Some(By::Bearer) {
            check_origin(&Edge::from_ref(state).app, parts, true)?;
        }
        Ok(Self(caller))
    }
}

fn signed_in(parts: &Parts, app: &App, needs_origin: bool) -> Result<Actor, Refusal> {
    let caller = caller(parts)?;
    if needs_origin && caller.by == Some(By::Cookie) {
        check_origin(app, parts, true)?;
    }
    let actor = caller.signed_in()?;
    let whose = parts.headers.get(PARLOR_USER).map(HeaderValue::as_bytes);
    if whose.is_some_and(|whose| whose != actor.user.to_string().as_bytes()) {
        return Err(Code::WrongUser.into());
    }
    Ok(actor)
}

fn caller(parts: &Parts) -> Result<Caller, Refusal> {
    parts.extensions.get::<Caller>().cloned().ok_or_else(|| Code::Internal.into())
}

fn check_origin(app: &App, parts: &Parts, is_needed: bool) -> Result<(), Refusal> {
    let mut origins = parts.headers.get_all(header::ORIGIN).iter();
    let came = match (origins.next(), origins.next()) {
        (None, _) if !is_needed => return Ok(()),
        (Some(origin), None) => origin.to_str().ok().and_then(|origin| origin.parse::<Origin>().ok()),
        _ => None,
    };
    let is_ours = came.is_some_and(|came| {
        app.config.allowed_origins.contains(&came) || own_origin(app, parts).is_some_and(|own| own == came)
    });
    if is_ours { Ok(()) } else { Err(Code::WrongOrigin.into()) }
}

/// Returns this server's origin, as the client addressed it.
fn own_origin(app: &App, parts: &Parts) -> Option<Origin> {
    if let Some(public) = &app.config.public_url {
        return Some(public.clone());
    }
    let forwarded = if peer(&parts.extensions).is_proxy { first_word(&parts.headers, &FORWARDED_HOST) } else { None };
    let host = forwarded.or_else(|| parts.headers.get(header::HOST)?.to_str().ok())?;
    Origin::of_host(is_https(app, parts), host).ok()
}

fn is_https(app: &App, parts: &Parts) -> bool {
    if let Some(public) = &app.config.public_url {
        return public.is_https;
    }
    let Peer { is_proxy, is_tls, .. } = peer(&parts.extensions);
    is_tls || (is_proxy && first_word(&parts.headers, &FORWARDED_PROTO) == Some("https"))
}

/// Returns the other end of the connection; without a listener, a stranger.
fn peer(extensions: &Extensions) -> Peer {
    let stranger = Peer { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), is_proxy: false, is_tls: false };
    extensions.get::<Peer>().copied().unwrap_or(stranger)
}

fn is_trusted(app: &App, address: IpAddr) -> bool {
    app.config.trusted_proxies.iter().any(|network| network.contains(address))
}

/// Returns the nearest address that is not a trusted proxy.
pub(super) fn address_of(app: &App, headers: &HeaderMap, extensions: &Extensions) -> IpAddr {
    let Peer { mut address, is_proxy, .. } = peer(extensions);
    if !is_proxy {
        return address;
    }
    let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok()).collect();
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let Ok(hop) = hop.trim().parse() else { break };
        address = hop;
        if !is_trusted(app, address) {
            break;
        }
    }
    address
}

fn first_word<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()?.split(',').next().map(str::trim)
}

fn bearer(headers: &HeaderMap) -> Option<Token> {
    let value = headers.get(header::AUTHORIZATION)?;
    // An unreadable header still makes the server ignore cookies.
    let token = value.to_str().ok().and_then(|value| value.split_once(' '));
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    Some(Token(token.unwrap_or_default().to_owned()))
}

fn cookie(app: &App, headers: &HeaderMap, is_https: bool) -> Option<Token> {
    cookie_named(headers, &cookie_name(app, COOKIE, is_https))
}

/// Returns the name of a cookie. By its prefix, browsers take it only from this host over https; with `__Host-` also only
/// for all paths.
fn cookie_name(app: &App, name: &str, is_https: bool) -> String {
    let prefix = match (is_https, app.config.http.root_path.0.is_empty()) {
        (false, _) => "",
        (true, true) => "__Host-",
        (true, false) => "__Secure-",
    };
    format!("{prefix}{name}")
}

fn cookie_named(headers: &HeaderMap, wanted: &str) -> Option<Token> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == wanted)
        .map(|(_, value)| Token(value.to_owned()))
}

fn cookie_lines(headers: &HeaderMap) -> Vec<&[u8]> {
    headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect()
}

/// Returns whether a browser brings a session cookie, valid or not.
pub(super) fn brings_cookie(app: &App, headers: &HeaderMap) -> bool {
    app.identity.providers().iter().any(|provider| match provider {
        ProviderKind::Accounts => [false, true].into_iter().any(|is_https| cookie(app, headers, is_https).is_some()),
        host => {
            let credential = |sessions: &HostSessions| sessions.credential(*host, &cookie_lines(headers));
            app.identity.host().and_then(credential).is_some()
        }
    })
}

/// Returns the headers that set the cookies of the session and of the browser.
pub(super) fn cookies_for(app: &App, parts: &Parts, token: &Token, device: &Token) -> [HeaderValue; 2] {
    [
        set_cookie(app, parts, COOKIE, &token.0, COOKIE_SECONDS),
        set_cookie(app, parts, DEVICE, &device.0, COOKIE_SECONDS),
    ]
}

/// Returns the header that removes the session cookie.
pub(super) fn no_cookie(app: &App, parts: &Parts) -> HeaderValue {
    set_cookie(app, parts, COOKIE, "", 0)
}

fn set_cookie(app: &App, parts: &Parts, name: &str, value: &str, seconds: u32) -> HeaderValue {
    let is_https = is_https(app, parts);
    let (name, secure) = (cookie_name(app, name, is_https), if is_https { "; Secure" } else { "" });
    let root = &app.config.http.root_path.0;
    let cookie = format!("{name}={value}; Path={root}/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&cookie).expect("a token is letters, digits, - and _")
}

/// Lets handlers take the app as their state.
impl FromRef<Edge> for Arc<App> {
    fn from_ref(edge: &Edge) -> Self {
        Self::clone(&edge.app)
    }
}
