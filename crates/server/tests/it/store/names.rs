//! Names: spellings under which they are found, forbidden characters, and names of users who left.

use super::{TestCluster, code, conformance, send};
use parlor::{
    commands,
    domain::{Change, Content, GroupUpdate, ProfileUpdate, WhoMayWrite},
    identity::actor::Actor,
};
use parlor_protocol::{
    command::Command,
    error::Code,
    ids::SessionId,
    params::{Group, Open},
    reply::Answer,
};

conformance! {
    users_are_found_by_any_spelling_of_their_names,
    names_stored_in_an_old_form_are_recomputed,
    invisible_names_are_refused,
    the_list_names_users_who_left,
    words_are_found_with_and_without_joining_characters,
}

async fn found(cluster: &TestCluster, query: &str) -> Vec<String> {
    let viewer = cluster.user("Zed").await;
    let query = query.to_owned();
    let found = cluster
        .app
        .store
        .read(move |snapshot| snapshot.users_to_write_to(viewer, &query, WhoMayWrite::Everyone, None, 10))
        .await;
    found.expect("read").0.into_iter().map(|user| user.name).collect()
}

async fn users_are_found_by_any_spelling_of_their_names(cluster: TestCluster) {
    for (name, queries) in [
        ("Jérémie Dupont", &["jer", "dup JÉR"][..]),
        ("Łukasz", &["lukasz", "łuk"]),
        ("Hans Groß", &["gross", "GROẞ"]),
        ("Işık", &["ışık", "isik", "IŞIK"]),
        ("김철수", &["철수", "김"]),
        ("王小明", &["小明", "明"]),
        ("Sean O'Brien", &["obrien", "o'brien", "O’Brien", "brien"]),
        ("Jean-Pierre", &["jean pierre", "jeanp", "pierre"]),
        ("می\u{200c}خواهم", &["میخواهم", "خواهم"]),
        ("50% Off_Sale", &["50%", "off sale", "sale"]),
    ] {
        cluster.user(name).await;
        for query in queries {
            assert_eq!(found(&cluster, query).await, [name], "{query}");
        }
    }
    for query in ["erem", "ukasz", "수철", "rien", "jeanx", "철 박"] {
        assert!(found(&cluster, query).await.is_empty(), "{query}");
    }
}

async fn names_stored_in_an_old_form_are_recomputed(cluster: TestCluster) {
    cluster.user("Jérémie").await;
    for number in 0..3 {
        cluster.user(&format!("Łukasz {number}")).await;
    }
    cluster.sql("UPDATE users SET name_words = ' jérémie'; UPDATE forms SET form = 0 WHERE name = 'name_words'").await;
    assert!(found(&cluster, "jer").await.is_empty(), "as a program before this one kept it");
    let _started = cluster.another_node().await;
    assert_eq!(found(&cluster, "jer").await, ["Jérémie"]);
    assert_eq!(found(&cluster, "lukasz").await.len(), 3);
}

