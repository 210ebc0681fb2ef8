//! Files in the store: begun within limits, carried once, seen by those who may, freed with the last message.

use super::{World, code, conformance};
use parlor::{
    domain::{Change, Content, Outcome},
    store::files::{Begun, Finished, NewUpload},
};
use parlor_protocol::{
    error::{Code, Problem},
    ids::{ConversationId, FileId, Seq, UserId},
    model::Message,
    params::MessagePlace,
    reply::Answer,
};

conformance! {
    an_upload_is_begun_once_and_within_its_limits,
    a_file_is_carried_once_and_seen_by_those_who_see_the_message,
    bytes_are_freed_with_the_last_message_that_carries_them,
    forwarded_bytes_count_once_and_always_for_somebody,
    pictures_that_nobody_has_any_more_are_removed,
    what_is_sent_is_not_given_up_and_what_is_given_up_is_not_sent,
    one_of_two_nodes_gets_a_file,
}

fn new(world: &World, owner: UserId, id: i64, bytes: u64) -> NewUpload {
    NewUpload {
        id: FileId(id),
        owner,
        client_id: format!("file-{id}"),
        name: "plan.txt".to_owned(),
        bytes,
        blob: format!("{id:032x}"),
        now_ms: world.app.environment.now_ms(),
        unsent_max: 3,
        kept_bytes_max: 1000,
    }
}

async fn finished(world: &World, owner: UserId, id: i64) -> FileId {
    let begun = world.app.store.begin_upload(new(world, owner, id, 10)).await.expect("the store is there");
    assert!(matches!(begun, Begun::New(_)), "{begun:?}");
    let finished = Finished { bytes: 9, media_type: "text/plain".to_owned(), ..Finished::default() };
    let row = world.app.store.finish_upload(FileId(id), finished, world.app.environment.now_ms()).await;
    row.expect("the store is there").expect("it was in progress").id
}

async fn send(
    world: &World,
    actor: UserId,
    conversation: ConversationId,
    files: &[FileId],
) -> Result<Message, Problem> {
    let content = Content { attachments: files.to_vec(), ..Content::default() };
    sent(world, Change::Send { actor, conversation, client_id: world.key(), content }).await
}

async fn sent(world: &World, change: Change) -> Result<Message, Problem> {
    match world.app.commit.submit(change).await? {
        Outcome::Answer(Answer::Sent(sent)) => Ok(sent.message),
        other => panic!("{other:?}"),
    }
}

async fn sees(world: &World, user: UserId, file: FileId) -> bool {
    world.app.store.visible_file(user, file).await.expect("the store is there").is_some()
}

async fn an_upload_is_begun_once_and_within_its_limits(world: World) {
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let store = &world.app.store;
    let begun = store.begin_upload(new(&world, ada, 1, 600)).await.expect("the store is there");
    assert!(matches!(&begun, Begun::New(row) if row.received == 0 && row.announced_bytes == 600), "{begun:?}");
    let again = store.begin_upload(NewUpload { id: FileId(9), ..new(&world, ada, 1, 600) }).await.expect("there");
    assert!(matches!(&again, Begun::Found(row) if row.id == FileId(1)), "{again:?}");
    let other = store.begin_upload(NewUpload { client_id: "file-1".into(), ..new(&world, ben, 8, 600) }).await;
    assert!(matches!(other.expect("there"), Begun::New(_)), "another person's client_id is another upload");

    let large = store.begin_upload(new(&world, ada, 2, 401)).await.expect("the store is there");
    assert!(matches!(large, Begun::TooManyBytes { kept: 600 }), "{large:?}");
    for id in [2, 3] {
        assert!(matches!(store.begin_upload(new(&world, ada, id, 1)).await.expect("there"), Begun::New(_)));
    }
    assert!(matches!(store.begin_upload(new(&world, ada, 4, 1)).await.expect("there"), Begun::TooManyUnsent));

    assert!(store.keep_received(FileId(1), 500, 1).await.expect("there"));
    assert_eq!(store.upload(ada, "file-1".into()).await.expect("there").expect("a row").received, 500);
    assert!(!store.keep_received(FileId(4711), 5, 1).await.expect("there"));
    let first = (i64::MIN, FileId(0));
    assert_eq!(store.stale_uploads(2, first, 10).await.expect("there"), [(1, FileId(1))]);
    assert_eq!(store.stale_uploads(2, (1, FileId(1)), 10).await.expect("there"), [], "and none after it");
}

