//! Uploads in binary frames of a socket, between other frames.

use super::{path_of, problem, random_bytes};
use crate::harness::{Server, Setup, TestUser, unique};
use http::Method;
use parlor_client::socket::{Handshake, Incoming, Socket};
use parlor_protocol::{
    command::Command,
    error::{Code, Problem},
    ids::FileId,
    model::Upload,
    reply::{Sent, UploadBegun, UploadEnded},
};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(20);

async fn open(user: &TestUser) -> Socket {
    let mut socket = Handshake::new(user.api.address(), user.api.headers()).open().await.expect("a socket");
    let resume = Command::Resume { user: user.id, cursor: None };
    socket.call::<serde_json::Value>(resume).await.expect("it resumes");
    socket
}

fn begin(client_id: &str, bytes: usize) -> Command {
    Command::BeginUpload { client_id: client_id.to_owned(), name: "plan.bin".to_owned(), bytes: bytes as u64 }
}

fn frame(upload: FileId, offset: usize, data: &[u8]) -> Vec<u8> {
    [&upload.0.to_be_bytes()[..], &(offset as u64).to_be_bytes(), data].concat()
}

/// Sends the bytes between two offsets, at most a window ahead of the reported progress, and waits until all are
/// stored.
async fn pour(socket: &mut Socket, begun: &UploadBegun, bytes: &[u8], to: usize) {
    let received = usize::try_from(begun.upload.received).expect("small");
    pour_from(socket, begun, bytes, (received, received), to).await;
}

