//! Reads a whole history and says which promises were broken.
//!
//! It asks for: every client's records; a final full read of every conversation from every node; a final view of
//! every client that took part; and who may see what. A clean history has no findings.
//!
//! Each send of a client to a conversation waits for the outcome of the one before; the order of first sends is
//! then the order of `seq`, and the checker relies on it.

use super::record::{Op, Outcome, Record};
use std::collections::{BTreeMap, BTreeSet};

/// The kinds of broken promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Acknowledged or shown, and absent at the end.
    Lost,
    /// Present, but never sent, or refused for good.
    Phantom,
    /// One send made two messages, or one message was shown twice.
    Dup,
    /// A hole in the `seq` of a conversation, a page or a view.
    Gap,
    /// Against the order of `seq`, or of the sender.
    Reorder,
    /// One message with two places or contents, or one place with two messages.
    Unstable,
    /// Appeared below what a reader had already seen whole.
    Late,
    /// Shown to somebody who is not in the conversation.
    Leak,
    /// A client's view did not reach the end.
    Stale,
}

/// One broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Of which kind.
    pub fault: Fault,
    /// Where.
    pub conv: i64,
    /// What exactly.
    pub detail: String,
}

/// What the checker found, and how much it had looked at.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Nothing here means that all promises were kept.
    pub findings: Vec<Finding>,
    /// Different sends that were acknowledged.
    pub acknowledged: usize,
    /// Different sends whose outcome stayed unknown.
    pub unknown: usize,
    /// Messages at the end, of the first node.
    pub kept: usize,
}

impl Verdict {
    /// The kinds of faults that were found.
    #[must_use]
    pub fn faults(&self) -> BTreeSet<Fault> {
        self.findings.iter().map(|finding| finding.fault).collect()
    }
}

/// Who may see what: the clients of each conversation.
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
    checker.lost(found);
    checker.phantom(found);
    checker.dup(found);
    checker.unstable(found);
    checker.final_reads(found);
    checker.shown_order(found);
    checker.sender_order(found);
    checker.pages(found);
    checker.leak(found);
    checker.views(found);
    verdict
}

/// What became of one send.
struct Send<'a> {
    conv: i64,
    body_hash: &'a str,
    first: u64,
    acked: bool,
    failed: bool,
}

/// A send's name: its sender and the sender's own name for it.
type Key<'a> = (i64, &'a str);

/// The records, sorted into what the rules look at. All lists are in the order of time.
struct Checker<'a> {
    members: &'a Members,
    sends: BTreeMap<Key<'a>, Send<'a>>,
    /// Every row that anybody was shown or told: acknowledgements, live rows, pages, views, final reads.
    rows: Vec<&'a Record>,
    /// Final rows of the server by node.
    finals: BTreeMap<u32, Vec<&'a Record>>,
    /// What clients showed live, by client and conversation.
    shown: BTreeMap<(i64, i64), Vec<&'a Record>>,
    /// Pages by client, page and conversation.
    pages: BTreeMap<(i64, u64, i64), Vec<&'a Record>>,
    /// Final views by client and conversation.
    views: BTreeMap<(i64, i64), Vec<&'a Record>>,
    /// How each client ended.
    closed: BTreeMap<i64, Option<Outcome>>,
}

fn key(record: &Record) -> Option<Key<'_>> {
    Some((record.sender?, record.cmid.as_deref()?))
}

