//! Compares the host's message table with the store, row by row, and names each difference.

use super::{
    MirrorError, MirrorOptions, applier, apply::Applier, host_tables::TableRow, outbound::has_rows_about,
    schema::TableColumns,
};
use crate::{
    domain::{
        change::HostRowKey,
        host_content::{HostContent, host_text},
        rows::MessageRow,
    },
    store::snapshot::MirroredRow,
};
use parlor_protocol::ids::{UserId, Version};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How many rows are compared at once.
const PAGE_ROWS: usize = 500;
/// How many bytes of text end a page of messages.
const PAGE_BYTES: usize = 1024 * 1024;
/// How many differences are named.
const NAMED_MAX: usize = 1000;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CheckReport {
    /// Rows of the host's table.
    pub(crate) host_rows: u64,
    /// Rows that the store knows.
    pub(crate) known_rows: u64,
    /// Of all rows of the host. Equal tables have equal checksums.
    pub(crate) host_checksum: u64,
    /// Of all rows that the store knows.
    pub(crate) known_checksum: u64,
    /// The first differences.
    pub(crate) differences: Vec<String>,
    /// How many differences there are.
    pub(crate) different: u64,
}

impl CheckReport {
    fn add(&mut self, difference: String) {
        self.different += 1;
        if self.differences.len() < NAMED_MAX {
            self.differences.push(difference);
        }
    }
}

/// What both sides have of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Compared {
    sender: UserId,
    recipient: UserId,
    context: Option<String>,
    text: String,
    subject: Option<String>,
    created_at_ms: i64,
    flags: [bool; 3],
    files: Vec<String>,
    /// Whether it has a message; one to oneself has none.
    is_message: bool,
}

impl Compared {
    fn checksum(&self, id: i64) -> u64 {
        let digest = Sha256::digest(format!("{id} {self:?}"));
        let (first, _) = digest.split_first_chunk().expect("a digest has 32 bytes");
        u64::from_be_bytes(*first)
    }

    /// Names the fields that differ.
    fn differences(&self, other: &Self) -> String {
        let fields = [
            ("sender", self.sender != other.sender),
            ("recipient", self.recipient != other.recipient),
            ("context", self.context != other.context),
            ("text", self.text != other.text),
            ("subject", self.subject != other.subject),
            ("time", self.created_at_ms != other.created_at_ms),
            ("is read", self.flags[0] != other.flags[0]),
            ("hidden by sender", self.flags[1] != other.flags[1]),
            ("hidden by recipient", self.flags[2] != other.flags[2]),
            ("files", self.files != other.files),
            ("message", self.is_message != other.is_message),
        ];
        fields.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect::<Vec<_>>().join(", ")
    }
}

/// Compares everything. What is written meanwhile may be named as a difference.
pub(crate) async fn run(options: &MirrorOptions) -> Result<CheckReport, MirrorError> {
    let mut applier = applier(options);
    applier.columns = TableColumns::read(&applier.tables.database, &applier.tables.profile).await?;
    let errors = applier.columns.errors(&applier.tables.profile).reading;
    if !errors.is_empty() {
        return Err(MirrorError::Tables(errors.join("; ")));
    }
    let mut report = CheckReport::default();
    let mut after = i64::MIN;
    loop {
        let mut host = applier.tables.read_after(after, PAGE_ROWS).await?;
        let mut to = host.keys().next_back().copied().filter(|_| host.len() == PAGE_ROWS).unwrap_or(i64::MAX);
        let table = applier.tables.name().to_owned();
        let known = applier.store.read(move |snapshot| snapshot.mirrored_rows(&table, after, 2 * PAGE_ROWS)).await?;
        let is_cut = known.len() == 2 * PAGE_ROWS;
        if let Some(last) = known.last().map(|row| row.row.key.id).filter(|last| is_cut && *last < to) {
            // The host has deleted many rows here.
            to = last;
            host.retain(|id, _| *id <= to);
        }
        let known: BTreeMap<i64, MirroredRow> =
            known.into_iter().map(|row| (row.row.key.id, row)).filter(|(id, _)| *id <= to).collect();
        let mut readable = BTreeMap::new();
        for (id, row) in host {
            report.host_rows += 1;
            match row {
                Ok(row) => {
                    readable.insert(id, row);
                }
                Err(error) => report.add(format!("row {id}: {error}")),
            }
        }
        report.known_rows += known.len() as u64;
        compare(options, &applier, readable, known, &mut report).await?;
        if to == i64::MAX {
            break;
        }
        after = to;
    }
    messages_without_row(&applier, &mut report).await?;
    Ok(report)
}