/// The same, when more was sent than was reported.
async fn pour_from(
    socket: &mut Socket,
    begun: &UploadBegun,
    bytes: &[u8],
    (mut reported, mut sent): (usize, usize),
    to: usize,
) {
    let (chunk, window) = (begun.chunk_bytes_max as usize, begun.window_bytes as usize);
    while reported < to {
        while sent < to && sent - reported + chunk <= window {
            let next = to.min(sent + chunk);
            socket.send_binary(&frame(begun.upload.id, sent, &bytes[sent..next])).await.expect("sent");
            sent = next;
        }
        match socket.next(WAIT).await.expect("progress") {
            Incoming::Event(event) if event["type"] == "upload.progress" => {
                assert_eq!(event["upload"], begun.upload.id.0);
                reported = usize::try_from(event["received"].as_u64().expect("a number")).expect("small");
            }
            Incoming::Heartbeat | Incoming::Event(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Returns the next refusal that answers no command.
async fn refusal(socket: &mut Socket) -> Problem {
    loop {
        match socket.next(WAIT).await.expect("a refusal") {
            Incoming::Reply(None, answer) => return *answer.expect_err("a refusal"),
            Incoming::Event(_) | Incoming::Heartbeat => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn messages_flow_between_the_frames_of_a_socket_upload() {
    let server = Server::start().await;
    let (ada, tomas) = (server.user("ada").await, server.user("tomás").await);
    let conversation = ada.open_direct(&tomas).await.id;
    let mut socket = open(&ada).await;
    let bytes = random_bytes(1_500_000);
    let begun: UploadBegun = socket.call(begin("over", bytes.len())).await.expect("begun");
    assert_eq!((begun.chunk_bytes_max, begun.window_bytes, begun.upload.received), (65_536, 524_288, 0));
    pour(&mut socket, &begun, &bytes, 400_000).await;
    // Unacknowledged data is in flight, and a message does not wait for it.
    for offset in [400_000, 420_000, 440_000] {
        socket.send_binary(&frame(begun.upload.id, offset, &bytes[offset..offset + 20_000])).await.expect("sent");
    }
    let sent: Sent = socket.call(Command::send_text(conversation, "between", "Wait for it")).await.expect("sent");
    assert_eq!(sent.message.text, "Wait for it");
    pour_from(&mut socket, &begun, &bytes, (400_000, 460_000), bytes.len()).await;
    let ended: UploadEnded = socket.call(Command::EndUpload { upload: begun.upload.id }).await.expect("ended");
    let attachment = ended.upload.attachment.expect("finished");
    let message = ada.try_send_files(conversation, "", &[attachment.id]).await.expect("it is sent");
    assert_eq!(tomas.fetch(&message.attachments[0].url).await, (200, bytes));
}

#[tokio::test]
async fn an_upload_resumes_on_another_socket_and_over_http() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let bytes = random_bytes(900_000);
    let mut socket = open(&ada).await;
    let begun: UploadBegun = socket.call(begin("cut", bytes.len())).await.expect("begun");
    pour(&mut socket, &begun, &bytes, 300_000).await;
    socket.abort();
    let mut socket = open(&ada).await;
    let begun: UploadBegun = socket.call(begin("cut", bytes.len())).await.expect("it resumes");
    assert_eq!(begun.upload.received, 300_000, "the reported bytes are stored");
    pour(&mut socket, &begun, &bytes, 600_000).await;
    let unfinished = socket.call::<UploadEnded>(Command::EndUpload { upload: begun.upload.id }).await;
    assert_eq!(problem(unfinished).code, Code::UploadUnfinished);

    let rest = ada.api.request(Method::PATCH, "/v1/uploads/cut?offset=600000", bytes[600_000..].to_vec()).await;
    let upload: Upload = rest.expect("an answer").parse().expect("it is complete");
    let again: UploadBegun = socket.call(begin("cut", bytes.len())).await.expect("it exists");
    assert_eq!(again.upload, upload);
    let ended: UploadEnded = socket.call(Command::EndUpload { upload: upload.id }).await.expect("a repeat");
    assert_eq!(ada.fetch(&ended.upload.attachment.expect("finished").url).await, (200, bytes));
}

#[tokio::test]
async fn resuming_an_upload_elsewhere_ends_the_first_transfer() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let bytes = random_bytes(200_000);
    let mut old = open(&ada).await;
    let begun: UploadBegun = old.call(begin("both", bytes.len())).await.expect("begun");
    pour(&mut old, &begun, &bytes, 100_000).await;
    let rest = ada.api.request(Method::PATCH, "/v1/uploads/both?offset=100000", bytes[100_000..].to_vec()).await;
    let upload: Upload = rest.expect("an answer").parse().expect("it is complete");
    assert_eq!(refusal(&mut old).await.code, Code::Conflict);
    assert_eq!(ada.fetch(&upload.attachment.expect("finished").url).await, (200, bytes));
}

#[tokio::test]
async fn invalid_upload_frames_are_refused_and_the_socket_stays_open() {
    let server = Setup::new().with("limits.connection_uploads_max", 2).with("files.collect_ms", 20).start().await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let mut socket = open(&ada).await;
    let bytes = random_bytes(500_000);
    let good: UploadBegun = socket.call(begin("good", bytes.len())).await.expect("begun");
    let bad: UploadBegun = socket.call(begin("bad", bytes.len())).await.expect("begun");
    let third = socket.call::<UploadBegun>(begin("third", 1)).await;
    assert_eq!(problem(third).code, Code::LimitReached);

    socket.send_binary(b"short").await.expect("sent");
    assert_eq!(refusal(&mut socket).await.code, Code::InvalidField);
    socket.send_binary(&frame(FileId(4711), 0, b"x")).await.expect("sent");
    assert_eq!(refusal(&mut socket).await.code, Code::NotFound);
    socket.send_binary(&frame(bad.upload.id, 5, b"x")).await.expect("sent");
    assert_eq!(refusal(&mut socket).await.code, Code::WrongOffset);

    // Another user's upload is not found.
    let mut hers = open(&eve).await;
    let own: UploadBegun = hers.call(begin("own", 10)).await.expect("begun");
    hers.send_binary(&frame(good.upload.id, 0, b"x")).await.expect("sent");
    assert_eq!(refusal(&mut hers).await.code, Code::NotFound);
    let ended = hers.call::<UploadEnded>(Command::EndUpload { upload: good.upload.id }).await;
    assert_eq!(problem(ended).code, Code::NotFound);
    let cancelled = hers.call::<serde_json::Value>(Command::CancelUpload { upload: good.upload.id }).await;
    assert_eq!(problem(cancelled).code, Code::NotFound);
    hers.call::<serde_json::Value>(Command::CancelUpload { upload: own.upload.id }).await.expect("her own");

    socket.call::<serde_json::Value>(Command::CancelUpload { upload: bad.upload.id }).await.expect("given up");
    let large: UploadBegun = socket.call(begin("large", bytes.len())).await.expect("begun");
    socket.send_binary(&frame(large.upload.id, 0, &bytes[..65_537])).await.expect("sent");
    let refused = refusal(&mut socket).await;
    assert_eq!((refused.code, refused.limit), (Code::TooLarge, Some(65_536)));
    socket.call::<serde_json::Value>(Command::CancelUpload { upload: large.upload.id }).await.expect("given up");

    let small: UploadBegun = socket.call(begin("small", 10)).await.expect("begun");
    socket.send_binary(&frame(small.upload.id, 0, &bytes[..11])).await.expect("sent");
    let refused = refusal(&mut socket).await;
    assert_eq!((refused.code, refused.limit), (Code::TooLarge, Some(10)), "more than was announced");

    pour(&mut socket, &good, &bytes, bytes.len()).await;
    let ended: UploadEnded = socket.call(Command::EndUpload { upload: good.upload.id }).await.expect("ended");
    assert_eq!(ada.fetch(&ended.upload.attachment.expect("finished").url).await, (200, bytes));
    server.has_files(1).await;
}

#[tokio::test]
async fn binary_frames_without_an_upload_close_the_socket() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let mut socket = open(&ada).await;
    socket.send_binary(&frame(FileId(1), 0, b"x")).await.expect("sent");
    assert!(matches!(socket.next(WAIT).await, Some(Incoming::Closed(4502, _))));
}

#[tokio::test]
async fn socket_uploads_have_the_same_limits_as_http_uploads() {
    let server = Setup::new().with("limits.upload_bytes_max", 1000).with("limits.image_pixels_max", 100).start().await;
    let ada = server.user("ada").await;
    let mut socket = open(&ada).await;
    let over_http = problem(ada.try_upload("plan.bin", &random_bytes(1001)).await);
    let large = problem(socket.call::<UploadBegun>(begin("large", 1001)).await);
    assert_eq!((large.code, large.limit, large.detail), (over_http.code, over_http.limit, over_http.detail));

    let mut picture = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(20, 20).write_to(&mut picture, image::ImageFormat::Png).expect("written");
    let picture = picture.into_inner();
    let begun: UploadBegun = socket.call(begin("bomb", picture.len())).await.expect("begun");
    socket.send_binary(&frame(begun.upload.id, 0, &picture)).await.expect("sent");
    let refused = problem(socket.call::<UploadEnded>(Command::EndUpload { upload: begun.upload.id }).await);
    assert_eq!((refused.code, refused.limit), (Code::TooLarge, Some(100)));
    assert!(server.files_on_disk().is_empty(), "{:?}", server.files_on_disk());
    let path = path_of(&format!("file-{}", unique()), "empty", 0);
    assert!(ada.api.request(Method::POST, &path, "").await.expect("an answer").status.is_success());
    let empty: UploadBegun = socket.call(begin("empty", 0)).await.expect("begun");
    let ended: UploadEnded = socket.call(Command::EndUpload { upload: empty.upload.id }).await.expect("ended");
    assert_eq!(ended.upload.attachment.expect("finished").bytes, 0);
}
