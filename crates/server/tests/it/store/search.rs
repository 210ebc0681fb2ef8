//! Searching: what is found, what is not, and by whom.

use super::{World, code, conformance};
use parlor::{
    app::{Actor, App},
    commands,
    domain::{Change, Content, Outcome},
};
use parlor_protocol::{
    command::Command,
    error::{Code, Problem},
    ids::{ConversationId, SessionId, UserId, Version},
    model::ContextKey,
    params::Search,
    reply::{Answer, Found, Sent},
};
use std::{sync::Arc, time::Duration};

conformance! {
    words_are_found_by_their_beginnings_whatever_their_case_and_accents,
    scripts_without_spaces_are_found_from_two_characters_on,
    each_filter_narrows_what_is_found_and_all_of_them_together,
    pages_have_neither_holes_nor_repeats_while_messages_come_in,
    whoever_left_finds_nothing_of_it,
    whoever_came_back_finds_what_was_written_since,
    what_was_hidden_is_found_by_the_others_only,
    a_conversation_that_one_is_not_in_is_not_there,
    what_cannot_be_asked_is_refused,
    no_query_harms,
    what_is_found_says_where_and_by_whom,
    every_way_to_look_finds_the_same,
    where_to_go_on_is_no_message_of_others,
    a_step_ends_where_there_is_enough_text,
    few_messages_are_found_before_the_index_has_them,
}

pub(super) async fn search(app: &Arc<App>, user: UserId, search: Search) -> Result<Found, Problem> {
    let actor = Actor { user, session: SessionId(1) };
    match commands::execute(app, actor, Command::Search(search)).await? {
        Answer::Found(found) => Ok(found),
        other => panic!("{other:?}"),
    }
}

pub(super) fn of(query: &str) -> Search {
    Search { query: query.to_owned(), ..Search::default() }
}

pub(super) fn texts(found: &Found) -> Vec<&str> {
    found.results.iter().map(|hit| hit.message.text.as_str()).collect()
}

impl World {
    /// The texts that a person finds by a query, the newest first.
    pub(super) async fn finds(&self, name: &str, query: &str) -> Vec<String> {
        let user = self.person(name).await;
        let found = search(&self.app, user, of(query)).await.expect("a query");
        texts(&found).into_iter().map(str::to_owned).collect()
    }

    /// Waits until the index has everything that was committed so far: it goes in order, so a message that is found
    /// stands for all before it.
    pub(super) async fn indexed(&self, name: &str, conversation: ConversationId) {
        self.indexed_by(&self.app, name, conversation).await;
    }

