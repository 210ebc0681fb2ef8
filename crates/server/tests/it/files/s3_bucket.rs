//! Files in an S3-compatible bucket: a small one in memory that verifies the server's requests.

use super::random_bytes;
use crate::harness::Setup;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

const SECRET: &str = "nobody-reads-this-secret";

/// The objects in the bucket, and the parts of unfinished uploads.
#[derive(Clone, Default)]
struct Bucket(Arc<Mutex<BucketState>>);

#[derive(Default)]
struct BucketState {
    objects: BTreeMap<String, Bytes>,
    parts: BTreeMap<(String, u32), Bytes>,
    is_down: bool,
    /// Objects that cannot be removed.
    stuck: BTreeSet<String>,
}

impl Bucket {
    async fn start() -> (Self, String) {
        let bucket = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let router = Router::new().fallback(answer).with_state(bucket.clone());
        tokio::spawn(async move { axum_serve(listener, router).await });
        (bucket, address)
    }

    fn objects(&self) -> Vec<(String, usize)> {
        let inside = self.0.lock().expect("not poisoned");
        let files = inside.objects.iter().filter(|(name, _)| !name.contains("parlor/"));
        files.map(|(name, bytes)| (name.clone(), bytes.len())).collect()
    }

    fn set_down(&self, is_down: bool) {
        self.0.lock().expect("not poisoned").is_down = is_down;
    }

    fn change(&self, change: impl FnOnce(&mut BucketState)) {
        change(&mut self.0.lock().expect("not poisoned"));
    }

