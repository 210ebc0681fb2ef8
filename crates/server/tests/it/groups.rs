//! Managing a group over HTTP: members, roles, title and picture.

use crate::harness::{Server, TestUser};
use parlor_client::error::Error;
use parlor_protocol::{
    command::Command,
    error::Code,
    http::{PatchConversation, PatchMember, PostMembers},
    ids::ConversationId,
    model::{Conversation, Role, SystemLine},
    params::History,
    reply::{Changed, Members},
};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(10);

fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let image = image::RgbImage::from_pixel(30, 20, image::Rgb([9, 90, 200]));
    image.write_to(&mut bytes, image::ImageFormat::Png).expect("written");
    bytes.into_inner()
}

async fn seen(user: &TestUser, group: ConversationId) -> Conversation {
    user.api.conversation(group).await.expect("a member").conversation
}

async fn send<T: serde::Serialize>(
    user: &TestUser,
    method: http::Method,
    path: &str,
    body: &T,
) -> Result<Changed, Error> {
    user.api.send(method, path, body).await
}

async fn picture(user: &TestUser, group: ConversationId, bytes: Vec<u8>) -> Result<Changed, Error> {
    let path = format!("/v1/conversations/{group}/picture");
    user.api.request(http::Method::PUT, &path, bytes).await.expect("an answer").parse()
}

fn code(refused: Result<Changed, Error>) -> Option<Code> {
    refused.expect_err("it is refused").code()
}

#[tokio::test]
async fn changes_of_a_group_over_http_reach_every_member_live() {
    let server = Server::start().await;
    let (ada, ben, cleo) = (server.user("ada").await, server.user("ben").await, server.user("cleo").await);
    let group = ada.group("tram 18", &[&ben]).await;
    let mut bens = ben.connect().await;
    let at = format!("/v1/conversations/{group}");
    let member = |user: &TestUser| format!("{at}/members/{}", user.id);

    let role = PatchMember { role: Role::Moderator };
    send(&ada, http::Method::PATCH, &member(&ben), &role).await.expect("an owner gives roles");
    let title = PatchConversation { title: "Line 18".to_owned() };
    send(&ben, http::Method::PATCH, &at, &title).await.expect("a moderator names it");
    let coming = PostMembers { users: vec![cleo.id], history: Some(History::FromStart) };
    send(&ben, http::Method::POST, &format!("{at}/members"), &coming).await.expect("a moderator adds");
    picture(&ben, group, png()).await.expect("a moderator sets a picture");

    let lines = |held: &parlor_client::state::State| held.messages(group).filter(|it| it.system.is_some()).count();
    bens.run_until(WITHIN, |held| lines(held) == 4).await.expect("each change is published");
    let held = bens.state.conversation(group).expect("loaded").clone();
    let fresh = seen(&ben, group).await;
    assert_eq!((&held.title, &held.picture, held.member_count), (&fresh.title, &fresh.picture, 3));
    assert_eq!((held.unread, fresh.unread, held.last_seq), (0, 0, fresh.last_seq));
    assert_eq!(fresh.last_message.and_then(|line| line.system), Some(SystemLine::PictureChanged {}));
    let shown = cleo.api.request(http::Method::GET, &fresh.picture.expect("a picture"), "").await.expect("an answer");
    assert_eq!(shown.headers[http::header::CONTENT_TYPE], "image/jpeg");

    let page: Members = cleo.api.get(&format!("{at}/members?limit=2")).await.expect("a member");
    assert_eq!((page.members.len(), page.next), (2, Some(ben.id.to_string())));
    let rest: Members = cleo.api.get(&format!("{at}/members?after={}", ben.id)).await.expect("a member");
    assert_eq!((rest.members[0].user.id, rest.members[0].history_from.0, rest.next), (cleo.id, 1, None));

    let none = ada.api.request(http::Method::DELETE, &format!("{at}/picture"), "").await.expect("an answer");
    none.parse::<Changed>().expect("an owner removes the picture");
    assert_eq!(seen(&cleo, group).await.picture, None);
}

#[tokio::test]
async fn a_group_picture_without_permission_is_refused_before_it_is_read() {
    let server = Server::start().await;
    let (ada, ben, mallory) = (server.user("ada").await, server.user("ben").await, server.user("mallory").await);
    let group = ada.group("tram 18", &[&ben]).await;
    let direct = ada.open_direct(&ben).await.id;
    // It is not a picture, but that is only checked for callers with permission.
    let nonsense = || b"no picture".to_vec();
    assert_eq!(code(picture(&ada, group, nonsense()).await), Some(Code::UnsupportedType));
    assert_eq!(code(picture(&ben, group, nonsense()).await), Some(Code::NotAllowed));
    assert_eq!(code(picture(&ada, direct, nonsense()).await), Some(Code::NotAllowed));
    assert_eq!(code(picture(&mallory, group, nonsense()).await), Some(Code::NotFound));
    assert_eq!(code(picture(&mallory, ConversationId(999_999), nonsense()).await), Some(Code::NotFound));

    let mut socket = mallory.connect().await;
    let user = ada.id;
    for command in [
        Command::UpdateConversation { conversation: group, title: "Mine".to_owned() },
        Command::UpdateMember { conversation: group, user, role: Role::Member },
        Command::ListMembers { conversation: group, after: None, limit: None },
        Command::AddMembers { conversation: group, users: vec![mallory.id], history: Some(History::FromStart) },
        Command::RemoveMember { conversation: group, user },
    ] {
        let shown = format!("{command:?}");
        let refused = socket.call::<serde_json::Value>(command).await.expect_err(&shown);
        assert_eq!(refused.code(), Some(Code::NotFound), "{shown}");
    }
    let fresh = seen(&ada, group).await;
    assert_eq!((fresh.last_seq.0, fresh.title.as_deref(), fresh.picture), (0, Some("tram 18"), None));
}
