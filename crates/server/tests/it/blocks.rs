//! Blocks on several devices of one user, over HTTP and sockets.

use crate::harness::Server;
use http::Method;
use parlor_protocol::{
    command::Command,
    error::Code,
    reply::{Changed, Users},
};
use serde_json::Value;
use std::time::Duration;

#[tokio::test]
async fn blocks_are_the_same_on_all_devices_of_a_user_at_once_and_after_a_restart() {
    let mut server = Server::start().await;
    let (ada, ben) = (server.user("Ada").await, server.user("Ben").await);
    let conversation = ada.open_direct(&ben).await.id;
    let (mut desk, mut phone) = (ada.connect().await, ada.connect().await);
    let path = format!("/v1/me/blocks/{}", ben.id);
    let _: Changed = ada.api.request(Method::PUT, &path, "").await.expect("an answer").parse().expect("they know Ben");
    for device in [&mut desk, &mut phone] {
        let waiting = device.run_until(Duration::from_secs(10), |state| state.blocks().contains(&ben.id));
        waiting.await.expect("it is received");
        device.settle(Duration::from_secs(10)).await.expect("settled");
    }
    let listed: Users = ada.api.get("/v1/me/blocks?limit=1").await.expect("a page");
    assert_eq!(listed.users.iter().map(|user| user.id).collect::<Vec<_>>(), [ben.id]);
    let refused = desk.call::<Value>(Command::send_text(conversation, "again", "hello")).await.expect_err("blocked");
    assert_eq!(refused.code().map(Code::name), Some("blocked"));

    server.stop().await;
    server.restart().await;
    let ada = ada.through_address(server.address());
    let mut later = ada.connect().await;
    assert_eq!(later.state.blocks(), desk.state.blocks());
    let _: Changed = later.call(Command::Unblock { user: ben.id }).await.expect("always possible");
    let _: Value = later.call(Command::send_text(conversation, "again", "hello")).await.expect("no block is left");
}
