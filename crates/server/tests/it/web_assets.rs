//! The page as a browser loads it: everything it references exists, compressed, and is cached forever.

use crate::{
    harness::{Server, Setup},
    raw_http::{RawResponse, ask},
};
use std::{io::Read as _, path::Path};

const COOKIE: (&str, &str) = ("Cookie", "parlor_session=whatever");

async fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> RawResponse {
    ask(server.address(), "GET", path, headers, "").await
}

/// Decodes the body from any content encoding.
fn decoded(answer: &RawResponse) -> String {
    let mut text = String::new();
    match answer.header("content-encoding") {
        Some("br") => brotli::Decompressor::new(answer.body.as_slice(), 4096).read_to_string(&mut text),
        Some("gzip") => flate2::read::GzDecoder::new(answer.body.as_slice()).read_to_string(&mut text),
        Some(other) => panic!("{other} was not requested"),
        None => answer.body.as_slice().read_to_string(&mut text),
    }
    .expect("its declared encoding");
    text
}

/// The `/web/` paths that a page or script references.
fn named(text: &str) -> Vec<String> {
    let parts = text.split(['"', '\'', '`']);
    let paths = parts.filter_map(|part| match part.strip_prefix("./") {
        Some(beside) if Path::new(beside).extension().is_some_and(|extension| extension == "js") => {
            Some(format!("/web/{beside}"))
        }
        _ => part.starts_with("/web/").then(|| part.to_owned()),
    });
    paths.collect()
}

/// Every asset that the page references, directly or not.
async fn assets(server: &Server) -> Vec<String> {
    let mut found = named(&decoded(&get(server, "/", &[]).await));
    let mut at = 0;
    while at < found.len() {
        if Path::new(&found[at]).extension().is_some_and(|extension| extension == "js") {
            for path in named(&decoded(&get(server, &found[at], &[]).await)) {
                if !found.contains(&path) {
                    found.push(path);
                }
            }
        }
        at += 1;
    }
    found
}

#[tokio::test]
async fn every_asset_exists_compressed_and_cached_forever() {
    for accent in ["#13616b", "#7a1f5c"] {
        let server = Setup::new().with("accent", accent).start().await;
        let assets = assets(&server).await;
        let count = |end: &str| assets.iter().filter(|path| path.ends_with(end)).count();
        // Three, and two for each language but English: its texts, and its names of emoji.
        assert_eq!((count(".js"), count(".css")), (15, if accent == "#13616b" { 1 } else { 2 }), "{assets:?}");
        for path in &assets {
            let plain = get(&server, path, &[]).await;
            assert_eq!(plain.status, 200, "{path}");
            assert_eq!(plain.header("content-encoding"), None, "{path}");
            for coding in ["br", "gzip"] {
                let answer = get(&server, path, &[("Accept-Encoding", coding)]).await;
                assert_eq!(answer.header("content-encoding"), Some(coding), "{path}");
                assert_eq!(decoded(&answer).as_bytes(), plain.body, "{path}");
                assert_eq!(answer.header("content-type"), plain.header("content-type"), "{path}");
                assert_ne!(answer.header("etag"), plain.header("etag"), "{path}");
                for answer in [&plain, &answer] {
                    assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"), "{path}");
                    assert_eq!(answer.header("vary"), Some("accept-encoding"), "{path}");
                }
                let head = ask(server.address(), "HEAD", path, &[("Accept-Encoding", coding)], "").await;
                assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
                for header in ["content-length", "content-encoding", "etag", "content-type"] {
                    assert_eq!(head.header(header), answer.header(header), "{path} {header}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_page_is_revalidated_in_few_bytes() {
    let server = Server::start().await;
    for headers in [&[("Accept-Encoding", "br, gzip")][..], &[("Accept-Encoding", "gzip"), COOKIE], &[]] {
        let page = get(&server, "/", headers).await;
        assert_eq!(page.header("cache-control"), Some("no-cache"));
        assert_eq!(page.header("vary"), Some("accept-encoding, cookie"));
        let tag = page.header("etag").expect("a tag");
        let again = get(&server, "/", &[headers, &[("If-None-Match", tag)]].concat()).await;
        assert_eq!((again.status, again.body.len()), (304, 0));
        for header in ["etag", "vary", "cache-control"] {
            assert_eq!(again.header(header), page.header(header));
        }
        let other = [headers, &[("If-None-Match", "\"0123-br\"")]].concat();
        assert_eq!(get(&server, "/", &other).await.status, 200);
    }
}

#[tokio::test]
async fn without_a_session_the_page_starts_with_the_sign_in_form() {
    let server = Server::start().await;
    let (door, inbox) = (get(&server, "/", &[]).await, get(&server, "/", &[COOKIE]).await);
    assert!(decoded(&door).contains("<html lang=\"en\" data-signed-out>"));
    assert!(decoded(&inbox).contains("<html lang=\"en\">"));
    assert_ne!(door.header("etag"), inbox.header("etag"));
    let (door, inbox) = (named(&decoded(&door)), named(&decoded(&inbox)));
    let more: Vec<_> = door.iter().filter(|path| !inbox.contains(path)).collect();
    assert!(
        more.len() == 1 && more[0].starts_with("/web/later-"),
        "what the sign-in form needs is loaded at once: {more:?}"
    );
    assert_eq!(door.len(), inbox.len() + 1);
}

#[tokio::test]
async fn a_source_folder_is_served_as_it_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/src");
    let server = Setup::new().with("web", folder.display()).start().await;
    let page = decoded(&get(&server, "/", &[("Accept-Encoding", "br"), COOKIE]).await);
    assert_eq!(page, std::fs::read_to_string(folder.join("index.html")).expect("the page"));
    assert!(decoded(&get(&server, "/", &[]).await).contains("data-signed-out"));
    let script = get(&server, "/web/inbox/main.js", &[("Accept-Encoding", "br")]).await;
    assert_eq!(script.header("cache-control"), Some("no-cache"));
    assert_eq!(decoded(&script), std::fs::read_to_string(folder.join("inbox/main.js")).expect("the script"));
}

#[tokio::test]
async fn the_sources_are_served_beside_the_bundle() {
    let server = Server::start().await;
    for path in ["/web/inbox/main.js", "/web/sdk/client.js", "/web/inbox/styles/base.css", "/theme.css"] {
        let answer = get(&server, path, &[("Accept-Encoding", "br")]).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-cache"), "{path}");
        assert!(answer.header("etag").is_some(), "{path}");
    }
    for path in ["/web/main.js", "/web/main-0000000000000000.js", "/web/inbox"] {
        assert_eq!(get(&server, path, &[]).await.status, 404, "{path}");
    }
}
