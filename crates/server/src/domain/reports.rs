//! Reports: a user shows a message to the moderators, who remove it, warn its sender, or dismiss the report.
//!
//! Invariants: a message has at most one open report, which has a copy of it; once the report is settled, nothing that users
//! wrote is left in it but the moderator's note. A report belongs to the scope of every moderator, a warning to that of the
//! warned user, and nobody else learns of either.
//!
//! Absent on purpose: any way from a report into the conversation.

use super::{
    change::{Outcome, Settlement},
    decide::{At, Decided, Outgoing, Rules},
    message_edits::too_late,
    report_row::{OPEN_REPORTS_MAX, ReasonRow, ReportRow},
    rows::{MessageRow, weight},
    state::{MessageKey, State},
    text,
};
use crate::channel_layer::Topic;
use parlor_protocol::{
    error::{Code, Problem},
    event::{Event, Scoped},
    ids::{ReportId, Scope, UserId},
    model::{ConversationKind, Message},
    params::NewReport,
    reply::{Answer, Changed},
    report::{Report, ReportSettled, Reported},
};
use std::collections::BTreeMap;

/// Users who are moderators.
pub const MODERATORS_MAX: usize = 100;
/// How many messages before the reported one are copied, and how many after it.
pub const COPIED_AROUND: i64 = 5;
/// Users who report one message.
const REPORTERS_MAX: usize = 100;
/// Warnings that one user has not seen.
const UNREAD_WARNINGS_MAX: i64 = 100;
/// How many characters of the text a report shows without its copies.
const EXCERPT_CHARS: usize = 300;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl State {
    pub(super) fn report_message(
        &mut self,
        actor: UserId,
        new: &NewReport,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        let key = (new.conversation, new.seq);
        let row = self.seen(actor, key)?;
        if row.sender == actor || row.details.system.is_some() {
            return Err(Code::NotAllowed.into());
        }
        if row.details.deleted {
            return Err(too_late("it was deleted"));
        }
        let present = row.details.edited_at.map(|edited_at| (edited_at, copy(row)));
        let note = checked_note(&new.note, rules)?;
        let reason = ReasonRow { reporter: actor, reason: new.reason, note, created_at: at.now_ms };
        let open = self.open_reports.get(&key).copied();
        if let Some(id) = open {
            let reasons = &self.reports[&id].reasons;
            if reasons.iter().any(|row| row.reporter == actor) {
                return Ok(reported(true, Vec::new()));
            }
            if reasons.len() >= REPORTERS_MAX {
                return Err(Problem::new(Code::LimitReached).with_limit(REPORTERS_MAX as u64));
            }
        }
        self.check_reports(actor, rules, at)?;
        let id = if let Some(id) = open { id } else { self.open_report(actor, key, rules, at)? };
        self.report_times.entry(actor).or_default().push(at.now_ms);
        let row = self.reports.get_mut(&id).expect("just inserted or found");
        // Else who reports a message before it is edited would decide what moderators see of it.
        if let Some((_, message)) = present.filter(|(edited_at, _)| open.is_some() && *edited_at >= row.created_at) {
            row.text = excerpt(&message.text);
            row.edited = Some(message);
        }
        row.reasons.push(reason);
        row.reason_count += 1;
        row.version = at.version;
        self.changed_reports.insert(id);
        let outgoing = self.publish_report(id, None, at);
        Ok(reported(false, outgoing))
    }

    fn open_report(&mut self, actor: UserId, key: MessageKey, rules: &Rules, at: At) -> Result<ReportId, Problem> {
        let row = self.new_report(actor, key, rules, at)?;
        let id = row.id;
        self.reports.insert(id, row);
        self.open_reports.insert(key, id);
        self.new_reports.push(id);
        self.open_report_count += 1;
        Ok(id)
    }

    /// Makes a report with copies of what the actor sees. A message that was sent in this batch cannot be seen yet.
    fn new_report(&self, actor: UserId, key: MessageKey, rules: &Rules, at: At) -> Result<ReportRow, Problem> {
        let (conversation, member) = self.place(key.0, actor)?;
        let around = self.report_copies.get(&(actor, key)).ok_or(Problem::from(Code::NotFound))?;
        let (history_start, is_group) = (member.history_start(), conversation.kind == ConversationKind::Group);
        let current = around.iter().map(|row| self.messages.get(&(key.0, row.seq)).unwrap_or(row));
        let seen = current.filter(|row| {
            let is_hidden = row.details.removed || self.hidden.contains(&(actor, (key.0, row.seq)));
            row.seq >= history_start && row.details.system.is_none() && !is_hidden
        });
        let rows: BTreeMap<_, &MessageRow> = seen.map(|row| (row.seq, row)).collect();
        let reported = rows.get(&key.1).ok_or(Problem::from(Code::NotFound))?;
        Ok(ReportRow {
            id: ReportId(at.version.0),
            version: at.version,
            conversation: key.0,
            kind: conversation.kind,
            title: conversation.title.clone().filter(|_| is_group),
            seq: key.1,
            sender: reported.sender,
            created_at: at.now_ms,
            text: excerpt(&reported.text),
            reason_count: 0,
            settled_at: None,
            settled_by: None,
            removed: false,
            warned: false,
            warning_unread: false,
            note: None,
            reasons: Vec::new(),
            copies: Some(copies(rows.values().copied(), key, rules.limits.page_bytes_max as usize)),
            edited: None,
        })
    }

    /// Checks whether the actor may report one more message in these 24 hours. Times that lie further ahead are from
    /// before the clock was set back.
    fn check_reports(&self, actor: UserId, rules: &Rules, at: At) -> Result<(), Problem> {
        let most = rules.limits.reports_per_day_max;
        let times = self.report_times.get(&actor).into_iter().flatten().copied();
        let mut recent: Vec<i64> = times.filter(|time| at.now_ms.abs_diff(*time) < DAY_MS).collect();
        recent.sort_unstable();
        let Some(first) = recent.len().checked_sub(most as usize) else { return Ok(()) };
        // The oldest that counts against the limit: when it is over, there is room for one more.
        let wait_ms = DAY_MS.saturating_sub(at.now_ms.abs_diff(recent[first]));
        Err(Problem::new(Code::TooMany).with_limit(most.into()).with_retry_after_ms(wait_ms))
    }

    pub(super) fn settle_report(
        &mut self,
        actor: UserId,
        id: ReportId,
        settlement: &Settlement,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        if !self.user(actor)?.moderator {
            return Err(Code::NotAllowed.into());
        }
        let row = self.reports.get(&id).ok_or(Problem::from(Code::NotFound))?;
        if row.settled_at.is_some() {
            return Err(too_late("a moderator has settled it"));
        }
        if row.sender == actor {
            let detail = "nobody settles a report of their own message";
            return Err(Problem::new(Code::NotAllowed).with_detail(detail));
        }
        let note = checked_note(&settlement.note, rules)?;
        let (sender, key) = (row.sender, (row.conversation, row.seq));
        let warnings = self.unread_warnings.get(&sender).copied().unwrap_or_default();
        if settlement.warn && warnings >= UNREAD_WARNINGS_MAX {
            return Err(Problem::new(Code::LimitReached).with_limit(UNREAD_WARNINGS_MAX.unsigned_abs()));
        }
        let is_there = self.messages.get(&key).is_some_and(|row| !row.details.deleted && !row.details.removed);
        let mut outgoing =
            if settlement.remove && is_there { self.erase_message(key, rules, at).1 } else { Vec::new() };
        let row = self.reports.get_mut(&id).expect("just found");
        row.version = at.version;
        (row.settled_at, row.settled_by) = (Some(at.now_ms), Some(actor));
        (row.removed, row.warned, row.warning_unread) = (settlement.remove, settlement.warn, settlement.warn);
        row.note = Some(note);
        row.text.clear();
        row.title = None;
        (row.copies, row.edited) = (None, None);
        row.reasons.iter_mut().for_each(|reason| reason.note.clear());
        let warning = row.warning();
        self.changed_reports.insert(id);
        self.open_reports.remove(&key);
        self.open_report_count = self.open_report_count.saturating_sub(1);
        self.erases = true;
        if settlement.warn {
            self.unread_warnings.insert(sender, warnings + 1);
            self.users.get_mut(&sender).expect("loaded with the report").warnings_version = at.version;
            if !self.moderators.contains(&sender) {
                let place = self.raise_user_scope(sender, at);
                outgoing.push(to_user(sender, Event::WarningCreated { place, warning }));
            }
        }
        let warned = settlement.warn.then_some(sender);
        let prev = self.users[&actor].version;
        outgoing.extend(self.publish_report(id, warned, at));
        let change = Changed { version: at.version, prev };
        let answer = ReportSettled { report: self.shown_report(id), change };
        Ok(Decided { outcome: Outcome::Answer(Answer::ReportSettled(Box::new(answer))), outgoing })
    }

    pub(super) fn read_warning(&mut self, actor: UserId, id: ReportId, at: At) -> Result<Decided, Problem> {
        let version = self.user(actor)?.version;
        let own = self.reports.get_mut(&id).filter(|row| row.sender == actor && row.warning_unread);
        let Some(row) = own else {
            let change = Changed { version, prev: version };
            return Ok(Decided::quietly(Outcome::Answer(Answer::Changed(change))));
        };
        row.warning_unread = false;
        self.changed_reports.insert(id);
        if let Some(count) = self.unread_warnings.get_mut(&actor) {
            *count -= 1;
        }
        let place = self.raise_user_scope(actor, at);
        self.users.get_mut(&actor).expect("just seen").warnings_version = at.version;
        let outgoing = vec![to_user(actor, Event::WarningRead { place, report: id })];
        Ok(Decided { outcome: Outcome::Answer(Answer::Changed(Changed::of(&place))), outgoing })
    }

    /// The user's clients fetch everything again that a moderator has, and others have not.
    pub(super) fn set_moderator(&mut self, user: UserId, on: bool, at: At) -> Result<Decided, Problem> {
        let is_moderator = self.user(user)?.moderator;
        if is_moderator == on {
            return Ok(Decided::quietly(Outcome::Done));
        }
        if on && self.moderators.len() >= MODERATORS_MAX {
            let detail = format!("there are {MODERATORS_MAX} moderators, which is the most");
            return Err(Problem::new(Code::LimitReached).with_detail(detail).with_limit(MODERATORS_MAX as u64));
        }
        if on {
            self.moderators.insert(user);
        } else {
            self.moderators.remove(&user);
        }
        self.users.get_mut(&user).expect("just seen").moderator = on;
        let place = self.raise_user_scope(user, at);
        let event = Event::ScopeChanged { scope: place.scope, version: place.version };
        Ok(Decided { outcome: Outcome::Done, outgoing: vec![to_user(user, event)] })
    }

    /// Publishes a report to every moderator. A moderator who is warned by the same change fetches both.
    fn publish_report(&mut self, id: ReportId, warned: Option<UserId>, at: At) -> Vec<Outgoing> {
        let report = self.shown_report(id);
        let open = self.open_report_count.min(OPEN_REPORTS_MAX);
        let mut outgoing = Vec::new();
        for moderator in self.moderators.clone() {
            let place = self.raise_user_scope(moderator, at);
            let event = if warned == Some(moderator) {
                Event::ScopeChanged { scope: place.scope, version: place.version }
            } else {
                Event::ReportUpdated { place, report: Box::new(shown_to(moderator, report.clone())), open }
            };
            outgoing.push(to_user(moderator, event));
        }
        outgoing
    }

    fn shown_report(&self, id: ReportId) -> Report {
        self.reports[&id].report(|user| self.users[&user].user())
    }

    fn raise_user_scope(&mut self, user: UserId, at: At) -> Scoped {
        Scoped { scope: Scope::User(user), version: at.version, prev: self.raise_user(user, at.version) }
    }
}

