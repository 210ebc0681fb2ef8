//! Presence entries in Redis: a hash for each user, with a field for each node. A field has its own time of expiry, by
//! the clock of Redis; the hash expires by itself some time after the last sign in it.
//!
//! A key without an expiry, the mark, shows that Redis has lost nothing. If it is another one than before, all entries are
//! gone; nodes write theirs again, and until they surely have, nobody counts as gone for want of an entry.

use super::{
    super::{LayerStatus, PresenceAnswer, PresenceEntry, PresenceLevel, UserPresence},
    RedisState,
};
use crate::redis_server::{PAUSE_MAX_MS, RedisServer, TIMEOUT, byte_strings};
use parlor_protocol::ids::{Epoch, UserId};
use redis::{ErrorKind, RedisError, Value};
use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};
use tokio::{sync::Mutex, time::timeout};

/// Users in one round trip.
const USERS_AT_ONCE: usize = 1000;
/// For how long at least a hash is kept after its last entry, so that a short entry ends no longer one.
const KEPT_MIN: Duration = Duration::from_hours(1);
/// How long after a loss entries may be missing: every node has connected again by then, and written its own.
const SETTLING: Duration = Duration::from_millis(2 * PAUSE_MAX_MS);

/// See the module documentation.
#[derive(Debug)]
pub(super) struct RedisPresence {
    shared: Arc<RedisState>,
    /// Held during round trips. Only presence waits for it, and never longer than the timeout.
    connection: Mutex<PresenceConnection>,
    /// The mark that was last read.
    mark: std::sync::Mutex<Option<Vec<u8>>>,
}

/// The connection of presence, and how often the layer had lost Redis when it was made.
#[derive(Debug)]
struct PresenceConnection {
    redis: RedisServer,
    interruptions: u64,
}

impl PresenceConnection {
    /// Returns the server, without a connection from before the latest interruption: such a one is broken, although
    /// nothing has used it since.
    fn server(&mut self, interruptions: u64) -> &mut RedisServer {
        if self.interruptions < interruptions {
            self.redis.disconnect();
            self.interruptions = interruptions;
        }
        &mut self.redis
    }
}

impl RedisPresence {
    pub(super) fn new(shared: Arc<RedisState>) -> Self {
        let redis = RedisServer::new(shared.client.clone(), TIMEOUT);
        let connection = Mutex::new(PresenceConnection { redis, interruptions: 0 });
        Self { shared, connection, mark: std::sync::Mutex::default() }
    }

    fn key(&self, user: UserId) -> String {
        format!("{}:presence:{user}", self.shared.prefix)
    }

    /// Runs work on the connection within the timeout, waiting included. Fails at once while Redis is away, so that
    /// callers do not wait for it again and again.
    async fn run<T>(&self, work: impl AsyncFnOnce(&mut RedisServer) -> Result<T, RedisError>) -> Result<T, RedisError> {
        let LayerStatus { is_connected, interruptions, .. } = *self.shared.status.borrow();
        if !is_connected {
            return Err((ErrorKind::Io, "Redis is away").into());
        }
        let working = async { work(self.connection.lock().await.server(interruptions)).await };
        let late = || Err((ErrorKind::Io, "the server does not answer in time").into());
        let done = timeout(TIMEOUT, working).await.unwrap_or_else(|_| late());
        match &done {
            Ok(_) => self.shared.entries.end(),
            Err(cause) => self.shared.entries.begin(cause),
        }
        done
    }

