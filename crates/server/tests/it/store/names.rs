//! Names and words: by which spelling they are found, what they may not hold, and who is named after they left.

use super::{World, code, conformance, send};
use parlor::{
    app::Actor,
    commands,
    domain::{Change, Content, Look, Profile, WhoMayWrite},
};
use parlor_protocol::{
    command::Command,
    error::Code,
    ids::SessionId,
    params::{Group, Open},
    reply::Answer,
};

conformance! {
    people_are_found_by_any_spelling_of_their_names,
    names_that_are_kept_in_another_form_are_made_again,
    what_cannot_be_seen_is_refused,
    those_who_left_are_named_in_the_list,
    words_are_found_with_and_without_what_joins_them,
}

async fn found(world: &World, query: &str) -> Vec<String> {
    let asker = world.person("Zed").await;
    let query = query.to_owned();
    let found =
        world.app.store.read(move |snapshot| snapshot.writable(asker, &query, WhoMayWrite::Everyone, None, 10)).await;
    found.expect("read").0.into_iter().map(|user| user.name).collect()
}

async fn people_are_found_by_any_spelling_of_their_names(world: World) {
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
        world.person(name).await;
        for query in queries {
            assert_eq!(found(&world, query).await, [name], "{query}");
        }
    }
    for query in ["erem", "ukasz", "수철", "rien", "jeanx", "철 박"] {
        assert!(found(&world, query).await.is_empty(), "{query}");
    }
}

async fn names_that_are_kept_in_another_form_are_made_again(world: World) {
    world.person("Jérémie").await;
    for number in 0..3 {
        world.person(&format!("Łukasz {number}")).await;
    }
    world.sql("UPDATE users SET name_words = ' jérémie'; UPDATE forms SET form = 0 WHERE name = 'name_words'").await;
    assert!(found(&world, "jer").await.is_empty(), "as a program before this one kept it");
    let _started = world.another_node().await;
    assert_eq!(found(&world, "jer").await, ["Jérémie"]);
    assert_eq!(found(&world, "lukasz").await.len(), 3);
}

async fn what_cannot_be_seen_is_refused(world: World) {
    let ada = world.person("Ada").await;
    let conversation = world.group("Ada", &["Ben"]).await;
    let submit = |change: Change| world.app.commit.submit(change);
    let add = |name: &str| Change::AddUser { login: "new".to_owned(), name: name.to_owned(), password_hash: None };
    let rename = |name: &str| Change::UpdateProfile {
        user: ada,
        profile: Profile { name: Some(name.to_owned()), ..Profile::default() },
    };
    let title =
        |title: &str| Change::UpdateConversation { actor: ada, conversation, look: Look::Title(title.to_owned()) };
    for blank in ["\u{200b}", "\u{2800}", "\u{3164}", "\u{115f}", "\u{ad}", "\u{fe0f}", "\u{e0041}", " \u{200d} "] {
        for change in [add(blank), rename(blank), title(blank)] {
            assert_eq!(code(submit(change).await), Code::TextEmpty, "{blank:?}");
        }
        let group = Group { title: blank.to_owned(), users: vec![world.person("Ben").await] };
        let opened = world.open(ada, Open { group: Some(group), ..world.opening() }).await;
        assert_eq!(code(opened), Code::TextEmpty, "{blank:?}");
        assert_eq!(code(send(&world.app, ada, conversation, &world.key(), blank).await), Code::TextEmpty, "{blank:?}");
        let content = Content { subject: Some(blank.to_owned()), ..Content::text("a text".to_owned()) };
        let sent = Change::Send { actor: ada, conversation, client_id: world.key(), content };
        assert_eq!(code(submit(sent).await), Code::TextEmpty, "{blank:?}");
    }
    for hidden in ["Ada\u{200b}", "A\u{ad}da", "\u{202e}adA", "Ada\u{2066}", "Ada\u{3164}", "Ada\u{200e}"] {
        for change in [add(hidden), rename(hidden), title(hidden)] {
            assert_eq!(code(submit(change).await), Code::TextControl, "{hidden:?}");
        }
    }
    submit(rename("نیم\u{200c}فاصله 👩\u{200d}🚀")).await.expect("there they mean something");
}

async fn those_who_left_are_named_in_the_list(world: World) {
    let conversation = world.group("Ada", &["Ben", "Cleo"]).await;
    world.remove("Ben", conversation, "Ben").await.expect("they may leave");
    let ada = Actor { user: world.person("Ada").await, session: SessionId(1) };
    let ben = world.person("Ben").await;
    let list = commands::execute(&world.app, ada, Command::ListConversations { after: None, limit: None }).await;
    let Ok(Answer::Conversations(page)) = list else { panic!("{list:?}") };
    let last = page.conversations[0].last_message.as_ref().expect("a line says that they left");
    assert_eq!(last.sender, ben);
    assert!(page.conversations[0].members.iter().all(|member| member.user.id != ben));
    assert_eq!(page.users.iter().map(|user| (user.id, user.name.as_str())).collect::<Vec<_>>(), [(ben, "Ben")]);
    let one = commands::execute(&world.app, ada, Command::GetConversation { conversation }).await;
    let Ok(Answer::Conversation(answer)) = one else { panic!("{one:?}") };
    assert_eq!(answer.users, page.users);
    world.send("Ada", conversation, "and on").await;
    let list = commands::execute(&world.app, ada, Command::ListConversations { after: None, limit: None }).await;
    let Ok(Answer::Conversations(page)) = list else { panic!("{list:?}") };
    assert!(page.users.is_empty(), "nobody is named who is not among the members");
}

async fn words_are_found_with_and_without_what_joins_them(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
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
        world.send("Ada", conversation, text).await;
    }
    world.indexed("Ada", conversation).await;
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
        assert_eq!(world.finds("Ben", query).await, [texts[at]], "{query}");
    }
    for query in ["@lamps", "$1299", "3.14.3", "AT&T"] {
        assert!(world.finds("Ben", query).await.is_empty(), "{query}");
    }
}
