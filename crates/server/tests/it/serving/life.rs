//! The longest life of a socket, see also `old_sockets` and `bridge`.

use crate::harness::Setup;
use parlor_client::{
    socket::{Handshake, Incoming},
    sync::Client,
};
use std::time::Duration;

const SOON: Duration = Duration::from_mins(1);

/// Waits until the server closes a client's socket.
async fn lives_out(client: &mut Client) {
    while client.is_connected() {
        // The socket ends in between.
        let _ = client.run_for(Duration::from_millis(50)).await;
    }
    assert_eq!(client.last_close().map(|(code, reason)| (*code, reason.as_str())), Some((4005, "expired")));
}

#[tokio::test]
async fn a_socket_that_has_lived_long_enough_is_closed_and_its_client_comes_back_without_loss() {
    let server = Setup::new().with("socket.life_max_ms", 8000).start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let conversation = ada.open_direct(&ben).await.id;
    let mut client = ada.connect().await;
    for round in 0..2 {
        lives_out(&mut client).await;
        let sent = ben.send(conversation, &format!("while nobody listens {round}")).await;
        client.connect().await.expect("it comes back");
        let has_it =
            |state: &parlor_client::state::State| state.messages(conversation).any(|message| message.seq == sent.seq);
        client.run_until(SOON, has_it).await.expect("nothing is lost");
    }
}

#[tokio::test]
async fn a_socket_that_never_resumes_does_not_outlive_the_others() {
    let server = Setup::new().with("socket.life_max_ms", 1000).with("socket.resume_ms", 600_000).start().await;
    let ada = server.user("ada").await;
    let mut socket = Handshake::new(ada.api.address(), ada.api.headers()).open().await.expect("a socket");
    let closed = tokio::time::timeout(SOON, async {
        loop {
            match socket.next(SOON).await {
                Some(Incoming::Closed(code, _)) => return code,
                Some(Incoming::Disconnected(why)) => panic!("{why}"),
                _ => {}
            }
        }
    });
    assert_eq!(closed.await.expect("in time"), 4005);
}
