//! Search: what is found, and by whom.

use super::{TestCluster, code, conformance};
use parlor::{
    app::App,
    commands,
    domain::{Change, Content, Outcome},
    identity::actor::Actor,
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
    words_are_found_by_prefix_ignoring_case_and_accents,
    scripts_without_spaces_are_found_from_two_characters_on,
    filters_narrow_the_results_alone_and_combined,
    pages_have_no_gaps_or_repeats_while_messages_arrive,
    a_former_member_finds_nothing,
    a_returning_member_finds_messages_since_their_return,
    a_hidden_message_is_found_by_the_others_only,
    a_search_in_a_foreign_conversation_is_not_found,
    an_invalid_search_is_refused,
    no_query_does_harm,
    results_include_their_conversation_and_sender,
    every_search_strategy_finds_the_same,
    the_next_page_cursor_reveals_no_message_of_others,
    a_search_step_ends_at_its_text_limit,
    few_messages_are_found_before_they_are_indexed,
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

impl TestCluster {
    /// The texts that a user finds by a query, the newest first.
    pub(super) async fn finds(&self, name: &str, query: &str) -> Vec<String> {
        let user = self.user(name).await;
        let found = search(&self.app, user, of(query)).await.expect("a query");
        texts(&found).into_iter().map(str::to_owned).collect()
    }

    /// Waits until everything committed so far is indexed: indexing is in order, so finding the last message implies
    /// before it.
    pub(super) async fn indexed(&self, name: &str, conversation: ConversationId) {
        self.indexed_by(&self.app, name, conversation).await;
    }

    pub(super) async fn indexed_by(&self, app: &Arc<App>, name: &str, conversation: ConversationId) {
        let user = self.user(name).await;
        let mark = format!("mark{}", self.key().replace('-', ""));
        super::send(app, user, conversation, &self.key(), &mark).await.expect("sent");
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        while search(app, user, of(&mark)).await.expect("a query").results.is_empty() {
            assert!(tokio::time::Instant::now() < deadline, "the index does not come along");
            // waits for: the consumer of the index
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn words_are_found_by_prefix_ignoring_case_and_accents(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    for text in
        ["Did you lose a BLACK umbrella on tram 18?", "Élodie’s Straße", "mail ada.l@example.com", "under the seat ☂️"]
    {
        cluster.send("Ada", conversation, text).await;
    }
    cluster.indexed("Ada", conversation).await;
    for (query, found) in [
        ("umbr", "Did you lose a BLACK umbrella on tram 18?"),
        ("tram bläck", "Did you lose a BLACK umbrella on tram 18?"),
        ("1", "Did you lose a BLACK umbrella on tram 18?"),
        ("elod STRASSE", "Élodie’s Straße"),
        ("example", "mail ada.l@example.com"),
        ("ada.l@example.com", "mail ada.l@example.com"),
        ("☂", "under the seat ☂️"),
    ] {
        assert_eq!(cluster.finds("Ben", query).await, [found], "{query}");
    }
    for query in ["brella", "umbrellas", "black seat", "8"] {
        assert!(cluster.finds("Ben", query).await.is_empty(), "{query}");
    }
    assert_eq!(cluster.finds("Ben", "l").await.len(), 2, "the newest first");
}

async fn scripts_without_spaces_are_found_from_two_characters_on(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    for text in
        ["電車で黒い傘をなくしました", "我在电车上丢了雨伞", "ฉันทำร่มหายบนรถราง", "우산을 잃어버렸어요", "東京と京都"]
    {
        cluster.send("Ada", conversation, text).await;
    }
    cluster.indexed("Ada", conversation).await;
    for (query, found) in [
        ("傘を", "電車で黒い傘をなくしました"),
        ("い傘をなく", "電車で黒い傘をなくしました"),
        ("雨伞", "我在电车上丢了雨伞"),
        ("ร่ม", "ฉันทำร่มหายบนรถราง"),
        ("산을", "우산을 잃어버렸어요"),
        ("京都", "東京と京都"),
        ("傘", "電車で黒い傘をなくしました"),
    ] {
        assert_eq!(cluster.finds("Ben", query).await, [found], "{query}");
    }
    // It contains every bigram of the query, but not in a row.
    assert!(cluster.finds("Ben", "東京都").await.is_empty());
}

/// Two groups, one with a context, with the same words by two users at known times.
async fn two_groups(cluster: &TestCluster) -> (ConversationId, ConversationId, Vec<Sent>) {
    let plain = cluster.group("Ada", &["Ben"]).await;
    let key = cluster.context("5", &[("Ada", "owner"), ("Ben", "finder")]).await;
    let ben = cluster.user("Ben").await;
    let open = parlor_protocol::params::Open { user: Some(ben), context: Some(key), ..cluster.opening() };
    let about = cluster.open(cluster.user("Ada").await, open).await.expect("they may").0;
    let mut sent = Vec::new();
    for (index, (name, conversation)) in
        [("Ada", plain), ("Ben", plain), ("Ada", about), ("Ben", about)].into_iter().enumerate()
    {
        sent.push(cluster.send(name, conversation, &format!("umbrella {index}")).await);
        cluster.clock.fetch_add(60_000, std::sync::atomic::Ordering::Relaxed);
    }
    cluster.indexed("Ada", plain).await;
    (plain, about, sent)
}

async fn filters_narrow_the_results_alone_and_combined(cluster: TestCluster) {
    let (plain, about, sent) = two_groups(&cluster).await;
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
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
            let found = search(&cluster.app, ben, search_for.clone()).await.expect("a query");
            let found: Vec<_> = texts(&found).into_iter().filter(|text| text.starts_with("umb")).collect();
            let expected: Vec<_> = expected.into_iter().map(|index| format!("umbrella {index}")).collect();
            assert_eq!(found, expected, "{search_for:?}");
        }
    }
}

async fn pages_have_no_gaps_or_repeats_while_messages_arrive(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    for number in 0..30 {
        cluster.send("Ada", conversation, &format!("umbrella {number}")).await;
        cluster.send("Ada", conversation, "something else").await;
    }
    cluster.indexed("Ada", conversation).await;
    let ben = cluster.user("Ben").await;
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let found =
            search(&cluster.app, ben, Search { after, limit: Some(7), ..of("umbrella") }).await.expect("a query");
        paged.extend(texts(&found).into_iter().map(str::to_owned));
        cluster.send("Ada", conversation, "umbrella that came in").await;
        cluster.indexed("Ada", conversation).await;
        let Some(next) = found.next else { break };
        assert!(!found.results.is_empty());
        after = Some(next);
    }
    assert_eq!(paged, (0..30).rev().map(|number| format!("umbrella {number}")).collect::<Vec<_>>());
}

async fn a_former_member_finds_nothing(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Cleo"]).await;
    let other = cluster.direct("Ada", "Ben").await;
    cluster.send("Ada", conversation, "a secret umbrella").await;
    cluster.send("Ada", other, "another umbrella").await;
    cluster.indexed("Ada", other).await;
    assert_eq!(cluster.finds("Ben", "umbrella").await.len(), 2);
    cluster.remove("Ada", conversation, "Ben").await.expect("removed");
    assert_eq!(cluster.finds("Ben", "umbrella").await, ["another umbrella"]);
    let ben = cluster.user("Ben").await;
    let requested = Search { conversation: Some(conversation), ..of("umbrella") };
    assert_eq!(code(search(&cluster.app, ben, requested).await), Code::NotFound);
    assert!(cluster.finds("Stranger", "umbrella").await.is_empty());
}

async fn a_returning_member_finds_messages_since_their_return(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Cleo"]).await;
    cluster.send("Ada", conversation, "umbrella before").await;
    cluster.remove("Ada", conversation, "Ben").await.expect("removed");
    cluster.send("Ada", conversation, "umbrella while away").await;
    let (actor, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let back = Change::AddMembers { actor, conversation, users: vec![ben], history: None };
    cluster.app.commit.submit(back).await.expect("added");
    cluster.send("Ada", conversation, "umbrella since").await;
    cluster.indexed("Ada", conversation).await;
    assert_eq!(cluster.finds("Ben", "umbrella").await, ["umbrella since"]);
    assert_eq!(cluster.finds("Cleo", "umbrella").await.len(), 3);
}

async fn a_hidden_message_is_found_by_the_others_only(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let sent = cluster.send("Ada", conversation, "an umbrella").await;
    cluster.indexed("Ada", conversation).await;
    let ben = cluster.user("Ben").await;
    assert_eq!(cluster.finds("Ben", "umbrella").await, ["an umbrella"]);
    let seq = sent.message.seq;
    cluster
        .sql(&format!(
            "INSERT INTO hidden_messages (user_id, conversation_id, seq, version) \
             VALUES ({ben}, {conversation}, {seq}, 1)"
        ))
        .await;
    assert!(cluster.finds("Ben", "umbrella").await.is_empty());
    assert_eq!(cluster.finds("Ada", "umbrella").await, ["an umbrella"]);
}

async fn a_search_in_a_foreign_conversation_is_not_found(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ada", conversation, "an umbrella").await;
    let eve = cluster.user("Eve").await;
    for id in [conversation, ConversationId(999_999), ConversationId(0)] {
        let requested = Search { conversation: Some(id), ..of("umbrella") };
        assert_eq!(code(search(&cluster.app, eve, requested).await), Code::NotFound);
    }
}

async fn an_invalid_search_is_refused(cluster: TestCluster) {
    let ada = cluster.user("Ada").await;
    let (long, many) = ("x".repeat(201), "a b c d e f g h i j k l m n o p q");
    let text = |text: &str| Some(text.to_owned());
    let thing = |kind: &str, id: &str| Some(ContextKey { kind: kind.to_owned(), id: id.to_owned() });
    for (requested, refusal) in [
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
        assert_eq!(code(search(&cluster.app, ada, requested.clone()).await), refusal, "{requested:?}");
    }
    assert!(search(&cluster.app, ada, of(&"x".repeat(200))).await.is_ok());
    for after in ["0", "-5", "9007199254740993", "-9223372036854775808", "9223372036854775807"] {
        let requested = Search { after: text(after), ..of("a") };
        assert!(search(&cluster.app, ada, requested).await.expect("a number").results.is_empty());
    }
}

async fn no_query_does_harm(cluster: TestCluster) {
    let app = cluster.node_with(&[("limits.search_query_chars_max", "10000")]).await;
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ada", conversation, "x' OR \"1\"=1 -- AND NOT NEAR(a b) {col}: ^start *").await;
    let ada = cluster.user("Ada").await;
    let mut rng = crate::harness::Rng::new(7);
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
        queries.push((0..rng.below(30)).map(|_| *rng.pick(&signs)).collect());
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
    assert_eq!(cluster.finds("Ben", "near start").await.len(), 1, "everything is still there");
}

async fn results_include_their_conversation_and_sender(cluster: TestCluster) {
    let one = cluster.direct("Ada", "Ben").await;
    let other = cluster.group("Cleo", &["Ben"]).await;
    cluster.send("Ada", one, "the umbrella").await;
    cluster.send("Cleo", other, "An UMBRELLA, and one more umbrella").await;
    cluster.indexed("Ada", one).await;
    cluster.indexed("Cleo", other).await;
    let ben = cluster.user("Ben").await;
    let found = search(&cluster.app, ben, of("umbrella")).await.expect("a query");
    assert_eq!(found.conversations.iter().map(|found| found.id).collect::<Vec<_>>(), [other, one]);
    let mut names: Vec<_> = found.users.iter().map(|user| user.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Ada", "Cleo"]);
    let pieces: Vec<_> = found.results[0].excerpt.iter().map(|piece| (piece.text.as_str(), piece.hit)).collect();
    assert_eq!(pieces, [("An ", false), ("UMBRELLA", true), (", and one more ", false), ("umbrella", true)]);
    assert_eq!(found.next, None);
}

/// Sends many messages at once, so that a few commits contain them.
async fn flood(cluster: &TestCluster, messages: Vec<(UserId, ConversationId, String)>) -> Vec<Sent> {
    let mut pending = Vec::new();
    for (actor, conversation, text) in messages {
        let change = Change::Send { actor, conversation, client_id: cluster.key(), content: Content::text(text) };
        pending.push(cluster.app.commit.begin(change).await.expect("taken"));
        if pending.len() % 100 == 0 {
            cluster.clock.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
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

async fn every_search_strategy_finds_the_same(cluster: TestCluster) {
    let seed = 11;
    let mut rng = crate::harness::Rng::new(seed);
    let (ada, ben, cleo) = (cluster.user("Ada").await, cluster.user("Ben").await, cluster.user("Cleo").await);
    let mut conversations = Vec::new();
    for index in 0..30 {
        // Ada is a member of few groups, Ben of more, Cleo of all.
        let others: &[&str] = if index < 3 {
            &["Ada", "Ben"]
        } else if index < 20 {
            &["Ben"]
        } else {
            &["Dan"]
        };
        conversations.push(cluster.group("Cleo", others).await);
    }
    let words = ["umbrella", "tram", "the", "the", "the", "傘を", "seat", "under", "thermos", "東京"];
    let texts: Vec<_> = (0..1200)
        .map(|_| {
            let text: Vec<_> = (0..4).map(|_| *rng.pick(&words)).collect();
            (cleo, *rng.pick(&conversations), text.join(" "))
        })
        .collect();
    let sent = flood(&cluster, texts).await;
    cluster.indexed("Cleo", conversations[0]).await;
    let in_words_first = cluster.node_with(&[("limits.search_candidates_max", "40")]).await;
    let by_terms = cluster.node_with(&[("limits.search_unindexed_max", "1")]).await;
    for (user, own) in [(ada, 3), (ben, 20), (cleo, 30)] {
        for query in ["the", "t", "umbr", "umbrella tram", "傘を", "傘", "the 東京 seat", "nothing"] {
            let words = parlor::search::words::Words::new(query);
            let of_own = |sent: &&Sent| conversations[..own].contains(&sent.message.conversation);
            let hits = sent.iter().filter(of_own).filter(|sent| words.find(&[&sent.message.text]).is_some());
            let mut expected: Vec<i64> = hits.map(|sent| sent.message.id.0).collect();
            expected.sort_unstable_by(|one, other| other.cmp(one));
            for app in [&cluster.app, &in_words_first, &by_terms] {
                let mut found = Vec::new();
                let mut after = None;
                loop {
                    let requested = Search { after, limit: Some(50), ..of(query) };
                    let page = search(app, user, requested).await.expect("a query");
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

async fn the_next_page_cursor_reveals_no_message_of_others(cluster: TestCluster) {
    let mut own = Vec::new();
    for _ in 0..20 {
        own.push(cluster.group("Ben", &["Ada"]).await);
    }
    let (ben, cleo) = (cluster.user("Ben").await, cluster.user("Cleo").await);
    let others = cluster.group("Cleo", &["Dan"]).await;
    let mut texts: Vec<_> = (0..3).map(|_| (ben, own[0], "my umbrella".to_owned())).collect();
    texts.extend((0..100).map(|_| (cleo, others, "an umbrella".to_owned())));
    texts.push((ben, own[1], "nothing".to_owned()));
    flood(&cluster, texts).await;
    cluster.indexed("Cleo", others).await;
    let app = cluster.node_with(&[("limits.search_unindexed_max", "1"), ("limits.search_candidates_max", "40")]).await;
    let found = search(&app, ben, of("umbrella")).await.expect("a query");
    assert_eq!(found.results.len(), 3);
    assert_eq!(found.next, None, "nothing that others wrote ends a page");
}

async fn a_search_step_ends_at_its_text_limit(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    for text in ["one", "two", "three"] {
        cluster.send("Ada", conversation, text).await;
    }
    let (all, is_cut) = cluster
        .app
        .store
        .read(move |snapshot| snapshot.messages_created_after(Version(0), 100, 1000))
        .await
        .expect("read");
    assert!(!is_cut);
    let texts = |rows: &[parlor::domain::rows::MessageRow]| rows.iter().map(|row| row.text.len()).sum::<usize>();
    assert_eq!(texts(&all), 11);
    let (some, is_cut) = cluster
        .app
        .store
        .read(move |snapshot| snapshot.messages_created_after(Version(0), 100, 6))
        .await
        .expect("read");
    assert!(is_cut);
    assert_eq!(texts(&some), 6);
    assert_eq!(
        cluster
            .app
            .store
            .read(move |snapshot| snapshot.messages_created_after(Version(0), 100, 1000))
            .await
            .expect("read")
            .0
            .len(),
        all.len()
    );
}

async fn few_messages_are_found_before_they_are_indexed(cluster: TestCluster) {
    let app = cluster.node_with(&[("limits.search_unindexed_max", "100"), ("search.enabled", "true")]).await;
    let conversation = cluster.direct("Ada", "Ben").await;
    let ben = cluster.user("Ben").await;
    cluster.send("Ada", conversation, "an umbrella").await;
    let found = search(&app, ben, of("umbrella")).await.expect("a query");
    assert_eq!(texts(&found), ["an umbrella"]);
}