    /// Waits until the bucket contains exactly these files.
    async fn has(&self, expected: &[&str]) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.names() != expected {
            assert!(Instant::now() < deadline, "{expected:?} are expected: {:?}", self.names());
            // waits for: the collector's next round
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn names(&self) -> Vec<String> {
        self.objects().into_iter().map(|(name, _)| name).collect()
    }
}

/// Serves HTTP/1.1 on each connection.
async fn axum_serve(listener: tokio::net::TcpListener, router: Router) {
    use hyper_util::{rt::TokioIo, service::TowerToHyperService};
    while let Ok((stream, _)) = listener.accept().await {
        let service = TowerToHyperService::new(router.clone());
        let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(serving);
    }
}

async fn answer(State(bucket): State<Bucket>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let signature = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert!(signature.contains("Credential=parlor-key/") && !signature.contains(SECRET), "{signature}");
    let name = parts.uri.path().strip_prefix("/chat/").unwrap_or_default().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let requested = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    let body = axum::body::to_bytes(body, 64 << 20).await.expect("a body");
    let mut inside = bucket.0.lock().expect("not poisoned");
    if inside.is_down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match parts.method {
        Method::POST if query.starts_with("uploads") => {
            xml("<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
        }
        Method::PUT if requested("partNumber").is_some() => {
            let number = requested("partNumber").and_then(|number| number.parse().ok()).expect("a number");
            inside.parts.insert((name, number), body);
            tagged()
        }
        Method::POST => {
            let whole: Vec<u8> =
                inside.parts.iter().filter(|((of, _), _)| *of == name).flat_map(|(_, part)| part.to_vec()).collect();
            inside.parts.retain(|(of, _), _| *of != name);
            inside.objects.insert(name, whole.into());
            xml("<CompleteMultipartUploadResult><ETag>\"1\"</ETag></CompleteMultipartUploadResult>")
        }
        Method::PUT => {
            inside.objects.insert(name, body);
            tagged()
        }
        Method::DELETE if inside.stuck.contains(&name) => StatusCode::FORBIDDEN.into_response(),
        Method::DELETE => {
            inside.objects.remove(&name);
            StatusCode::NO_CONTENT.into_response()
        }
        _ if name.is_empty() => listed(&inside, &requested("prefix").unwrap_or_default().replace("%2F", "/")),
        _ => inside
            .objects
            .get(&name)
            .map_or_else(|| StatusCode::NOT_FOUND.into_response(), |bytes| ranged(bytes, &parts.headers)),
    }
}

fn xml(text: &str) -> Response {
    ([(header::CONTENT_TYPE, "application/xml")], text.to_owned()).into_response()
}

fn tagged() -> Response {
    [(header::ETAG, "\"1\"")].into_response()
}

fn listed(inside: &BucketState, prefix: &str) -> Response {
    let mut text = "<ListBucketResult><IsTruncated>false</IsTruncated>".to_owned();
    for (name, bytes) in inside.objects.iter().filter(|(name, _)| name.starts_with(prefix)) {
        let size = bytes.len();
        write!(text, "<Contents><Key>{name}</Key><LastModified>2001-11-22T09:00:00.000Z</LastModified><Size>{size}</Size></Contents>")
            .expect("a text takes more");
    }
    text.push_str("</ListBucketResult>");
    xml(&text)
}

fn ranged(bytes: &Bytes, headers: &HeaderMap) -> Response {
    let range =
        headers.get(header::RANGE).and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-'));
    let whole = bytes.len();
    let common =
        [(header::LAST_MODIFIED, "Thu, 22 Nov 2001 09:00:00 GMT".to_owned()), (header::ETAG, "\"1\"".to_owned())];
    let Some((first, last)) = range else {
        return (common, [(header::CONTENT_LENGTH, whole.to_string())], Body::from(bytes.clone())).into_response();
    };
    let (first, last): (usize, usize) = (first.parse().expect("a number"), last.parse().expect("a number"));
    let reported = [(header::CONTENT_RANGE, format!("bytes {first}-{last}/{whole}"))];
    (StatusCode::PARTIAL_CONTENT, common, reported, bytes.slice(first..=last)).into_response()
}

fn setup(address: &str) -> Setup {
    Setup::new()
        .with("files.s3_bucket", "chat")
        .with("files.s3_endpoint", address)
        .with("files.s3_access_key_id", "parlor-key")
        .with("files.s3_secret_access_key", SECRET)
        .with("files.collect_ms", 20)
}

/// Runs the bucket while waiting for a command of the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_go_into_a_bucket_and_come_out_of_it() {
    let (bucket, address) = Bucket::start().await;
    let mut server = setup(&address).start().await;
    let (ada, tomas) = (server.user("ada").await, server.user("tomás").await);
    let conversation = ada.open_direct(&tomas).await.id;
    let (small, large) = (random_bytes(100_000), random_bytes(12_000_000));
    let mut messages = Vec::new();
    for bytes in [&small, &large] {
        let message = ada.send_file(conversation, "plan.bin", bytes).await;
        assert!(tomas.fetch(&message.attachments[0].url).await == (200, bytes.clone()), "as it went in");
        messages.push(message);
    }
    let url = &messages[1].attachments[0].url;
    let headers = ada.api.clone().with_header(header::RANGE, "bytes=5999998-6000001");
    let part = headers.request(Method::GET, url, "").await.expect("an answer");
    assert_eq!((part.status.as_u16(), &part.body[..]), (206, &large[5_999_998..=6_000_001]));
    assert_eq!(ada.send_file(conversation, "empty", b"").await.attachments[0].bytes, 0);
    assert!(server.files_on_disk().is_empty(), "nothing stays on the server's own disk");

    for message in &messages {
        let path = format!("/v1/conversations/{conversation}/messages/{}", message.seq);
        assert!(ada.api.request(Method::DELETE, &path, "").await.expect("an answer").status.is_success());
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while bucket.objects().len() > 1 {
        assert!(Instant::now() < deadline, "{:?}", bucket.objects());
        // waits for: the collector's next round
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.stop().await;
    server.must_run(&["verify"]);
    let shown = server.run(&["config"]);
    assert!(!String::from_utf8_lossy(&shown.stdout).contains(SECRET) && !server.log().contains(SECRET));
}

#[tokio::test]
async fn uploads_fail_while_the_bucket_is_down_and_messages_go_on() {
    let (bucket, address) = Bucket::start().await;
    let server = setup(&address).start().await;
    let (ada, tomas) = (server.user("ada").await, server.user("tomás").await);
    let conversation = ada.open_direct(&tomas).await.id;
    bucket.set_down(true);
    let path = super::path_of("down", "plan.bin", 5);
    let refused = ada.api.request(Method::POST, &path, "12345").await.expect("an answer");
    let problem = super::problem(refused.parse::<parlor_protocol::model::Upload>());
    assert_eq!((problem.code.name(), problem.retryable), ("unavailable", true));
    assert_eq!(ada.send(conversation, "messages are accepted").await.text, "messages are accepted");
    bucket.set_down(false);
    let again = ada.api.request(Method::PATCH, "/v1/uploads/down?offset=5", "").await.expect("an answer");
    let upload: parlor_protocol::model::Upload = again.parse().expect("healed, and nothing is sent again");
    assert_eq!(ada.fetch(&upload.attachment.expect("finished").url).await, (200, b"12345".to_vec()));
}

#[tokio::test]
async fn an_object_that_cannot_be_removed_blocks_no_other() {
    let (bucket, address) = Bucket::start().await;
    let server = setup(&address).with("files.unsent_ms", 300).start().await;
    let (ada, tomas) = (server.user("ada").await, server.user("tomás").await);
    let conversation = ada.open_direct(&tomas).await.id;
    let mut messages = Vec::new();
    for text in ["one", "two", "three"] {
        messages.push(ada.send_file(conversation, "plan.txt", text.as_bytes()).await.seq);
    }
    let kept = bucket.names();
    // The first in each order: everything after it would wait for it.
    let strays = ["00/0123456789abcdef0123456789abcd", "00/1123456789abcdef0123456789abcd"];
    bucket.change(|inside| {
        inside.stuck.extend([kept[0].clone(), strays[0].to_owned()]);
        inside.objects.extend(strays.map(|name| (name.to_owned(), Bytes::from_static(b"stray"))));
    });
    for seq in messages {
        let path = format!("/v1/conversations/{conversation}/messages/{seq}");
        assert!(ada.api.request(Method::DELETE, &path, "").await.expect("an answer").status.is_success());
    }
    ada.upload("unsent.txt", b"what nobody sends").await;
    bucket.has(&[strays[0], &kept[0]]).await;
    bucket.change(|inside| inside.stuck.clear());
    bucket.has(&[]).await;
}

#[tokio::test]
async fn nothing_unknown_is_removed_from_a_bucket_with_another_marker() {
    let (bucket, address) = Bucket::start().await;
    let server = setup(&address).with("files.unsent_ms", 100).start().await;
    let (ada, tomas) = (server.user("ada").await, server.user("tomás").await);
    let mark = format!("parlor/{}", "f".repeat(32));
    let stray = "00/0123456789abcdef0123456789abcd";
    bucket.change(|inside| drop(inside.objects.insert(mark.clone(), Bytes::new())));
    let conversation = ada.open_direct(&tomas).await.id;
    ada.send_file(conversation, "plan.txt", b"the plan").await;
    let kept = bucket.names()[0].clone();
    bucket.change(|inside| drop(inside.objects.insert(stray.to_owned(), Bytes::from_static(b"somebody else's"))));
    super::retention::more_sweeps_are_refused(&server).await;
    assert_eq!(bucket.names(), [stray, &kept]);
    bucket.change(|inside| drop(inside.objects.remove(&mark)));
    bucket.has(&[&kept]).await;
}
