//! Commits: total order, dense `seq`s, batches that share one fsync but not their failures.

use super::{TestCluster, code, commit_together, conformance, send};
use parlor::{
    commands,
    config::Config,
    domain::{Change, Content, WhoMayWrite},
    identity::actor::Actor,
};
use parlor_protocol::{
    command::Command,
    error::Code,
    ids::{Seq, SessionId, UserId, Version},
    model::{ContextKey, Mention},
    params::Open,
    reply::Answer,
};
use std::{collections::BTreeSet, sync::Arc};

conformance! {
    two_nodes_never_assign_the_same_seq,
    a_batch_of_sends_takes_seven_statements_however_many_they_are,
    mentions_take_one_statement_more,
    a_failing_change_fails_no_other,
    two_users_opening_at_once_open_one_conversation,
    a_commit_lost_by_the_layer_is_published_within_two_checks,
    missed_commits_that_fill_whole_pages_are_all_published,
    an_outsider_finds_nothing,
    markers_never_move_back_and_unread_equals_a_recount,
    a_group_is_handed_over_when_its_owner_leaves,
    a_closed_context_accepts_no_messages,
    a_user_who_may_not_write_learns_nothing_about_users_and_contexts,
    without_contexts_all_users_find_each_other,
    by_default_contact_links_work_and_users_of_a_shared_context_find_each_other,
}

