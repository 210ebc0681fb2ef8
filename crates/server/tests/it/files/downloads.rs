//! How files are served, and to whom.

use super::random_bytes;
use crate::{
    harness::{Server, TestUser},
    raw_http::{self, RawResponse},
};

async fn ask(user: &TestUser, path: &str, headers: &[(&str, &str)]) -> RawResponse {
    let token = user.api.headers()["authorization"].to_str().expect("a token").to_owned();
    let headers: Vec<_> = headers.iter().copied().chain([("Authorization", token.as_str())]).collect();
    raw_http::ask(user.api.address(), "GET", path, &headers, "").await
}

#[tokio::test]
async fn a_file_is_not_found_without_access_to_its_message() {
    let server = Server::start().await;
    let (ada, tomas, eve) = (server.user("ada").await, server.user("tomás").await, server.user("eve").await);
    let group = ada.group("Night desk", &[&tomas]).await;
    let upload = ada.upload("plan.txt", b"the plan").await;
    let url = upload.attachment.expect("finished").url;
    let missing = eve.fetch("/v1/files/4711").await;
    let same = |seen: &(u16, Vec<u8>)| {
        let without_id = |body: &[u8]| {
            let mut body: serde_json::Value = serde_json::from_slice(body).expect("a problem");
            body.as_object_mut().expect("an object").remove("request_id");
            body
        };
        seen.0 == 404 && without_id(&seen.1) == without_id(&missing.1)
    };
    assert_eq!(ada.fetch(&url).await.0, 200, "the uploader, before it is sent");
    for outsider in [&tomas, &eve] {
        assert!(same(&outsider.fetch(&url).await));
    }
    ada.try_send_files(group, "", &[upload.id]).await.expect("sent");
    assert_eq!(tomas.fetch(&url).await, (200, b"the plan".to_vec()));
    assert!(same(&eve.fetch(&url).await), "an outsider");
    assert!(same(&eve.fetch(&format!("{url}/preview")).await));

    // A new member sees messages from joining on.
    let members = format!("/v1/conversations/{group}/members");
    let body = serde_json::json!({"users": [eve.id]});
    ada.api.send::<serde_json::Value>(http::Method::POST, &members, &body).await.expect("eve is added");
    assert!(same(&eve.fetch(&url).await), "a newcomer");
    let later = ada.send_file(group, "later.txt", b"later").await;
    assert_eq!(eve.fetch(&later.attachments[0].url).await.0, 200);

    // A former member sees nothing any more, including their own files.
    let own = tomas.send_file(group, "own.txt", b"own").await;
    tomas.leave(group).await;
    assert!(same(&tomas.fetch(&url).await), "an ex-member");
    assert!(same(&tomas.fetch(&own.attachments[0].url).await), "his own");
    assert_eq!(server.api().request(http::Method::GET, &url, "").await.expect("an answer").status, 401);
}

#[tokio::test]
async fn a_file_is_served_with_headers_that_prevent_scripts() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let page = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";
    for name in ["a.svg", "a.html", "a.png", "umbrella\u{202e}gpj.svg"] {
        let attachment = ada.upload(name, page).await.attachment.expect("finished");
        let answer = ask(&ada, &attachment.url, &[]).await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, &page[..]));
        for (header, value) in [
            ("content-type", "application/octet-stream"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "sandbox; default-src 'none'"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "private, no-cache"),
            ("accept-ranges", "bytes"),
        ] {
            assert_eq!(answer.header(header), Some(value), "{header} of {name}");
        }
        let disposition = answer.header("content-disposition").expect("a disposition");
        assert!(disposition.starts_with("attachment; filename="), "{disposition}");
        assert!(!disposition.contains('\u{202e}') && !disposition.contains("%E2%80%AE"), "{disposition}");
    }
}

#[tokio::test]
async fn ranges_and_etags_follow_the_standard() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let bytes = random_bytes(200_000);
    let url = ada.upload("a.bin", &bytes).await.attachment.expect("finished").url;
    for (range, expected) in [("bytes=0-0", 0..1), ("bytes=150000-", 150_000..200_000), ("bytes=-7", 199_993..200_000)]
    {
        let answer = ask(&ada, &url, &[("Range", range)]).await;
        assert_eq!((answer.status, answer.body.as_slice()), (206, &bytes[expected.clone()]), "{range}");
        let reported = format!("bytes {}-{}/200000", expected.start, expected.end - 1);
        assert_eq!(answer.header("content-range"), Some(reported.as_str()));
    }
    let many = format!("bytes={}", vec!["0-0"; 1000].join(","));
    for range in [many.as_str(), "bytes=5-3", "bytes=x", "lines=0-1"] {
        let answer = ask(&ada, &url, &[("Range", range)]).await;
        assert_eq!((answer.status, answer.body.len()), (200, bytes.len()), "{range}");
    }
    for range in ["bytes=200000-", "bytes=99999999999999999999-", "bytes=-0"] {
        let answer = ask(&ada, &url, &[("Range", range)]).await;
        assert_eq!(answer.outcome(), (416, "range_not_satisfiable"), "{range}");
        assert_eq!(answer.header("content-range"), Some("bytes */200000"));
    }
    let tag = ask(&ada, &url, &[]).await.header("etag").expect("a tag").to_owned();
    let held = ask(&ada, &url, &[("If-None-Match", &format!("\"x\", W/{tag}"))]).await;
    assert_eq!((held.status, held.body.len()), (304, 0));
    let changed = ask(&ada, &url, &[("Range", "bytes=0-0"), ("If-Range", "\"other\"")]).await;
    assert_eq!(changed.status, 200);
    let same = ask(&ada, &url, &[("Range", "bytes=0-0"), ("If-Range", &tag)]).await;
    assert_eq!(same.status, 206);
}
