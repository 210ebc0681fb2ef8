//! Checks a whole history for violated guarantees.
//!
//! It needs every client's records, a final full read of every conversation from every node, a final view of every
//! participating client, and who may see what. A clean history has no findings.
//!
//! The checker relies on clients that wait for the outcome of each send to a conversation before the next one, so that
//! the order of first sends is the order of `seq`.

use super::record::{Op, Outcome, Record};
use std::collections::{BTreeMap, BTreeSet};

/// The kinds of violated guarantees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// Acknowledged or received, but absent at the end.
    Lost,
    /// Present, but never sent, or refused.
    Phantom,
    /// One send created two messages, or a message was received twice.
    Dup,
    /// A gap in the `seq` of a conversation, a page or a view.
    Gap,
    /// Out of the order of `seq`, or of the sender.
    Reorder,
    /// A message with two places or contents, or a place with two messages.
    Unstable,
    /// Appeared inside a range that a client had already read completely.
    Late,
    /// Received by a user who is not a member of the conversation.
    Leak,
    /// A client's view did not reach the final state.
    Stale,
}

/// One violated guarantee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its kind.
    pub violation: Violation,
    /// Where.
    pub conv: i64,
    /// What exactly.
    pub detail: String,
}

/// What the checker found, and how much it checked.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Empty if all guarantees held.
    pub findings: Vec<Finding>,
    /// Distinct sends that were acknowledged.
    pub acknowledged: usize,
    /// Distinct sends whose outcome stayed unknown.
    pub unknown: usize,
    /// Messages at the end, on the first node.
    pub kept: usize,
}

impl Verdict {
    /// Returns the kinds of violations found.
    #[must_use]
    pub fn violations(&self) -> BTreeSet<Violation> {
        self.findings.iter().map(|finding| finding.violation).collect()
    }
}

/// The members of each conversation.
pub type Members = BTreeMap<i64, BTreeSet<i64>>;

/// Checks a history.
#[must_use]
pub fn check(records: &[Record], members: &Members) -> Verdict {
    let mut ordered: Vec<&Record> = records.iter().collect();
    ordered.sort_by_key(|record| record.t_mono);
    let checker = Checker::new(&ordered, members);
    let mut verdict = Verdict {
        acknowledged: checker.sends.values().filter(|send| send.acked).count(),
        unknown: checker.sends.values().filter(|send| !send.acked && !send.failed).count(),
        kept: checker.finals.first_key_value().map_or(0, |(_, rows)| rows.len()),
        findings: Vec::new(),
    };
    let found = &mut verdict.findings;
    checker.check_lost(found);
    checker.check_phantom(found);
    checker.check_duplicates(found);
    checker.check_stability(found);
    checker.check_final_reads(found);
    checker.check_shown_order(found);
    checker.check_sender_order(found);
    checker.check_pages(found);
    checker.check_leaks(found);
    checker.check_views(found);
    verdict
}

/// A send and its outcome.
struct Send<'a> {
    conv: i64,
    body_hash: &'a str,
    first: u64,
    acked: bool,
    failed: bool,
}

/// Identifies a send: its sender and its `client_id`.
type Key<'a> = (i64, &'a str);

/// The records, grouped as the checks need them. All lists are in the order of time.
struct Checker<'a> {
    members: &'a Members,
    sends: BTreeMap<Key<'a>, Send<'a>>,
    /// Every record of a message: acknowledgements, live messages, pages, views, final reads.
    rows: Vec<&'a Record>,
    /// Final reads by node.
    finals: BTreeMap<u32, Vec<&'a Record>>,
    /// Live messages by client and conversation.
    shown: BTreeMap<(i64, i64), Vec<&'a Record>>,
    /// Pages by client, page and conversation.
    pages: BTreeMap<(i64, u64, i64), Vec<&'a Record>>,
    /// Final views by client and conversation.
    views: BTreeMap<(i64, i64), Vec<&'a Record>>,
    /// The outcome of each client's end.
    closed: BTreeMap<i64, Option<Outcome>>,
}

fn key(record: &Record) -> Option<Key<'_>> {
    Some((record.sender?, record.cmid.as_deref()?))
}

fn finding(fault: Violation, record: &Record, what: &str) -> Finding {
    let detail = format!(
        "{what}: {:?} by {:?}, sender {:?}, client_id {:?}, id {:?}, seq {:?}, node {}",
        record.op, record.client, record.sender, record.cmid, record.mid, record.seq, record.node
    );
    Finding { violation: fault, conv: record.conv, detail }
}