    pub(super) async fn put_presence(&self, node: Epoch, entries: &[PresenceEntry]) -> Result<(), RedisError> {
        self.run(async |redis| {
            let mut first = redis::pipe();
            let mark = u64::from_le_bytes(self.shared.environment.random());
            first.cmd("TIME").cmd("SET").arg(self.mark_key()).arg(mark).arg("NX").ignore();
            first.get(self.mark_key());
            let mut answers = redis.run(&first).await?.into_iter();
            let now_ms = milliseconds(answers.next().as_slice());
            self.note_mark(answers.next_back());
            for entries in entries.chunks(USERS_AT_ONCE) {
                let mut pipeline = redis::pipe();
                for entry in entries {
                    let key = self.key(entry.user);
                    let until_ms = now_ms + milliseconds_of(entry.expires_after);
                    let kept = entry.expires_after.max(KEPT_MIN);
                    pipeline.hset(&key, node.0, field(entry, until_ms)).pexpire(&key, milliseconds_of(kept));
                }
                redis.run(&pipeline).await?;
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn presence_of(&self, users: &[UserId]) -> Result<PresenceAnswer, RedisError> {
        self.run(async |redis| {
            let mut found = Vec::new();
            for users in users.chunks(USERS_AT_ONCE) {
                self.read(redis, users, &mut found).await?;
            }
            let lost = *self.shared.entries_lost.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(PresenceAnswer { users: found, is_complete: lost.is_none_or(|at| at.elapsed() > SETTLING) })
        })
        .await
    }

    fn mark_key(&self) -> String {
        format!("{}:mark", self.shared.prefix)
    }

    fn note_mark(&self, answer: Option<Value>) {
        let mark = answer.into_iter().flat_map(byte_strings).next();
        let before = std::mem::replace(&mut *self.mark.lock().unwrap_or_else(PoisonError::into_inner), mark.clone());
        if before.is_some() && before != mark {
            self.shared.note_lost_entries();
            self.shared.status.send_modify(|status| status.entry_losses += 1);
        }
    }

    async fn read(
        &self,
        redis: &mut RedisServer,
        users: &[UserId],
        found: &mut Vec<UserPresence>,
    ) -> Result<(), RedisError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("TIME").get(self.mark_key());
        for user in users {
            pipeline.hgetall(self.key(*user));
        }
        let mut answers = redis.run(&pipeline).await?.into_iter();
        let now_ms = milliseconds(answers.next().as_slice());
        self.note_mark(answers.next());
        let mut old = redis::pipe();
        for (user, answer) in users.iter().zip(answers) {
            let entries = Fields::of(answer, now_ms);
            found.extend(entries.presence_of(*user));
            for node in entries.old {
                old.hdel(self.key(*user), node);
            }
        }
        if !old.is_empty() {
            redis.run(&old).await?;
        }
        Ok(())
    }
}

/// Reads the answer to TIME: seconds and microseconds.
fn milliseconds(answer: &[Value]) -> i64 {
    let texts: Vec<Vec<u8>> = answer.iter().cloned().flat_map(byte_strings).collect();
    let number = |index: usize| {
        texts.get(index).and_then(|text| std::str::from_utf8(text).ok()?.parse::<i64>().ok()).unwrap_or_default()
    };
    number(0) * 1000 + number(1) / 1000
}

fn milliseconds_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

/// Encodes the value of a field: presence, last use and expiry.
fn field(entry: &PresenceEntry, until_ms: i64) -> String {
    let level = match entry.level {
        PresenceLevel::Gone => "gone",
        PresenceLevel::Idle => "idle",
        PresenceLevel::Online => "online",
    };
    format!("{level} {} {until_ms}", entry.last_seen_ms)
}

/// Decodes the value of a field.
fn parse(field: &[u8]) -> Option<(PresenceLevel, i64, i64)> {
    let mut parts = std::str::from_utf8(field).ok()?.split(' ');
    let level = match parts.next()? {
        "gone" => PresenceLevel::Gone,
        "idle" => PresenceLevel::Idle,
        "online" => PresenceLevel::Online,
        _ => return None,
    };
    Some((level, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The entries for one user.
#[derive(Debug, Default)]
struct Fields {
    valid: Vec<(PresenceLevel, i64)>,
    /// The nodes whose entries ended so long ago that they can be removed.
    old: Vec<Vec<u8>>,
}

impl Fields {
    /// Reads the answer to HGETALL.
    fn of(answer: Value, now_ms: i64) -> Self {
        let mut fields = Self::default();
        let texts: Vec<Vec<u8>> = match answer {
            Value::Map(pairs) => {
                pairs.into_iter().flat_map(|(key, value)| [key, value]).flat_map(byte_strings).collect()
            }
            other => byte_strings(other),
        };
        for pair in texts.chunks_exact(2) {
            match parse(&pair[1]) {
                Some((level, last_seen_ms, until_ms)) if until_ms > now_ms => fields.valid.push((level, last_seen_ms)),
                Some((_, _, until_ms)) if until_ms > now_ms - milliseconds_of(KEPT_MIN) => {}
                _ => fields.old.push(pair[0].clone()),
            }
        }
        fields
    }

    fn presence_of(&self, user: UserId) -> Option<UserPresence> {
        let level = self.valid.iter().map(|(level, _)| *level).max()?;
        let last_seen_ms = self.valid.iter().map(|(_, last_seen_ms)| *last_seen_ms).max()?;
        Some(UserPresence { user, level, last_seen_ms })
    }
}
