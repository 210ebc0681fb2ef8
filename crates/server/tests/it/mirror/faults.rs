//! What goes wrong in the host, and what one user can do to all others there: nothing stands still for it, and nothing is
//! lost.

use super::{Beside, Host, HostServer, on_all_hosts, until, until_rows, until_shown};
use parlor::{
    domain::Change,
    host::{HostKind, HostValue},
    mirror::{NewHostRow, triggers},
};
use parlor_protocol::ids::Seq;

on_all_hosts! {
    an_item_of_which_nothing_can_be_seen_stops_nothing,
    a_value_that_cannot_be_read_stops_only_its_row,
    one_row_that_the_host_refuses_to_change_stops_no_other,
    what_the_host_refuses_is_written_once_it_accepts_it,
    a_row_that_is_deleted_before_it_was_read_is_deleted_here,
    another_database_erases_nothing,
    ids_are_bound_as_their_columns_have_them,
    what_was_missed_without_triggers_is_compared_completely,
}

async fn an_item_of_which_nothing_can_be_seen_stops_nothing(server: HostServer) {
    let beside = Beside::start(&server, "findit").await;
    let conversation = beside.conversation(1, 2).await;
    for (id, title) in [(7, "\u{2800}\u{3164}\u{200b}"), (8, "\u{200b}"), (9, "\u{958}\u{7}\u{2028}")] {
        let sql = "INSERT INTO \"FindIt_item\" (id, title, status, user_id) VALUES ($1, $2, $2, 2)";
        beside.host.execute(sql, vec![id.into(), title.into()]).await;
        let row = beside.host.insert(1, 2, "about what?").await;
        beside.host.set(row, "item_id", id).await;
    }
    beside.host.insert(1, 2, "still here").await;
    until_shown(&beside, 2, conversation, &["still here"]).await;
    until("all are here", || async { beside.unread(2).await == 4 }).await;
    beside.send(2, conversation, "and there").await;
    until("it is in the host", || async {
        beside.host.messages().await.last().is_some_and(|row| row.3 == "and there")
    })
    .await;
}

/// Makes a value of a row one that Parlor cannot read.
async fn spoil(host: &Host, row: i64) {
    let change = match host.database.kind() {
        HostKind::Sqlite => "content = CAST(x'ff80' AS TEXT)",
        HostKind::Postgres => "is_read = NULL",
        HostKind::MySql => "\"timestamp\" = '0000-00-00 00:00:00'",
    };
    let sql = host.dialect(&format!("UPDATE \"FindIt_message\" SET {change} WHERE id = {row}"));
    let mut transaction = host.database.begin().await.expect("the host runs");
    match host.database.kind() {
        HostKind::Sqlite => {}
        HostKind::Postgres => {
            let sql = "ALTER TABLE \"FindIt_message\" ALTER COLUMN is_read DROP NOT NULL".to_owned();
            transaction.script(sql).await.expect("altered");
        }
        HostKind::MySql => transaction.script("SET SESSION sql_mode = ''".to_owned()).await.expect("set"),
    }
    transaction.script(sql).await.expect("the SQL is right");
    transaction.commit().await.expect("committed");
}

async fn a_value_that_cannot_be_read_stops_only_its_row(server: HostServer) {
    let beside = Beside::start_with(&server, "findit", &[("mirror.scan_ms", "200")]).await;
    let spoiled = beside.host.insert(1, 2, "to be spoiled").await;
    let conversation = beside.conversation(1, 2).await;
    until_shown(&beside, 2, conversation, &["to be spoiled"]).await;
    spoil(&beside.host, spoiled).await;
    until("it is refused", || async { beside.app.metrics.mirror.rows_refused.get() > 0 }).await;
    beside.host.insert(1, 2, "after it").await;
    beside.send(1, conversation, "and back").await;
    until("the others are there", || async {
        let texts = beside.texts(2, conversation).await;
        texts.iter().any(|text| text == "after it") && texts.iter().any(|text| text == "to be spoiled")
    })
    .await;
    let sql = "SELECT id FROM \"FindIt_message\"";
    until("both are in the host", || async { beside.host.query(sql, Vec::new()).await.len() == 3 }).await;
}

