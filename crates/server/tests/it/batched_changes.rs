//! Changes decided in one batch see each other: later ones build on the state that earlier ones left.

use crate::store::{TestCluster, commit_together};
use parlor::{
    app::App,
    channel_layer::Topic,
    domain::{Change, Content, Decided, Now, Outgoing, ProfileUpdate, decide, load_plan::LoadPlan},
};
use parlor_client::state::events::position;
use parlor_protocol::{
    error::Code,
    event::Event,
    ids::{ConversationId, Scope, SessionId, UserId, Version},
    model::{Role, SystemLine},
    params::Open,
};
use std::collections::BTreeSet;

crate::store::conformance! {
    a_node_that_missed_a_removal_reports_it_to_the_removed_member,
    a_disabled_user_does_nothing_more_in_the_same_batch,
    a_rename_shows_in_a_conversation_opened_in_the_same_batch,
    a_closed_context_shows_in_a_conversation_opened_in_the_same_batch,
    several_leaves_in_one_batch_reach_every_member,
    two_owners_leaving_in_one_batch_leave_an_heir,
    a_large_group_goes_to_its_longest_standing_member,
}

/// Returns the events of a scope and their topics.
fn reported(decided: &Decided, scope: Scope) -> Vec<(BTreeSet<Topic>, &Event)> {
    let mut events = Vec::new();
    for reported in &decided.outgoing {
        if let Outgoing::Event(topics, event) = reported
            && position(event).is_some_and(|(of, ..)| of == scope)
        {
            events.push((topics.iter().copied().collect(), &**event));
        }
    }
    events
}

async fn version_of(app: &App, user: UserId, conversation: ConversationId) -> Version {
    app.store
        .read(move |snapshot| snapshot.conversation(user, conversation))
        .await
        .expect("read")
        .expect("it exists")
        .version
}

async fn a_rename_shows_in_a_conversation_opened_in_the_same_batch(cluster: TestCluster) {
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let open = Change::Open { actor: ada, open: Open { user: Some(ben), ..cluster.opening() } };
    let rename = Change::UpdateProfile { user: ben, profile: ProfileUpdate::named("Benjamin") };
    let (decided, _) = commit_together(&cluster.app, &[open, rename]).await;
    let parlor::domain::Outcome::Opened { conversation, .. } = decided[0].outcome else { panic!("opened") };
    let renamed = reported(&decided[1], Scope::Conversation(conversation));
    assert_eq!(renamed.len(), 1);
    assert_eq!(renamed[0].0, BTreeSet::from([Topic::User(ada), Topic::User(ben)]));
    let (_, version, prev) = position(renamed[0].1).expect("a place");
    assert_eq!(prev, Some(Version(version.0 - 1)));
    assert_eq!(version_of(&cluster.app, ada, conversation).await, version);
}

async fn a_closed_context_shows_in_a_conversation_opened_in_the_same_batch(cluster: TestCluster) {
    let key = cluster.context("5", &[("Ada", "owner"), ("Ben", "finder")]).await;
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let open = Open { user: Some(ben), context: Some(key.clone()), ..cluster.opening() };
    let close = Change::CloseContext { key, closed: true };
    let (decided, _) = commit_together(&cluster.app, &[Change::Open { actor: ada, open }, close]).await;
    let parlor::domain::Outcome::Opened { conversation, .. } = decided[0].outcome else { panic!("opened") };
    let closed = reported(&decided[1], Scope::Conversation(conversation));
    assert_eq!(closed.len(), 1);
    let (_, version, _) = position(closed[0].1).expect("a place");
    assert_eq!(version_of(&cluster.app, ada, conversation).await, version);
}

async fn several_leaves_in_one_batch_reach_every_member(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Cleo", "Dan", "Eve", "Fay"]).await;
    let app = cluster.node_with(&[("limits.conversation_fan_out_max", "3")]).await;
    let mut changes = Vec::new();
    for name in ["Dan", "Eve", "Fay"] {
        let user = cluster.user(name).await;
        changes.push(Change::RemoveMember { actor: user, conversation, user });
    }
    let actor = cluster.user("Ada").await;
    changes.push(Change::Send {
        actor,
        conversation,
        client_id: cluster.key(),
        content: Content::text("Three are left"),
    });
    let (decided, _) = commit_together(&app, &changes).await;
    let mut rest = BTreeSet::new();
    for name in ["Ada", "Ben", "Cleo"] {
        rest.insert(Topic::User(cluster.user(name).await));
    }
    for decided in &decided[2..] {
        let reported = reported(decided, Scope::Conversation(conversation));
        assert!(reported.iter().any(|(topics, _)| topics.is_superset(&rest)), "{reported:?}");
    }
}

