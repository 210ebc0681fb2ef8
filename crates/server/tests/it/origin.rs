//! Only pages of this server may use a browser's session. Other protections against foreign sites.

use crate::{
    harness::{Server, Setup},
    raw_http::{self, RawResponse, ask, handshake_status},
};

const PASSWORD: &str = "correct horse";

/// Signs in as a browser does, and returns the cookie.
async fn browser(server: &Server, login: &str) -> String {
    sign_in(server, login, &[]).await.cookie().expect("a cookie")
}

async fn sign_in(server: &Server, login: &str, headers: &[(&str, &str)]) -> RawResponse {
    let headers: Vec<_> = [("Content-Type", "application/json")].iter().chain(headers).copied().collect();
    let body = format!(r#"{{"login": "{login}", "password": "{PASSWORD}"}}"#);
    ask(server.address(), "POST", "/v1/session", &headers, &body).await
}

async fn login_of(server: &Server) -> String {
    server.user("ada").await.api.me().await.expect("signed in").me.login
}

#[tokio::test]
async fn a_cookie_works_for_changes_and_sockets_only_on_this_servers_pages() {
    let server = Server::start().await;
    let login = login_of(&server).await;
    let cookie = browser(&server, &login).await;
    let patch = async |origins: &[&str]| {
        let mut headers = vec![("Cookie", cookie.as_str()), ("Content-Type", "application/json")];
        headers.extend(origins.iter().map(|origin| ("Origin", *origin)));
        ask(server.address(), "PATCH", "/v1/me", &headers, r#"{"name": "Ada"}"#).await.outcome()
    };
    let socket = async |origins: &[&str]| {
        let mut headers = vec![("Cookie", cookie.as_str())];
        headers.extend(origins.iter().map(|origin| ("Origin", *origin)));
        handshake_status(server.address(), "/v1/socket", &headers).await
    };
    for own in ["http://parlor.test", "HTTP://PARLOR.TEST", "http://parlor.test:80"] {
        assert_eq!(patch(&[own]).await, (200, ""), "{own}");
        assert_eq!(socket(&[own]).await, 101, "{own}");
    }
    let foreign: [&[&str]; 15] = [
        &[],
        &[""],
        &["null"],
        &["http://evil"],
        &["https://parlor.test"],
        &["http://parlor.test:8080"],
        &["http://parlor.test.evil"],
        &["http://evilparlor.test"],
        &["http://parlor.test@evil"],
        &["http://evil@parlor.test"],
        &["http://parlor.test/"],
        &["parlor.test"],
        &["file://"],
        &["http://parlor.test", "http://parlor.test"],
        &["http://parlor.test, http://evil"],
    ];
    for origins in foreign {
        assert_eq!(patch(origins).await, (403, "wrong_origin"), "{origins:?}");
        assert_eq!(socket(origins).await, 403, "{origins:?}");
    }
    let read = ask(server.address(), "GET", "/v1/me", &[("Cookie", &cookie)], "").await;
    assert_eq!(read.status, 200, "reads need no Origin");
    assert_eq!(read.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn with_a_bearer_token_origin_and_cookies_are_ignored() {
    let server = Server::start().await;
    let login = login_of(&server).await;
    let cookie = browser(&server, &login).await;
    let api = server.api().sign_in(&login, PASSWORD).await.expect("signed in").1;
    let bearer = format!("Bearer {}", api.token.expect("a token"));
    let rename = async |headers: &[(&str, &str)]| {
        let headers: Vec<_> = [("Content-Type", "application/json")].iter().chain(headers).copied().collect();
        ask(server.address(), "PATCH", "/v1/me", &headers, r#"{"name": "Ada"}"#).await.outcome()
    };
    assert_eq!(rename(&[("Authorization", &bearer)]).await, (200, ""));
    assert_eq!(rename(&[("Authorization", &bearer), ("Origin", "http://evil")]).await, (200, ""));
    assert_eq!(handshake_status(server.address(), "/v1/socket", &[("Authorization", &bearer)]).await, 101);
    for nonsense in ["Bearer nonsense", "Bearer", "Basic YTpi", ""] {
        let headers = [("Authorization", nonsense), ("Cookie", &cookie), ("Origin", "http://parlor.test")];
        assert_eq!(rename(&headers).await, (401, "not_signed_in"), "{nonsense:?} is not replaced by the cookie");
    }
}

#[tokio::test]
async fn another_site_cannot_sign_a_visitor_in_or_out() {
    let server = Server::start().await;
    let login = login_of(&server).await;
    let cookie = browser(&server, &login).await;
    assert_eq!(sign_in(&server, &login, &[("Origin", "http://evil")]).await.outcome(), (403, "wrong_origin"));
    let form = r#"{"login": "x", "password": "y"}"#;
    let posted = ask(server.address(), "POST", "/v1/session", &[("Content-Type", "text/plain")], form).await;
    assert_eq!(posted.outcome(), (415, "unsupported_type"));
    let out =
        ask(server.address(), "DELETE", "/v1/session", &[("Cookie", &cookie), ("Origin", "http://evil")], "").await;
    assert_eq!(out.outcome(), (403, "wrong_origin"));
    let me = ask(server.address(), "GET", "/v1/me", &[("Cookie", &cookie)], "").await;
    assert_eq!(me.status, 200, "still signed in");
}

#[tokio::test]
async fn forwarded_headers_count_only_from_a_trusted_proxy() {
    for (trusted, is_believed) in [("", false), ("10.0.0.0/8", false), ("127.0.0.1", true)] {
        let server = Setup::new().with("trusted_proxies", trusted).start().await;
        let login = login_of(&server).await;
        let forwarded = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "chat.example")];
        let origin = [("Origin", if is_believed { "https://chat.example" } else { "http://parlor.test" })];
        let headers: Vec<_> = forwarded.iter().chain(&origin).copied().collect();
        let answer = sign_in(&server, &login, &headers).await;
        assert_eq!(answer.outcome(), (200, ""), "{trusted}");
        let cookie = answer.header("set-cookie").expect("a cookie");
        assert_eq!(cookie.contains("; Secure"), is_believed, "{cookie}");
        assert_eq!(cookie.starts_with("__Host-parlor_session="), is_believed, "{cookie}");
    }
}

#[tokio::test]
async fn the_public_address_decides_what_is_our_origin_and_whether_cookies_are_secure() {
    let server = Setup::new().with("public_url", "https://chat.example").start().await;
    let login = login_of(&server).await;
    assert_eq!(sign_in(&server, &login, &[("Origin", "http://parlor.test")]).await.outcome(), (403, "wrong_origin"));
    let answer = sign_in(&server, &login, &[("Origin", "https://chat.example")]).await;
    let cookie = answer.header("set-cookie").expect("a cookie");
    for part in ["__Host-parlor_session=", "; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
        assert!(cookie.contains(part), "{cookie}");
    }
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let server = Server::start().await;
    let login = login_of(&server).await;
    let cookie = browser(&server, &login).await;
    let paths =
        ["/v1/me", "/v1/site", "/v1/nothing", "/livez", "/theme.css", "/errors/not_found", "/nothing", "/metrics"];
    for path in paths {
        let answer = ask(server.address(), "GET", path, &[("Cookie", &cookie)], "").await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), Some("same-origin"), "{path}");
        let kept = answer.header("cache-control");
        assert_eq!(kept, Some(if path.starts_with("/v1/") { "private, no-store" } else { "no-cache" }), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
    let preflight = raw_http::ask(server.address(), "OPTIONS", "/v1/me", &[("Origin", "http://evil")], "").await;
    assert_eq!(preflight.outcome(), (405, "method_not_allowed"));
}