/// Makes the host refuse to change a row, as a rule of an application in the database can.
async fn protect(host: &Host, row: i64) {
    let sql = match host.database.kind() {
        HostKind::Sqlite => format!(
            "CREATE TRIGGER protect BEFORE UPDATE ON messages_table WHEN OLD.id = {row} \
             BEGIN SELECT RAISE(ABORT, 'protected'); END"
        ),
        HostKind::Postgres => format!(
            "CREATE FUNCTION protect() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'protected' USING ERRCODE = '23514'; END $$; \
             CREATE TRIGGER protect BEFORE UPDATE ON messages_table FOR EACH ROW WHEN (OLD.id = {row}) \
             EXECUTE FUNCTION protect()"
        ),
        HostKind::MySql => format!(
            "CREATE TRIGGER protect BEFORE UPDATE ON messages_table FOR EACH ROW \
             IF OLD.id = {row} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'protected'; END IF"
        ),
    };
    host.script(&sql).await;
}

async fn one_row_that_the_host_refuses_to_change_stops_no_other(server: HostServer) {
    let beside = Beside::start(&server, "accounting").await;
    let protected = beside.host.insert(1, 2, "one").await;
    beside.host.insert(1, 2, "two").await;
    let conversation = beside.conversation(1, 2).await;
    until_shown(&beside, 2, conversation, &["one", "two"]).await;
    protect(&beside.host, protected).await;
    let actor = beside.user(2).await;
    let mark = Change::Mark { actor, conversation, delivered: Seq(0), read: Seq(2) };
    beside.app.commit.submit(mark).await.expect("marked");
    until_rows(&beside.host, &[(1, 2, "one", false), (1, 2, "two", true)]).await;
    beside.send(2, conversation, "three").await;
    until_rows(&beside.host, &[(1, 2, "one", false), (1, 2, "two", true), (2, 1, "three", false)]).await;
}

async fn what_the_host_refuses_is_written_once_it_accepts_it(server: HostServer) {
    let mut beside = Beside::start_with(&server, "accounting", &[("mirror.scan_ms", "100")]).await;
    let conversation = beside.conversation(1, 2).await;
    beside.send(1, conversation, "before").await;
    until_rows(&beside.host, &[(1, 2, "before", false)]).await;
    let strict = match beside.host.database.kind() {
        HostKind::Sqlite => "CREATE UNIQUE INDEX strict ON messages_table (sender_id)",
        _ => "ALTER TABLE messages_table ADD CONSTRAINT strict UNIQUE (sender_id)",
    };
    beside.host.script(strict).await;
    beside.send(1, conversation, "refused").await;
    beside.send(2, conversation, "accepted").await;
    until_rows(&beside.host, &[(1, 2, "before", false), (2, 1, "accepted", false)]).await;
    beside.restart().await;
    let lenient = match beside.host.database.kind() {
        HostKind::Sqlite => "DROP INDEX strict",
        HostKind::Postgres => "ALTER TABLE messages_table DROP CONSTRAINT strict",
        HostKind::MySql => "ALTER TABLE messages_table DROP INDEX strict",
    };
    beside.host.script(lenient).await;
    until_rows(&beside.host, &[(1, 2, "before", false), (2, 1, "accepted", false), (1, 2, "refused", false)]).await;
    assert_eq!(beside.texts(2, conversation).await, ["before", "refused", "accepted"]);
}

