//! Commits: total order, dense seqs, batches that share one fsync and one fate each.

use super::{World, code, conformance, send};
use parlor::{
    app::Actor,
    commands,
    config::Config,
    domain::{Change, Content, WhoMayWrite, load_plan::Wanted},
};
use parlor_protocol::{
    command::Command,
    error::Code,
    ids::{Seq, SessionId, UserId, Version},
    model::ContextKey,
    params::Open,
    reply::Answer,
};
use std::{collections::BTreeSet, sync::Arc};

conformance! {
    two_nodes_never_hand_out_the_same_seq,
    a_batch_of_sends_takes_seven_statements_however_many_they_are,
    a_change_at_fault_harms_no_neighbour,
    both_sides_asking_at_once_open_one_conversation,
    a_commit_that_the_layer_did_not_bring_is_told_within_two_looks,
    missed_commits_that_fill_whole_pages_are_all_there_are,
    an_outsider_finds_nothing,
    markers_never_move_back_and_unread_is_what_a_recount_says,
    a_group_is_handed_over_when_its_owner_leaves,
    a_closed_context_takes_no_more_messages,
    whoever_may_not_write_learns_nothing_of_who_and_what_is_there,
    while_there_is_no_context_everybody_finds_everybody,
    by_default_a_contact_link_works_and_names_are_found_by_those_who_share_a_context,
}

async fn two_nodes_never_hand_out_the_same_seq(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let nodes = [world.app.clone(), world.another_node().await];
    let mut tasks = tokio::task::JoinSet::new();
    for sender in 0..8_usize {
        let node = nodes[sender % 2].clone();
        let actor = if sender % 4 < 2 { ada } else { ben };
        tasks.spawn(async move {
            let mut seqs = Vec::new();
            for number in 0..25 {
                let key = format!("{sender}-{number}");
                seqs.push(send(&node, actor, conversation, &key, &key).await.expect("sent").message.seq.0);
            }
            seqs
        });
    }
    let mut all = BTreeSet::new();
    for seqs in tasks.join_all().await {
        assert!(seqs.is_sorted(), "one sender's messages keep their order");
        all.extend(seqs);
    }
    assert_eq!(all, (1..=200).collect(), "every seq once, without gaps");
}

async fn a_batch_of_sends_takes_seven_statements_however_many_they_are(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let actor = world.person("Ada").await;
    for count in [1_usize, 64] {
        let changes: Vec<Change> = (0..count)
            .map(|number| Change::Send {
                actor,
                conversation,
                client_id: format!("{count}-{number}"),
                content: Content::text("hello"),
            })
            .collect();
        let rules = world.app.rules.clone();
        let committing = world.app.store.commit(count, move |batch| {
            let mut state = batch.load(&Wanted::by(&changes), &rules.limits)?;
            let mut version = batch.before;
            for change in &changes {
                version = Version(version.0 + 1);
                parlor::domain::decide(&mut state, change, &rules, version, parlor::domain::Now::default())
                    .expect("allowed");
            }
            batch.write(&state, Version(batch.before.0 + 1), version, parlor_protocol::ids::Epoch(1), 0)?;
            Ok((batch.statements, true))
        });
        let (statements, committed) = committing.await.expect("the store is there");
        committed.expect("it is durable");
        assert_eq!(statements, 7, "for {count} sends");
    }
}

async fn a_change_at_fault_harms_no_neighbour(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let actor = world.person("Ada").await;
    let sqlite = "CREATE TRIGGER poison BEFORE INSERT ON messages WHEN NEW.text = 'poison' \
                  BEGIN SELECT RAISE(ABORT, 'poison'); END";
    let postgres = "CREATE FUNCTION poison() RETURNS trigger AS $$ BEGIN IF NEW.text = 'poison' THEN \
                    RAISE EXCEPTION 'poison'; END IF; RETURN NEW; END $$ LANGUAGE plpgsql; \
                    CREATE TRIGGER poison BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION poison()";
    let text = if world.folder().is_some() { sqlite } else { postgres };
    world.sql(text).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let app = world.app.clone();
        let text = if number == 17 { "poison".to_owned() } else { format!("number {number}") };
        tasks.spawn(async move { (number, send(&app, actor, conversation, &format!("{number}"), &text).await) });
    }
    let mut seqs = BTreeSet::new();
    for (number, result) in tasks.join_all().await {
        match result {
            Ok(sent) => assert!(seqs.insert(sent.message.seq.0) && number != 17),
            Err(problem) => assert_eq!((number, problem.code), (17, Code::Internal)),
        }
    }
    assert_eq!(seqs, (1..=39).collect(), "the neighbours are all there, without a gap");
}