async fn two_owners_leaving_in_one_batch_leave_an_heir(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Olga", "Mo", "Ben"]).await;
    let [ada, olga, mo, ben] =
        [cluster.user("Ada").await, cluster.user("Olga").await, cluster.user("Mo").await, cluster.user("Ben").await];
    let role = |user, role| Change::UpdateMember { actor: ada, conversation, user, role };
    let leave = |user| Change::RemoveMember { actor: user, conversation, user };
    let changes = [
        role(olga, Role::Owner),
        role(mo, Role::Moderator),
        leave(ada),
        leave(olga),
        Change::RemoveMember { actor: mo, conversation, user: ben },
        leave(mo),
    ];
    let (decided, _) = commit_together(&cluster.app, &changes).await;
    let mut lines = Vec::new();
    for decided in &decided {
        let reported = reported(decided, Scope::Conversation(conversation));
        for message in reported.iter().filter_map(|(_, event)| match event {
            Event::MembersUpdated { message, .. } => message.as_ref(),
            _ => None,
        }) {
            lines.push((message.seq.0, message.system.clone().expect("a line")));
        }
    }
    let expected = [
        (1, SystemLine::RoleChanged { user: olga, role: Role::Owner }),
        (2, SystemLine::RoleChanged { user: mo, role: Role::Moderator }),
        (3, SystemLine::Left { heir: None }),
        (4, SystemLine::Left { heir: Some(mo) }),
        (5, SystemLine::Removed { user: ben }),
    ];
    assert_eq!(lines, expected, "no member is left for the last one");
}

async fn a_large_group_goes_to_its_longest_standing_member(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Cleo", "Dan", "Eve"]).await;
    let app = cluster.node_with(&[("limits.conversation_fan_out_max", "2")]).await;
    let user = cluster.user("Ada").await;
    app.commit.submit(Change::RemoveMember { actor: user, conversation, user }).await.expect("leaving is free");
    let (ben, cleo, dan) = (cluster.user("Ben").await, cluster.user("Cleo").await, cluster.user("Dan").await);
    let refused = app.commit.submit(Change::RemoveMember { actor: cleo, conversation, user: dan }).await;
    assert_eq!(crate::store::code(refused), Code::NotAllowed);
    let removed = app.commit.submit(Change::RemoveMember { actor: ben, conversation, user: dan }).await;
    removed.expect("Ben owns it now");
}

async fn a_node_that_missed_a_removal_reports_it_to_the_removed_member(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Cleo"]).await;
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let deaf = cluster.another_node().await;
    let attached = deaf.hub.attach(ben, SessionId(1)).await.expect("attached");
    let send =
        |key: &str| Change::Send { actor: ada, conversation, client_id: key.to_owned(), content: Content::text("on") };
    let remove = Change::RemoveMember { actor: ada, conversation, user: ben };
    commit_together(&cluster.app, &[send("1"), remove, send("2")]).await;
    let reported =
        tokio::time::timeout(std::time::Duration::from_secs(10), attached.send_queue.take()).await.expect("an event");
    let parlor::hub::Taken::Frames(frames) = reported else { panic!("closed") };
    let event: serde_json::Value = serde_json::from_slice(&frames[0]).expect("an event is JSON");
    assert_eq!(event["scope"], Scope::Conversation(conversation).to_string());
}

async fn a_disabled_user_does_nothing_more_in_the_same_batch(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let ada = cluster.user("Ada").await;
    let changes = [
        Change::SetDisabled { user: ada, disabled: true },
        Change::Send { actor: ada, conversation, client_id: cluster.key(), content: Content::text("too late") },
    ];
    let rules = cluster.app.rules.clone();
    let deciding = cluster.app.store.commit(changes.len(), move |batch| {
        let mut state = batch.load(&LoadPlan::by(&changes), &rules.limits)?;
        let mut verdicts = Vec::new();
        for (change, version) in changes.iter().zip(batch.before.0 + 1..) {
            verdicts.push(decide(&mut state, change, &rules, Version(version), Now::default()));
        }
        Ok((verdicts, false))
    });
    let (verdicts, _) = deciding.await.expect("the store is available");
    assert!(verdicts[0].is_ok());
    assert_eq!(verdicts[1].as_ref().map(|_| ()).map_err(|problem| problem.code), Err(Code::NotFound));
}
