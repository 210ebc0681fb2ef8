//! Tests of the checker: a clean history has no findings, and each of many broken ones gets the right violation.

use parlor_client::history::{
    checker::{Members, Violation, check},
    record::{Op, Outcome, Record, Recorder, body_hash, read_file},
};
use std::{collections::BTreeSet, time::Instant};

const PAIR: i64 = 10;
const ALL: i64 = 11;

fn members() -> Members {
    Members::from([(PAIR, BTreeSet::from([1, 2])), (ALL, BTreeSet::from([1, 2, 3]))])
}

/// The messages of the clean history: conversation, sender, seq; the id is 100 + index.
const MESSAGES: [(i64, i64, i64); 10] = [
    (PAIR, 1, 1),
    (ALL, 3, 1),
    (PAIR, 2, 2),
    (ALL, 1, 2),
    (PAIR, 1, 3),
    (ALL, 2, 3),
    (ALL, 3, 4),
    (PAIR, 1, 4),
    (PAIR, 2, 5),
    (ALL, 1, 5),
];

fn cmid(index: usize) -> String {
    format!("send-{index}")
}

fn text(index: usize) -> String {
    format!("text {index}")
}

fn row(op: Op, client: Option<i64>, index: usize) -> Record {
    let (conv, sender, seq) = MESSAGES[index];
    Record {
        sender: Some(sender),
        cmid: Some(cmid(index)),
        mid: Some(100 + i64::try_from(index).expect("few")),
        seq: Some(seq),
        body_hash: Some(body_hash(&text(index))),
        ..Record::new(op, client, conv)
    }
}

/// Three users write to two conversations: every send is acknowledged except one of unknown outcome that arrived (4),
/// one of unknown outcome that did not, and one that is refused. A client reads pages in between; two nodes agree at
/// the end.
fn clean() -> Vec<Record> {
    let mut records = Vec::new();
    for (index, (conv, sender, seq)) in MESSAGES.into_iter().enumerate() {
        records.push(Record::send(sender, conv, &cmid(index), &text(index)));
        if index == 4 {
            records.push(Record::nack(sender, conv, &cmid(index), Outcome::Unknown));
        } else {
            records.push(Record { outcome: Some(Outcome::Ok), ..row(Op::Ack, Some(sender), index) });
        }
        for member in &members()[&conv] {
            records.push(row(Op::Recv, Some(*member), index));
        }
        if index == 5 || index == 9 {
            let page = (0..=index).filter(|other| MESSAGES[*other].0 == conv);
            records
                .extend(page.map(|other| Record { read: Some(seq.unsigned_abs()), ..row(Op::Hist, Some(1), other) }));
        }
    }
    records.push(Record::send(2, PAIR, "never-came", "text"));
    records.push(Record::nack(2, PAIR, "never-came", Outcome::Unknown));
    records.push(Record::send(3, ALL, "refused", "text"));
    records.push(Record::nack(3, ALL, "refused", Outcome::Fail));
    for client in [1, 2, 3] {
        let mine = (0..MESSAGES.len()).filter(|index| members()[&MESSAGES[*index].0].contains(&client));
        records.extend(mine.map(|index| row(Op::Read, Some(client), index)));
        records.push(Record { outcome: Some(Outcome::Ok), ..Record::new(Op::Close, Some(client), 0) });
    }
    for node in [0, 1] {
        records.extend((0..MESSAGES.len()).map(|index| Record { node, ..row(Op::Read, None, index) }));
    }
    restamp(&mut records);
    records
}

fn restamp(records: &mut [Record]) {
    for (t_mono, record) in records.iter_mut().enumerate() {
        record.t_mono = t_mono as u64;
    }
}

type Which = fn(&Record) -> bool;

/// The index of the first matching record.
fn at(records: &[Record], which: Which) -> usize {
    records.iter().position(which).expect("the clean history has a matching record")
}

fn edit(which: Which, how: fn(&mut Record)) -> impl Fn(&mut Vec<Record>) {
    move |records| records.iter_mut().filter(|record| which(record)).for_each(how)
}

fn remove(which: Which) -> impl Fn(&mut Vec<Record>) {
    move |records| records.retain(|record| !which(record))
}

/// Inserts a changed copy of the first matching record after it.
fn add(which: Which, how: fn(&mut Record)) -> impl Fn(&mut Vec<Record>) {
    move |records| {
        let place = at(records, which);
        let mut copy = records[place].clone();
        how(&mut copy);
        records.insert(place + 1, copy);
    }
}

