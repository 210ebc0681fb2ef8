//! How users keep conversations in their own lists, on several devices of one user.

use crate::{
    harness::{Rng, Server, TestUser},
    message_actions,
};
use http::Method;
use parlor_client::state::State;
use parlor_protocol::{
    command::Command,
    ids::{ConversationId, Seq},
    params::SettingsUpdate,
    reply::{Changed, Unread},
};
use serde_json::{Value, json};
use std::time::Duration;

async fn patch(user: &TestUser, conversation: ConversationId, settings: &Value) -> Changed {
    let path = format!("/v1/conversations/{conversation}/settings");
    user.api.send(Method::PATCH, &path, settings).await.expect("a member")
}

/// Pins, archives, mutes, marks as unread or clears a conversation, or saves a draft, at random.
pub(crate) fn random(rng: &mut Rng, state: &State, conversation: ConversationId) -> Command {
    if rng.percent(40) {
        return message_actions::save_draft(rng, state, conversation);
    }
    let last_seq = state.conversation(conversation).map_or(Seq(0), |row| row.last_seq);
    if rng.percent(15) {
        let back = i64::try_from(rng.below(4)).expect("small");
        return Command::ClearConversation { conversation, seq: Seq((last_seq.0 - back).max(0)) };
    }
    let mut settings = SettingsUpdate::default();
    match rng.below(5) {
        0 => settings.pinned = Some(rng.percent(60)),
        1 | 2 => settings.archived_seq = Some(rng.percent(70).then_some(last_seq)),
        3 => {
            settings.muted = Some(rng.percent(60));
            let until = *rng.pick(&[None, Some("2024-05-06T07:08:09.000Z"), Some("2099-05-06T07:08:09.000Z")]);
            settings.muted_until = until.filter(|_| settings.muted == Some(true)).map(str::to_owned);
        }
        _ => settings.marked_unread = Some(rng.percent(70)),
    }
    Command::UpdateSettings { conversation, settings }
}

#[tokio::test]
async fn settings_are_the_same_on_all_devices_of_a_user_at_once_and_after_a_restart() {
    let mut server = Server::start().await;
    let (ada, ben) = (server.user("Ada").await, server.user("Ben").await);
    let conversation = ada.open_direct(&ben).await.id;
    ben.send(conversation, "hello").await;
    let (mut desk, mut phone, mut other) = (ada.connect().await, ada.connect().await, ben.connect().await);

    let settings = SettingsUpdate { pinned: Some(true), ..SettingsUpdate::default() };
    let _: Changed = desk.call(Command::UpdateSettings { conversation, settings }).await.expect("a member");
    patch(&ada, conversation, &json!({"muted": true, "archived_seq": 1})).await;
    let changed = patch(&ada, conversation, &json!({"marked_unread": true})).await;
    for device in [&mut desk, &mut phone] {
        device
            .run_until(Duration::from_secs(10), |state| state.settings(conversation).version == changed.version)
            .await
            .expect("it is received");
        let settings = device.state.settings(conversation);
        assert!(settings.pinned && settings.muted && settings.marked_unread, "{settings:?}");
        assert_eq!(settings.archived_seq.map(|seq| seq.0), Some(1));
        device.settle(Duration::from_secs(10)).await.expect("settled");
        assert_eq!(device.state.unread(), Unread::default(), "neither archived nor muted ones count");
    }
    ada.send(conversation, "hello, too").await;
    other
        .run_until(Duration::from_secs(10), |state| {
            state.conversation(conversation).is_some_and(|row| row.last_seq.0 == 2)
        })
        .await
        .expect("it is received");
    assert!(other.state.settings(conversation).are_default(), "Ben learns nothing of it");

    server.stop().await;
    server.restart().await;
    let later = ada.through_address(server.address()).connect().await;
    assert_eq!(later.state.settings(conversation), desk.state.settings(conversation));
}
