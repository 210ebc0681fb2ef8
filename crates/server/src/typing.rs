//! Typing indicators: sent to the other members of the conversation, stored nowhere, and expiring by themselves.
//!
//! Invariants: only current members send and receive them; the typist's own connections receive none; however often a
//! client repeats one, it is published at intervals; when a connection ends, so does its indicator. Absent on purpose:
//! a timer for the expiry (receivers have it).

use crate::{
    channel_layer::{ChannelLayer, LayerMessage, Publication, Topic},
    metrics::Metrics,
    store::Store,
};
use parlor_protocol::{
    error::{Code, Problem},
    event::Event,
    ids::{ConversationId, UserId},
    limits::Limits,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use tracing::debug;

/// How long an indicator lasts once published.
const EXPIRES: Duration = Duration::from_secs(6);
/// Between two publications of one indicator: less than the three seconds after which clients repeat it.
const INTERVAL: Duration = Duration::from_millis(2500);
/// Indicators that are remembered before expired ones are removed.
const SWEEP_MIN: usize = 1024;

type IndicatorKey = (ConversationId, UserId);

/// See the module documentation.
#[derive(Debug)]
pub struct Typing {
    layer: Arc<dyn ChannelLayer>,
    store: Store,
    metrics: Arc<Metrics>,
    fan_out_max: u32,
    indicators: Mutex<Indicators>,
}

/// Who is typing where.
#[derive(Debug)]
struct Indicators {
    max: usize,
    of: HashMap<IndicatorKey, Indicator>,
    sweep_at: usize,
}

#[derive(Clone, Copy, Debug)]
struct Indicator {
    /// When it was last published.
    published_at: Instant,
    is_on: bool,
    /// The connection that set it, if it was one.
    by: Option<u64>,
}

/// Clears a connection's indicators when dropped. It remembers only the latest; the others expire by themselves.
#[derive(Debug)]
pub struct Typist {
    typing: Arc<Typing>,
    user: UserId,
    connection: u64,
    conversations: Vec<ConversationId>,
}

/// Conversations that are remembered for one connection.
const TYPIST_CONVERSATIONS_MAX: usize = 8;

impl Indicators {
    fn new(max: u32) -> Self {
        Self { max: max as usize, of: HashMap::new(), sweep_at: SWEEP_MIN }
    }

    /// Sets an indicator. Returns whether it must be published.
    fn begin(&mut self, key: IndicatorKey, by: Option<u64>, now: Instant) -> Result<bool, Problem> {
        if let Some(indicator) = self.of.get_mut(&key)
            && now < indicator.published_at + INTERVAL
        {
            indicator.by = by;
            return Ok(false);
        }
        if self.of.len() >= self.sweep_at.min(self.max) {
            self.of.retain(|_, indicator| now < indicator.published_at + EXPIRES);
            self.sweep_at = (self.of.len() * 2).max(SWEEP_MIN);
            if self.of.len() >= self.max && !self.of.contains_key(&key) {
                return Err(Problem::new(Code::TooMany).with_limit(self.max as u64));
            }
        }
        self.of.insert(key, Indicator { published_at: now, is_on: true, by });
        Ok(true)
    }

    /// Clears an indicator. Returns whether that must be published. The entry stays for its interval.
    fn end(&mut self, key: IndicatorKey, now: Instant) -> bool {
        let Some(indicator) = self.of.get_mut(&key) else { return false };
        std::mem::replace(&mut indicator.is_on, false) && now < indicator.published_at + EXPIRES
    }

    fn is_of(&self, key: IndicatorKey, connection: u64) -> bool {
        self.of.get(&key).is_some_and(|indicator| indicator.is_on && indicator.by == Some(connection))
    }
}

impl Typing {
    /// Creates it without indicators.
    #[must_use]
    pub fn new(layer: Arc<dyn ChannelLayer>, store: Store, metrics: Arc<Metrics>, limits: &Limits) -> Self {
        let indicators = Mutex::new(Indicators::new(limits.typing_max));
        Self { layer, store, metrics, fan_out_max: limits.conversation_fan_out_max, indicators }
    }

    /// Sets or clears the indicator of a user in a conversation, and publishes it if that is due.
    ///
    /// # Errors
    /// `not_found` if the user is not a member; `too_many` if too many users are typing at once.
    pub async fn set(&self, key: IndicatorKey, typing: bool, by: Option<u64>) -> Result<(), Problem> {
        let (conversation, user) = key;
        let max = self.fan_out_max.saturating_add(1);
        let store = &self.store;
        let audience = store.audience(user, conversation, max).await?;
        if audience.is_empty() {
            return Err(Code::NotFound.into());
        }
        let now = Instant::now();
        let is_due = if typing { self.indicators().begin(key, by, now)? } else { self.indicators().end(key, now) };
        if is_due {
            self.publish(key, typing, audience).await;
        }
        Ok(())
    }

    /// Forgets an indicator after a message was sent: its receivers clear it. The next one is published at once.
    pub fn sent(&self, key: IndicatorKey) {
        self.indicators().of.remove(&key);
    }

    async fn publish(&self, (conversation, user): IndicatorKey, typing: bool, audience: Vec<UserId>) {
        let topics = if audience.len() > self.fan_out_max as usize {
            vec![Topic::Conversation(conversation)]
        } else {
            audience.into_iter().filter(|member| *member != user).map(Topic::User).collect()
        };
        let expires_ms = if typing { u64::try_from(EXPIRES.as_millis()).expect("a few seconds") } else { 0 };
        let event = Event::TypingChanged { conversation, user, typing, expires_ms };
        let text = serde_json::to_string(&event).expect("an event has string keys only");
        let publication = Publication { topics, payload: LayerMessage::event_for_others(user, &text) };
        match self.layer.publish(vec![publication]).await {
            Ok(()) => {
                self.metrics.typing_told.inc();
            }
            Err(cause) => debug!(%cause, "a typing indicator was not published"),
        }
    }

    fn indicators(&self) -> MutexGuard<'_, Indicators> {
        self.indicators.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Typist {
    /// Creates it for a connection of a user.
    #[must_use]
    pub fn new(typing: Arc<Typing>, user: UserId, connection: u64) -> Self {
        Self { typing, user, connection, conversations: Vec::new() }
    }

    /// Records that the user is typing at this connection, or no longer is. Called before [`Typing::set`].
    pub fn note(&mut self, conversation: ConversationId, typing: bool) {
        self.conversations.retain(|known| *known != conversation);
        if typing {
            if self.conversations.len() >= TYPIST_CONVERSATIONS_MAX {
                self.conversations.remove(0);
            }
            self.conversations.push(conversation);
        }
    }
}

impl Drop for Typist {
    fn drop(&mut self) {
        let is_own =
            |conversation: &ConversationId| self.typing.indicators().is_of((*conversation, self.user), self.connection);
        let ending: Vec<ConversationId> = self.conversations.iter().copied().filter(is_own).collect();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if ending.is_empty() {
            return;
        }
        let (typing, user) = (self.typing.clone(), self.user);
        runtime.spawn(async move {
            for conversation in ending {
                // On failure the indicator expires.
                drop(typing.set((conversation, user), false, None).await);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: IndicatorKey = (ConversationId(1), UserId(7));

    #[test]
    fn an_indicator_is_published_at_intervals_and_its_end_once() {
        let (mut indicators, start) = (Indicators::new(10), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        let begin = |indicators: &mut Indicators, ms| indicators.begin(KEY, None, at(ms)).expect("there is room");
        assert!(begin(&mut indicators, 0));
        assert!(!begin(&mut indicators, 100) && !begin(&mut indicators, 2499));
        assert!(begin(&mut indicators, 2500));
        assert!(indicators.end(KEY, at(2600)) && !indicators.end(KEY, at(2600)));
        assert!(!begin(&mut indicators, 2700), "on and off and on again is no way around");
        assert!(begin(&mut indicators, 5000));
        assert!(!indicators.end(KEY, at(11_000)), "it is over by itself");
    }

    #[test]
    fn an_indicator_ends_with_the_connection_that_set_it_last() {
        let (mut indicators, now) = (Indicators::new(10), Instant::now());
        indicators.begin(KEY, Some(1), now).expect("there is room");
        assert!(indicators.is_of(KEY, 1) && !indicators.is_of(KEY, 2));
        indicators.begin(KEY, Some(2), now).expect("there is room");
        assert!(indicators.is_of(KEY, 2) && !indicators.is_of(KEY, 1));
        indicators.end(KEY, now);
        assert!(!indicators.is_of(KEY, 2));
    }

    #[test]
    fn no_more_indicators_are_remembered_than_allowed() {
        let (mut indicators, now) = (Indicators::new(2), Instant::now());
        let key = |user| (ConversationId(1), UserId(user));
        for user in 1..=2 {
            assert_eq!(indicators.begin(key(user), None, now), Ok(true));
        }
        assert_eq!(indicators.begin(key(3), None, now).map_err(|problem| problem.code), Err(Code::TooMany));
        assert_eq!(indicators.begin(key(1), None, now + INTERVAL), Ok(true), "one of these may go on");
        assert_eq!(indicators.begin(key(3), None, now + EXPIRES), Ok(true), "one is over");
        let mut many = Indicators::new(1_000_000);
        for user in 1..=10_000_u32 {
            let later = now + EXPIRES * user;
            many.begin(key(user.into()), None, later).expect("there is room");
        }
        assert!(many.of.len() <= SWEEP_MIN, "those that are over are forgotten");
    }
}
