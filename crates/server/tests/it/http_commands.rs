//! Commands of the convergence tests as HTTP requests.

use crate::{harness::TestUser, message_actions};
use http::Method;
use parlor_client::error::Error;
use parlor_protocol::{
    command::Command,
    http::{PatchConversation, PatchMember, PostMembers, PostSettlement, PutMarker},
};
use serde_json::Value;

/// Carries out a command over HTTP.
pub(crate) async fn by_http(user: &TestUser, command: Command) -> Result<Value, Error> {
    let api = &user.api;
    match command {
        Command::Mark { conversation, read, delivered } => {
            let (path, seq) = read.map_or(("delivered", delivered), |seq| ("read", Some(seq)));
            let body = PutMarker { seq: seq.unwrap_or_default() };
            api.send(Method::PUT, &format!("/v1/conversations/{conversation}/{path}"), &body).await
        }
        Command::UpdateSettings { conversation, settings } => {
            api.send(Method::PATCH, &format!("/v1/conversations/{conversation}/settings"), &settings).await
        }
        Command::Block { user } => api.request(Method::PUT, &format!("/v1/me/blocks/{user}"), "").await?.parse(),
        Command::Unblock { user } => api.request(Method::DELETE, &format!("/v1/me/blocks/{user}"), "").await?.parse(),
        Command::Report(report) => api.send(Method::POST, "/v1/reports", &report).await,
        Command::SettleReport { report, remove, warn, note } => {
            let body = PostSettlement { remove, warn, note };
            api.send(Method::POST, &format!("/v1/reports/{report}/settlement"), &body).await
        }
        Command::ReadWarning { report } => {
            api.request(Method::POST, &format!("/v1/warnings/{report}/read"), "").await?.parse()
        }
        Command::ClearConversation { conversation, seq } => {
            let body = PutMarker { seq };
            api.send(Method::PUT, &format!("/v1/conversations/{conversation}/cleared"), &body).await
        }
        Command::AddMembers { conversation, users, history } => {
            api.send(
                Method::POST,
                &format!("/v1/conversations/{conversation}/members"),
                &PostMembers { users, history },
            )
            .await
        }
        Command::RemoveMember { conversation, user } => {
            let path = format!("/v1/conversations/{conversation}/members/{user}");
            api.request(Method::DELETE, &path, "").await?.parse()
        }
        Command::UpdateMember { conversation, user, role } => {
            let path = format!("/v1/conversations/{conversation}/members/{user}");
            api.send(Method::PATCH, &path, &PatchMember { role }).await
        }
        Command::UpdateConversation { conversation, title } => {
            api.send(Method::PATCH, &format!("/v1/conversations/{conversation}"), &PatchConversation { title }).await
        }
        Command::Open(open) => api.send(Method::POST, "/v1/conversations", &open).await,
        Command::UpdateMe(update) => api.send(Method::PATCH, "/v1/me", &update).await,
        of_messages => message_actions::by_http(user, of_messages).await,
    }
}
