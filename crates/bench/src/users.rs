//! Creates users, sessions and conversations over the HTTP API.

use crate::{Result, frames::Clock};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::Method;
use parlor_client::http::Api;
use parlor_protocol::{
    cursor::Cursor,
    http::{SignUp, SignedIn},
    ids::{ConversationId, UserId},
    params::{Group, Open},
    reply::Opened,
};
use std::net::SocketAddr;

const PASSWORD: &str = "correct horse battery staple";
/// Concurrent requests.
const AT_ONCE: usize = 32;

/// A signed-in user.
pub(crate) struct BenchUser {
    pub(crate) user: UserId,
    pub(crate) token: String,
}

/// Creates users and signs each in.
pub(crate) async fn make(server: SocketAddr, count: usize) -> Result<Vec<BenchUser>> {
    let api = Api::new(server);
    let one = async |number: usize| {
        let login = format!("person-{number}");
        let body = SignUp { login: login.clone(), name: format!("BenchUser {number}"), password: PASSWORD.to_owned() };
        let _: SignedIn = api.send(Method::POST, "/v1/users", &body).await.map_err(|error| error.to_string())?;
        let (_, signed_in) = api.sign_in(&login, PASSWORD).await.map_err(|error| error.to_string())?;
        let token = signed_in.token.ok_or("the server gave no token")?;
        Ok(BenchUser { user: signed_in.me.user.id, token })
    };
    stream::iter(0..count).map(one).buffered(AT_ONCE).try_collect().await
}

/// Opens a conversation between each user and the next.
pub(crate) async fn pair(server: SocketAddr, users: &[BenchUser]) -> Result<Vec<ConversationId>> {
    let (api, clock) = (Api::new(server), Clock::new());
    let one = async |pair: &[BenchUser]| {
        let open =
            Open { client_id: clock.client_id(), user: Some(pair[1].user), role: None, group: None, context: None };
        self::open(&api, &pair[0], &open).await
    };
    stream::iter(users.chunks_exact(2)).map(one).buffered(AT_ONCE).try_collect().await
}

/// Opens a group of all users.
pub(crate) async fn group(server: SocketAddr, users: &[BenchUser]) -> Result<ConversationId> {
    let others = users[1..].iter().map(|user| user.user).collect();
    let group = Some(Group { title: "Everybody".to_owned(), users: others });
    let open = Open { client_id: Clock::new().client_id(), user: None, role: None, group, context: None };
    self::open(&Api::new(server), &users[0], &open).await
}

/// Opens a conversation.
pub(crate) async fn open(api: &Api, opener: &BenchUser, open: &Open) -> Result<ConversationId> {
    let api = api.clone().with_token(&opener.token);
    let answer = api.send::<Opened>(Method::POST, "/v1/conversations", open).await;
    Ok(answer.map_err(|error| error.to_string())?.conversation.id)
}

/// The cursor of a client that is up to date.
pub(crate) async fn cursor(server: SocketAddr, user: &BenchUser) -> Result<Cursor> {
    let api = Api::new(server).with_token(&user.token);
    Ok(api.events(None, 0).await.map_err(|error| error.to_string())?.cursor)
}