/// Leaves out who reported a message and why, and the moderators' note, where its sender is the moderator who sees the
/// report.
#[must_use]
pub fn shown_to(user: UserId, mut report: Report) -> Report {
    if report.sender.id == user {
        report.reasons.clear();
        report.note = None;
    }
    report
}

fn to_user(user: UserId, event: Event) -> Outgoing {
    Outgoing::Event(vec![Topic::User(user)], Box::new(event))
}

fn reported(duplicate: bool, outgoing: Vec<Outgoing>) -> Decided {
    Decided { outcome: Outcome::Answer(Answer::Reported(Reported { duplicate })), outgoing }
}

/// A note, which may be empty.
fn checked_note(note: &str, rules: &Rules) -> Result<String, Problem> {
    let note = note.trim();
    if note.is_empty() {
        return Ok(String::new());
    }
    text::message(note, rules.limits.report_note_chars_max)
}

fn excerpt(text: &str) -> String {
    text.chars().take(EXCERPT_CHARS).collect()
}

fn copy(row: &MessageRow) -> Message {
    Message { reactions: Vec::new(), ..row.message() }
}

/// Copies messages without their reactions, in the order of their `seq`; those furthest from the reported one are left out
/// if they are too large together.
fn copies<'a>(rows: impl Iterator<Item = &'a MessageRow>, key: MessageKey, bytes_max: usize) -> Vec<Message> {
    let mut messages: Vec<Message> = rows.map(copy).collect();
    while messages.len() > 1 && messages.iter().map(weight).sum::<usize>() > bytes_max {
        let distance = |message: Option<&Message>| message.map_or(0, |message| message.seq.0.abs_diff(key.1.0));
        let is_first_further = distance(messages.first()) >= distance(messages.last());
        messages.remove(if is_first_further { 0 } else { messages.len() - 1 });
    }
    messages
}