impl<'a> Checker<'a> {
    fn new(records: &[&'a Record], members: &'a Members) -> Self {
        let mut it = Self {
            members,
            sends: BTreeMap::new(),
            rows: Vec::new(),
            finals: BTreeMap::new(),
            shown: BTreeMap::new(),
            pages: BTreeMap::new(),
            views: BTreeMap::new(),
            closed: BTreeMap::new(),
        };
        for record in records {
            it.add_record(record);
        }
        it
    }

    fn add_record(&mut self, record: &'a Record) {
        match (record.op, record.client) {
            (Op::Send, _) => self.add_send(record),
            (Op::Ack, _) => {
                if let Some(send) = key(record).and_then(|key| self.sends.get_mut(&key)) {
                    send.acked = true;
                }
            }
            (Op::Nack, _) => {
                let send = key(record).and_then(|key| self.sends.get_mut(&key));
                if let (Some(send), Some(Outcome::Fail)) = (send, record.outcome) {
                    send.failed = true;
                }
            }
            (Op::Recv, Some(client)) => self.shown.entry((client, record.conv)).or_default().push(record),
            (Op::Hist, Some(client)) => {
                self.pages.entry((client, record.read.unwrap_or(0), record.conv)).or_default().push(record);
            }
            (Op::Read, Some(client)) => self.views.entry((client, record.conv)).or_default().push(record),
            (Op::Read, None) => self.finals.entry(record.node).or_default().push(record),
            (Op::Close, Some(client)) => {
                self.closed.insert(client, record.outcome);
            }
            (Op::Recv | Op::Hist | Op::Close, None) => {}
        }
        if record.mid.is_some() {
            self.rows.push(record);
        }
    }

    fn add_send(&mut self, record: &'a Record) {
        let (Some(key), Some(body_hash)) = (key(record), record.body_hash.as_deref()) else { return };
        let first = record.t_mono;
        self.sends.entry(key).or_insert(Send { conv: record.conv, body_hash, first, acked: false, failed: false });
    }

    /// Every acknowledged or received message is in every final read. Without any final read, all are lost.
    fn check_lost(&self, found: &mut Vec<Finding>) {
        let nothing = Vec::new();
        let without_reads = self.finals.is_empty().then_some(&nothing);
        for rows in self.finals.values().chain(without_reads) {
            let kept: BTreeSet<_> = rows.iter().filter_map(|row| row.mid).collect();
            let mut reported = BTreeSet::new();
            for row in &self.rows {
                let mid = row.mid.expect("rows have ids");
                if !kept.contains(&mid) && reported.insert(mid) {
                    found.push(finding(Violation::Lost, row, "absent at the end"));
                }
            }
        }
    }

    /// Every message was sent to its conversation and not refused.
    fn check_phantom(&self, found: &mut Vec<Finding>) {
        let mut reported = BTreeSet::new();
        for row in &self.rows {
            let send = key(row).and_then(|key| self.sends.get(&key));
            let what = match send {
                None => "was never sent",
                Some(send) if send.conv != row.conv => "was sent to another conversation",
                Some(send) if send.failed => "was refused for good",
                Some(_) => continue,
            };
            if reported.insert(row.mid) {
                found.push(finding(Violation::Phantom, row, what));
            }
        }
    }

    /// One send creates one message, and no client receives a message twice.
    fn check_duplicates(&self, found: &mut Vec<Finding>) {
        let mut made: BTreeMap<Key<'_>, i64> = BTreeMap::new();
        for row in &self.rows {
            let (Some(key), Some(mid)) = (key(row), row.mid) else { continue };
            if *made.entry(key).or_insert(mid) != mid {
                found.push(finding(Violation::Dup, row, "is a second message of one send"));
            }
        }
        let lists = self.finals.values().chain(self.shown.values()).chain(self.pages.values());
        for list in lists.chain(self.views.values()) {
            let mut seen = BTreeSet::new();
            for row in list {
                if !seen.insert(row.mid) {
                    found.push(finding(Violation::Dup, row, "was shown twice"));
                }
            }
        }
    }

    /// A message keeps its place and content, and a place its message.
    fn check_stability(&self, found: &mut Vec<Finding>) {
        let mut messages = BTreeMap::new();
        let mut places = BTreeMap::new();
        for row in &self.rows {
            let message = (row.conv, row.seq, row.sender, &row.cmid, &row.body_hash);
            if *messages.entry(row.mid).or_insert(message) != message {
                found.push(finding(Violation::Unstable, row, "was something else before"));
            }
            if *places.entry((row.conv, row.seq)).or_insert(row.mid) != row.mid {
                found.push(finding(Violation::Unstable, row, "its place was another's before"));
            }
            let sent = key(row).and_then(|key| self.sends.get(&key)).map(|send| send.body_hash);
            if sent.is_some_and(|sent| row.body_hash.as_deref().is_some_and(|hash| hash != sent)) {
                found.push(finding(Violation::Unstable, row, "does not say what was sent"));
            }
        }
    }

    /// Every node has every conversation from `seq` 1 on, without gaps, in the order of ids.
    fn check_final_reads(&self, found: &mut Vec<Finding>) {
        for rows in self.finals.values() {
            let mut lists: BTreeMap<i64, Vec<&Record>> = BTreeMap::new();
            for row in rows {
                lists.entry(row.conv).or_default().push(row);
            }
            for list in lists.values_mut() {
                for pair in list.windows(2) {
                    if pair[1].seq < pair[0].seq || (pair[1].seq > pair[0].seq && pair[1].mid < pair[0].mid) {
                        found.push(finding(Violation::Reorder, pair[1], "comes after a later one"));
                    }
                }
                list.sort_by_key(|row| row.seq);
                let mut last = Some(0);
                for row in list {
                    if row.seq > last.map(|last| last + 1) {
                        found.push(finding(Violation::Gap, row, "has a gap before it"));
                    }
                    last = row.seq;
                }
            }
        }
    }

    /// A client receives the messages of a conversation in order.
    fn check_shown_order(&self, found: &mut Vec<Finding>) {
        for list in self.shown.values() {
            let mut last = 0;
            for row in list {
                let seq = row.seq.unwrap_or(0);
                if seq < last {
                    found.push(finding(Violation::Reorder, row, "was shown after a later one"));
                }
                last = last.max(seq);
            }
        }
    }

    /// The messages of one sender are in the order of sending.
    fn check_sender_order(&self, found: &mut Vec<Finding>) {
        let Some(rows) = self.finals.values().next() else { return };
        let mut by_sender: BTreeMap<(i64, i64), Vec<(u64, &Record)>> = BTreeMap::new();
        for row in rows {
            let Some((sender, cmid)) = key(row) else { continue };
            let Some(send) = self.sends.get(&(sender, cmid)) else { continue };
            by_sender.entry((sender, row.conv)).or_default().push((send.first, row));
        }
        for list in by_sender.values_mut() {
            list.sort_by_key(|(first, _)| *first);
            for pair in list.windows(2) {
                if pair[1].1.seq < pair[0].1.seq {
                    found.push(finding(Violation::Reorder, pair[1].1, "stands before one sent earlier"));
                }
            }
        }
    }

    /// A page is complete between its ends and stays so: nothing appears later inside it.
    fn check_pages(&self, found: &mut Vec<Finding>) {
        for ((_, _, conv), page) in &self.pages {
            let seqs: Vec<i64> = page.iter().filter_map(|row| row.seq).collect();
            if seqs.windows(2).any(|pair| pair[1] < pair[0]) {
                found.push(finding(Violation::Reorder, page[0], "begins a page that is out of order"));
            }
            let have: BTreeSet<i64> = seqs.iter().copied().collect();
            let (Some(low), Some(high)) = (have.first(), have.last()) else { continue };
            let (begin, end) = (page[0].t_mono, page.last().expect("pages have rows").t_mono);
            for seq in (*low..=*high).filter(|seq| !have.contains(seq)) {
                let mut seen = self.rows.iter().filter(|row| row.conv == *conv && row.seq == Some(seq));
                let first = seen.clone().map(|row| row.t_mono).min();
                match seen.find(|row| row.t_mono > end) {
                    Some(row) if first > Some(begin) => {
                        found.push(finding(Violation::Late, row, "appeared inside a page that had been read"));
                    }
                    _ => found.push(finding(Violation::Gap, page[0], "begins a page with a gap")),
                }
            }
        }
    }

    /// No client receives a message of, or writes to, a conversation it is not a member of.
    fn check_leaks(&self, found: &mut Vec<Finding>) {
        for row in &self.rows {
            let Some(client) = row.client else { continue };
            if !self.members.get(&row.conv).is_some_and(|members| members.contains(&client)) {
                found.push(finding(Violation::Leak, row, "reached a user who is not a member"));
            }
        }
    }

    /// Every participating client ends with all messages from its oldest one on.
    fn check_views(&self, found: &mut Vec<Finding>) {
        let clients: BTreeSet<i64> = self.closed.keys().copied().chain(self.views.keys().map(|key| key.0)).collect();
        let Some(rows) = self.finals.values().next() else { return };
        for client in clients {
            if self.closed.get(&client) != Some(&Some(Outcome::Ok)) {
                let detail = format!("client {client} did not report that it converged");
                found.push(Finding { violation: Violation::Stale, conv: 0, detail });
            }
            for (conv, _) in self.members.iter().filter(|(_, members)| members.contains(&client)) {
                let there: BTreeSet<i64> =
                    rows.iter().filter(|row| row.conv == *conv).filter_map(|row| row.seq).collect();
                self.view(client, *conv, &there, found);
            }
        }
    }

    fn view(&self, client: i64, conv: i64, there: &BTreeSet<i64>, found: &mut Vec<Finding>) {
        let Some(last) = there.last() else { return };
        let none = Vec::new();
        let view = self.views.get(&(client, conv)).unwrap_or(&none);
        let seqs: Vec<i64> = view.iter().filter_map(|row| row.seq).collect();
        if seqs.windows(2).any(|pair| pair[1] < pair[0]) {
            found.push(finding(Violation::Reorder, view[0], "begins a view that is out of order"));
        }
        let have: BTreeSet<i64> = seqs.into_iter().collect();
        if have.last().is_none_or(|have| have < last) {
            let detail = format!("client {client} ended at {:?} of {last}", have.last());
            found.push(Finding { violation: Violation::Stale, conv, detail });
        }
        let (Some(low), Some(high)) = (have.first(), have.last()) else { return };
        for seq in there.range(low..=high).filter(|seq| !have.contains(seq)) {
            let detail = format!("client {client} has no {seq} between {low} and {high}");
            found.push(Finding { violation: Violation::Gap, conv, detail });
        }
    }
}