fn finding(fault: Fault, record: &Record, what: &str) -> Finding {
    let detail = format!(
        "{what}: {:?} by {:?}, sender {:?}, client_id {:?}, id {:?}, seq {:?}, node {}",
        record.op, record.client, record.sender, record.cmid, record.mid, record.seq, record.node
    );
    Finding { fault, conv: record.conv, detail }
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
            it.sort_in(record);
        }
        it
    }

    fn sort_in(&mut self, record: &'a Record) {
        match (record.op, record.client) {
            (Op::Send, _) => self.sort_in_send(record),
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

    fn sort_in_send(&mut self, record: &'a Record) {
        let (Some(key), Some(body_hash)) = (key(record), record.body_hash.as_deref()) else { return };
        let first = record.t_mono;
        self.sends.entry(key).or_insert(Send { conv: record.conv, body_hash, first, acked: false, failed: false });
    }

    /// Whatever was acknowledged or shown is in every final read. No final read at all has nothing.
    fn lost(&self, found: &mut Vec<Finding>) {
        let nothing = Vec::new();
        let nobody = self.finals.is_empty().then_some(&nothing);
        for rows in self.finals.values().chain(nobody) {
            let kept: BTreeSet<_> = rows.iter().filter_map(|row| row.mid).collect();
            let mut told = BTreeSet::new();
            for row in &self.rows {
                let mid = row.mid.expect("rows have ids");
                if !kept.contains(&mid) && told.insert(mid) {
                    found.push(finding(Fault::Lost, row, "absent at the end"));
                }
            }
        }
    }

    /// Whatever is there was sent, to there, and not refused.
    fn phantom(&self, found: &mut Vec<Finding>) {
        let mut told = BTreeSet::new();
        for row in &self.rows {
            let send = key(row).and_then(|key| self.sends.get(&key));
            let what = match send {
                None => "was never sent",
                Some(send) if send.conv != row.conv => "was sent to another conversation",
                Some(send) if send.failed => "was refused for good",
                Some(_) => continue,
            };
            if told.insert(row.mid) {
                found.push(finding(Fault::Phantom, row, what));
            }
        }
    }

    /// One send makes one message, and nobody is shown one twice.
    fn dup(&self, found: &mut Vec<Finding>) {
        let mut made: BTreeMap<Key<'_>, i64> = BTreeMap::new();
        for row in &self.rows {
            let (Some(key), Some(mid)) = (key(row), row.mid) else { continue };
            if *made.entry(key).or_insert(mid) != mid {
                found.push(finding(Fault::Dup, row, "is a second message of one send"));
            }
        }
        let lists = self.finals.values().chain(self.shown.values()).chain(self.pages.values());
        for list in lists.chain(self.views.values()) {
            let mut seen = BTreeSet::new();
            for row in list {
                if !seen.insert(row.mid) {
                    found.push(finding(Fault::Dup, row, "was shown twice"));
                }
            }
        }
    }

    /// A message keeps its place and its content, and a place its message.
    fn unstable(&self, found: &mut Vec<Finding>) {
        let mut messages = BTreeMap::new();
        let mut places = BTreeMap::new();
        for row in &self.rows {
            let message = (row.conv, row.seq, row.sender, &row.cmid, &row.body_hash);
            if *messages.entry(row.mid).or_insert(message) != message {
                found.push(finding(Fault::Unstable, row, "was something else before"));
            }
            if *places.entry((row.conv, row.seq)).or_insert(row.mid) != row.mid {
                found.push(finding(Fault::Unstable, row, "its place was another's before"));
            }
            let sent = key(row).and_then(|key| self.sends.get(&key)).map(|send| send.body_hash);
            if sent.is_some_and(|sent| row.body_hash.as_deref().is_some_and(|hash| hash != sent)) {
                found.push(finding(Fault::Unstable, row, "does not say what was sent"));
            }
        }
    }

    /// Every node has every conversation from 1 on, without holes, in the order of ids.
    fn final_reads(&self, found: &mut Vec<Finding>) {
        for rows in self.finals.values() {
            let mut lists: BTreeMap<i64, Vec<&Record>> = BTreeMap::new();
            for row in rows {
                lists.entry(row.conv).or_default().push(row);
            }
            for list in lists.values_mut() {
                for pair in list.windows(2) {
                    if pair[1].seq < pair[0].seq || (pair[1].seq > pair[0].seq && pair[1].mid < pair[0].mid) {
                        found.push(finding(Fault::Reorder, pair[1], "comes after a later one"));
                    }
                }
                list.sort_by_key(|row| row.seq);
                let mut last = Some(0);
                for row in list {
                    if row.seq > last.map(|last| last + 1) {
                        found.push(finding(Fault::Gap, row, "has a hole before it"));
                    }
                    last = row.seq;
                }
            }
        }
    }

    /// A client shows the messages of a conversation in order.
    fn shown_order(&self, found: &mut Vec<Finding>) {
        for list in self.shown.values() {
            let mut last = 0;
            for row in list {
                let seq = row.seq.unwrap_or(0);
                if seq < last {
                    found.push(finding(Fault::Reorder, row, "was shown after a later one"));
                }
                last = last.max(seq);
            }
        }
    }

    /// What a client sent to a conversation stands there in the order of sending.
    fn sender_order(&self, found: &mut Vec<Finding>) {
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
                    found.push(finding(Fault::Reorder, pair[1].1, "stands before one sent earlier"));
                }
            }
        }
    }

    /// A page is whole between its ends, and stays so: nothing appears later where it had been read.
    fn pages(&self, found: &mut Vec<Finding>) {
        for ((_, _, conv), page) in &self.pages {
            let seqs: Vec<i64> = page.iter().filter_map(|row| row.seq).collect();
            if seqs.windows(2).any(|pair| pair[1] < pair[0]) {
                found.push(finding(Fault::Reorder, page[0], "begins a page that is out of order"));
            }
            let have: BTreeSet<i64> = seqs.iter().copied().collect();
            let (Some(low), Some(high)) = (have.first(), have.last()) else { continue };
            let (begin, end) = (page[0].t_mono, page.last().expect("pages have rows").t_mono);
            for seq in (*low..=*high).filter(|seq| !have.contains(seq)) {
                let mut seen = self.rows.iter().filter(|row| row.conv == *conv && row.seq == Some(seq));
                let first = seen.clone().map(|row| row.t_mono).min();
                match seen.find(|row| row.t_mono > end) {
                    Some(row) if first > Some(begin) => {
                        found.push(finding(Fault::Late, row, "appeared where a page had been read whole"));
                    }
                    _ => found.push(finding(Fault::Gap, page[0], "begins a page with a hole")),
                }
            }
        }
    }

    /// Nobody is shown, or may write, what he is not in.
    fn leak(&self, found: &mut Vec<Finding>) {
        for row in &self.rows {
            let Some(client) = row.client else { continue };
            if !self.members.get(&row.conv).is_some_and(|members| members.contains(&client)) {
                found.push(finding(Fault::Leak, row, "reached somebody who is not in it"));
            }
        }
    }

    /// Every client that took part ends with what is there, from its oldest row on.
    fn views(&self, found: &mut Vec<Finding>) {
        let clients: BTreeSet<i64> = self.closed.keys().copied().chain(self.views.keys().map(|key| key.0)).collect();
        let Some(rows) = self.finals.values().next() else { return };
        for client in clients {
            if self.closed.get(&client) != Some(&Some(Outcome::Ok)) {
                let detail = format!("client {client} did not say that it had converged");
                found.push(Finding { fault: Fault::Stale, conv: 0, detail });
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
            found.push(finding(Fault::Reorder, view[0], "begins a view that is out of order"));
        }
        let have: BTreeSet<i64> = seqs.into_iter().collect();
        if have.last().is_none_or(|have| have < last) {
            let detail = format!("client {client} ended at {:?} of {last}", have.last());
            found.push(Finding { fault: Fault::Stale, conv, detail });
        }
        let (Some(low), Some(high)) = (have.first(), have.last()) else { return };
        for seq in there.range(low..=high).filter(|seq| !have.contains(seq)) {
            let detail = format!("client {client} has no {seq} between {low} and {high}");
            found.push(Finding { fault: Fault::Gap, conv, detail });
        }
    }
}
