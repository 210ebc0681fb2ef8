//! From the first byte of an upload to the message that contains it.

use super::{path_of, problem, random_bytes};
use crate::harness::{Server, Setup, unique};
use http::Method;
use parlor_protocol::{error::Code, model::Upload};

#[tokio::test]
async fn a_file_sent_with_a_message_is_served_unchanged() {
    let server = Server::start().await;
    let (ada, tomas) = (server.user("ada").await, server.user("tomás").await);
    let conversation = ada.open_direct(&tomas).await.id;
    let bytes = random_bytes(300_000);
    let upload = ada.upload("plan.bin", &bytes).await;
    assert_eq!((upload.bytes, upload.received), (300_000, 300_000));
    let attachment = upload.attachment.expect("it is finished");
    assert_eq!((attachment.name.as_str(), attachment.media_type.as_str()), ("plan.bin", "application/octet-stream"));

    let mut client = tomas.connect().await;
    let message = ada.try_send_files(conversation, "", &[upload.id]).await.expect("sent without a text");
    assert_eq!((message.text.as_str(), message.attachments.as_slice()), ("", std::slice::from_ref(&attachment)));
    client.settle(std::time::Duration::from_secs(10)).await.expect("it settles");
    let page = tomas.api.messages(conversation, "").await.expect("a page");
    assert_eq!(page.messages[0].attachments, std::slice::from_ref(&attachment));
    assert_eq!(tomas.fetch(&attachment.url).await, (200, bytes.clone()));
    assert_eq!(ada.fetch(&attachment.url).await, (200, bytes));
    assert_eq!(server.files_on_disk().len(), 1, "nothing is left of the upload but the file");
}

#[tokio::test]
async fn an_interrupted_upload_resumes_at_its_offset() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let bytes = random_bytes(200_000);
    let path = path_of("cut", "a.bin", bytes.len());
    let begun: Upload =
        ada.api.request(Method::POST, &path, bytes[..70_000].to_vec()).await.expect("sent").parse().expect("taken");
    assert_eq!((begun.received, begun.attachment), (70_000, None));
    let found: Upload = ada.api.get("/v1/uploads/cut").await.expect("it exists");
    assert_eq!(found.received, 70_000);

    let wrong = ada.api.request(Method::PATCH, "/v1/uploads/cut?offset=60000", bytes[60_000..].to_vec()).await;
    assert_eq!(problem(wrong.expect("an answer").parse::<Upload>()).code, Code::WrongOffset);
    let rest = ada.api.request(Method::PATCH, "/v1/uploads/cut?offset=70000", bytes[70_000..].to_vec()).await;
    let done: Upload = rest.expect("an answer").parse().expect("it is complete");
    let attachment = done.attachment.expect("it is finished");
    assert_eq!(ada.fetch(&attachment.url).await, (200, bytes.clone()));

    let again: Upload =
        ada.api.request(Method::POST, &path, bytes.clone()).await.expect("sent").parse().expect("a repeat");
    assert_eq!(again.id, done.id);
    let other = ada.api.request(Method::POST, &path_of("cut", "b.bin", bytes.len()), bytes).await;
    assert_eq!(problem(other.expect("an answer").parse::<Upload>()).code, Code::Conflict);
}

#[tokio::test]
async fn only_the_users_own_finished_files_are_sent_and_each_once() {
    let server = Setup::new().with("limits.message_attachments_max", 2).start().await;
    let (ada, tomas) = (server.user("ada").await, server.user("tomás").await);
    let conversation = ada.open_direct(&tomas).await.id;
    let code = async |ids: &[_]| problem(ada.try_send_files(conversation, "with text", ids).await).code;
    let mine = ada.upload("mine.txt", b"mine").await.id;
    let his = tomas.upload("his.txt", b"his").await.id;
    let path = path_of("half", "half.txt", 10);
    let half: Upload = ada.api.request(Method::POST, &path, "12345").await.expect("sent").parse().expect("taken");
    assert_eq!(code(&[mine, half.id]).await, Code::UploadUnfinished);
    assert_eq!(code(&[his]).await, Code::NotFound);
    assert_eq!(code(&[parlor_protocol::ids::FileId(1)]).await, Code::NotFound);
    assert_eq!(code(&[mine, mine]).await, Code::InvalidField);
    let (two, three) = (ada.upload("2", b"2").await.id, ada.upload("3", b"3").await.id);
    assert_eq!(code(&[mine, two, three]).await, Code::LimitReached);

    ada.try_send_files(conversation, "", &[mine, two]).await.expect("nothing was used by what was refused");
    assert_eq!(code(&[mine]).await, Code::NotFound);
    assert_eq!(ada.api.request(Method::DELETE, "/v1/uploads/half", "").await.expect("an answer").status, 204);
    assert_eq!(problem(ada.api.get::<Upload>("/v1/uploads/half").await).code, Code::NotFound);
    let empty = problem(ada.try_send_files(conversation, " ", &[]).await);
    assert_eq!(empty.code, Code::TextEmpty);
}