/// The application deletes a row in the moment in which Parlor inserts it: here a trigger does.
async fn a_row_that_is_deleted_before_it_was_read_is_deleted_here(server: HostServer) {
    if server.url.starts_with("mysql") {
        // A trigger of MySQL cannot change the table that it is on.
        return;
    }
    let beside = Beside::start(&server, "accounting").await;
    let conversation = beside.conversation(1, 2).await;
    let sql = match beside.host.database.kind() {
        HostKind::Sqlite => {
            "CREATE TRIGGER censor AFTER INSERT ON messages_table WHEN NEW.content = 'forbidden' \
             BEGIN DELETE FROM messages_table WHERE id = NEW.id; END"
        }
        _ => {
            "CREATE FUNCTION censor() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN DELETE FROM messages_table WHERE id = NEW.id; RETURN NULL; END $$; \
             CREATE CONSTRAINT TRIGGER censor AFTER INSERT ON messages_table DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW WHEN (NEW.content = 'forbidden') EXECUTE FUNCTION censor()"
        }
    };
    beside.host.script(sql).await;
    beside.send(1, conversation, "allowed").await;
    beside.send(1, conversation, "forbidden").await;
    beside.send(1, conversation, "more").await;
    until_rows(&beside.host, &[(1, 2, "allowed", false), (1, 2, "more", false)]).await;
    until_shown(&beside, 2, conversation, &["allowed", "more"]).await;
    until_shown(&beside, 1, conversation, &["allowed", "more"]).await;
}

