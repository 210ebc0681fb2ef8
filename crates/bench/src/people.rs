//! Accounts, sign-ins and conversations, made over the HTTP API.

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
/// Requests under way at once.
const AT_ONCE: usize = 32;

/// Somebody who is signed in.
pub(crate) struct Person {
    pub(crate) user: UserId,
    pub(crate) token: String,
}

/// Makes accounts and signs each in.
pub(crate) async fn make(server: SocketAddr, count: usize) -> Result<Vec<Person>> {
    let api = Api::new(server);
    let one = async |number: usize| {
        let login = format!("person-{number}");
        let body = SignUp { login: login.clone(), name: format!("Person {number}"), password: PASSWORD.to_owned() };
        let _: SignedIn = api.send(Method::POST, "/v1/users", &body).await.map_err(|error| error.to_string())?;
        let (_, signed_in) = api.sign_in(&login, PASSWORD).await.map_err(|error| error.to_string())?;
        let token = signed_in.token.ok_or("the server gave no token")?;
        Ok(Person { user: signed_in.me.user.id, token })
    };
    stream::iter(0..count).map(one).buffered(AT_ONCE).try_collect().await
}

/// Opens a conversation between each two that follow each other.
pub(crate) async fn pair(server: SocketAddr, people: &[Person]) -> Result<Vec<ConversationId>> {
    let (api, clock) = (Api::new(server), Clock::new());
    let one = async |pair: &[Person]| {
        let open =
            Open { client_id: clock.client_id(), user: Some(pair[1].user), role: None, group: None, context: None };
        self::open(&api, &pair[0], &open).await
    };
    stream::iter(people.chunks_exact(2)).map(one).buffered(AT_ONCE).try_collect().await
}

/// Opens a group of all.
pub(crate) async fn group(server: SocketAddr, people: &[Person]) -> Result<ConversationId> {
    let users = people[1..].iter().map(|person| person.user).collect();
    let group = Some(Group { title: "Everybody".to_owned(), users });
    let open = Open { client_id: Clock::new().client_id(), user: None, role: None, group, context: None };
    self::open(&Api::new(server), &people[0], &open).await
}

/// Opens a conversation.
pub(crate) async fn open(api: &Api, opener: &Person, open: &Open) -> Result<ConversationId> {
    let api = api.clone().with_token(&opener.token);
    let answer = api.send::<Opened>(Method::POST, "/v1/conversations", open).await;
    Ok(answer.map_err(|error| error.to_string())?.conversation.id)
}

/// The cursor of somebody who knows all there is.
pub(crate) async fn cursor(server: SocketAddr, person: &Person) -> Result<Cursor> {
    let api = Api::new(server).with_token(&person.token);
    Ok(api.events(None, 0).await.map_err(|error| error.to_string())?.cursor)
}