async fn compare(
    options: &MirrorOptions,
    applier: &Applier,
    host: BTreeMap<i64, TableRow>,
    mut known: BTreeMap<i64, MirroredRow>,
    report: &mut CheckReport,
) -> Result<(), MirrorError> {
    let people: BTreeSet<String> = host.values().flat_map(|row| [row.sender.clone(), row.recipient.clone()]).collect();
    let users = applier.users.ensure(&people.into_iter().collect::<Vec<_>>()).await?;
    for (id, row) in host {
        let of_store = known.remove(&id);
        let Some(of_host) = of_host(options, &row, of_store.as_ref(), &users) else {
            report.add(format!("row {id}: its sender or its recipient does not exist"));
            continue;
        };
        report.host_checksum = report.host_checksum.wrapping_add(of_host.checksum(id));
        let Some(of_store) = of_store else {
            report.add(format!("row {id}: it is not here"));
            continue;
        };
        let place = place(&of_store);
        let of_store = self::of_store(&of_store, &of_host);
        report.known_checksum = report.known_checksum.wrapping_add(of_store.checksum(id));
        if of_store != of_host {
            report.add(format!("row {id}, {place}: {}", of_host.differences(&of_store)));
        }
    }
    for (id, row) in known {
        report.add(format!("row {id}, {}: the host does not have it", place(&row)));
    }
    Ok(())
}

fn place(row: &MirroredRow) -> String {
    row.row.place.map_or_else(
        || "without a conversation".to_owned(),
        |(conversation, seq)| format!("conversation {conversation} seq {seq}"),
    )
}

/// What the host has, as the store shows it; none if a user does not exist.
fn of_host(
    options: &MirrorOptions,
    row: &TableRow,
    known: Option<&MirroredRow>,
    users: &HashMap<String, UserId>,
) -> Option<Compared> {
    let (sender, recipient) = (*users.get(&row.sender)?, *users.get(&row.recipient)?);
    let key = HostRowKey { table: options.profile.messages.table.clone(), id: row.id };
    let put = row.as_message(key, (sender, recipient));
    let limits = &options.rules.limits;
    let shown = HostContent::of(&put, limits.text_chars_max, limits.subject_chars_max);
    // The row of a message that has only files names them.
    let message = known.and_then(|known| known.message.as_ref());
    let is_named = |message: &&MessageRow| message.text.is_empty() && host_text(message) == row.text;
    let text = if message.as_ref().is_some_and(is_named) { String::new() } else { shown.text };
    Some(Compared {
        sender,
        recipient,
        context: row.context.clone().filter(|_| options.profile.context.is_some()),
        text,
        subject: shown.subject,
        created_at_ms: shown.created_at,
        flags: [row.is_read, row.hidden_by_sender, row.hidden_by_recipient],
        files: shown.attachments.into_iter().map(|file| file.url).collect(),
        is_message: sender != recipient,
    })
}

/// What the store has. A message to oneself has no content here.
fn of_store(known: &MirroredRow, of_host: &Compared) -> Compared {
    let row = &known.row;
    let base = Compared {
        sender: row.sender,
        recipient: row.recipient,
        flags: [row.is_read, row.hidden_by_sender, row.hidden_by_recipient],
        is_message: known.message.is_some(),
        ..of_host.clone()
    };
    let Some(message) = &known.message else { return base };
    let is_of_host = |url: &&String| of_host.files.contains(url) || !url.starts_with("/v1/");
    let files = message.details.attachments.iter().map(|file| &file.url).filter(is_of_host).cloned().collect();
    Compared {
        sender: message.sender,
        context: known.context.as_ref().map(|key| key.id.clone()),
        text: message.text.clone(),
        subject: message.details.subject.clone(),
        created_at_ms: message.created_at,
        files,
        ..base
    }
}

/// Names messages that should have a row and have none.
async fn messages_without_row(applier: &Applier, report: &mut CheckReport) -> Result<(), MirrorError> {
    let mut after = Version(0);
    loop {
        let page = applier
            .store
            .read(move |snapshot| {
                let page = snapshot.messages_without_host_row(after, PAGE_ROWS, PAGE_BYTES)?;
                let people = page.messages.iter().flat_map(|found| [found.message.sender, found.recipient]);
                let users = snapshot.user_rows(people)?;
                Ok((page, users))
            })
            .await?;
        let (page, users) = page;
        let of_host: BTreeSet<UserId> =
            users.into_iter().filter(|user| user.external_id.is_some()).map(|user| user.id).collect();
        for found in page.messages {
            let is_of_host = of_host.contains(&found.message.sender) && of_host.contains(&found.recipient);
            if is_of_host && has_rows_about(applier, found.context.as_ref()) {
                let (conversation, seq) = (found.message.conversation, found.message.seq);
                report.add(format!("conversation {conversation} seq {seq}: it has no row"));
            }
        }
        if !page.more {
            return Ok(());
        }
        after = page.to;
    }
}