async fn another_database_erases_nothing(server: HostServer) {
    let mut beside = Beside::start_with(&server, "accounting", &[("mirror.scan_ms", "100")]).await;
    let conversation = beside.conversation(1, 2).await;
    let texts: Vec<String> = (0..120).map(|number| format!("number {number}")).collect();
    for text in &texts {
        beside.host.insert(1, 2, text).await;
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    until_shown(&beside, 2, conversation, &texts).await;
    // An empty database is in the place of the application's: nothing tells the triggers.
    let is_postgres = beside.host.database.kind() == HostKind::Postgres;
    let map = if is_postgres { "parlor.parlor_map" } else { "parlor_map" };
    let profile = beside.app.profile.clone().expect("a profile");
    beside.app.stop().await;
    let kind = beside.host.database.kind();
    let sql = triggers::uninstall_sql(kind, &triggers::watched_tables(&profile));
    triggers::run_all(&beside.host.database, sql).await.expect("removed");
    beside.host.execute("DELETE FROM messages_table", Vec::new()).await;
    beside.restart().await;
    let mirror = beside.app.mirror.clone().expect("it runs");
    let (sender, recipient) = (beside.user(1).await, beside.user(2).await);
    let row = |text: &str| NewHostRow { sender, recipient, context: None, text: text.to_owned(), subject: None };
    // The tables of Parlor come back first. Each of these waits for a turn of the mirror, which does not apply it.
    until("a row can be sent", || async { mirror.send(row("first")).await.is_ok() }).await;
    mirror.send(row("second")).await.expect("sent");
    assert_eq!(beside.texts(2, conversation).await, texts);
    assert_eq!(beside.app.metrics.mirror.connected.get(), 0, "it stands still");
    beside.app.stop().await;
    let adopted = super::commands::run(&beside, &["mirror", "adopt"]);
    assert!(adopted.status.success(), "{}", super::commands::text(&adopted));
    beside.restart().await;
    until_shown(&beside, 2, conversation, &["first", "second"]).await;
    // The permission was for one scan.
    until("it is over", || async {
        let rows =
            beside.host.query(&format!("SELECT row_id FROM {map} WHERE table_name = 'parlor'"), Vec::new()).await;
        rows.len() == 1 && rows[0].integer(0) == Ok(0)
    })
    .await;
}

async fn ids_are_bound_as_their_columns_have_them(server: HostServer) {
    const ADA: &str = "0123e567-e89b-12d3-a456-426614174000";
    const BEN: &str = "f123e567-e89b-12d3-a456-426614174000";
    let host = Host::new(&server, "accounting").await;
    let kind = host.database.kind();
    let column = if kind == HostKind::Postgres { "uuid" } else { "char(32)" };
    let stored = |id: &str| if kind == HostKind::Postgres { id.to_owned() } else { id.replace('-', "") };
    host.script("DROP TABLE auth_user").await;
    host.script(&format!(
        "CREATE TABLE auth_user (id {column} PRIMARY KEY, username varchar(150) NOT NULL, password varchar(128) NOT NULL, \
         first_name varchar(150) NOT NULL, last_name varchar(150) NOT NULL, is_active bool NOT NULL)"
    ))
    .await;
    for (id, login) in [(ADA, "ada"), (BEN, "ben")] {
        let sql = "INSERT INTO auth_user VALUES ($1, $2, '!', '', '', $3)";
        host.execute(sql, vec![stored(id).into(), login.into(), true.into()]).await;
    }
    for name in ["sender_id", "recipient_id"] {
        host.script(&format!("ALTER TABLE messages_table DROP COLUMN {name}")).await;
        host.script(&format!("ALTER TABLE messages_table ADD COLUMN {name} {column}")).await;
    }
    let beside = Beside::start_beside(host.clone(), &[("django.user_id_type", "uuid")]).await;
    let now = HostValue::Time(beside.app.environment.now_ms());
    let sql = "INSERT INTO messages_table (subject, content, created_at, updated_at, is_read, sender_id, recipient_id) \
               VALUES ('', 'hello', $1, $1, $2, $3, $4)";
    host.execute(sql, vec![now, false.into(), stored(ADA).into(), stored(BEN).into()]).await;
    let mirror = beside.app.mirror.clone().expect("it runs");
    let ada = mirror.user_of(ADA).await.expect("read").expect("they exist");
    let ben = mirror.user_of(BEN).await.expect("read").expect("they exist");
    let unread =
        || async { beside.app.store.read(move |snapshot| snapshot.unread(ben, 0)).await.expect("read").messages };
    until("the row is a message", || async { unread().await == 1 }).await;
    let new = NewHostRow { sender: ben, recipient: ada, context: None, text: "hi".to_owned(), subject: None };
    mirror.send(new).await.expect("sent");
    let rows = host.query("SELECT sender_id, recipient_id FROM messages_table WHERE content = 'hi'", Vec::new()).await;
    assert_eq!((rows[0].text(0), rows[0].text(1)), (Ok(stored(BEN)), Ok(stored(ADA))));
    assert_eq!(mirror.unread_count(ada).await.expect("counted"), 1);
    assert_eq!(mirror.mark_read(ben, &[1]).await.expect("answered"), 1, "they are its recipient");
    until("it is read", || async { unread().await == 0 }).await;
}

async fn what_was_missed_without_triggers_is_compared_completely(server: HostServer) {
    let mut beside = Beside::start(&server, "accounting").await;
    let row = beside.host.insert(1, 2, "before").await;
    let conversation = beside.conversation(1, 2).await;
    until_shown(&beside, 2, conversation, &["before"]).await;
    let profile = beside.app.profile.clone().expect("a profile");
    beside.app.stop().await;
    let database = &beside.host.database;
    let lost = triggers::uninstall_sql(database.kind(), &triggers::watched_tables(&profile));
    let lost = lost.into_iter().filter(|sql| sql.starts_with("DROP TRIGGER"));
    triggers::run_all(database, lost.collect()).await.expect("the triggers are dropped");
    beside.host.set(row, "content", "after").await;
    beside.restart().await;
    until_shown(&beside, 2, conversation, &["after"]).await;
}

/// The epoch of the position is unknown, as after a restored backup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_before_all_cursors_became_invalid_reaches_the_host() {
    let server = HostServer::sqlite();
    let mut beside = Beside::start(&server, "accounting").await;
    let conversation = beside.conversation(1, 2).await;
    beside.send(1, conversation, "before").await;
    until_rows(&beside.host, &[(1, 2, "before", false)]).await;
    beside.host.execute("ALTER TABLE messages_table RENAME TO away", Vec::new()).await;
    beside.send(1, conversation, "pending").await;
    beside.set("messages.receipts", "false");
    beside.restart().await;
    beside.host.execute("ALTER TABLE away RENAME TO messages_table", Vec::new()).await;
    until_rows(&beside.host, &[(1, 2, "before", false), (1, 2, "pending", false)]).await;
}
