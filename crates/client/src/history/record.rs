//! The records of a history, and files of them (JSON lines).
//!
//! A send is recorded before it leaves, its outcome once it is known. An unknown outcome is never recorded as a
//! failure.

use parlor_protocol::model::Message;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
    time::Instant,
};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// The client is about to send a message, or to repeat a send.
    Send,
    /// The server acknowledged it.
    Ack,
    /// The server refused it, or its outcome is unknown.
    Nack,
    /// The client appended a message to its view.
    Recv,
    /// A row of a page of messages; rows of one page share `read`.
    Hist,
    /// A row of a final view: the server's (no `client`) or a client's.
    Read,
    /// The client ended: `ok` if it converged in time.
    Close,
}

/// The outcome of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It took effect.
    Ok,
    /// It did not take effect and never will.
    Fail,
    /// It is not known yet.
    Unknown,
}

/// One record. Fields that do not apply to an `op` are absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Microseconds since the start of the history, by a monotonic clock.
    pub t_mono: u64,
    /// The user id of the client; absent in final reads of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<i64>,
    /// What happened.
    pub op: Op,
    /// How it went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The conversation; 0 in `close`.
    pub conv: i64,
    /// Who wrote the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<i64>,
    /// The message's `client_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmid: Option<String>,
    /// The message's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mid: Option<i64>,
    /// Its `seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<i64>,
    /// The hash of its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_hash: Option<String>,
    /// The page that a `hist` row belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<u64>,
    /// The number of the client's connection, from 0.
    #[serde(default)]
    pub epoch: u32,
    /// The node that answered.
    #[serde(default)]
    pub node: u32,
}

impl Record {
    /// Creates a record with only a conversation.
    #[must_use]
    pub fn new(op: Op, client: Option<i64>, conv: i64) -> Self {
        Self {
            t_mono: 0,
            client,
            op,
            outcome: None,
            conv,
            sender: None,
            cmid: None,
            mid: None,
            seq: None,
            body_hash: None,
            read: None,
            epoch: 0,
            node: 0,
        }
    }

    /// Creates a record of a received message.
    #[must_use]
    pub fn of(op: Op, client: Option<i64>, message: &Message) -> Self {
        Self {
            sender: Some(message.sender.0),
            cmid: Some(message.client_id.clone()),
            mid: Some(message.id.0),
            seq: Some(message.seq.0),
            body_hash: Some(body_hash(&message.text)),
            ..Self::new(op, client, message.conversation.0)
        }
    }

    /// Creates a record of a send.
    #[must_use]
    pub fn send(client: i64, conv: i64, cmid: &str, text: &str) -> Self {
        Self {
            sender: Some(client),
            cmid: Some(cmid.to_owned()),
            body_hash: Some(body_hash(text)),
            ..Self::new(Op::Send, Some(client), conv)
        }
    }

    /// Creates a record of a send that did not succeed: `Fail` or `Unknown`.
    #[must_use]
    pub fn nack(client: i64, conv: i64, cmid: &str, outcome: Outcome) -> Self {
        Self {
            sender: Some(client),
            cmid: Some(cmid.to_owned()),
            outcome: Some(outcome),
            ..Self::new(Op::Nack, Some(client), conv)
        }
    }
}

/// Hashes a text (FNV-1a, 64 bits): enough to tell test messages apart.
#[must_use]
pub fn body_hash(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

/// Collects the records of one client, and appends each to a file if there is one.
#[derive(Debug)]
pub struct Recorder {
    began: Instant,
    file: Option<BufWriter<File>>,
    records: Vec<Record>,
}

impl Recorder {
    /// Creates a recorder without a file. Recorders of one history share `began`.
    #[must_use]
    pub fn in_memory(began: Instant) -> Self {
        Self { began, file: None, records: Vec::new() }
    }

    /// Creates a recorder with a new file.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn in_file(began: Instant, path: &Path) -> io::Result<Self> {
        Ok(Self { file: Some(BufWriter::new(File::create(path)?)), ..Self::in_memory(began) })
    }

    /// Adds a record, with the current time.
    ///
    /// # Panics
    /// The file cannot be written: a history with holes proves nothing.
    pub fn write(&mut self, mut record: Record) {
        record.t_mono = u64::try_from(self.began.elapsed().as_micros()).expect("no test takes 500,000 years");
        if let Some(file) = &mut self.file {
            let line = serde_json::to_string(&record).expect("records have string keys only");
            writeln!(file, "{line}").expect("the history file takes a line");
        }
        self.records.push(record);
    }

    /// Returns all records so far.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Flushes the file and returns the records.
    ///
    /// # Panics
    /// The file cannot be written.
    #[must_use]
    pub fn finish(mut self) -> Vec<Record> {
        if let Some(file) = &mut self.file {
            file.flush().expect("the history file takes its end");
        }
        self.records
    }
}

/// Reads a file of records.
///
/// # Errors
/// The file cannot be read, or a line is not a record.
pub fn read_file(path: &Path) -> io::Result<Vec<Record>> {
    fs::read_to_string(path)?.lines().map(|line| serde_json::from_str(line).map_err(io::Error::from)).collect()
}
