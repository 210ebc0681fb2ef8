//! Pages of messages and of the list.

use super::{TestCluster, conformance};
use parlor::store::snapshot::{PageAnchor, Snapshot};
use parlor_protocol::ids::Seq;

conformance! {
    pages_are_contiguous_in_both_directions,
    a_page_ends_early_to_stay_within_its_size,
    the_list_is_paged_by_activity,
    users_are_found_by_prefixes_of_their_names,
}

async fn pages_are_contiguous_in_both_directions(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    for number in 1..=10 {
        cluster.send("Ada", conversation, &format!("{number}")).await;
    }
    let ben = cluster.user("Ben").await;
    for (page, limit, seqs, before, after) in [
        (PageAnchor::Newest, 3, vec![8, 9, 10], true, false),
        (PageAnchor::Before(Seq(8)), 3, vec![5, 6, 7], true, true),
        (PageAnchor::Before(Seq(3)), 5, vec![1, 2], false, true),
        (PageAnchor::After(Seq(0)), 2, vec![1, 2], false, true),
        (PageAnchor::After(Seq(9)), 5, vec![10], true, false),
        (PageAnchor::After(Seq(10)), 5, vec![], true, false),
        (PageAnchor::After(Seq(999)), 5, vec![], true, false),
        (PageAnchor::Before(Seq(1)), 5, vec![], false, true),
        (PageAnchor::Around(Seq(5)), 4, vec![4, 5, 6, 7], true, true),
        (PageAnchor::Around(Seq(1)), 4, vec![1, 2, 3], false, true),
        (PageAnchor::Around(Seq(999)), 4, vec![9, 10], true, false),
    ] {
        let found = cluster
            .app
            .store
            .read(move |snapshot| snapshot.messages(ben, conversation, page, limit))
            .await
            .expect("read")
            .expect("a member");
        let found_seqs: Vec<i64> = found.messages.iter().map(|message| message.seq.0).collect();
        let goes_on = (found.previous.is_some(), found.next.is_some());
        assert_eq!((&found_seqs, goes_on), (&seqs, (before, after)), "{page:?} {limit}");
        // Both cursors lead to the neighbours, even from an empty page.
        if let Some(previous) = found.previous {
            let read = move |snapshot: &mut Snapshot<'_>| {
                snapshot.messages(ben, conversation, PageAnchor::Before(previous), 1)
            };
            let older = cluster.app.store.read(read).await.expect("read");
            let expected = seqs.first().map_or(10, |first| first - 1);
            assert_eq!(older.expect("a member").messages[0].seq.0, expected, "{page:?} {limit}");
        }
        if let Some(next) = found.next {
            let read =
                move |snapshot: &mut Snapshot<'_>| snapshot.messages(ben, conversation, PageAnchor::After(next), 1);
            let newer = cluster.app.store.read(read).await.expect("read");
            let expected = seqs.last().map_or(1, |last| last + 1);
            assert_eq!(newer.expect("a member").messages[0].seq.0, expected, "{page:?} {limit}");
        }
    }
}

async fn a_page_ends_early_to_stay_within_its_size(cluster: TestCluster) {
    let small = cluster.node_with(&[("limits.page_bytes_max", "10")]).await;
    let conversation = cluster.direct("Ada", "Ben").await;
    for text in ["aaaa", "bbbb", "cccc", "dddddddddddddddd", "eeee"] {
        cluster.send("Ada", conversation, text).await;
    }
    let ben = cluster.user("Ben").await;
    for (page, seqs) in [
        (PageAnchor::Newest, vec![5]),
        (PageAnchor::Before(Seq(4)), vec![2, 3]),
        (PageAnchor::After(Seq(0)), vec![1, 2]),
        (PageAnchor::After(Seq(3)), vec![4]),
        (PageAnchor::Around(Seq(2)), vec![1, 2]),
    ] {
        let found = small
            .store
            .read(move |snapshot| snapshot.messages(ben, conversation, page, 50))
            .await
            .expect("read")
            .expect("a member");
        assert_eq!(found.messages.iter().map(|message| message.seq.0).collect::<Vec<_>>(), seqs, "{page:?}");
    }
}

async fn the_list_is_paged_by_activity(cluster: TestCluster) {
    let mut opened = Vec::new();
    for name in ["Ben", "Cleo", "Dan", "Eve", "Finn"] {
        opened.push(cluster.direct("Ada", name).await);
    }
    cluster.send("Ada", opened[1], "now the newest").await;
    let ada = cluster.user("Ada").await;
    let (first, next) =
        cluster.app.store.read(move |snapshot| snapshot.list_conversations(ada, None, 2)).await.expect("read");
    let (second, after) =
        cluster.app.store.read(move |snapshot| snapshot.list_conversations(ada, next, 2)).await.expect("read");
    let (third, end) =
        cluster.app.store.read(move |snapshot| snapshot.list_conversations(ada, after, 2)).await.expect("read");
    let ids: Vec<_> = first.iter().chain(&second).chain(&third).map(|conversation| conversation.id).collect();
    assert_eq!(ids, [opened[1], opened[4], opened[3], opened[2], opened[0]]);
    assert_eq!(end, None);
}

async fn users_are_found_by_prefixes_of_their_names(cluster: TestCluster) {
    for name in ["Ada", "Ben Okafor", "Priya Raghunathan-Castellanos", "Élodie Marchand", "100% Zoë_"] {
        cluster.user(name).await;
    }
    let ada = cluster.user("Ada").await;
    let everyone = parlor::domain::WhoMayWrite::Everyone;
    for (query, names) in [
        ("cast pri", vec!["Priya Raghunathan-Castellanos"]),
        ("OKA", vec!["Ben Okafor"]),
        ("élo", vec!["Élodie Marchand"]),
        ("kafor", vec![]),
        ("%", vec!["100% Zoë_", "Ben Okafor", "Priya Raghunathan-Castellanos", "Élodie Marchand"]),
        ("zo_", vec!["100% Zoë_"]),
        ("' OR 1=1 --", vec![]),
    ] {
        let read = move |snapshot: &mut Snapshot<'_>| snapshot.users_to_write_to(ada, query, everyone, None, 10);
        let (found, next) = cluster.app.store.read(read).await.expect("read");
        assert_eq!(next, None, "that was all");
        let mut found: Vec<_> = found.iter().map(|user| user.name.as_str()).collect();
        found.sort_unstable();
        assert_eq!(found, names, "{query:?}");
    }
}
