//! Drives a [`State`] by polling over HTTP, and reads snapshots to compare states with.

use crate::{
    error::Error,
    http::Api,
    state::{Need, State},
    sync::{Client, Fetch},
};
use parlor_protocol::ids::UserId;
use serde_json::Value;

/// Each round fetches a page of everything that is needed.
const ROUNDS_MAX: u32 = 1000;

impl Client {
    /// One round of polling: heads over HTTP, and everything that they lead to.
    ///
    /// # Errors
    /// A request failed; what it would have brought is asked for in the next round.
    pub async fn poll(&mut self, wait_s: u32) -> Result<(), Error> {
        let asked = self.state.asking();
        let heads = self.api().events(self.state.cursor(), wait_s).await?;
        self.state.heads(heads, asked);
        self.fetch_all_by_http().await
    }

    async fn fetch_all_by_http(&mut self) -> Result<(), Error> {
        for _ in 0..ROUNDS_MAX {
            if self.holds_messages {
                self.open_all();
            }
            let needs = self.state.needs();
            if needs.is_empty() {
                return Ok(());
            }
            for need in needs {
                self.fetch_by_http(need).await?;
            }
        }
        Err(Error::Unreadable(format!("the server's answers lead to no end: {:?}", self.state.needs())))
    }

    async fn fetch_by_http(&mut self, need: Need) -> Result<(), Error> {
        let asked = self.state.asking();
        let path = match need {
            Need::List => {
                let after = self.next_page.as_ref().map(|after| format!("after={after}&")).unwrap_or_default();
                let limit = self.list_limit.map(|limit| format!("limit={limit}")).unwrap_or_default();
                format!("/v1/conversations?{after}{limit}")
            }
            Need::Me => match self.state.me() {
                Some(me) => format!("/v1/me?since={}", me.scope_version),
                None => "/v1/me".to_owned(),
            },
            Need::Conversation(id) => format!("/v1/conversations/{id}"),
            Need::Changes(id, since) => format!("/v1/conversations/{id}/changes?since={since}"),
            Need::Messages(id, None) => format!("/v1/conversations/{id}/messages"),
            Need::Quote(id, seq) => format!("/v1/conversations/{id}/messages?around={seq}&limit=1"),
            Need::Messages(id, Some(after)) => format!("/v1/conversations/{id}/messages?after={after}"),
        };
        match self.api().get::<Value>(&path).await {
            Ok(value) => self.take_answer(Fetch::Need(need), value, asked),
            Err(Error::Refused(problem)) if self.take_problem(Fetch::Need(need), &problem, asked) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// What the server now says: everything, read anew over HTTP, with all messages. The server must be quiet.
///
/// # Errors
/// A request failed.
pub async fn snapshot(api: &Api, user: UserId, fan_out_max: u32) -> Result<State, Error> {
    let mut client = Client::new(api.clone(), user, fan_out_max);
    client.poll(0).await?;
    let ids: Vec<_> = client.state.conversations().map(|conversation| conversation.id).collect();
    for id in ids {
        loop {
            let oldest = client.state.messages(id).next().map(|message| message.seq);
            let Some(oldest) = oldest else { break };
            let page = api.messages(id, &format!("before={oldest}")).await?;
            if page.messages.is_empty() {
                break;
            }
            let asked = client.state.asking();
            client.state.messages_page(id, page, asked);
        }
    }
    Ok(client.state)
}