fn swap(first: Which, second: Which) -> impl Fn(&mut Vec<Record>) {
    move |records| {
        let places = (at(records, first), at(records, second));
        records.swap(places.0, places.1);
    }
}

fn is(record: &Record, op: Op, client: Option<i64>, mid: i64) -> bool {
    record.op == op && record.client == client && record.mid == Some(mid)
}

type Case = (&'static str, Box<dyn Fn(&mut Vec<Record>)>, &'static [Violation]);

fn case(name: &'static str, how: impl Fn(&mut Vec<Record>) + 'static, faults: &'static [Violation]) -> Case {
    (name, Box::new(how), faults)
}

fn losses() -> Vec<Case> {
    use Violation::{Gap, Lost};
    vec![
        case(
            "the last acknowledged message is gone everywhere but from its sender's reply",
            remove(|r| r.mid == Some(108) && r.op != Op::Ack),
            &[Lost],
        ),
        case(
            "the last acknowledged message was shown and is gone at the end",
            remove(|r| r.mid == Some(108) && r.op == Op::Read),
            &[Lost],
        ),
        case("one node lacks the newest message", remove(|r| r.node == 1 && r.mid == Some(109)), &[Lost]),
        case("one node lacks a message in the middle", remove(|r| r.node == 1 && r.mid == Some(104)), &[Gap, Lost]),
        case("one node lacks a whole conversation", remove(|r| r.node == 1 && r.conv == PAIR), &[Lost]),
        case(
            "a message of unknown outcome was shown and is gone",
            |records| {
                let mut shown = row(Op::Recv, Some(1), 8);
                (shown.cmid, shown.mid, shown.seq) = (Some("never-came".to_owned()), Some(300), Some(6));
                shown.body_hash = Some(body_hash("text"));
                let place = at(records, |r| r.op == Op::Read);
                records.insert(place, shown);
            },
            &[Lost],
        ),
        case("there is no final read", remove(|r| r.op == Op::Read && r.client.is_none()), &[Lost]),
    ]
}

fn phantoms() -> Vec<Case> {
    use Violation::Phantom;
    vec![
        case(
            "a message that was never sent",
            |records| {
                for node in [0, 1] {
                    let cmid = Some("from nowhere".to_owned());
                    records.push(Record { cmid, mid: Some(300), seq: Some(6), node, ..row(Op::Read, None, 9) });
                }
                add_to_views(records, ALL, 300);
            },
            &[Phantom],
        ),
        case(
            "a refused message exists",
            |records| {
                for node in [0, 1] {
                    let (cmid, body_hash) = (Some("refused".to_owned()), Some(body_hash("text")));
                    let sent = Record { cmid, body_hash, sender: Some(3), ..row(Op::Read, None, 9) };
                    records.push(Record { mid: Some(300), seq: Some(6), node, ..sent });
                }
                add_to_views(records, ALL, 300);
            },
            &[Phantom],
        ),
        case(
            "a send is in another conversation than it was sent to",
            edit(|r| r.op == Op::Send && r.cmid == Some(cmid(9)), |r| r.conv = PAIR),
            &[Phantom],
        ),
        case(
            "an acknowledged send was then refused",
            add(
                |r| is(r, Op::Ack, Some(1), 109),
                |r| {
                    (r.op, r.outcome, r.mid, r.seq) = (Op::Nack, Some(Outcome::Fail), None, None);
                },
            ),
            &[Phantom],
        ),
    ]
}

/// Gives every member's final view the same sixth message.
fn add_to_views(records: &mut Vec<Record>, conv: i64, mid: i64) {
    let like = records.iter().rev().find(|r| r.op == Op::Read && r.mid == Some(mid)).expect("just added").clone();
    for client in members().remove(&conv).expect("known") {
        let last = records.iter().rposition(|r| r.op == Op::Read && r.client == Some(client) && r.conv == conv);
        records.insert(last.expect("has a view") + 1, Record { client: Some(client), node: 0, ..like.clone() });
    }
}

fn doubles() -> Vec<Case> {
    use Violation::{Dup, Lost};
    vec![
        case(
            "a retry made a second message",
            |records| {
                for node in [0, 1] {
                    records.push(Record { mid: Some(300), seq: Some(6), node, ..row(Op::Read, None, 9) });
                }
                add_to_views(records, ALL, 300);
            },
            &[Dup],
        ),
        case(
            "two acknowledgements of one send name different messages",
            |records| {
                let place = at(records, |r| is(r, Op::Ack, Some(1), 109));
                records[place].mid = Some(300);
                records[place].seq = Some(6);
            },
            &[Dup, Lost],
        ),
        case("a client showed a message twice", add(|r| is(r, Op::Recv, Some(2), 104), |_| {}), &[Dup]),
        case("a page has a message twice", add(|r| is(r, Op::Hist, Some(1), 103), |_| {}), &[Dup]),
        case("a view has a message twice", add(|r| is(r, Op::Read, Some(3), 106), |_| {}), &[Dup]),
        case("a final read has a message twice", add(|r| is(r, Op::Read, None, 102), |_| {}), &[Dup]),
    ]
}