#[tokio::test]
async fn a_repeated_message_with_files_gets_the_first_answer() {
    let server = Server::start().await;
    let (ada, tomas) = (server.user("ada").await, server.user("tomás").await);
    let conversation = ada.open_direct(&tomas).await.id;
    let file = ada.upload("a.txt", b"once").await.id;
    let body = serde_json::json!({"client_id": format!("say-{}", unique()), "text": "", "attachments": [file]});
    let path = format!("/v1/conversations/{conversation}/messages");
    let first: parlor_protocol::reply::Sent = ada.api.send(Method::POST, &path, &body).await.expect("sent");
    let again: parlor_protocol::reply::Sent = ada.api.send(Method::POST, &path, &body).await.expect("again");
    assert!(!first.duplicate && again.duplicate);
    assert_eq!(first.message, again.message);
}

#[tokio::test]
async fn upload_limits_are_checked_before_the_first_byte() {
    let server = Setup::new()
        .with("limits.upload_bytes_max", 1000)
        .with("limits.uploads_unsent_max", 2)
        .with("limits.user_files_bytes_max", 1500)
        .start()
        .await;
    let ada = server.user("ada").await;
    let large = problem(ada.try_upload("large.bin", &random_bytes(1001)).await);
    assert_eq!((large.code, large.limit), (Code::TooLarge, Some(1000)));
    let detail = large.detail.expect("a detail");
    assert!(detail.contains("1001") && detail.contains("1000"), "{detail}");

    ada.upload("a.bin", &random_bytes(1000)).await;
    let full = problem(ada.try_upload("b.bin", &random_bytes(501)).await);
    assert_eq!((full.code, full.limit), (Code::LimitReached, Some(1500)));
    ada.upload("b.bin", &random_bytes(500)).await;
    let third = problem(ada.try_upload("c.bin", &[]).await);
    assert_eq!((third.code, third.limit), (Code::LimitReached, Some(2)));
    assert_eq!(server.files_on_disk().len(), 2, "nothing is left of what was refused");
}

#[tokio::test]
async fn an_empty_file_can_be_sent() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let upload = ada.upload("empty", b"").await;
    let attachment = upload.attachment.expect("it is finished");
    assert_eq!(ada.fetch(&attachment.url).await, (200, Vec::new()));
}

#[tokio::test]
async fn a_forwarded_file_lives_exactly_as_long_as_either_message() {
    let server = Setup::new().with("files.collect_ms", 20).start().await;
    let (ada, tomas, eve) = (server.user("ada").await, server.user("tomás").await, server.user("eve").await);
    let (first, second) = (ada.open_direct(&tomas).await.id, tomas.open_direct(&eve).await.id);
    let sent = ada.send_file(first, "plan.txt", b"the plan").await;
    let forward =
        serde_json::json!({"client_id": format!("say-{}", unique()), "from": {"conversation": first, "seq": sent.seq}});
    let path = format!("/v1/conversations/{second}/forwards");
    let forwarded: parlor_protocol::reply::Sent =
        tomas.api.send(Method::POST, &path, &forward).await.expect("forwarded");
    let (old, new) = (&sent.attachments[0], &forwarded.message.attachments[0]);
    assert_ne!(old.id, new.id);
    assert_eq!((old.name.as_str(), old.bytes), (new.name.as_str(), new.bytes));
    assert_eq!(eve.fetch(&new.url).await, (200, b"the plan".to_vec()));
    assert_eq!(eve.fetch(&old.url).await.0, 404);
    assert_eq!(server.files_on_disk().len(), 1, "the bytes are stored once");

    let delete = async |user: &crate::harness::TestUser, conversation, seq| {
        let path = format!("/v1/conversations/{conversation}/messages/{seq}");
        let answer = user.api.request(Method::DELETE, &path, "").await.expect("an answer");
        let changed: parlor_protocol::reply::MessageChanged = answer.parse().expect("deleted");
        assert!(changed.message.deleted && changed.message.attachments.is_empty());
    };
    delete(&ada, first, sent.seq).await;
    assert_eq!(ada.fetch(&old.url).await.0, 404, "gone at once");
    assert_eq!(tomas.fetch(&old.url).await.0, 404);
    assert_eq!(eve.fetch(&new.url).await, (200, b"the plan".to_vec()), "the copy stays");
    delete(&tomas, second, forwarded.message.seq).await;
    assert_eq!(eve.fetch(&new.url).await.0, 404);
    server.has_files(0).await;
}

#[tokio::test]
async fn a_file_of_a_hidden_message_is_gone_for_the_user_who_hid_it() {
    let server = Server::start().await;
    let (ada, tomas) = (server.user("ada").await, server.user("tomás").await);
    let conversation = ada.open_direct(&tomas).await.id;
    let sent = ada.send_file(conversation, "plan.txt", b"the plan").await;
    let url = &sent.attachments[0].url;
    let path = format!("/v1/conversations/{conversation}/messages/{}/hide", sent.seq);
    let hidden = tomas.api.request(Method::POST, &path, "").await.expect("an answer");
    assert!(hidden.status.is_success());
    assert_eq!(tomas.fetch(url).await.0, 404);
    assert_eq!(ada.fetch(url).await.0, 200);
}