async fn two_nodes_never_assign_the_same_seq(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let nodes = [cluster.app.clone(), cluster.another_node().await];
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

async fn a_batch_of_sends_takes_seven_statements_however_many_they_are(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let actor = cluster.user("Ada").await;
    for count in [1_usize, 64] {
        let changes: Vec<Change> = (0..count)
            .map(|number| Change::Send {
                actor,
                conversation,
                client_id: format!("{count}-{number}"),
                content: Content::text("hello"),
            })
            .collect();
        let (_, statements) = commit_together(&cluster.app, &changes).await;
        assert_eq!(statements, 7, "for {count} sends");
    }
}

async fn mentions_take_one_statement_more(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben"]).await;
    let (actor, user) = (cluster.user("Ada").await, cluster.user("Ben").await);
    for count in [1_usize, 63] {
        let changes: Vec<Change> = (0..count)
            .map(|number| Change::Send {
                actor,
                conversation,
                client_id: format!("{count}-{number}"),
                content: Content { mentions: vec![Mention { user, at: 0, length: 4 }], ..Content::text("@Ben") },
            })
            .collect();
        let (_, statements) = commit_together(&cluster.app, &changes).await;
        assert_eq!(statements, 8, "for {count} sends");
    }
}

async fn a_failing_change_fails_no_other(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let actor = cluster.user("Ada").await;
    let sqlite = "CREATE TRIGGER poison BEFORE INSERT ON messages WHEN NEW.text = 'poison' \
                  BEGIN SELECT RAISE(ABORT, 'poison'); END";
    let postgres = "CREATE FUNCTION poison() RETURNS trigger AS $$ BEGIN IF NEW.text = 'poison' THEN \
                    RAISE EXCEPTION 'poison'; END IF; RETURN NEW; END $$ LANGUAGE plpgsql; \
                    CREATE TRIGGER poison BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION poison()";
    let text = if cluster.folder().is_some() { sqlite } else { postgres };
    cluster.sql(text).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let app = cluster.app.clone();
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

async fn two_users_opening_at_once_open_one_conversation(cluster: TestCluster) {
    let context = cluster.context("5", &[("Ada", "owner")]).await;
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let other = cluster.another_node().await;
    let cluster = Arc::new(cluster);
    for round in 0..10 {
        let asks = |app: Arc<parlor::app::App>, actor: UserId, open: Open| async move {
            app.commit.submit(Change::Open { actor, open }).await.expect("allowed")
        };
        let of_ben = Open { role: Some("owner".to_owned()), context: Some(context.clone()), ..cluster.opening() };
        let of_ada = Open { user: Some(ben), context: Some(context.clone()), ..cluster.opening() };
        let (one, two) = tokio::join!(asks(cluster.app.clone(), ben, of_ben), asks(other.clone(), ada, of_ada));
        let id = |outcome| match outcome {
            parlor::domain::Outcome::Opened { conversation, found } => (conversation, found),
            other => panic!("{other:?}"),
        };
        let ((one, found_one), (two, found_two)) = (id(one), id(two));
        assert_eq!(one, two, "one conversation for both");
        assert_eq!(usize::from(found_one) + usize::from(found_two), if round == 0 { 1 } else { 2 });
    }
    assert_ne!(cluster.direct("Ada", "Ben").await, {
        let open = Open { user: Some(ben), context: Some(context), ..cluster.opening() };
        cluster.open(ada, open).await.expect("found").0
    });
}

async fn a_commit_lost_by_the_layer_is_published_within_two_checks(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let ben = cluster.user("Ben").await;
    let deaf = cluster.another_node().await;
    let attached = deaf.hub.attach(ben, parlor_protocol::ids::SessionId(1)).await.expect("attached");
    let sent = cluster.send("Ada", conversation, "hello").await;
    let reported =
        tokio::time::timeout(std::time::Duration::from_secs(10), attached.send_queue.take()).await.expect("reported");
    let parlor::hub::Taken::Frames(frames) = reported else { panic!("closed") };
    let text = String::from_utf8(frames[0].to_vec()).expect("UTF-8");
    let wanted = format!(
        r#"{{"type":"scope.changed","scope":"conversation:{conversation}","version":{}}}"#,
        sent.change.version
    );
    assert_eq!(text, wanted);
    assert!(deaf.metrics.commits_recovered.get() >= 1);
}

async fn missed_commits_that_fill_whole_pages_are_all_published(cluster: TestCluster) {
    cluster.direct("Ada", "Ben").await;
    let ben = cluster.user("Ben").await;
    let deaf = cluster.another_node().await;
    let attached = deaf.hub.attach(ben, SessionId(1)).await.expect("attached");
    let before = deaf.metrics.commits_recovered.get();
    cluster
        .sql(
            "BEGIN; UPDATE clock SET version = version + 1000; \
             INSERT INTO commits (last_version, first_version, node, scopes, committed_at) \
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
             SELECT clock.version - 1000 + n.i, clock.version - 1000 + n.i, 1, '', 1795000000000 FROM n, clock; COMMIT",
        )
        .await;
    let recovering = async {
        while deaf.metrics.commits_recovered.get() < before + 1000 {
            // waits for: the next check of the node
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), recovering).await.expect("they are learnt");
    cluster.user("Cleo").await;
    cluster.direct("Ben", "Cleo").await;
    let reported =
        tokio::time::timeout(std::time::Duration::from_secs(10), attached.send_queue.take()).await.expect("reported");
    assert!(matches!(reported, parlor::hub::Taken::Frames(_)), "{reported:?}");
}

async fn an_outsider_finds_nothing(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Cleo"]).await;
    cluster.send("Ada", conversation, "between us").await;
    let (mallory, cleo) = (cluster.user("Mallory").await, cluster.user("Cleo").await);
    cluster.remove("Ada", conversation, "Cleo").await.expect("the owner removes");
    let missing = parlor_protocol::ids::ConversationId(999_999);
    for actor in [mallory, cleo] {
        for place in [conversation, missing] {
            assert_eq!(code(send(&cluster.app, actor, place, &cluster.key(), "hi").await), Code::NotFound);
            let mark = Change::Mark { actor, conversation: place, delivered: Seq(0), read: Seq(1) };
            assert_eq!(code(cluster.app.commit.submit(mark).await), Code::NotFound);
            let add = Change::AddMembers { actor, conversation: place, users: vec![actor], history: None };
            assert_eq!(code(cluster.app.commit.submit(add).await), Code::NotFound);
            assert!(
                cluster
                    .app
                    .store
                    .read(move |snapshot| snapshot.conversation(actor, place))
                    .await
                    .expect("read")
                    .is_none()
            );
            assert!(
                cluster
                    .app
                    .store
                    .read(move |snapshot| snapshot.changes(actor, place, Version(0)))
                    .await
                    .expect("read")
                    .is_none()
            );
            let page = parlor::store::snapshot::PageAnchor::Newest;
            assert!(
                cluster
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

async fn markers_never_move_back_and_unread_equals_a_recount(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    for number in 0..5 {
        cluster.send("Ada", conversation, &format!("{number}")).await;
    }
    // Ben replies without having read: his marker stays, and his own message is not unread.
    cluster.send("Ben", conversation, "mine").await;
    cluster.send("Ada", conversation, "six").await;
    let unread = async |name: &str| {
        let user = cluster.user(name).await;
        cluster
            .app
            .store
            .read(move |snapshot| snapshot.conversation(user, conversation))
            .await
            .expect("read")
            .expect("a member")
            .unread
    };
    assert_eq!((unread("Ada").await, unread("Ben").await), (1, 6));
    for (requested, stands, left) in [(2, 2, 4), (1, 2, 4), (5, 5, 1), (99, 7, 0), (3, 7, 0)] {
        let marked = cluster.read("Ben", conversation, requested).await;
        assert_eq!((marked.marker.read_seq.0, marked.marker.unread), (stands, left), "requested for {requested}");
        assert_eq!(unread("Ben").await, left);
    }
    // A user who has read everything and sends a message has still read everything.
    assert_eq!(cluster.send("Ben", conversation, "again").await.message.seq, Seq(8));
    assert_eq!(unread("Ben").await, 0);
}

async fn a_group_is_handed_over_when_its_owner_leaves(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Cleo"]).await;
    assert_eq!(code(cluster.remove("Ben", conversation, "Cleo").await), Code::NotAllowed);
    cluster.remove("Ada", conversation, "Ada").await.expect("leaving is free");
    cluster.remove("Ben", conversation, "Cleo").await.expect("Ben is the longest-standing member");
    let direct = cluster.direct("Ada", "Ben").await;
    assert_eq!(code(cluster.remove("Ada", direct, "Ada").await), Code::NotAllowed);
}

async fn a_closed_context_accepts_no_messages(cluster: TestCluster) {
    let context = cluster.context("5", &[("Ada", "owner")]).await;
    let ben = cluster.user("Ben").await;
    let open = Open { role: Some("owner".to_owned()), context: Some(context.clone()), ..cluster.opening() };
    let (conversation, _) = cluster.open(ben, open).await.expect("Ada owns it");
    cluster.send("Ben", conversation, "is it yours?").await;
    let close = Change::CloseContext { key: context, closed: true };
    cluster.app.commit.submit(close).await.expect("closed");
    assert_eq!(code(send(&cluster.app, ben, conversation, "late", "hello?").await), Code::ContextClosed);
}

async fn a_user_who_may_not_write_learns_nothing_about_users_and_contexts(cluster: TestCluster) {
    let there = cluster.context("5", &[("Ada", "owner")]).await;
    let missing = ContextKey { kind: "item".to_owned(), id: "no such item".to_owned() };
    let (ada, mallory) = (cluster.user("Ada").await, cluster.user("Mallory").await);
    let app = cluster.node_with(&[("who_may_write", "both_in_context")]).await;
    for (user, role, context) in [
        (Some(ada), None, None),
        (Some(UserId(999_999)), None, None),
        (None, Some("owner"), Some(&there)),
        (None, Some("no such role"), Some(&there)),
        (None, Some("owner"), Some(&missing)),
        (Some(ada), None, Some(&there)),
        (Some(ada), None, Some(&missing)),
    ] {
        let open = Open { user, role: role.map(str::to_owned), context: context.cloned(), ..cluster.opening() };
        let refused = app.commit.submit(Change::Open { actor: mallory, open: open.clone() }).await;
        assert_eq!(code(refused), Code::NotAllowed, "{open:?}");
    }
}

async fn without_contexts_all_users_find_each_other(cluster: TestCluster) {
    let [ada, ben, mallory] = [cluster.user("Ada").await, cluster.user("Ben").await, cluster.user("Mallory").await];
    let app = cluster.node_with(&[("who_may_write", "shared_context")]).await;
    let opens = async |user: UserId| {
        let open = Open { user: Some(user), ..cluster.opening() };
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
    cluster.context("5", &[("Ben", "owner")]).await;
    assert_eq!((opens(mallory).await, finds().await), (Err(Code::NotAllowed), 0), "now there is one");
}

async fn by_default_contact_links_work_and_users_of_a_shared_context_find_each_other(cluster: TestCluster) {
    let item = cluster.context("5", &[("Ada", "owner"), ("Ben", "finder")]).await;
    let [ada, ben, mallory] = [cluster.user("Ada").await, cluster.user("Ben").await, cluster.user("Mallory").await];
    let app = cluster.node_with(&[("who_may_write", "shared_context")]).await;
    assert_eq!(Config::default().who_may_write, WhoMayWrite::SharedContext, "that is the default");
    let opens = async |actor: UserId, user: Option<UserId>, role: Option<&str>, context: Option<&ContextKey>| {
        let open = Open { user, role: role.map(str::to_owned), context: context.cloned(), ..cluster.opening() };
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
        assert_eq!(finds(ada, query).await, [""; 0], "{query:?} is not a user's name yet");
    }
}
