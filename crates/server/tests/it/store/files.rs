//! Files in the store: limits, single use, access, and freeing with the last message.

use super::{TestCluster, code, conformance};
use parlor::{
    domain::{Change, Content, Outcome},
    store::files::{FinishedUpload, NewUploadRow, UploadStart},
};
use parlor_protocol::{
    error::{Code, Problem},
    ids::{ConversationId, FileId, Seq, UserId},
    model::Message,
    params::MessagePlace,
    reply::Answer,
};

conformance! {
    an_upload_begins_once_and_within_its_limits,
    a_file_is_attached_once_and_visible_with_its_message,
    a_file_is_freed_with_its_last_message,
    forwarded_bytes_count_once_and_always_for_one_user,
    unused_pictures_are_removed,
    sent_files_cannot_be_cancelled_and_cancelled_files_cannot_be_sent,
    one_of_two_nodes_gets_a_file,
}

fn new(cluster: &TestCluster, owner: UserId, id: i64, bytes: u64) -> NewUploadRow {
    NewUploadRow {
        id: FileId(id),
        owner,
        client_id: format!("file-{id}"),
        name: "plan.txt".to_owned(),
        bytes,
        blob: format!("{id:032x}"),
        now_ms: cluster.app.environment.now_ms(),
        unsent_max: 3,
        quota_bytes: 1000,
    }
}

async fn finished(cluster: &TestCluster, owner: UserId, id: i64) -> FileId {
    let begun = cluster.app.store.begin_upload(new(cluster, owner, id, 10)).await.expect("the store is available");
    assert!(matches!(begun, UploadStart::New(_)), "{begun:?}");
    let finished = FinishedUpload { bytes: 9, media_type: "text/plain".to_owned(), ..FinishedUpload::default() };
    let row = cluster.app.store.finish_upload(FileId(id), finished, cluster.app.environment.now_ms()).await;
    row.expect("the store is available").expect("it was in progress").id
}

async fn send(
    cluster: &TestCluster,
    actor: UserId,
    conversation: ConversationId,
    files: &[FileId],
) -> Result<Message, Problem> {
    let content = Content { attachments: files.to_vec(), ..Content::default() };
    sent(cluster, Change::Send { actor, conversation, client_id: cluster.key(), content }).await
}

async fn sent(cluster: &TestCluster, change: Change) -> Result<Message, Problem> {
    match cluster.app.commit.submit(change).await? {
        Outcome::Answer(Answer::Sent(sent)) => Ok(sent.message),
        other => panic!("{other:?}"),
    }
}

async fn sees(cluster: &TestCluster, user: UserId, file: FileId) -> bool {
    cluster.app.store.visible_file(user, file).await.expect("the store is available").is_some()
}

async fn an_upload_begins_once_and_within_its_limits(cluster: TestCluster) {
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let store = &cluster.app.store;
    let begun = store.begin_upload(new(&cluster, ada, 1, 600)).await.expect("the store is available");
    assert!(matches!(&begun, UploadStart::New(row) if row.received == 0 && row.announced_bytes == 600), "{begun:?}");
    let again = store.begin_upload(NewUploadRow { id: FileId(9), ..new(&cluster, ada, 1, 600) }).await.expect("there");
    assert!(matches!(&again, UploadStart::Existing(row) if row.id == FileId(1)), "{again:?}");
    let other = store.begin_upload(NewUploadRow { client_id: "file-1".into(), ..new(&cluster, ben, 8, 600) }).await;
    assert!(matches!(other.expect("there"), UploadStart::New(_)), "another person's client_id is another upload");

    let large = store.begin_upload(new(&cluster, ada, 2, 401)).await.expect("the store is available");
    assert!(matches!(large, UploadStart::TooManyBytes { used: 600 }), "{large:?}");
    for id in [2, 3] {
        assert!(matches!(store.begin_upload(new(&cluster, ada, id, 1)).await.expect("there"), UploadStart::New(_)));
    }
    assert!(matches!(store.begin_upload(new(&cluster, ada, 4, 1)).await.expect("there"), UploadStart::TooManyUnsent));

    assert!(store.record_received(FileId(1), 500, 1).await.expect("there"));
    assert_eq!(store.upload(ada, "file-1".into()).await.expect("there").expect("a row").received, 500);
    assert!(!store.record_received(FileId(4711), 5, 1).await.expect("there"));
    let first = (i64::MIN, FileId(0));
    assert_eq!(store.stale_uploads(2, first, 10).await.expect("there"), [(1, FileId(1))]);
    assert_eq!(store.stale_uploads(2, (1, FileId(1)), 10).await.expect("there"), [], "and none after it");
}

