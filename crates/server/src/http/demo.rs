//! `/demo/{name}?{token}`: the demo's links, each of which signs a user in; and `/demo/items/{id}`: the pages of lost
//! items, to which the cards of conversations link. Only while a demo runs.

use super::{
    Edge,
    assets::escaped,
    credentials::{Caller, cookies_for},
    errors::Refusal,
};
use axum::{
    extract::{Path, State},
    http::{StatusCode, header, request::Parts},
    response::{AppendHeaders, IntoResponse as _, Response},
    routing::{MethodRouter, get},
};
use parlor_protocol::{error::Code, ids::UserId};
use std::{collections::HashMap, fmt};
use subtle::ConstantTimeEq as _;

/// The users of the demo by the name in their link, and the token in the links.
#[derive(Clone)]
pub struct DemoLinks {
    /// Valid as long as the demo runs.
    pub token: String,
    /// The user that each name signs in.
    pub people: HashMap<String, UserId>,
    /// The pages of the items, by id.
    pub items: HashMap<String, ItemPage>,
}

/// The contents of an item's page.
#[derive(Clone, Debug)]
pub struct ItemPage {
    /// Its name.
    pub title: String,
    /// One more line about it.
    pub detail: String,
    /// Its state in a word.
    pub status: String,
    /// The URL of its picture.
    pub picture: String,
}

impl fmt::Debug for DemoLinks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DemoLinks").field("people", &self.people).finish_non_exhaustive()
    }
}

pub(super) fn route() -> MethodRouter<Edge> {
    get(sign_in)
}

pub(super) fn items_route() -> MethodRouter<Edge> {
    get(item)
}

/// Serves what stands for a page of the host application: with the link that it would put beside its item.
async fn item(State(edge): State<Edge>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let links = edge.shared.demo.as_ref().ok_or(Code::NotFound)?;
    let ItemPage { title, detail, status, picture } = links.items.get(&id).ok_or(Code::NotFound)?;
    let [title, detail, status] = [title, detail, status].map(|text| escaped(text));
    let root = &edge.app.config.http.root_path.0;
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         </head>\n<body>\n<main>\n<h1>{title}</h1>\n<p><img src=\"{picture}\" alt=\"\" width=\"240\" height=\"240\"></p>\n\
         <p>{detail}. {status}.</p>\n<p>This page stands for one of your application. It has this link:</p>\n\
         <p><a href=\"{root}/#/open?type=item&amp;id={id}&amp;role=owner\">Write to the owner</a></p>\n\
         <p><a href=\"{root}/\">All messages</a></p>\n</main>\n</body>\n</html>\n"
    );
    Ok(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response())
}

async fn sign_in(State(edge): State<Edge>, Path(name): Path<String>, parts: Parts) -> Result<Response, Refusal> {
    let links = edge.shared.demo.as_ref().ok_or(Code::NotFound)?;
    let token = parts.uri.query().unwrap_or_default();
    if !bool::from(token.as_bytes().ct_eq(links.token.as_bytes())) {
        return Err(Code::NotFound.into());
    }
    let user = *links.people.get(&name).ok_or(Code::NotFound)?;
    let caller = Caller::of(&edge.app, &parts).await;
    let home = [
        (header::LOCATION, format!("{}/", edge.app.config.http.root_path.0)),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    if caller.actor.is_some_and(|actor| actor.user == user) {
        return Ok((StatusCode::SEE_OTHER, home).into_response());
    }
    let client = caller.client(&edge.app, &parts).await?;
    let signed = edge.app.identity.sign_in_as(user, client).await?;
    let cookies = cookies_for(&edge.app, &parts, &signed.token, &signed.device);
    let cookies = AppendHeaders(cookies.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok((StatusCode::SEE_OTHER, home, cookies).into_response())
}