async fn invisible_names_are_refused(cluster: TestCluster) {
    let ada = cluster.user("Ada").await;
    let conversation = cluster.group("Ada", &["Ben"]).await;
    let submit = |change: Change| cluster.app.commit.submit(change);
    let add = |name: &str| Change::AddUser { login: "new".to_owned(), name: name.to_owned(), password_hash: None };
    let rename = |name: &str| Change::UpdateProfile {
        user: ada,
        profile: ProfileUpdate { name: Some(name.to_owned()), ..ProfileUpdate::default() },
    };
    let title = |title: &str| Change::UpdateConversation {
        actor: ada,
        conversation,
        update: GroupUpdate::Title(title.to_owned()),
    };
    for blank in ["\u{200b}", "\u{2800}", "\u{3164}", "\u{115f}", "\u{ad}", "\u{fe0f}", "\u{e0041}", " \u{200d} "] {
        for change in [add(blank), rename(blank), title(blank)] {
            assert_eq!(code(submit(change).await), Code::TextEmpty, "{blank:?}");
        }
        let group = Group { title: blank.to_owned(), users: vec![cluster.user("Ben").await] };
        let opened = cluster.open(ada, Open { group: Some(group), ..cluster.opening() }).await;
        assert_eq!(code(opened), Code::TextEmpty, "{blank:?}");
        assert_eq!(
            code(send(&cluster.app, ada, conversation, &cluster.key(), blank).await),
            Code::TextEmpty,
            "{blank:?}"
        );
        let content = Content { subject: Some(blank.to_owned()), ..Content::text("a text".to_owned()) };
        let sent = Change::Send { actor: ada, conversation, client_id: cluster.key(), content };
        assert_eq!(code(submit(sent).await), Code::TextEmpty, "{blank:?}");
    }
    for hidden in ["Ada\u{200b}", "A\u{ad}da", "\u{202e}adA", "Ada\u{2066}", "Ada\u{3164}", "Ada\u{200e}"] {
        for change in [add(hidden), rename(hidden), title(hidden)] {
            assert_eq!(code(submit(change).await), Code::TextControl, "{hidden:?}");
        }
    }
    submit(rename("نیم\u{200c}فاصله 👩\u{200d}🚀")).await.expect("there they mean something");
}

async fn the_list_names_users_who_left(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Cleo"]).await;
    cluster.remove("Ben", conversation, "Ben").await.expect("they may leave");
    let ada = Actor { user: cluster.user("Ada").await, session: SessionId(1) };
    let ben = cluster.user("Ben").await;
    let list = commands::execute(&cluster.app, ada, Command::ListConversations { after: None, limit: None }).await;
    let Ok(Answer::Conversations(page)) = list else { panic!("{list:?}") };
    let last = page.conversations[0].last_message.as_ref().expect("a system line reports the leave");
    assert_eq!(last.sender, ben);
    assert!(page.conversations[0].members.iter().all(|member| member.user.id != ben));
    assert_eq!(page.users.iter().map(|user| (user.id, user.name.as_str())).collect::<Vec<_>>(), [(ben, "Ben")]);
    let one = commands::execute(&cluster.app, ada, Command::GetConversation { conversation }).await;
    let Ok(Answer::Conversation(answer)) = one else { panic!("{one:?}") };
    assert_eq!(answer.users, page.users);
    cluster.send("Ada", conversation, "and on").await;
    let list = commands::execute(&cluster.app, ada, Command::ListConversations { after: None, limit: None }).await;
    let Ok(Answer::Conversations(page)) = list else { panic!("{list:?}") };
    assert!(page.users.is_empty(), "only members are listed");
}

async fn words_are_found_with_and_without_joining_characters(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let texts = [
        "We run v3.14.2 now",
        "I don't know",
        "it costs 1,299 in all",
        "written in C++ and C#",
        "cars can carry",
        "send an e-mail",
        "see INV-2026/0042 please",
        "DE89 3704 0044 0532 0130 00",
        "call 030/123 45 67",
        "ask @olga about #lamps for $5",
        "می\u{200c}خواهم",
    ];
    for text in texts {
        cluster.send("Ada", conversation, text).await;
    }
    cluster.indexed("Ada", conversation).await;
    for (query, at) in [
        ("3.14.2", 0),
        ("dont", 1),
        ("don’t", 1),
        ("1299", 2),
        ("1.299", 2),
        ("C++", 3),
        ("c#", 3),
        ("email", 5),
        ("INV 2026-0042", 6),
        ("0042", 6),
        ("DE89370400440532013000", 7),
        ("0301234567", 8),
        ("@olga", 9),
        ("#lamp", 9),
        ("$5", 9),
        ("میخواهم", 10),
        ("خواهم", 10),
    ] {
        assert_eq!(cluster.finds("Ben", query).await, [texts[at]], "{query}");
    }
    for query in ["@lamps", "$1299", "3.14.3", "AT&T"] {
        assert!(cluster.finds("Ben", query).await.is_empty(), "{query}");
    }
}
