//! Users of the host: added at first sight, and made equal to the host's row.

use super::{TestCluster, code, conformance};
use parlor::domain::{Change, Outcome, ProfileUpdate, host_user::HostUser, rows::UserRow};
use parlor_protocol::{error::Code, ids::UserId};

conformance! {
    a_user_of_the_host_is_added_once_and_follows_the_row,
    a_login_that_is_taken_gets_a_suffix,
    a_user_disabled_or_with_a_new_password_at_the_host_is_signed_out,
    a_password_is_upgraded_only_while_it_is_the_same,
    a_deleted_user_of_the_host_is_another_one_at_next_sight,
}

fn host_user(external_id: &str, login: &str, name: &str) -> HostUser {
    let (external_id, login, name) = (external_id.to_owned(), login.to_owned(), name.to_owned());
    HostUser { external_id, login, name, disabled: false, password_hash: None }
}

async fn put(cluster: &TestCluster, host: &HostUser) -> UserId {
    match cluster.app.commit.submit(Change::PutUser(host.clone())).await {
        Ok(Outcome::UserPut(user)) => user,
        other => panic!("{other:?}"),
    }
}

async fn row(cluster: &TestCluster, user: UserId) -> UserRow {
    cluster.app.store.read(move |snapshot| snapshot.me(user)).await.expect("read").expect("the user exists")
}

async fn version(cluster: &TestCluster) -> i64 {
    cluster.app.store.version().await.expect("read").0
}

async fn sign_in(cluster: &TestCluster, user: UserId, number: i64) {
    let token = if cluster.folder().is_some() { format!("x'{number:064}'") } else { format!("'\\x{number:064}'") };
    let sql = format!(
        "INSERT INTO sessions (user_id, token_hash, created_at, seen_at, agent) VALUES ({user}, {token}, 0, 0, '')"
    );
    cluster.sql(&sql).await;
}

async fn sessions(cluster: &TestCluster, user: UserId) -> usize {
    cluster.app.store.active_sessions(user).await.expect("read").len()
}

async fn a_user_of_the_host_is_added_once_and_follows_the_row(cluster: TestCluster) {
    let ada = put(&cluster, &host_user("7", "ada", "Ada")).await;
    let before = version(&cluster).await;
    assert_eq!(put(&cluster, &host_user("7", "ada", "Ada")).await, ada);
    assert_eq!(version(&cluster).await, before, "nothing changed, so nothing is written");
    let other = put(&cluster, &host_user("8", "ben", "Ben")).await;
    assert_ne!(other, ada);
    assert_eq!(put(&cluster, &host_user("7", "lovelace", "Ada Lovelace")).await, ada);
    let followed = row(&cluster, ada).await;
    assert_eq!((followed.login.as_str(), followed.name.as_str()), ("lovelace", "Ada Lovelace"));
    assert!(host_user("7", "lovelace", "Ada Lovelace").is_equal(&followed, 120));
    // In one batch.
    let changes = [("9", "cleo", "Cleo"), ("9", "cleo", "Cleo"), ("9", "cleo", "Cleo C.")];
    let put = changes.map(|(id, login, name)| cluster.app.commit.submit(Change::PutUser(host_user(id, login, name))));
    let [one, same, renamed] = put;
    let (one, same, renamed) = tokio::join!(one, same, renamed);
    let id = |outcome: Result<Outcome, _>| match outcome {
        Ok(Outcome::UserPut(user)) => user,
        other => panic!("{other:?}"),
    };
    let cleo = id(one);
    assert_eq!([id(same), id(renamed)], [cleo; 2]);
    assert_eq!(row(&cluster, cleo).await.name, "Cleo C.");
    let rename = Change::UpdateProfile { user: cleo, profile: ProfileUpdate::named("Somebody else") };
    assert_eq!(code(cluster.app.commit.submit(rename).await), Code::NotAllowed, "the name is the host's");
    let refused = cluster.app.commit.submit(Change::PutUser(host_user(" 7", "x", "X"))).await;
    assert_eq!(code(refused), Code::InvalidField);
}

