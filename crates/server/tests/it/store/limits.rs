//! Limits at their edge: the last one that fits is accepted, one more is refused with the limit.

use super::{TestCluster, conformance, send};
use parlor::{
    domain::{Change, Outcome, ProfileUpdate},
    hub::AttachError,
};
use parlor_protocol::{
    error::{Code, Problem},
    ids::{Seq, SessionId, UserId},
    params::{Group, Open},
    reply::Answer,
};
use std::sync::Arc;

conformance! {
    queues_of_one_make_commands_wait_and_lose_nothing,
    names_and_keys_end_at_their_limit,
    conversations_and_groups_are_full_at_their_limit,
    markers_beyond_their_limit_are_refused_and_can_be_retried,
    a_user_has_a_limited_number_of_connections,
}

fn limit<T: std::fmt::Debug>(result: Result<T, Problem>) -> (Code, Option<u64>) {
    let problem = result.expect_err("it is refused");
    (problem.code, problem.limit)
}

async fn queues_of_one_make_commands_wait_and_lose_nothing(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let users = [cluster.user("Ada").await, cluster.user("Ben").await];
    let app = cluster
        .node_with(&[
            ("limits.commit_queue_max", "1"),
            ("limits.user_changes_max", "1"),
            ("limits.commit_changes_max", "1"),
            ("limits.commit_bytes_max", "1"),
            ("limits.user_queries_max", "1"),
        ])
        .await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..60_usize {
        let app = app.clone();
        tasks.spawn(async move {
            send(&app, users[number % 2], conversation, &format!("{number}"), "hello")
                .await
                .expect("sent")
                .message
                .seq
                .0
        });
    }
    let mut seqs = tasks.join_all().await;
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=60).collect::<Vec<_>>());
}

async fn names_and_keys_end_at_their_limit(cluster: TestCluster) {
    let ada = cluster.user("Ada").await;
    let conversation = cluster.direct("Ada", "Ben").await;
    let app = cluster
        .node_with(&[
            ("limits.name_chars_max", "3"),
            ("limits.client_id_chars_max", "3"),
            ("limits.text_chars_max", "3"),
        ])
        .await;
    let rename = |name: &str| Change::UpdateProfile { user: ada, profile: ProfileUpdate::named(name) };
    app.commit.submit(rename("🌂🌂🌂")).await.expect("three fit");
    assert_eq!(limit(app.commit.submit(rename("Adam")).await), (Code::TextTooLong, Some(3)));
    send(&app, ada, conversation, "abc", "abc").await.expect("three fit");
    assert_eq!(limit(send(&app, ada, conversation, "abcd", "abc").await), (Code::InvalidField, Some(3)));
    assert_eq!(limit(send(&app, ada, conversation, "abd", "abcd").await), (Code::TextTooLong, Some(3)));
}

async fn conversations_and_groups_are_full_at_their_limit(cluster: TestCluster) {
    let names = ["Ada", "Ben", "Cleo", "Dan", "Eve"];
    let mut users: Vec<UserId> = Vec::new();
    for name in names {
        users.push(cluster.user(name).await);
    }
    let context = cluster.context("5", &[("Ada", "owner")]).await;
    let full = Arc::new(
        cluster
            .node_with(&[
                ("limits.group_members_max", "3"),
                ("limits.conversations_max", "2"),
                ("limits.context_conversations_max", "1"),
            ])
            .await,
    );
    let open = |actor: UserId, open: Open| {
        let full = full.clone();
        async move { full.commit.submit(Change::Open { actor, open }).await }
    };
    let group = |users: &[UserId]| Open {
        group: Some(Group { title: "Night desk".to_owned(), users: users.to_vec() }),
        ..cluster.opening()
    };
    assert_eq!(limit(open(users[0], group(&users[1..4])).await), (Code::LimitReached, Some(3)));
    let Ok(Outcome::Opened { conversation, .. }) = open(users[0], group(&users[1..3])).await else { panic!("three") };
    let add = Change::AddMembers { actor: users[0], conversation, users: vec![users[3]], history: None };
    assert_eq!(limit(full.commit.submit(add).await), (Code::LimitReached, Some(3)));

    let about = || Open { role: Some("owner".to_owned()), context: Some(context.clone()), ..cluster.opening() };
    open(users[3], about()).await.expect("the first about it, and Ada's second");
    assert!(matches!(open(users[3], about()).await, Ok(Outcome::Opened { found: true, .. })), "found is not made");
    assert_eq!(limit(open(users[4], about()).await).0, Code::LimitReached);
    let with_ada = Open { user: Some(users[0]), ..cluster.opening() };
    assert_eq!(limit(open(users[4], with_ada).await), (Code::LimitReached, Some(2)), "Ada has two");
    let with_dan = Open { user: Some(users[3]), ..cluster.opening() };
    open(users[4], with_dan).await.expect("Dan has one");
}

async fn markers_beyond_their_limit_are_refused_and_can_be_retried(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    for text in ["one", "two"] {
        cluster.send("Ada", conversation, text).await;
        cluster.send("Ben", conversation, text).await;
    }
    let app = cluster.node_with(&[("limits.markers_max", "1"), ("sync.marker_interval_ms", "60000")]).await;
    let mark = |actor: UserId, seq: i64| Change::Mark { actor, conversation, delivered: Seq(0), read: Seq(seq) };
    app.commit.submit(mark(ben, 1)).await.expect("the first goes at once");
    let refused = limit(app.commit.submit(mark(ada, 4)).await);
    assert_eq!(refused, (Code::TooMany, Some(1)), "Ben's interval has not passed");
    // The same member's next marker waits instead, and is not lost.
    let waiting = app.commit.begin(mark(ben, 3)).await.expect("it waits");
    drop(waiting);
    let other = cluster.node_with(&[]).await;
    match other.commit.submit(mark(ada, 4)).await.expect("elsewhere there is room") {
        Outcome::Answer(Answer::Marked(marked)) => assert_eq!(marked.marker.read_seq, Seq(4)),
        other => panic!("{other:?}"),
    }
}

async fn a_user_has_a_limited_number_of_connections(cluster: TestCluster) {
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let app = cluster.node_with(&[("limits.user_connections_max", "2")]).await;
    let one = app.hub.attach(ada, SessionId(1)).await.expect("the first");
    let two = app.hub.attach(ada, SessionId(1)).await.expect("the second");
    assert!(matches!(app.hub.attach(ada, SessionId(1)).await, Err(AttachError::TooMany)));
    app.hub.attach(ben, SessionId(2)).await.expect("another person");
    drop((one, two));
    app.hub.attach(ada, SessionId(1)).await.expect("there is room again");
}
