//! A `client_id` creates one thing, for as long as the thing exists.

use super::{TestCluster, code, conformance, send};
use parlor::{
    commands,
    domain::{Change, Content, Outcome},
    identity::actor::Actor,
};
use parlor_protocol::{
    command::Command,
    error::Code,
    ids::{SessionId, UserId},
    model::ContextKey,
    params::{Group, Open},
    reply::Answer,
};

conformance! {
    a_repeated_send_returns_the_first_answer,
    another_command_with_the_same_key_is_a_conflict,
    commands_that_differ_only_in_discarded_fields_are_the_same,
    the_keys_of_two_users_are_independent,
    a_cancelled_key_never_sends,
    a_repeated_open_finds_the_first_conversation,
    a_former_member_who_repeats_a_send_gets_only_its_place,
    a_key_that_databases_cannot_store_is_refused_before_the_query,
}

async fn a_repeated_send_returns_the_first_answer(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let ada = cluster.user("Ada").await;
    let other = cluster.another_node().await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..32 {
        let app = if number % 2 == 0 { cluster.app.clone() } else { other.clone() };
        tasks.spawn(async move { send(&app, ada, conversation, "same", "hello").await.expect("accepted") });
    }
    let all = tasks.join_all().await;
    assert_eq!(all.iter().filter(|sent| !sent.duplicate).count(), 1, "one of them made it");
    assert!(all.iter().all(|sent| sent.message == all[0].message && sent.message.seq.0 == 1));
    cluster.app.stop().await;
    let after_restart =
        send(&*cluster.another_node().await, ada, conversation, "same", "hello").await.expect("accepted");
    assert!(after_restart.duplicate && after_restart.message == all[0].message);
}

async fn another_command_with_the_same_key_is_a_conflict(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let elsewhere = cluster.direct("Ada", "Cleo").await;
    let (ada, dan) = (cluster.user("Ada").await, cluster.user("Dan").await);
    send(&cluster.app, ada, conversation, "key", "hello").await.expect("sent");
    assert_eq!(code(send(&cluster.app, ada, conversation, "key", "other words").await), Code::Conflict);
    assert_eq!(code(send(&cluster.app, ada, elsewhere, "key", "hello").await), Code::Conflict);
    let open = Open { user: Some(dan), ..Open { client_id: "key".to_owned(), ..cluster.opening() } };
    assert_eq!(code(cluster.open(ada, open).await), Code::Conflict);
    // A repeat is recognized even if a rule would refuse it now.
    let strict = cluster.node_with(&[("limits.text_chars_max", "1")]).await;
    assert!(send(&strict, ada, conversation, "key", "hello").await.expect("known").duplicate);
    assert_eq!(code(send(&strict, ada, conversation, "fresh", "hello").await), Code::TextTooLong);
}

async fn commands_that_differ_only_in_discarded_fields_are_the_same(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let [ada, ben, cleo] = [cluster.user("Ada").await, cluster.user("Ben").await, cluster.user("Cleo").await];
    let send_text = async |key: &str, text: &str, subject: Option<&str>| {
        let content = Content { subject: subject.map(str::to_owned), ..Content::text(text) };
        let change = Change::Send { actor: ada, conversation, client_id: key.to_owned(), content };
        match cluster.app.commit.submit(change).await? {
            Outcome::Answer(Answer::Sent(sent)) => Ok(sent.duplicate),
            other => panic!("{other:?}"),
        }
    };
    for (key, first, again) in [
        ("ends", ("a\nb\nc", None), ("a\r\nb\rc", None)),
        ("came", ("a\r\nb", None), ("a\nb", None)),
        ("above", ("hello", Some("Lost")), ("hello", Some(" Lost\t"))),
        ("both", ("a\rb", Some("Lost ")), ("a\nb", Some("Lost"))),
    ] {
        assert_eq!(send_text(key, first.0, first.1).await, Ok(false), "{key}");
        assert_eq!(send_text(key, again.0, again.1).await, Ok(true), "{key}");
        assert_eq!(code(send_text(key, "other", again.1).await), Code::Conflict, "{key}");
    }
    assert_eq!(code(send_text("ends", "a\n\nb\nc", None).await), Code::Conflict, "spaces and lines are kept");
    assert_eq!(code(send_text("ends", " a\nb\nc", None).await), Code::Conflict);

    let group = async |title: &str, users: &[UserId]| {
        let group = Some(Group { title: title.to_owned(), users: users.to_vec() });
        cluster.open(ada, Open { client_id: "group".to_owned(), group, ..cluster.opening() }).await
    };
    let (made, _) = group("Night desk", &[ben, cleo]).await.expect("opened");
    assert_eq!(group(" Night desk ", &[cleo, ada, ben, cleo]).await, Ok((made, true)));
    assert_eq!(code(group("Day desk", &[ben, cleo]).await), Code::Conflict);
}

