//! How many users one user may begin to write to.

use super::{TestCluster, conformance, groups::act};
use parlor_protocol::{
    command::Command,
    error::Code,
    params::{Group, Open},
};
use std::sync::atomic::Ordering;

conformance! {
    a_user_opens_as_many_conversations_in_an_hour_as_the_limit_allows,
    conversations_that_are_opened_at_the_same_moment_count,
    conversations_of_the_host_do_not_count,
}

const LIMIT: [(&str, &str); 1] = [("limits.openings_per_hour_max", "2")];
const HOUR_MS: i64 = 3_600_000;

async fn a_user_opens_as_many_conversations_in_an_hour_as_the_limit_allows(cluster: TestCluster) {
    let app = cluster.node_with(&LIMIT).await;
    let ada = cluster.user("Ada").await;
    let open = async |name: &str| {
        let user = cluster.user(name).await;
        act(&app, ada, Command::Open(Open { user: Some(user), ..cluster.opening() })).await
    };
    open("Ben").await.expect("within the limit");
    cluster.clock.fetch_add(HOUR_MS / 2, Ordering::Relaxed);
    open("Cleo").await.expect("within the limit");
    let refused = open("Dan").await.expect_err("over the limit");
    assert_eq!((refused.code, refused.limit), (Code::TooMany, Some(2)));
    let wait_ms = i64::try_from(refused.retry_after_ms.expect("it says when")).expect("an hour at most");
    assert!(wait_ms <= HOUR_MS / 2 && wait_ms > HOUR_MS / 2 - 10_000, "until the first is an hour old: {wait_ms}");
    let found = open("Ben").await.expect("this one exists");
    assert_eq!(found["found"], true);
    let group = Group { title: "Us".to_owned(), users: vec![cluster.user("Dan").await] };
    let grouped = act(&app, ada, Command::Open(Open { group: Some(group), ..cluster.opening() })).await;
    assert_eq!(grouped.expect_err("a group reaches somebody, too").code, Code::TooMany);
    cluster.clock.fetch_add(wait_ms, Ordering::Relaxed);
    open("Dan").await.expect("there is room again");
    assert_eq!(open("Eve").await.expect_err("Cleo's still counts").code, Code::TooMany);
    cluster.clock.fetch_sub(100 * HOUR_MS, Ordering::Relaxed);
    open("Eve").await.expect("times of a clock that was set back do not count");
}

async fn conversations_that_are_opened_at_the_same_moment_count(cluster: TestCluster) {
    let app = cluster.node_with(&LIMIT).await;
    let ada = cluster.user("Ada").await;
    let mut opening = Vec::new();
    for name in ["Ben", "Cleo", "Dan", "Eve"] {
        let open = Open { user: Some(cluster.user(name).await), ..cluster.opening() };
        opening.push(act(&app, ada, Command::Open(open)));
    }
    let answers = futures_util::future::join_all(opening).await;
    let refused: Vec<Code> =
        answers.into_iter().filter_map(|answer| answer.err().map(|problem| problem.code)).collect();
    assert_eq!(refused, [Code::TooMany; 2]);
}

async fn conversations_of_the_host_do_not_count(cluster: TestCluster) {
    let app = cluster.node_with(&LIMIT).await;
    for (id, name) in [(1, "Ben"), (2, "Cleo"), (3, "Dan")] {
        cluster.put_new(&cluster.row(id, "Ada", name, "hello").await).await;
    }
    let open = Open { user: Some(cluster.user("Eve").await), ..cluster.opening() };
    act(&app, cluster.user("Ada").await, Command::Open(open)).await.expect("the first one of Ada's own");
}