fn instabilities() -> Vec<Case> {
    use Violation::Unstable;
    vec![
        case(
            "the text changed between reply and reading",
            edit(|r| is(r, Op::Ack, Some(2), 102), |r| r.body_hash = Some(body_hash("else"))),
            &[Unstable],
        ),
        case(
            "the text is another everywhere than was sent",
            edit(|r| r.mid == Some(102), |r| r.body_hash = Some(body_hash("else"))),
            &[Unstable],
        ),
        case(
            "the seq of a message was another in its reply",
            edit(|r| is(r, Op::Ack, Some(2), 108), |r| r.seq = Some(6)),
            &[Unstable],
        ),
        case(
            "two nodes number two messages differently",
            |records| {
                let places = [(107, 5), (108, 4)];
                for record in records.iter_mut().filter(|r| r.op == Op::Read && r.client.is_none() && r.node == 1) {
                    if let Some((_, seq)) = places.iter().find(|(mid, _)| record.mid == Some(*mid)) {
                        record.seq = Some(*seq);
                    }
                }
            },
            &[Violation::Reorder, Unstable],
        ),
        case(
            "one place was another message's live",
            edit(|r| is(r, Op::Recv, Some(2), 108), |r| r.seq = Some(4)),
            &[Unstable],
        ),
        case(
            "another is named as the sender",
            edit(|r| is(r, Op::Recv, Some(3), 105), |r| r.sender = Some(1)),
            &[Unstable, Violation::Phantom],
        ),
    ]
}

fn holes() -> Vec<Case> {
    use Violation::{Gap, Stale};
    vec![
        case(
            "a number was burnt",
            |records| {
                records
                    .iter_mut()
                    .filter(|r| r.conv == PAIR && r.seq > Some(3))
                    .for_each(|r| r.seq = r.seq.map(|seq| seq + 1));
            },
            &[Gap],
        ),
        case(
            "a conversation begins at 2",
            |records| {
                records.iter_mut().filter(|r| r.conv == PAIR).for_each(|r| r.seq = r.seq.map(|seq| seq + 1));
            },
            &[Gap],
        ),
        case(
            "a page has a hole that stays",
            |records| {
                records.retain(|r| r.mid != Some(103) || r.op == Op::Hist || r.op == Op::Send);
                records.retain(|r| !(r.mid == Some(103) && r.op == Op::Hist));
            },
            &[Gap],
        ),
        case("a page left out what had been shown before", remove(|r| is(r, Op::Hist, Some(1), 103)), &[Gap]),
        case("a client's view has a hole", remove(|r| is(r, Op::Read, Some(1), 104)), &[Gap]),
        case("a client's view ends early", remove(|r| is(r, Op::Read, Some(2), 108)), &[Stale]),
        case("a client has no view of a conversation", remove(|r| r.op == Op::Read && r.client == Some(3)), &[Stale]),
        case(
            "a client did not converge in time",
            edit(|r| r.op == Op::Close && r.client == Some(2), |r| r.outcome = Some(Outcome::Unknown)),
            &[Stale],
        ),
        case("a client never ended", remove(|r| r.op == Op::Close && r.client == Some(1)), &[Stale]),
    ]
}

