//! A `client_id` makes one thing, for as long as the thing exists.

use super::{World, code, conformance, send};
use parlor::{
    app::Actor,
    commands,
    domain::{Change, Content, Outcome},
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
    a_repeat_gets_the_first_answer_however_it_comes,
    another_command_under_the_same_key_is_a_conflict,
    what_differs_only_in_what_is_not_kept_is_the_same,
    the_keys_of_two_people_do_not_meet,
    a_cancelled_key_never_sends,
    a_repeated_opening_finds_what_the_first_made,
    whoever_left_is_told_only_the_place_of_what_he_repeats,
    a_key_that_no_database_takes_is_refused_before_any_is_asked,
}

async fn a_repeat_gets_the_first_answer_however_it_comes(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let ada = world.person("Ada").await;
    let other = world.another_node().await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..32 {
        let app = if number % 2 == 0 { world.app.clone() } else { other.clone() };
        tasks.spawn(async move { send(&app, ada, conversation, "same", "hello").await.expect("accepted") });
    }
    let all = tasks.join_all().await;
    assert_eq!(all.iter().filter(|sent| !sent.duplicate).count(), 1, "one of them made it");
    assert!(all.iter().all(|sent| sent.message == all[0].message && sent.message.seq.0 == 1));
    world.app.stop().await;
    let after_restart = send(&*world.another_node().await, ada, conversation, "same", "hello").await.expect("accepted");
    assert!(after_restart.duplicate && after_restart.message == all[0].message);
}

async fn another_command_under_the_same_key_is_a_conflict(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let elsewhere = world.direct("Ada", "Cleo").await;
    let (ada, dan) = (world.person("Ada").await, world.person("Dan").await);
    send(&world.app, ada, conversation, "key", "hello").await.expect("sent");
    assert_eq!(code(send(&world.app, ada, conversation, "key", "other words").await), Code::Conflict);
    assert_eq!(code(send(&world.app, ada, elsewhere, "key", "hello").await), Code::Conflict);
    let open = Open { user: Some(dan), ..Open { client_id: "key".to_owned(), ..world.opening() } };
    assert_eq!(code(world.open(ada, open).await), Code::Conflict);
    // A repeat is known even when a rule would now refuse it.
    let strict = world.node_with(&[("limits.text_chars_max", "1")]).await;
    assert!(send(&strict, ada, conversation, "key", "hello").await.expect("known").duplicate);
    assert_eq!(code(send(&strict, ada, conversation, "fresh", "hello").await), Code::TextTooLong);
}

async fn what_differs_only_in_what_is_not_kept_is_the_same(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let [ada, ben, cleo] = [world.person("Ada").await, world.person("Ben").await, world.person("Cleo").await];
    let said = async |key: &str, text: &str, subject: Option<&str>| {
        let content = Content { subject: subject.map(str::to_owned), ..Content::text(text) };
        let change = Change::Send { actor: ada, conversation, client_id: key.to_owned(), content };
        match world.app.commit.submit(change).await? {
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
        assert_eq!(said(key, first.0, first.1).await, Ok(false), "{key}");
        assert_eq!(said(key, again.0, again.1).await, Ok(true), "{key}");
        assert_eq!(code(said(key, "other", again.1).await), Code::Conflict, "{key}");
    }
    assert_eq!(code(said("ends", "a\n\nb\nc", None).await), Code::Conflict, "spaces and lines are kept");
    assert_eq!(code(said("ends", " a\nb\nc", None).await), Code::Conflict);

    let group = async |title: &str, users: &[UserId]| {
        let group = Some(Group { title: title.to_owned(), users: users.to_vec() });
        world.open(ada, Open { client_id: "group".to_owned(), group, ..world.opening() }).await
    };
    let (made, _) = group("Night desk", &[ben, cleo]).await.expect("opened");
    assert_eq!(group(" Night desk ", &[cleo, ada, ben, cleo]).await, Ok((made, true)));
    assert_eq!(code(group("Day desk", &[ben, cleo]).await), Code::Conflict);
}

async fn the_keys_of_two_people_do_not_meet(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let one = send(&world.app, ada, conversation, "key", "hello").await.expect("sent");
    let two = send(&world.app, ben, conversation, "key", "hello").await.expect("sent");
    assert!(!two.duplicate && one.message.id != two.message.id);
}

async fn cancel(world: &World, actor: UserId, key: &str) -> parlor_protocol::reply::Cancelled {
    let change = Change::Cancel { actor, client_id: key.to_owned() };
    match world.app.commit.submit(change).await {
        Ok(Outcome::Answer(Answer::Cancelled(cancelled))) => cancelled,
        other => panic!("{other:?}"),
    }
}

async fn a_cancelled_key_never_sends(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let ada = world.person("Ada").await;
    let cancelled = cancel(&world, ada, "late").await;
    assert!(cancelled.cancelled && cancelled.message.is_none());
    assert_eq!(code(send(&world.app, ada, conversation, "late", "hello").await), Code::Cancelled);
    assert!(cancel(&world, ada, "late").await.cancelled, "again is the same");
    let sent = send(&world.app, ada, conversation, "early", "hello").await.expect("sent");
    let too_late = cancel(&world, ada, "early").await;
    assert_eq!((too_late.cancelled, too_late.message), (false, Some(sent.message)));
}

async fn a_repeated_opening_finds_what_the_first_made(world: World) {
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let group = parlor_protocol::params::Group { title: "Two".to_owned(), users: vec![ben] };
    let open = Open { group: Some(group), ..world.opening() };
    let (one, found) = world.open(ada, open.clone()).await.expect("opened");
    assert!(!found);
    assert_eq!(world.open(ada, open.clone()).await.expect("found"), (one, true));
    let again = Open { client_id: world.key(), ..open };
    assert_ne!(world.open(ada, again).await.expect("opened").0, one, "a group is new under each key");
}

async fn whoever_left_is_told_only_the_place_of_what_he_repeats(world: World) {
    let conversation = world.group("Ada", &["Ben"]).await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let sent = send(&world.app, ben, conversation, "key", "hello").await.expect("sent");
    world.remove("Ada", conversation, "Ben").await.expect("removed");
    let react = Change::React { actor: ada, conversation, seq: sent.message.seq, emoji: "👍".to_owned(), on: true };
    world.app.commit.submit(react).await.expect("reacted");
    let again = send(&world.app, ben, conversation, "key", "hello").await.expect("known");
    assert!(again.duplicate && again.message.hidden && again.message.text.is_empty());
    assert!(again.message.reactions.is_empty(), "what came after he left is not told");
    let cancelled = cancel(&world, ben, "key").await.message.expect("it had happened");
    assert!(cancelled.hidden && cancelled.reactions.is_empty());
}

async fn a_key_that_no_database_takes_is_refused_before_any_is_asked(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let actor = Actor { user: world.person("Ada").await, session: SessionId(1) };
    for client_id in ["\0", "a\0", ""] {
        let refused = commands::execute(&world.app, actor, Command::send_text(conversation, client_id, "hello")).await;
        assert_eq!(refused.expect_err("refused").code, Code::InvalidField, "{client_id:?}");
    }
    let context = ContextKey { kind: "item\0".to_owned(), id: "5".to_owned() };
    let open = Open { user: Some(world.person("Ben").await), context: Some(context), ..world.opening() };
    let refused = commands::execute(&world.app, actor, Command::Open(open)).await;
    assert_eq!(refused.expect_err("refused").code, Code::InvalidField);
}
