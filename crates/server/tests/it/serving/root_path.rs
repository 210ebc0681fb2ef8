//! Serving below a path.

use crate::{
    harness::Setup,
    raw_http::{RawResponse, handshake_status, request, send},
};

#[tokio::test]
async fn everything_is_below_the_path_and_nothing_beside_it() {
    let server = Setup::new().with("http.root_path", "/in/box").start().await;
    let address = server.address();
    let get = |path: &'static str| async move { send(address, request("GET", path, &[], "")).await };
    let text = |answer: &RawResponse| String::from_utf8_lossy(&answer.body).into_owned();
    let door = get("/in/box?x=1").await;
    assert_eq!((door.status, door.header("location")), (308, Some("/in/box/?x=1")));
    let page = text(&get("/in/box/").await);
    let named: Vec<_> = page.split("=\"/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(named.len() > 4 && named.iter().all(|path| path.starts_with("in/box/")), "{named:?}");
    for path in named {
        assert_eq!(send(address, request("GET", &format!("/{path}"), &[], "")).await.status, 200, "{path}");
    }
    assert_eq!(get("/in/box/v1/me").await.outcome(), (401, "not_signed_in"));
    assert_eq!(get("/in/box/livez").await.status, 200);
    assert_eq!(get("/livez").await.status, 200);
    for beside in ["/", "/v1/me", "/web/inbox/main.js", "/in/boxes/v1/me", "/metrics", "/openapi.json"] {
        assert_eq!(get(beside).await.outcome(), (404, "not_found"), "{beside}");
    }
    let headers = [("Accept", "text/html")];
    let lost = text(&send(address, request("GET", "/in/box/nothing", &headers, "")).await);
    assert!(lost.contains("href=\"/in/box/\""), "{lost}");
}

#[tokio::test]
async fn sessions_and_sockets_work_below_the_path_only() {
    let server = Setup::new().with("http.root_path", "/in/box").start().await;
    server.must_run(&["user", "add", "ada"]);
    let said = server.run(&["user", "passwd", "ada"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let password = said.split_whitespace().last().expect("a password");
    let body = format!(r#"{{"login": "ada", "password": "{password}"}}"#);
    let headers = [("Content-Type", "application/json"), ("Origin", "http://parlor.test")];
    let signed_in = send(server.address(), request("POST", "/in/box/v1/session", &headers, &body)).await;
    let set = signed_in.header("set-cookie").unwrap_or_else(|| panic!("{said}: {}", signed_in.head));
    assert!(set.contains("; Path=/in/box/; "), "{set}");
    let cookie = signed_in.cookie().expect("a cookie");
    let headers = [("Cookie", cookie.as_str()), ("Origin", "http://parlor.test")];
    assert_eq!(handshake_status(server.address(), "/in/box/v1/socket", &headers).await, 101);
    assert_eq!(handshake_status(server.address(), "/v1/socket", &headers).await, 404);
}

#[tokio::test]
async fn secure_cookies_below_a_path_have_the_prefix_that_browsers_take() {
    let setup = Setup::new().with("http.root_path", "/in/box").with("public_url", "https://parlor.test");
    let server = setup.start().await;
    server.must_run(&["user", "add", "ada"]);
    let said = server.run(&["user", "passwd", "ada"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let password = said.split_whitespace().last().expect("a password");
    let body = format!(r#"{{"login": "ada", "password": "{password}"}}"#);
    let headers = [("Content-Type", "application/json"), ("Origin", "https://parlor.test")];
    let signed_in = send(server.address(), request("POST", "/in/box/v1/session", &headers, &body)).await;
    let set = signed_in.header("set-cookie").unwrap_or_else(|| panic!("{said}: {}", signed_in.head));
    assert!(set.starts_with("__Secure-parlor_session=") && set.ends_with("; Secure"), "{set}");
}