async fn a_file_is_carried_once_and_seen_by_those_who_see_the_message(world: World) {
    let group = world.group("Ada", &["Ben"]).await;
    let (ada, ben, eve) = (world.person("Ada").await, world.person("Ben").await, world.person("Eve").await);
    let file = finished(&world, ada, 1).await;
    assert!(sees(&world, ada, file).await && !sees(&world, ben, file).await);
    assert_eq!(code(send(&world, ben, group, &[file]).await), Code::NotFound);
    let begun = world.app.store.begin_upload(new(&world, ada, 2, 10)).await.expect("there");
    assert!(matches!(begun, Begun::New(_)));
    assert_eq!(code(send(&world, ada, group, &[file, FileId(2)]).await), Code::UploadUnfinished);

    let message = send(&world, ada, group, &[file]).await.expect("it is sent");
    assert_eq!((message.text.as_str(), message.attachments.len(), message.attachments[0].bytes), ("", 1, 9));
    assert_eq!(code(send(&world, ada, group, &[file]).await), Code::NotFound);
    assert!(sees(&world, ada, file).await && sees(&world, ben, file).await && !sees(&world, eve, file).await);

    let add = Change::AddMembers { actor: ada, conversation: group, users: vec![eve], history: None };
    world.app.commit.submit(add).await.expect("eve is added");
    assert!(!sees(&world, eve, file).await, "a newcomer sees from joining on");
    let hide = Change::Hide { actor: ben, conversation: group, seq: message.seq };
    world.app.commit.submit(hide).await.expect("hidden");
    assert!(!sees(&world, ben, file).await && sees(&world, ada, file).await);
    world.remove("Ada", group, "Ada").await.expect("ada leaves");
    assert!(!sees(&world, ada, file).await, "who left sees nothing, his own among it");
}

async fn bytes_are_freed_with_the_last_message_that_carries_them(world: World) {
    let (first, second) = (world.direct("Ada", "Ben").await, world.direct("Ben", "Eve").await);
    let (ada, ben, eve) = (world.person("Ada").await, world.person("Ben").await, world.person("Eve").await);
    let file = finished(&world, ada, 1).await;
    let original = send(&world, ada, first, &[file]).await.expect("it is sent");
    let forward = |conversation, from| Change::Forward { actor: ben, conversation, client_id: world.key(), from };
    let place = |message: &Message| MessagePlace { conversation: message.conversation, seq: message.seq };
    let copy = sent(&world, forward(second, place(&original))).await.expect("it is forwarded");
    let again = sent(&world, forward(second, place(&copy))).await.expect("it is forwarded once more");
    let ids = [&original, &copy, &again].map(|message| message.attachments[0].id);
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    assert!(sees(&world, eve, ids[1]).await && sees(&world, eve, ids[2]).await && !sees(&world, eve, ids[0]).await);

    let freed = async || world.app.store.freed_blobs(String::new(), 10).await.expect("the store is there");
    for (actor, message) in [(ada, &original), (ben, &copy)] {
        delete(&world, actor, message.conversation, message.seq).await;
        assert!(!sees(&world, actor, message.attachments[0].id).await);
        assert!(freed().await.is_empty(), "others have the bytes");
    }
    assert!(sees(&world, eve, ids[2]).await);
    delete(&world, ben, again.conversation, again.seq).await;
    assert_eq!(freed().await, [format!("{:032x}", 1)]);
    world.app.store.forget_blob(format!("{:032x}", 1)).await.expect("forgotten");
    assert!(freed().await.is_empty() && !world.app.store.has_freed_blobs().await.expect("there"));
}

