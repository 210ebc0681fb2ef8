//! The middleware of every request: its id in the log, its session, the count, the headers, and a guard against panics.

use super::{
    Edge, bodies,
    credentials::{Caller, address_of},
    declared_sockets,
    errors::{self, Refusal},
};
use crate::{
    access_log::{AskedPath, RequestEntry},
    identity::{ClientKey, rate_limit::Remaining},
    listener::Peer,
    metrics,
};
use axum::{
    body::{Body, HttpBody},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::FutureExt as _;
use hyper::body::{Frame, SizeHint};
use parlor_protocol::error::{Code, Problem};
use std::{
    net::IpAddr,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::atomic::Ordering,
    task::{Context, Poll, ready},
    time::Instant,
};
use tracing::Instrument as _;

const POLICY: &str = "default-src 'self'; img-src 'self' data: blob: https: http:; object-src 'none'; \
                      base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

pub(super) async fn pass(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let id = format!("{:016x}", u64::from_le_bytes(edge.app.environment.random()));
    let span = tracing::info_span!("request", id, method = %request.method());
    let path = request.uri().path();
    let is_api = path.starts_with("/v1/") || declared_sockets::is_declared(&edge, path);
    let method = method_name(request.method());
    let started = Instant::now();
    let (is_http2, hsts_s) = (request.version() == Version::HTTP_2, hsts_s(&edge, &request));
    let tries_to_sign_in = tries_to_sign_in(&request);
    let visit = edge.access_log.as_ref().map(|log| {
        let address = address_of(&edge.app, request.headers(), request.extensions());
        let asked = request.extensions().get::<AskedPath>();
        log.visit(&id, asked.map_or(request.uri().path(), |asked| &asked.0), address)
    });
    if let Some(visit) = &visit {
        request.extensions_mut().insert(visit.clone());
    }
    let entry = visit.map(|visit| visit.request(method, started));
    let (request, is_read) = bodies::watch(request);
    let mut counted = None;
    let answering = AssertUnwindSafe(answer(&edge, request, next, is_api, &mut counted));
    let answered = answering.catch_unwind().instrument(span.clone()).await;
    let mut response = answered.unwrap_or_else(|_| {
        span.in_scope(|| tracing::error!("A handler panicked"));
        Refusal::from(Code::Internal).into_response()
    });
    // A request of HTTP/2 has a stream of its own.
    if !is_http2 && !is_read.load(Ordering::Relaxed) {
        // The rest of the body would be read as the next request.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    errors::write_problem(&mut response, &id);
    secure(response.headers_mut(), is_api);
    if let Some(value) = hsts_s.and_then(|seconds| HeaderValue::from_str(&format!("max-age={seconds}")).ok()) {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    if let Some((client, address)) = counted {
        let (requests, attempts) = edge.app.identity.remaining(client, address);
        let attempts = tries_to_sign_in.then_some(("sign-in", attempts));
        set_rate_limit_headers(response.headers_mut(), [("requests", requests)].into_iter().chain(attempts));
    }
    let status = response.status().as_u16();
    edge.app.metrics.requests.get_or_create(&metrics::RequestLabels { method, status }).inc();
    edge.app.metrics.request_seconds.observe(started.elapsed().as_secs_f64());
    match entry {
        Some(entry) => logged(entry, response),
        None => response,
    }
}

/// The body of an answer that the access log counts.
struct LoggedBody {
    inner: Body,
    entry: RequestEntry,
}

impl HttpBody for LoggedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            this.entry.sent(frame.data_ref().map_or(0, Bytes::len));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Writes the line of a request when its answer has been sent.
fn logged(mut entry: RequestEntry, response: Response) -> Response {
    entry.answered(response.status().as_u16());
    response.map(|inner| Body::new(LoggedBody { inner, entry }))
}

/// The key under which a request was counted, and its address.
type Counted = Option<(ClientKey, IpAddr)>;

async fn answer(edge: &Edge, request: Request, next: Next, is_api: bool, counted: &mut Counted) -> Response {
    match admit(edge, request, is_api, counted).await {
        Ok(request) => next.run(request).await,
        Err(problem) => Refusal(problem).into_response(),
    }
}

/// Refuses what no handler should see, and finds the session.
async fn admit(edge: &Edge, request: Request, is_api: bool, counted: &mut Counted) -> Result<Request, Problem> {
    let (mut parts, body) = request.into_parts();
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    // HTTP/1.0, which health checks may use, needs none.
    let is_named = hosts.next().is_some() || parts.version == Version::HTTP_10;
    if !is_named || hosts.next().is_some() {
        return Err(Problem::new(Code::InvalidField).with_detail("exactly one `Host` is expected"));
    }
    let head_bytes_max = edge.app.config.limits.head_bytes_max;
    if head_bytes(&parts.uri, &parts.headers) > head_bytes_max as usize {
        return Err(Problem::new(Code::TooLarge)
            .with_detail("the head is too large")
            .with_limit(head_bytes_max.into()));
    }
    if is_api {
        let caller = Caller::of(&edge.app, &parts).await;
        *counted = Some((caller.key(), caller.address));
        if caller.counted != Some(caller.key()) {
            edge.app.identity.count_request(caller.key())?;
        }
        parts.extensions.insert(caller);
    }
    Ok(Request::from_parts(parts, body))
}

/// Returns for how long browsers shall use https only, if they are told.
fn hsts_s(edge: &Edge, request: &Request) -> Option<u32> {
    let is_tls = request.extensions().get::<Peer>().is_some_and(|peer| peer.is_tls);
    Some(edge.app.config.tls.hsts_s).filter(|seconds| is_tls && *seconds > 0)
}

/// Returns whether a request also counts as a sign-in attempt.
fn tries_to_sign_in(request: &Request) -> bool {
    let path = request.uri().path();
    match *request.method() {
        Method::POST => path == "/v1/session" || path == "/v1/users",
        Method::PUT => path == "/v1/me/password",
        _ => false,
    }
}

/// The fields `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-10.
fn set_rate_limit_headers(
    headers: &mut HeaderMap,
    allowances: impl Iterator<Item = (&'static str, Remaining)> + Clone,
) {
    let policy =
        allowances.clone().map(|(name, left)| format!("\"{name}\";q={};w={}", left.of, seconds(left.window_ms)));
    let rest = allowances.map(|(name, left)| format!("\"{name}\";r={};t={}", left.uses, seconds(left.full_in_ms)));
    for (field, items) in [("ratelimit-policy", policy.collect::<Vec<_>>()), ("ratelimit", rest.collect())] {
        if let Ok(value) = HeaderValue::from_str(&items.join(", ")) {
            headers.insert(HeaderName::from_static(field), value);
        }
    }
}

fn seconds(milliseconds: u64) -> u64 {
    milliseconds.div_ceil(1000)
}

fn head_bytes(uri: &axum::http::Uri, headers: &HeaderMap) -> usize {
    let line = uri.path().len() + uri.query().map_or(0, str::len);
    headers.iter().fold(line, |bytes, (name, value)| bytes + name.as_str().len() + value.len() + 4)
}

fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// Adds the headers that every answer has. A handler that needs another policy has set it already.
fn secure(headers: &mut HeaderMap, is_api: bool) {
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::REFERRER_POLICY, "same-origin");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(header::CACHE_CONTROL, if is_api { "private, no-store" } else { "no-cache" });
}