async fn a_file_is_attached_once_and_visible_with_its_message(cluster: TestCluster) {
    let group = cluster.group("Ada", &["Ben"]).await;
    let (ada, ben, eve) = (cluster.user("Ada").await, cluster.user("Ben").await, cluster.user("Eve").await);
    let file = finished(&cluster, ada, 1).await;
    assert!(sees(&cluster, ada, file).await && !sees(&cluster, ben, file).await);
    assert_eq!(code(send(&cluster, ben, group, &[file]).await), Code::NotFound);
    let begun = cluster.app.store.begin_upload(new(&cluster, ada, 2, 10)).await.expect("there");
    assert!(matches!(begun, UploadStart::New(_)));
    assert_eq!(code(send(&cluster, ada, group, &[file, FileId(2)]).await), Code::UploadUnfinished);

    let message = send(&cluster, ada, group, &[file]).await.expect("it is sent");
    assert_eq!((message.text.as_str(), message.attachments.len(), message.attachments[0].bytes), ("", 1, 9));
    assert_eq!(code(send(&cluster, ada, group, &[file]).await), Code::NotFound);
    assert!(sees(&cluster, ada, file).await && sees(&cluster, ben, file).await && !sees(&cluster, eve, file).await);

    let add = Change::AddMembers { actor: ada, conversation: group, users: vec![eve], history: None };
    cluster.app.commit.submit(add).await.expect("eve is added");
    assert!(!sees(&cluster, eve, file).await, "a newcomer sees from joining on");
    let hide = Change::Hide { actor: ben, conversation: group, seq: message.seq };
    cluster.app.commit.submit(hide).await.expect("hidden");
    assert!(!sees(&cluster, ben, file).await && sees(&cluster, ada, file).await);
    cluster.remove("Ada", group, "Ada").await.expect("ada leaves");
    assert!(!sees(&cluster, ada, file).await, "a former member sees nothing, not even his own");
}

async fn a_file_is_freed_with_its_last_message(cluster: TestCluster) {
    let (first, second) = (cluster.direct("Ada", "Ben").await, cluster.direct("Ben", "Eve").await);
    let (ada, ben, eve) = (cluster.user("Ada").await, cluster.user("Ben").await, cluster.user("Eve").await);
    let file = finished(&cluster, ada, 1).await;
    let original = send(&cluster, ada, first, &[file]).await.expect("it is sent");
    let forward = |conversation, from| Change::Forward { actor: ben, conversation, client_id: cluster.key(), from };
    let place = |message: &Message| MessagePlace { conversation: message.conversation, seq: message.seq };
    let copy = sent(&cluster, forward(second, place(&original))).await.expect("it is forwarded");
    let again = sent(&cluster, forward(second, place(&copy))).await.expect("it is forwarded once more");
    let ids = [&original, &copy, &again].map(|message| message.attachments[0].id);
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    assert!(
        sees(&cluster, eve, ids[1]).await && sees(&cluster, eve, ids[2]).await && !sees(&cluster, eve, ids[0]).await
    );

    let freed = async || cluster.app.store.freed_blobs(String::new(), 10).await.expect("the store is available");
    for (actor, message) in [(ada, &original), (ben, &copy)] {
        delete(&cluster, actor, message.conversation, message.seq).await;
        assert!(!sees(&cluster, actor, message.attachments[0].id).await);
        assert!(freed().await.is_empty(), "others have the bytes");
    }
    assert!(sees(&cluster, eve, ids[2]).await);
    delete(&cluster, ben, again.conversation, again.seq).await;
    assert_eq!(freed().await, [format!("{:032x}", 1)]);
    cluster.app.store.remove_freed_blob(format!("{:032x}", 1)).await.expect("forgotten");
    assert!(freed().await.is_empty() && !cluster.app.store.has_freed_blobs().await.expect("there"));
}