async fn forwarded_bytes_count_once_and_always_for_somebody(world: World) {
    let (first, second) = (world.direct("Ada", "Ben").await, world.direct("Ben", "Eve").await);
    let (ada, ben, eve) = (world.person("Ada").await, world.person("Ben").await, world.person("Eve").await);
    // What a person has so far is told where one byte more than allowed is refused.
    let counted = async |owner, id| {
        let most = 1_000_000;
        let probe = NewUpload { kept_bytes_max: most, ..new(&world, owner, id, most + 1) };
        match world.app.store.begin_upload(probe).await.expect("the store is there") {
            Begun::TooManyBytes { kept } => kept,
            other => panic!("{other:?}"),
        }
    };
    let file = finished(&world, ada, 1).await;
    let original = send(&world, ada, first, &[file]).await.expect("it is sent");
    let from = MessagePlace { conversation: first, seq: original.seq };
    let forward = |actor, conversation, from| Change::Forward { actor, conversation, client_id: world.key(), from };
    let hers = sent(&world, forward(ada, first, from)).await.expect("she forwards it herself");
    let his = sent(&world, forward(ben, second, from)).await.expect("he forwards it");
    let place = MessagePlace { conversation: second, seq: his.seq };
    let last = sent(&world, forward(eve, second, place)).await.expect("it is forwarded once more");
    let all = async |id| [counted(ada, id).await, counted(ben, id + 1).await, counted(eve, id + 2).await];
    assert_eq!(all(10).await, [9, 0, 0], "whoever uploaded it");
    delete(&world, ada, first, original.seq).await;
    assert_eq!(all(20).await, [9, 0, 0], "the copy that is left of it is hers: forwarding and deleting gives no room");
    delete(&world, ada, first, hers.seq).await;
    assert_eq!(all(30).await, [0, 9, 0], "whoever forwarded it first");
    delete(&world, ben, second, his.seq).await;
    assert_eq!(all(40).await, [0, 0, 9]);
    delete(&world, eve, second, last.seq).await;
    assert_eq!(all(50).await, [0, 0, 0]);
}

async fn pictures_that_nobody_has_any_more_are_removed(world: World) {
    let group = world.group("Ada", &["Ben"]).await;
    let ada = world.person("Ada").await;
    let blob = if world.folder().is_some() { "x'01'" } else { "'\\x01'" };
    for (id, created_at) in [("hers", 10), ("the-groups", 10), ("nobodys", 10), ("new", 20)] {
        world
            .sql(&format!(
                "INSERT INTO pictures (id, media_type, bytes, created_at) VALUES ('{id}', 'image/png', {blob}, {created_at})"
            ))
            .await;
    }
    world.sql(&format!("UPDATE users SET picture = 'hers' WHERE id = {ada}")).await;
    world.sql(&format!("UPDATE conversations SET picture = 'the-groups' WHERE id = {group}")).await;
    let removed = async |came_before| world.app.store.remove_unnamed_pictures(came_before, 100).await.expect("there");
    assert_eq!([removed(10).await, removed(20).await, removed(20).await], [0, 1, 0], "the old one that nobody has");
    world.sql("UPDATE users SET picture = NULL").await;
    world.sql("UPDATE conversations SET picture = NULL").await;
    assert_eq!(removed(20).await, 2, "now these are nobody's");
    assert_eq!(removed(21).await, 1, "the one that came a moment ago was not lost before");
    let ahead = 10 * 365 * 24 * 60 * 60 * 1000_i64;
    world
        .sql(&format!(
            "INSERT INTO pictures (id, media_type, bytes, created_at) VALUES ('a', 'image/png', {blob}, {ahead})"
        ))
        .await;
    assert_eq!(removed(21).await, 1, "one of a clock that was set back since");
}

async fn delete(world: &World, actor: UserId, conversation: ConversationId, seq: Seq) {
    world.app.commit.submit(Change::Delete { actor, conversation, seq }).await.expect("it is deleted");
}

async fn what_is_sent_is_not_given_up_and_what_is_given_up_is_not_sent(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let ada = world.person("Ada").await;
    for id in 1..=30 {
        let file = finished(&world, ada, id).await;
        let files = [file];
        let (sending, removing) =
            tokio::join!(send(&world, ada, conversation, &files), world.app.store.remove_upload(file));
        let is_removed = removing.expect("the store is there");
        match sending {
            Ok(_) => assert!(!is_removed && sees(&world, ada, file).await, "round {id}"),
            Err(problem) => assert!(is_removed && problem.code == Code::NotFound, "round {id}: {problem:?}"),
        }
    }
}

async fn one_of_two_nodes_gets_a_file(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let ada = world.person("Ada").await;
    let other = world.another_node().await;
    for id in 1..=10 {
        let file = finished(&world, ada, id).await;
        let content = Content { attachments: vec![file], ..Content::default() };
        let change = |key: String| Change::Send { actor: ada, conversation, client_id: key, content: content.clone() };
        let (one, two) = (change(world.key()), change(world.key()));
        let (one, two) = tokio::join!(world.app.commit.submit(one), other.commit.submit(two));
        assert!(one.is_ok() != two.is_ok(), "round {id}: {one:?} {two:?}");
    }
}