async fn the_keys_of_two_users_are_independent(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let one = send(&cluster.app, ada, conversation, "key", "hello").await.expect("sent");
    let two = send(&cluster.app, ben, conversation, "key", "hello").await.expect("sent");
    assert!(!two.duplicate && one.message.id != two.message.id);
}

async fn cancel(cluster: &TestCluster, actor: UserId, key: &str) -> parlor_protocol::reply::Cancelled {
    let change = Change::Cancel { actor, client_id: key.to_owned() };
    match cluster.app.commit.submit(change).await {
        Ok(Outcome::Answer(Answer::Cancelled(cancelled))) => cancelled,
        other => panic!("{other:?}"),
    }
}

async fn a_cancelled_key_never_sends(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let ada = cluster.user("Ada").await;
    let cancelled = cancel(&cluster, ada, "late").await;
    assert!(cancelled.cancelled && cancelled.message.is_none());
    assert_eq!(code(send(&cluster.app, ada, conversation, "late", "hello").await), Code::Cancelled);
    assert!(cancel(&cluster, ada, "late").await.cancelled, "again is the same");
    let sent = send(&cluster.app, ada, conversation, "early", "hello").await.expect("sent");
    let too_late = cancel(&cluster, ada, "early").await;
    assert_eq!((too_late.cancelled, too_late.message), (false, Some(sent.message)));
}

async fn a_repeated_open_finds_the_first_conversation(cluster: TestCluster) {
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let group = parlor_protocol::params::Group { title: "Two".to_owned(), users: vec![ben] };
    let open = Open { group: Some(group), ..cluster.opening() };
    let (one, found) = cluster.open(ada, open.clone()).await.expect("opened");
    assert!(!found);
    assert_eq!(cluster.open(ada, open.clone()).await.expect("found"), (one, true));
    let again = Open { client_id: cluster.key(), ..open };
    assert_ne!(cluster.open(ada, again).await.expect("opened").0, one, "a group is new under each key");
}

async fn a_former_member_who_repeats_a_send_gets_only_its_place(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben"]).await;
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let sent = send(&cluster.app, ben, conversation, "key", "hello").await.expect("sent");
    cluster.remove("Ada", conversation, "Ben").await.expect("removed");
    let react = Change::React { actor: ada, conversation, seq: sent.message.seq, emoji: "👍".to_owned(), on: true };
    cluster.app.commit.submit(react).await.expect("reacted");
    let again = send(&cluster.app, ben, conversation, "key", "hello").await.expect("known");
    assert!(again.duplicate && again.message.hidden && again.message.text.is_empty());
    assert!(again.message.reactions.is_empty(), "messages after his leave are hidden");
    let cancelled = cancel(&cluster, ben, "key").await.message.expect("it had happened");
    assert!(cancelled.hidden && cancelled.reactions.is_empty());
}

async fn a_key_that_databases_cannot_store_is_refused_before_the_query(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let actor = Actor { user: cluster.user("Ada").await, session: SessionId(1) };
    for client_id in ["\0", "a\0", ""] {
        let refused =
            commands::execute(&cluster.app, actor, Command::send_text(conversation, client_id, "hello")).await;
        assert_eq!(refused.expect_err("refused").code, Code::InvalidField, "{client_id:?}");
    }
    let context = ContextKey { kind: "item\0".to_owned(), id: "5".to_owned() };
    let open = Open { user: Some(cluster.user("Ben").await), context: Some(context), ..cluster.opening() };
    let refused = commands::execute(&cluster.app, actor, Command::Open(open)).await;
    assert_eq!(refused.expect_err("refused").code, Code::InvalidField);
}