    pub(super) async fn indexed_by(&self, app: &Arc<App>, name: &str, conversation: ConversationId) {
        let user = self.person(name).await;
        let mark = format!("mark{}", self.key().replace('-', ""));
        super::send(app, user, conversation, &self.key(), &mark).await.expect("sent");
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        while search(app, user, of(&mark)).await.expect("a query").results.is_empty() {
            assert!(tokio::time::Instant::now() < deadline, "the index does not come along");
            // waits for: the follower of the index
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn words_are_found_by_their_beginnings_whatever_their_case_and_accents(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    for text in
        ["Did you lose a BLACK umbrella on tram 18?", "Élodie’s Straße", "mail ada.l@example.com", "under the seat ☂️"]
    {
        world.send("Ada", conversation, text).await;
    }
    world.indexed("Ada", conversation).await;
    for (query, found) in [
        ("umbr", "Did you lose a BLACK umbrella on tram 18?"),
        ("tram bläck", "Did you lose a BLACK umbrella on tram 18?"),
        ("1", "Did you lose a BLACK umbrella on tram 18?"),
        ("elod STRASSE", "Élodie’s Straße"),
        ("example", "mail ada.l@example.com"),
        ("ada.l@example.com", "mail ada.l@example.com"),
        ("☂", "under the seat ☂️"),
    ] {
        assert_eq!(world.finds("Ben", query).await, [found], "{query}");
    }
    for query in ["brella", "umbrellas", "black seat", "8"] {
        assert!(world.finds("Ben", query).await.is_empty(), "{query}");
    }
    assert_eq!(world.finds("Ben", "l").await.len(), 2, "the newest first");
}

async fn scripts_without_spaces_are_found_from_two_characters_on(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    for text in
        ["電車で黒い傘をなくしました", "我在电车上丢了雨伞", "ฉันทำร่มหายบนรถราง", "우산을 잃어버렸어요", "東京と京都"]
    {
        world.send("Ada", conversation, text).await;
    }
    world.indexed("Ada", conversation).await;
    for (query, found) in [
        ("傘を", "電車で黒い傘をなくしました"),
        ("い傘をなく", "電車で黒い傘をなくしました"),
        ("雨伞", "我在电车上丢了雨伞"),
        ("ร่ม", "ฉันทำร่มหายบนรถราง"),
        ("산을", "우산을 잃어버렸어요"),
        ("京都", "東京と京都"),
        ("傘", "電車で黒い傘をなくしました"),
    ] {
        assert_eq!(world.finds("Ben", query).await, [found], "{query}");
    }
    // Every pair of it stands there, but not in a row.
    assert!(world.finds("Ben", "東京都").await.is_empty());
}

/// Two groups, one about a thing, with the same words by two people at known times.
async fn two_groups(world: &World) -> (ConversationId, ConversationId, Vec<Sent>) {
    let plain = world.group("Ada", &["Ben"]).await;
    let key = world.context("5", &[("Ada", "owner"), ("Ben", "finder")]).await;
    let ben = world.person("Ben").await;
    let open = parlor_protocol::params::Open { user: Some(ben), context: Some(key), ..world.opening() };
    let about = world.open(world.person("Ada").await, open).await.expect("they may").0;
    let mut sent = Vec::new();
    for (index, (name, conversation)) in
        [("Ada", plain), ("Ben", plain), ("Ada", about), ("Ben", about)].into_iter().enumerate()
    {
        sent.push(world.send(name, conversation, &format!("umbrella {index}")).await);
        world.clock.fetch_add(60_000, std::sync::atomic::Ordering::Relaxed);
    }
    world.indexed("Ada", plain).await;
    (plain, about, sent)
}

async fn each_filter_narrows_what_is_found_and_all_of_them_together(world: World) {
    let (plain, about, sent) = two_groups(&world).await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let about_it = parlor_protocol::model::ContextKey { kind: "item".to_owned(), id: "5".to_owned() };
    let nothing = parlor_protocol::model::ContextKey { kind: "item".to_owned(), id: "6".to_owned() };
    let at = |index: usize| Some(sent[index].message.created_at.clone());
    for query in ["umbrella", ""] {
        for (search_for, expected) in [
            (Search { conversation: Some(about), ..of(query) }, vec![3, 2]),
            (Search { sender: Some(ben), ..of(query) }, vec![3, 1]),
            (Search { context: Some(about_it.clone()), ..of(query) }, vec![3, 2]),
            (Search { context: Some(nothing.clone()), ..of(query) }, vec![]),
            (Search { from: at(1), until: at(3), ..of(query) }, vec![2, 1]),
            (Search { conversation: Some(plain), until: at(1), ..of(query) }, vec![0]),
            (
                Search {
                    conversation: Some(about),
                    context: Some(about_it.clone()),
                    sender: Some(ada),
                    from: at(2),
                    until: at(3),
                    ..of(query)
                },
                vec![2],
            ),
            (Search { has_file: true, ..of(query) }, vec![]),
        ] {
            let found = search(&world.app, ben, search_for.clone()).await.expect("a query");
            let found: Vec<_> = texts(&found).into_iter().filter(|text| text.starts_with("umb")).collect();
            let expected: Vec<_> = expected.into_iter().map(|index| format!("umbrella {index}")).collect();
            assert_eq!(found, expected, "{search_for:?}");
        }
    }
}

async fn pages_have_neither_holes_nor_repeats_while_messages_come_in(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    for number in 0..30 {
        world.send("Ada", conversation, &format!("umbrella {number}")).await;
        world.send("Ada", conversation, "something else").await;
    }
    world.indexed("Ada", conversation).await;
    let ben = world.person("Ben").await;
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let found = search(&world.app, ben, Search { after, limit: Some(7), ..of("umbrella") }).await.expect("a query");
        paged.extend(texts(&found).into_iter().map(str::to_owned));
        world.send("Ada", conversation, "umbrella that came in").await;
        world.indexed("Ada", conversation).await;
        let Some(next) = found.next else { break };
        assert!(!found.results.is_empty());
        after = Some(next);
    }
    assert_eq!(paged, (0..30).rev().map(|number| format!("umbrella {number}")).collect::<Vec<_>>());
}

async fn whoever_left_finds_nothing_of_it(world: World) {
    let conversation = world.group("Ada", &["Ben", "Cleo"]).await;
    let other = world.direct("Ada", "Ben").await;
    world.send("Ada", conversation, "a secret umbrella").await;
    world.send("Ada", other, "another umbrella").await;
    world.indexed("Ada", other).await;
    assert_eq!(world.finds("Ben", "umbrella").await.len(), 2);
    world.remove("Ada", conversation, "Ben").await.expect("removed");
    assert_eq!(world.finds("Ben", "umbrella").await, ["another umbrella"]);
    let ben = world.person("Ben").await;
    let asked = Search { conversation: Some(conversation), ..of("umbrella") };
    assert_eq!(code(search(&world.app, ben, asked).await), Code::NotFound);
    assert!(world.finds("Stranger", "umbrella").await.is_empty());
}

async fn whoever_came_back_finds_what_was_written_since(world: World) {
    let conversation = world.group("Ada", &["Ben", "Cleo"]).await;
    world.send("Ada", conversation, "umbrella before").await;
    world.remove("Ada", conversation, "Ben").await.expect("removed");
    world.send("Ada", conversation, "umbrella while away").await;
    let (actor, ben) = (world.person("Ada").await, world.person("Ben").await);
    let back = Change::AddMembers { actor, conversation, users: vec![ben], history: None };
    world.app.commit.submit(back).await.expect("added");
    world.send("Ada", conversation, "umbrella since").await;
    world.indexed("Ada", conversation).await;
    assert_eq!(world.finds("Ben", "umbrella").await, ["umbrella since"]);
    assert_eq!(world.finds("Cleo", "umbrella").await.len(), 3);
}

async fn what_was_hidden_is_found_by_the_others_only(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let sent = world.send("Ada", conversation, "an umbrella").await;
    world.indexed("Ada", conversation).await;
    let ben = world.person("Ben").await;
    assert_eq!(world.finds("Ben", "umbrella").await, ["an umbrella"]);
    let seq = sent.message.seq;
    world
        .sql(&format!(
            "INSERT INTO hidden_messages (user_id, conversation_id, seq, version) \
             VALUES ({ben}, {conversation}, {seq}, 1)"
        ))
        .await;
    assert!(world.finds("Ben", "umbrella").await.is_empty());
    assert_eq!(world.finds("Ada", "umbrella").await, ["an umbrella"]);
}

async fn a_conversation_that_one_is_not_in_is_not_there(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    world.send("Ada", conversation, "an umbrella").await;
    let eve = world.person("Eve").await;
    for id in [conversation, ConversationId(999_999), ConversationId(0)] {
        let asked = Search { conversation: Some(id), ..of("umbrella") };
        assert_eq!(code(search(&world.app, eve, asked).await), Code::NotFound);
    }
}

async fn what_cannot_be_asked_is_refused(world: World) {
    let ada = world.person("Ada").await;
    let (long, many) = ("x".repeat(201), "a b c d e f g h i j k l m n o p q");
    let text = |text: &str| Some(text.to_owned());
    let thing = |kind: &str, id: &str| Some(ContextKey { kind: kind.to_owned(), id: id.to_owned() });
    for (asked, refusal) in [
        (of(""), Code::InvalidField),
        (of("  "), Code::InvalidField),
        (of("?!"), Code::InvalidField),
        (Search { has_file: true, ..of("?!") }, Code::InvalidField),
        (of(&long), Code::TextTooLong),
        (of(many), Code::LimitReached),
        (Search { from: text("yesterday"), ..of("a") }, Code::InvalidField),
        (Search { until: text("2026-13-01T00:00:00Z"), ..of("a") }, Code::InvalidField),
        (Search { after: text("x"), ..of("a") }, Code::InvalidField),
        (Search { limit: Some(0), ..of("a") }, Code::InvalidField),
        (of("a\0b"), Code::InvalidField),
        (Search { context: thing("item\0", "5"), ..of("a") }, Code::InvalidField),
        (Search { context: thing("item", "5\u{1}"), ..of("a") }, Code::InvalidField),
    ] {
        assert_eq!(code(search(&world.app, ada, asked.clone()).await), refusal, "{asked:?}");
    }
    assert!(search(&world.app, ada, of(&"x".repeat(200))).await.is_ok());
    for after in ["0", "-5", "9007199254740993", "-9223372036854775808", "9223372036854775807"] {
        let asked = Search { after: text(after), ..of("a") };
        assert!(search(&world.app, ada, asked).await.expect("a number").results.is_empty());
    }
}

async fn no_query_harms(world: World) {
    let app = world.node_with(&[("limits.search_query_chars_max", "10000")]).await;
    let conversation = world.direct("Ada", "Ben").await;
    world.send("Ada", conversation, "x' OR \"1\"=1 -- AND NOT NEAR(a b) {col}: ^start *").await;
    let ada = world.person("Ada").await;
    let mut chance = crate::harness::Chance::new(7);
    let signs: Vec<char> =
        "\"'*^(){}:-+%_\\;,\0\u{1}\n\u{feff}\u{202e}aNEARORAND傘ร่\u{e33}é\u{301}☂👩\u{200d}".chars().collect();
    let mut queries: Vec<String> = [
        "\"",
        "'",
        "*",
        "a*",
        "^a",
        "a AND",
        "NOT a",
        "NEAR(a b, 5)",
        "col:a",
        "{a b}:c",
        "a OR",
        "\0a",
        "a\0b",
        "%",
        "_",
        "); DROP TABLE messages; --",
    ]
    .map(str::to_owned)
    .into();
    queries.push("傘".repeat(10_000));
    queries.push("a".repeat(10_000));
    queries.push("\"".repeat(10_000));
    for _ in 0..200 {
        queries.push((0..chance.below(30)).map(|_| *chance.pick(&signs)).collect());
    }
    for query in queries {
        match search(&app, ada, of(&query)).await {
            Ok(_) => {}
            Err(problem) => assert!(
                matches!(problem.code, Code::InvalidField | Code::LimitReached | Code::TextTooLong),
                "{query:?}: {problem:?}"
            ),
        }
    }
    assert_eq!(world.finds("Ben", "near start").await.len(), 1, "everything is still there");
}

async fn what_is_found_says_where_and_by_whom(world: World) {
    let one = world.direct("Ada", "Ben").await;
    let other = world.group("Cleo", &["Ben"]).await;
    world.send("Ada", one, "the umbrella").await;
    world.send("Cleo", other, "An UMBRELLA, and one more umbrella").await;
    world.indexed("Ada", one).await;
    world.indexed("Cleo", other).await;
    let ben = world.person("Ben").await;
    let found = search(&world.app, ben, of("umbrella")).await.expect("a query");
    assert_eq!(found.conversations.iter().map(|found| found.id).collect::<Vec<_>>(), [other, one]);
    let mut names: Vec<_> = found.users.iter().map(|user| user.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Ada", "Cleo"]);
    let pieces: Vec<_> = found.results[0].excerpt.iter().map(|piece| (piece.text.as_str(), piece.hit)).collect();
    assert_eq!(pieces, [("An ", false), ("UMBRELLA", true), (", and one more ", false), ("umbrella", true)]);
    assert_eq!(found.next, None);
}

/// Sends many at once, so that few commits take them.
async fn flood(world: &World, messages: Vec<(UserId, ConversationId, String)>) -> Vec<Sent> {
    let mut pending = Vec::new();
    for (actor, conversation, text) in messages {
        let change = Change::Send { actor, conversation, client_id: world.key(), content: Content::text(text) };
        pending.push(world.app.commit.begin(change).await.expect("taken"));
        if pending.len() % 100 == 0 {
            world.clock.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let mut sent = Vec::new();
    for pending in pending {
        match pending.outcome().await.expect("sent") {
            Outcome::Answer(Answer::Sent(one)) => sent.push(one),
            other => panic!("{other:?}"),
        }
    }
    sent
}

async fn every_way_to_look_finds_the_same(world: World) {
    let seed = 11;
    let mut chance = crate::harness::Chance::new(seed);
    let (ada, ben, cleo) = (world.person("Ada").await, world.person("Ben").await, world.person("Cleo").await);
    let mut conversations = Vec::new();
    for index in 0..30 {
        // Ada is in few of them, Ben in more, Cleo in all.
        let others: &[&str] = if index < 3 {
            &["Ada", "Ben"]
        } else if index < 20 {
            &["Ben"]
        } else {
            &["Dan"]
        };
        conversations.push(world.group("Cleo", others).await);
    }
    let words = ["umbrella", "tram", "the", "the", "the", "傘を", "seat", "under", "thermos", "東京"];
    let texts: Vec<_> = (0..1200)
        .map(|_| {
            let text: Vec<_> = (0..4).map(|_| *chance.pick(&words)).collect();
            (cleo, *chance.pick(&conversations), text.join(" "))
        })
        .collect();
    let sent = flood(&world, texts).await;
    world.indexed("Cleo", conversations[0]).await;
    let in_words_first = world.node_with(&[("limits.search_candidates_max", "40")]).await;
    let by_terms = world.node_with(&[("limits.search_unindexed_max", "1")]).await;
    for (user, own) in [(ada, 3), (ben, 20), (cleo, 30)] {
        for query in ["the", "t", "umbr", "umbrella tram", "傘を", "傘", "the 東京 seat", "nothing"] {
            let words = parlor::search::words::Words::new(query);
            let of_own = |sent: &&Sent| conversations[..own].contains(&sent.message.conversation);
            let hits = sent.iter().filter(of_own).filter(|sent| words.find(&[&sent.message.text]).is_some());
            let mut expected: Vec<i64> = hits.map(|sent| sent.message.id.0).collect();
            expected.sort_unstable_by(|one, other| other.cmp(one));
            for app in [&world.app, &in_words_first, &by_terms] {
                let mut found = Vec::new();
                let mut after = None;
                loop {
                    let asked = Search { after, limit: Some(50), ..of(query) };
                    let page = search(app, user, asked).await.expect("a query");
                    found.extend(page.results.iter().map(|hit| hit.message.id.0));
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                }
                assert_eq!(found, expected, "seed {seed}: {query}");
            }
        }
    }
}

async fn where_to_go_on_is_no_message_of_others(world: World) {
    let mut own = Vec::new();
    for _ in 0..20 {
        own.push(world.group("Ben", &["Ada"]).await);
    }
    let (ben, cleo) = (world.person("Ben").await, world.person("Cleo").await);
    let others = world.group("Cleo", &["Dan"]).await;
    let mut texts: Vec<_> = (0..3).map(|_| (ben, own[0], "my umbrella".to_owned())).collect();
    texts.extend((0..100).map(|_| (cleo, others, "an umbrella".to_owned())));
    texts.push((ben, own[1], "nothing".to_owned()));
    flood(&world, texts).await;
    world.indexed("Cleo", others).await;
    let app = world.node_with(&[("limits.search_unindexed_max", "1"), ("limits.search_candidates_max", "40")]).await;
    let found = search(&app, ben, of("umbrella")).await.expect("a query");
    assert_eq!(found.results.len(), 3);
    assert_eq!(found.next, None, "nothing that others wrote ends a page");
}

async fn a_step_ends_where_there_is_enough_text(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    for text in ["one", "two", "three"] {
        world.send("Ada", conversation, text).await;
    }
    let (all, is_cut) =
        world.app.store.read(move |snapshot| snapshot.made_after(Version(0), 100, 1000)).await.expect("read");
    assert!(!is_cut);
    let texts = |rows: &[parlor::domain::rows::MessageRow]| rows.iter().map(|row| row.text.len()).sum::<usize>();
    assert_eq!(texts(&all), 11);
    let (some, is_cut) =
        world.app.store.read(move |snapshot| snapshot.made_after(Version(0), 100, 6)).await.expect("read");
    assert!(is_cut);
    assert_eq!(texts(&some), 6);
    assert_eq!(
        world.app.store.read(move |snapshot| snapshot.made_after(Version(0), 100, 1000)).await.expect("read").0.len(),
        all.len()
    );
}

async fn few_messages_are_found_before_the_index_has_them(world: World) {
    let app = world.node_with(&[("limits.search_unindexed_max", "100"), ("search.enabled", "true")]).await;
    let conversation = world.direct("Ada", "Ben").await;
    let ben = world.person("Ben").await;
    world.send("Ada", conversation, "an umbrella").await;
    let found = search(&app, ben, of("umbrella")).await.expect("a query");
    assert_eq!(texts(&found), ["an umbrella"]);
}
