//! New rows reach the application's own consumers, through the bridge and a real Redis.

use super::{Beside, HostServer, until_shown};
use crate::bridge::processes::{Django, Layer, python};
use crate::redis::Redis;
use serde_json::json;

const EVENTS: &str = r#"
[[group_events]]
on = "new_message"
group = "user_{recipient.id}_messages"
type = "new.message"
under = "data"
fields = { message_id = "row_id", sender = "sender.name", content = "text" }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_rows_reach_the_consumers_of_the_site_once_whichever_way_they_were_written() {
    let Some(python) = python() else { return };
    let redis = Redis::start().await;
    let mut django = Django::start(&python, &redis, Layer::CORE).await;
    django.consume("user_2_messages").await;
    let folder = crate::harness::folder();
    let profile = folder.path().join("site.toml");
    let declared = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../compat/accounting.toml"));
    std::fs::write(&profile, format!("{declared}{EVENTS}")).expect("written");
    let server = HostServer::sqlite();
    let url = redis.url();
    let more = [("compat.profile", profile.to_str().expect("a plain path")), ("bridge.redis", url.as_str())];
    let beside = Beside::start_with(&server, "accounting", &more).await;
    let row = beside.host.insert(1, 2, "by a view").await;
    let event = |row: i64, text: &str| json!({"type": "new.message", "data": {"message_id": row, "sender": "Ada Lovelace", "content": text}});
    assert_eq!(django.received().await, event(row, "by a view"));
    let conversation = beside.conversation(1, 2).await;
    beside.send(1, conversation, "by the inbox").await;
    assert_eq!(django.received().await, event(row + 1, "by the inbox"));
    // What is changed is not new.
    beside.host.set(row, "content", "edited").await;
    beside.host.set(row, "is_read", true).await;
    until_shown(&beside, 2, conversation, &["edited", "by the inbox"]).await;
    let last = beside.host.insert(1, 2, "the last").await;
    assert_eq!(django.received().await, event(last, "the last"));
}