async fn both_sides_asking_at_once_open_one_conversation(world: World) {
    let context = world.context("5", &[("Ada", "owner")]).await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let other = world.another_node().await;
    let world = Arc::new(world);
    for round in 0..10 {
        let asks = |app: Arc<parlor::app::App>, actor: UserId, open: Open| async move {
            app.commit.submit(Change::Open { actor, open }).await.expect("allowed")
        };
        let of_ben = Open { role: Some("owner".to_owned()), context: Some(context.clone()), ..world.opening() };
        let of_ada = Open { user: Some(ben), context: Some(context.clone()), ..world.opening() };
        let (one, two) = tokio::join!(asks(world.app.clone(), ben, of_ben), asks(other.clone(), ada, of_ada));
        let id = |outcome| match outcome {
            parlor::domain::Outcome::Opened { conversation, found } => (conversation, found),
            other => panic!("{other:?}"),
        };
        let ((one, found_one), (two, found_two)) = (id(one), id(two));
        assert_eq!(one, two, "one conversation for both");
        assert_eq!(usize::from(found_one) + usize::from(found_two), if round == 0 { 1 } else { 2 });
    }
    assert_ne!(world.direct("Ada", "Ben").await, {
        let open = Open { user: Some(ben), context: Some(context), ..world.opening() };
        world.open(ada, open).await.expect("found").0
    });
}

async fn a_commit_that_the_layer_did_not_bring_is_told_within_two_looks(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let ben = world.person("Ben").await;
    let deaf = world.another_node().await;
    let attached = deaf.hub.attach(ben, parlor_protocol::ids::SessionId(1)).await.expect("attached");
    let sent = world.send("Ada", conversation, "hello").await;
    let told = tokio::time::timeout(std::time::Duration::from_secs(10), attached.outbox.take()).await.expect("told");
    let parlor::hub::Taken::Frames(frames) = told else { panic!("closed") };
    let text = String::from_utf8(frames[0].to_vec()).expect("UTF-8");
    let wanted = format!(
        r#"{{"type":"scope.changed","scope":"conversation:{conversation}","version":{}}}"#,
        sent.change.version
    );
    assert_eq!(text, wanted);
    assert!(deaf.metrics.commits_recovered.get() >= 1);
}

async fn missed_commits_that_fill_whole_pages_are_all_there_are(world: World) {
    world.direct("Ada", "Ben").await;
    let ben = world.person("Ben").await;
    let deaf = world.another_node().await;
    let attached = deaf.hub.attach(ben, SessionId(1)).await.expect("attached");
    let before = deaf.metrics.commits_recovered.get();
    world
        .sql(
            "BEGIN; UPDATE clock SET version = version + 1000; \
             INSERT INTO commits (last_version, first_version, node, scopes, committed_at) \
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
             SELECT clock.version - 1000 + n.i, clock.version - 1000 + n.i, 1, '', 1795000000000 FROM n, clock; COMMIT",
        )
        .await;
    let recovering = async {
        while deaf.metrics.commits_recovered.get() < before + 1000 {
            // waits for: the next look of the node
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), recovering).await.expect("they are learnt");
    world.person("Cleo").await;
    world.direct("Ben", "Cleo").await;
    let told = tokio::time::timeout(std::time::Duration::from_secs(10), attached.outbox.take()).await.expect("told");
    assert!(matches!(told, parlor::hub::Taken::Frames(_)), "{told:?}");
}