async fn forwarded_bytes_count_once_and_always_for_one_user(cluster: TestCluster) {
    let (first, second) = (cluster.direct("Ada", "Ben").await, cluster.direct("Ben", "Eve").await);
    let (ada, ben, eve) = (cluster.user("Ada").await, cluster.user("Ben").await, cluster.user("Eve").await);
    // The refusal of one byte too many reports the bytes used so far.
    let counted = async |owner, id| {
        let most = 1_000_000;
        let probe = NewUploadRow { quota_bytes: most, ..new(&cluster, owner, id, most + 1) };
        match cluster.app.store.begin_upload(probe).await.expect("the store is available") {
            UploadStart::TooManyBytes { used } => used,
            other => panic!("{other:?}"),
        }
    };
    let file = finished(&cluster, ada, 1).await;
    let original = send(&cluster, ada, first, &[file]).await.expect("it is sent");
    let from = MessagePlace { conversation: first, seq: original.seq };
    let forward = |actor, conversation, from| Change::Forward { actor, conversation, client_id: cluster.key(), from };
    let hers = sent(&cluster, forward(ada, first, from)).await.expect("she forwards it herself");
    let his = sent(&cluster, forward(ben, second, from)).await.expect("he forwards it");
    let place = MessagePlace { conversation: second, seq: his.seq };
    let last = sent(&cluster, forward(eve, second, place)).await.expect("it is forwarded once more");
    let all = async |id| [counted(ada, id).await, counted(ben, id + 1).await, counted(eve, id + 2).await];
    assert_eq!(all(10).await, [9, 0, 0], "the uploader");
    delete(&cluster, ada, first, original.seq).await;
    assert_eq!(all(20).await, [9, 0, 0], "the copy that is left of it is hers: forwarding and deleting gives no room");
    delete(&cluster, ada, first, hers.seq).await;
    assert_eq!(all(30).await, [0, 9, 0], "the first to forward it");
    delete(&cluster, ben, second, his.seq).await;
    assert_eq!(all(40).await, [0, 0, 9]);
    delete(&cluster, eve, second, last.seq).await;
    assert_eq!(all(50).await, [0, 0, 0]);
}

async fn unused_pictures_are_removed(cluster: TestCluster) {
    let group = cluster.group("Ada", &["Ben"]).await;
    let ada = cluster.user("Ada").await;
    let blob = if cluster.folder().is_some() { "x'01'" } else { "'\\x01'" };
    for (id, created_at) in [("hers", 10), ("the-groups", 10), ("nobodys", 10), ("new", 20)] {
        cluster
            .sql(&format!(
                "INSERT INTO pictures (id, media_type, bytes, created_at) VALUES ('{id}', 'image/png', {blob}, {created_at})"
            ))
            .await;
    }
    cluster.sql(&format!("UPDATE users SET picture = 'hers' WHERE id = {ada}")).await;
    cluster.sql(&format!("UPDATE conversations SET picture = 'the-groups' WHERE id = {group}")).await;
    let removed = async |came_before| cluster.app.store.remove_unused_pictures(came_before, 100).await.expect("there");
    assert_eq!([removed(10).await, removed(20).await, removed(20).await], [0, 1, 0], "the old unused one");
    cluster.sql("UPDATE users SET picture = NULL").await;
    cluster.sql("UPDATE conversations SET picture = NULL").await;
    assert_eq!(removed(20).await, 2, "now these are unused");
    assert_eq!(removed(21).await, 1, "the recent one was not removed before");
    let ahead = 10 * 365 * 24 * 60 * 60 * 1000_i64;
    cluster
        .sql(&format!(
            "INSERT INTO pictures (id, media_type, bytes, created_at) VALUES ('a', 'image/png', {blob}, {ahead})"
        ))
        .await;
    assert_eq!(removed(21).await, 1, "one of a clock that was set back since");
}

async fn delete(cluster: &TestCluster, actor: UserId, conversation: ConversationId, seq: Seq) {
    cluster.app.commit.submit(Change::Delete { actor, conversation, seq }).await.expect("it is deleted");
}

async fn sent_files_cannot_be_cancelled_and_cancelled_files_cannot_be_sent(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let ada = cluster.user("Ada").await;
    for id in 1..=30 {
        let file = finished(&cluster, ada, id).await;
        let files = [file];
        let (sending, removing) =
            tokio::join!(send(&cluster, ada, conversation, &files), cluster.app.store.remove_upload(file));
        let is_removed = removing.expect("the store is available");
        match sending {
            Ok(_) => assert!(!is_removed && sees(&cluster, ada, file).await, "round {id}"),
            Err(problem) => assert!(is_removed && problem.code == Code::NotFound, "round {id}: {problem:?}"),
        }
    }
}

async fn one_of_two_nodes_gets_a_file(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let ada = cluster.user("Ada").await;
    let other = cluster.another_node().await;
    for id in 1..=10 {
        let file = finished(&cluster, ada, id).await;
        let content = Content { attachments: vec![file], ..Content::default() };
        let change = |key: String| Change::Send { actor: ada, conversation, client_id: key, content: content.clone() };
        let (one, two) = (change(cluster.key()), change(cluster.key()));
        let (one, two) = tokio::join!(cluster.app.commit.submit(one), other.commit.submit(two));
        assert!(one.is_ok() != two.is_ok(), "round {id}: {one:?} {two:?}");
    }
}
