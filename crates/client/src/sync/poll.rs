//! Drives a [`State`] by polling over HTTP, and reads snapshots to compare it with.

use crate::{
    error::Error,
    http::Api,
    state::{State, needs::Need},
    sync::{Client, fetch::Fetch},
};
use parlor_protocol::ids::UserId;
use serde_json::Value;

/// Rounds before an endless chain of needs fails; each round fetches one page of everything needed.
const ROUNDS_MAX: u32 = 1000;

impl Client {
    /// Polls once: requests heads over HTTP and fetches everything that they lead to.
    ///
    /// # Errors
    /// A request failed. The next round repeats it.
    pub async fn poll(&mut self, wait_s: u32) -> Result<(), Error> {
        let requested_at = self.state.request_tick();
        let heads = self.api().events(self.state.cursor(), wait_s).await?;
        self.state.apply_heads(heads, requested_at);
        self.fetch_all_by_http().await
    }

    async fn fetch_all_by_http(&mut self) -> Result<(), Error> {
        for _ in 0..ROUNDS_MAX {
            if self.loads_messages {
                self.open_all_conversations();
            }
            let needs = self.state.needs();
            if needs.is_empty() {
                return Ok(());
            }
            for need in needs {
                self.fetch_by_http(need).await?;
            }
        }
        Err(Error::Unreadable(format!("the server's answers never satisfy these needs: {:?}", self.state.needs())))
    }

    async fn fetch_by_http(&mut self, need: Need) -> Result<(), Error> {
        let requested_at = self.state.request_tick();
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
            Ok(value) => self.apply_answer(Fetch::Need(need), value, requested_at),
            Err(Error::Refused(problem)) if self.apply_problem(Fetch::Need(need), &problem, requested_at) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Reads the whole current state over HTTP, with all messages. The server must be idle.
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
            let requested_at = client.state.request_tick();
            client.state.apply_message_page(id, page, requested_at);
        }
    }
    Ok(client.state)
}