async fn an_outsider_finds_nothing(world: World) {
    let conversation = world.group("Ada", &["Ben", "Cleo"]).await;
    world.send("Ada", conversation, "between us").await;
    let (mallory, cleo) = (world.person("Mallory").await, world.person("Cleo").await);
    world.remove("Ada", conversation, "Cleo").await.expect("the owner removes");
    let missing = parlor_protocol::ids::ConversationId(999_999);
    for actor in [mallory, cleo] {
        for place in [conversation, missing] {
            assert_eq!(code(send(&world.app, actor, place, &world.key(), "hi").await), Code::NotFound);
            let mark = Change::Mark { actor, conversation: place, delivered: Seq(0), read: Seq(1) };
            assert_eq!(code(world.app.commit.submit(mark).await), Code::NotFound);
            let add = Change::AddMembers { actor, conversation: place, users: vec![actor], history: None };
            assert_eq!(code(world.app.commit.submit(add).await), Code::NotFound);
            assert!(
                world
                    .app
                    .store
                    .read(move |snapshot| snapshot.conversation(actor, place))
                    .await
                    .expect("read")
                    .is_none()
            );
            assert!(
                world
                    .app
                    .store
                    .read(move |snapshot| snapshot.changes(actor, place, Version(0)))
                    .await
                    .expect("read")
                    .is_none()
            );
            let page = parlor::store::snapshot::Page::Newest;
            assert!(
                world
                    .app
                    .store
                    .read(move |snapshot| snapshot.messages(actor, place, page, 10))
                    .await
                    .expect("read")
                    .is_none()
            );
        }
    }
}

async fn markers_never_move_back_and_unread_is_what_a_recount_says(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    for number in 0..5 {
        world.send("Ada", conversation, &format!("{number}")).await;
    }
    // Ben answers without having read: his marker stays, and his own message is not unread.
    world.send("Ben", conversation, "mine").await;
    world.send("Ada", conversation, "six").await;
    let unread = async |name: &str| {
        let user = world.person(name).await;
        world
            .app
            .store
            .read(move |snapshot| snapshot.conversation(user, conversation))
            .await
            .expect("read")
            .expect("a member")
            .unread
    };
    assert_eq!((unread("Ada").await, unread("Ben").await), (1, 6));
    for (asked, stands, left) in [(2, 2, 4), (1, 2, 4), (5, 5, 1), (99, 7, 0), (3, 7, 0)] {
        let marked = world.read("Ben", conversation, asked).await;
        assert_eq!((marked.marker.read_seq.0, marked.marker.unread), (stands, left), "asked for {asked}");
        assert_eq!(unread("Ben").await, left);
    }
    // Who has read everything and writes has still read everything.
    assert_eq!(world.send("Ben", conversation, "again").await.message.seq, Seq(8));
    assert_eq!(unread("Ben").await, 0);
}

async fn a_group_is_handed_over_when_its_owner_leaves(world: World) {
    let conversation = world.group("Ada", &["Ben", "Cleo"]).await;
    assert_eq!(code(world.remove("Ben", conversation, "Cleo").await), Code::NotAllowed);
    world.remove("Ada", conversation, "Ada").await.expect("leaving is free");
    world.remove("Ben", conversation, "Cleo").await.expect("Ben is the longest-standing member");
    let direct = world.direct("Ada", "Ben").await;
    assert_eq!(code(world.remove("Ada", direct, "Ada").await), Code::NotAllowed);
}

async fn a_closed_context_takes_no_more_messages(world: World) {
    let context = world.context("5", &[("Ada", "owner")]).await;
    let ben = world.person("Ben").await;
    let open = Open { role: Some("owner".to_owned()), context: Some(context.clone()), ..world.opening() };
    let (conversation, _) = world.open(ben, open).await.expect("Ada owns it");
    world.send("Ben", conversation, "is it yours?").await;
    let close = Change::CloseContext { key: context, closed: true };
    world.app.commit.submit(close).await.expect("closed");
    assert_eq!(code(send(&world.app, ben, conversation, "late", "hello?").await), Code::ContextClosed);
}