async fn a_login_that_is_taken_gets_a_suffix(cluster: TestCluster) {
    let local = cluster.user("Ada").await;
    let ada = put(&cluster, &host_user("7", "Ada", "Ada")).await;
    assert_ne!(ada, local, "an account of Parlor is never taken over by a name");
    assert_eq!(row(&cluster, ada).await.login, "ada-7");
    assert_eq!(row(&cluster, local).await.login, "ada");
    assert_eq!(put(&cluster, &host_user("7", "Ada", "Ada")).await, ada);
    let blocked = cluster.user("Ben-8").await;
    cluster.user("Ben").await;
    let ben = put(&cluster, &host_user("8", "ben", "Ben")).await;
    assert_eq!(row(&cluster, ben).await.login, "host:8");
    assert_ne!(ben, blocked);
}

async fn a_user_disabled_or_with_a_new_password_at_the_host_is_signed_out(cluster: TestCluster) {
    let hash = |hash: &str| Some(hash.to_owned());
    let mut host = HostUser { password_hash: hash("pbkdf2_sha256$1$a$b"), ..host_user("7", "ada", "Ada") };
    let ada = put(&cluster, &host).await;
    assert_eq!(row(&cluster, ada).await.password_hash, host.password_hash);
    sign_in(&cluster, ada, 1).await;
    put(&cluster, &host).await;
    assert_eq!(sessions(&cluster, ada).await, 1, "the same row changes nothing");
    let ends = cluster.app.hub.session_ends();
    host.disabled = true;
    put(&cluster, &host).await;
    assert_eq!(sessions(&cluster, ada).await, 0);
    assert!(row(&cluster, ada).await.disabled);
    assert!(cluster.app.hub.session_ends() > ends, "the sockets hear of it");
    host.disabled = false;
    put(&cluster, &host).await;
    assert!(!row(&cluster, ada).await.disabled);
    sign_in(&cluster, ada, 2).await;
    host.password_hash = hash("pbkdf2_sha256$1$c$d");
    put(&cluster, &host).await;
    assert_eq!(sessions(&cluster, ada).await, 0);
    assert_eq!(row(&cluster, ada).await.password_hash, host.password_hash);
    host.password_hash = hash("!unusable");
    put(&cluster, &host).await;
    assert_eq!(row(&cluster, ada).await.password_hash, None);
}

async fn a_password_is_upgraded_only_while_it_is_the_same(cluster: TestCluster) {
    let host = HostUser { password_hash: Some("pbkdf2_sha256$1$a$b".to_owned()), ..host_user("7", "ada", "Ada") };
    let ada = put(&cluster, &host).await;
    sign_in(&cluster, ada, 1).await;
    let upgrade = |from: &str, to: &str| {
        let change = Change::UpgradePassword { user: ada, from: from.to_owned(), to: to.to_owned() };
        cluster.app.commit.submit(change)
    };
    upgrade("another", "$argon2id$x").await.expect("it is no error");
    assert_eq!(row(&cluster, ada).await.password_hash, host.password_hash);
    upgrade("pbkdf2_sha256$1$a$b", "$argon2id$x").await.expect("upgraded");
    put(&cluster, &host).await;
    assert_eq!(
        row(&cluster, ada).await.password_hash.as_deref(),
        Some("$argon2id$x"),
        "the host's is the same as before"
    );
    assert_eq!(sessions(&cluster, ada).await, 1);
}

async fn a_deleted_user_of_the_host_is_another_one_at_next_sight(cluster: TestCluster) {
    let ada = put(&cluster, &host_user("7", "ada", "Ada")).await;
    cluster.app.commit.submit(Change::DeleteUser { user: ada }).await.expect("deleted");
    let again = put(&cluster, &host_user("7", "ada", "Ada")).await;
    assert_ne!(again, ada);
    assert!(row(&cluster, ada).await.disabled);
}