fn orders() -> Vec<Case> {
    use Violation::Reorder;
    vec![
        case(
            "a client showed two messages the wrong way round",
            swap(|r| is(r, Op::Recv, Some(2), 102), |r| is(r, Op::Recv, Some(2), 104)),
            &[Reorder],
        ),
        case(
            "a client showed an old message last",
            swap(|r| is(r, Op::Recv, Some(3), 101), |r| is(r, Op::Recv, Some(3), 109)),
            &[Reorder],
        ),
        case(
            "a page is out of order",
            swap(|r| is(r, Op::Hist, Some(1), 101), |r| is(r, Op::Hist, Some(1), 103)),
            &[Reorder],
        ),
        case(
            "a view is out of order",
            swap(|r| is(r, Op::Read, Some(2), 102), |r| is(r, Op::Read, Some(2), 104)),
            &[Reorder],
        ),
        case(
            "a final read is out of order",
            swap(|r| is(r, Op::Read, None, 102), |r| is(r, Op::Read, None, 104)),
            &[Reorder],
        ),
        case(
            "a later send of one client stands before an earlier one",
            |records| {
                let cmids = [(cmid(4), cmid(7)), (cmid(7), cmid(4))];
                let bodies = [(body_hash(&text(4)), body_hash(&text(7))), (body_hash(&text(7)), body_hash(&text(4)))];
                for record in records.iter_mut().filter(|r| r.mid.is_some() || r.op == Op::Nack) {
                    let other = cmids.iter().find(|(from, _)| record.cmid.as_ref() == Some(from));
                    let body = bodies.iter().find(|(from, _)| record.body_hash.as_ref() == Some(from));
                    if let Some((_, to)) = other {
                        record.cmid = Some(to.clone());
                    }
                    if let Some((_, to)) = body {
                        record.body_hash = Some(to.clone());
                    }
                }
            },
            &[Reorder],
        ),
    ]
}

fn times() -> Vec<Case> {
    use Violation::{Late, Reorder};
    vec![
        case(
            "ids fall where seq rises",
            |records| {
                for record in records.iter_mut().filter(|r| r.conv == PAIR) {
                    record.mid = match record.mid {
                        Some(107) => Some(108),
                        Some(108) => Some(107),
                        other => other,
                    };
                }
            },
            &[Reorder],
        ),
        case(
            "a message appeared where a page had been read whole",
            |records| {
                records.retain(|r| r.mid != Some(103) || r.op == Op::Read || (r.op == Op::Hist && r.read == Some(5)));
            },
            &[Late],
        ),
    ]
}

fn leaks() -> Vec<Case> {
    use Violation::{Leak, Phantom};
    vec![
        case(
            "an outsider received a message live",
            add(|r| is(r, Op::Recv, Some(2), 104), |r| r.client = Some(3)),
            &[Leak],
        ),
        case(
            "an outsider read a page",
            add(
                |r| is(r, Op::Hist, Some(1), 109),
                |r| {
                    (r.client, r.read) = (Some(4), Some(77));
                },
            ),
            &[Leak],
        ),
        case(
            "an outsider sent a message",
            |records| {
                let from = (Some(3), Some(cmid(8)));
                for record in records.iter_mut().filter(|r| r.cmid == from.1) {
                    record.sender = from.0;
                    if matches!(record.op, Op::Send | Op::Ack) {
                        record.client = from.0;
                    }
                }
            },
            &[Leak],
        ),
        case(
            "a message of another conversation was shown under this one",
            add(
                |r| is(r, Op::Recv, Some(3), 109),
                |r| {
                    (r.conv, r.client, r.mid, r.seq) = (PAIR, Some(1), Some(109), Some(6));
                },
            ),
            &[Violation::Unstable, Phantom],
        ),
    ]
}

#[test]
fn a_clean_history_has_no_findings() {
    let verdict = check(&clean(), &members());
    assert_eq!(verdict.findings, []);
    assert_eq!((verdict.acknowledged, verdict.unknown, verdict.kept), (9, 2, 10));
}

#[test]
fn every_broken_history_gets_the_right_violation() {
    let tables = [losses(), phantoms(), doubles(), instabilities(), holes(), orders(), times(), leaks()];
    let cases: Vec<Case> = tables.into_iter().flatten().collect();
    assert!(cases.len() >= 30, "only {} broken histories", cases.len());
    let mut wrong = Vec::new();
    for (name, how, faults) in cases {
        let mut records = clean();
        how(&mut records);
        restamp(&mut records);
        let verdict = check(&records, &members());
        if verdict.violations() != faults.iter().copied().collect() {
            wrong.push(format!("{name}: expected {faults:?}, found {:#?}", verdict.findings));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_loss_is_found_without_another_clients_records() {
    // Only the acknowledgement knows the message: no other client received it, and it is gone.
    let mut records = clean();
    records.retain(|record| record.mid != Some(109) || record.op == Op::Ack);
    assert_eq!(check(&records, &members()).violations(), BTreeSet::from([Violation::Lost]));
}

#[test]
fn a_file_of_records_round_trips() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("history.jsonl");
    let mut recorder = Recorder::in_file(Instant::now(), &path).expect("a new file");
    for record in clean() {
        recorder.write(record);
    }
    let written = recorder.finish();
    assert_eq!(read_file(&path).expect("a file of records"), written);
    assert_eq!(written.len(), clean().len());
}