async fn whoever_may_not_write_learns_nothing_of_who_and_what_is_there(world: World) {
    let there = world.context("5", &[("Ada", "owner")]).await;
    let missing = ContextKey { kind: "item".to_owned(), id: "no such item".to_owned() };
    let (ada, mallory) = (world.person("Ada").await, world.person("Mallory").await);
    let app = world.node_with(&[("who_may_write", "both_in_context")]).await;
    for (user, role, context) in [
        (Some(ada), None, None),
        (Some(UserId(999_999)), None, None),
        (None, Some("owner"), Some(&there)),
        (None, Some("no such role"), Some(&there)),
        (None, Some("owner"), Some(&missing)),
        (Some(ada), None, Some(&there)),
        (Some(ada), None, Some(&missing)),
    ] {
        let open = Open { user, role: role.map(str::to_owned), context: context.cloned(), ..world.opening() };
        let refused = app.commit.submit(Change::Open { actor: mallory, open: open.clone() }).await;
        assert_eq!(code(refused), Code::NotAllowed, "{open:?}");
    }
}

async fn while_there_is_no_context_everybody_finds_everybody(world: World) {
    let [ada, ben, mallory] = [world.person("Ada").await, world.person("Ben").await, world.person("Mallory").await];
    let app = world.node_with(&[("who_may_write", "shared_context")]).await;
    let opens = async |user: UserId| {
        let open = Open { user: Some(user), ..world.opening() };
        app.commit.submit(Change::Open { actor: ada, open }).await.map(|_| ()).map_err(|problem| problem.code)
    };
    let finds = async || {
        let command = Command::ListUsers { query: "be".to_owned(), after: None, limit: None };
        match commands::execute(&app, Actor { user: ada, session: SessionId(1) }, command).await.expect("a list") {
            Answer::Users(found) => found.users.len(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((opens(ben).await, finds().await), (Ok(()), 1));
    world.context("5", &[("Ben", "owner")]).await;
    assert_eq!((opens(mallory).await, finds().await), (Err(Code::NotAllowed), 0), "now there is one");
}

async fn by_default_a_contact_link_works_and_names_are_found_by_those_who_share_a_context(world: World) {
    let item = world.context("5", &[("Ada", "owner"), ("Ben", "finder")]).await;
    let [ada, ben, mallory] = [world.person("Ada").await, world.person("Ben").await, world.person("Mallory").await];
    let app = world.node_with(&[("who_may_write", "shared_context")]).await;
    assert_eq!(Config::default().who_may_write, WhoMayWrite::SharedContext, "that is the default");
    let opens = async |actor: UserId, user: Option<UserId>, role: Option<&str>, context: Option<&ContextKey>| {
        let open = Open { user, role: role.map(str::to_owned), context: context.cloned(), ..world.opening() };
        app.commit.submit(Change::Open { actor, open }).await.map(|_| ()).map_err(|problem| problem.code)
    };
    assert_eq!(opens(mallory, None, Some("owner"), Some(&item)).await, Ok(()), "the link to the owner");
    assert_eq!(opens(ada, Some(ben), None, None).await, Ok(()), "they share the item");
    assert_eq!(opens(mallory, Some(ben), None, None).await, Err(Code::NotAllowed), "they share nothing");
    assert_eq!(opens(mallory, Some(UserId(999_999)), None, None).await, Err(Code::NotAllowed), "nor do they");
    let missing = ContextKey { kind: "item".to_owned(), id: "gone".to_owned() };
    assert_eq!(opens(mallory, None, Some("owner"), Some(&missing)).await, Err(Code::NotFound), "the item is gone");
    let finds = async |user: UserId, query: &str| {
        let command = Command::ListUsers { query: query.to_owned(), after: None, limit: None };
        match commands::execute(&app, Actor { user, session: SessionId(1) }, command).await.expect("a list") {
            Answer::Users(found) => found.users.into_iter().map(|user| user.name).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(finds(ada, "be").await, ["Ben"]);
    assert_eq!(finds(mallory, "be").await, [""; 0], "they share nothing");
    for query in ["", "b", " b "] {
        assert_eq!(finds(ada, query).await, [""; 0], "{query:?} is nobody's name yet");
    }
}
