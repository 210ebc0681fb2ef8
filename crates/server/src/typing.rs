//! That somebody writes: told to the others in the conversation, kept by nobody, and over by itself.
//!
//! Invariants: whoever is not in the conversation now neither tells nor hears; the writer's own connections hear
//! nothing; however often it is said, it is told at intervals; a connection that ends ends it. Absent on purpose:
//! waiting for the time to pass (whoever was told lets it pass).

use crate::{
    channel_layer::{ChannelLayer, Message, Publication, Topic},
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
use tracing::warn;

/// How long it holds once it was told.
const EXPIRES: Duration = Duration::from_secs(6);
/// Less than the three seconds after which clients say it again.
const INTERVAL: Duration = Duration::from_millis(2500);
/// Places remembered before those that are over are looked for.
const SWEPT_FROM: usize = 1024;

type Place = (ConversationId, UserId);

/// See the module.
#[derive(Debug)]
pub struct Typing {
    layer: Arc<dyn ChannelLayer>,
    store: Store,
    metrics: Arc<Metrics>,
    fan_out_max: u32,
    places: Mutex<Places>,
}

/// Who writes where.
#[derive(Debug)]
struct Places {
    most: usize,
    of: HashMap<Place, Writing>,
    swept_at: usize,
}

#[derive(Clone, Copy, Debug)]
struct Writing {
    /// When it was last told.
    told: Instant,
    is_on: bool,
    /// The connection that said it, if it was one.
    by: Option<u64>,
}

/// A connection whose end ends what it said. It remembers the latest places only; the others end by themselves.
#[derive(Debug)]
pub struct Typist {
    typing: Arc<Typing>,
    user: UserId,
    connection: u64,
    conversations: Vec<ConversationId>,
}

/// Conversations in which one connection is remembered to write.
const TYPIST_PLACES_MAX: usize = 8;

impl Places {
    fn new(most: u32) -> Self {
        Self { most: most as usize, of: HashMap::new(), swept_at: SWEPT_FROM }
    }

    /// Whether it is to be told that somebody writes.
    fn begin(&mut self, place: Place, by: Option<u64>, now: Instant) -> Result<bool, Problem> {
        if let Some(writing) = self.of.get_mut(&place)
            && now < writing.told + INTERVAL
        {
            writing.by = by;
            return Ok(false);
        }
        if self.of.len() >= self.swept_at.min(self.most) {
            self.of.retain(|_, writing| now < writing.told + EXPIRES);
            self.swept_at = (self.of.len() * 2).max(SWEPT_FROM);
            if self.of.len() >= self.most && !self.of.contains_key(&place) {
                return Err(Problem::new(Code::TooMany).with_limit(self.most as u64));
            }
        }
        self.of.insert(place, Writing { told: now, is_on: true, by });
        Ok(true)
    }

    /// Whether it is to be told that somebody no longer writes. The place stays for its interval.
    fn end(&mut self, place: Place, now: Instant) -> bool {
        let Some(writing) = self.of.get_mut(&place) else { return false };
        std::mem::replace(&mut writing.is_on, false) && now < writing.told + EXPIRES
    }

    fn is_of(&self, place: Place, connection: u64) -> bool {
        self.of.get(&place).is_some_and(|writing| writing.is_on && writing.by == Some(connection))
    }
}

impl Typing {
    /// With nobody writing.
    #[must_use]
    pub fn new(layer: Arc<dyn ChannelLayer>, store: Store, metrics: Arc<Metrics>, limits: &Limits) -> Self {
        let places = Mutex::new(Places::new(limits.typing_max));
        Self { layer, store, metrics, fan_out_max: limits.conversation_fan_out_max, places }
    }

    /// Somebody writes, or no longer does.
    ///
    /// # Errors
    /// `not_found` if that one is not in the conversation; `too_many` if too many write at once.
    pub async fn set(&self, place: Place, typing: bool, by: Option<u64>) -> Result<(), Problem> {
        let (conversation, user) = place;
        let most = self.fan_out_max.saturating_add(1);
        let store = &self.store;
        let audience = store.audience(user, conversation, most).await?;
        if audience.is_empty() {
            return Err(Code::NotFound.into());
        }
        let now = Instant::now();
        let is_told = if typing { self.places().begin(place, by, now)? } else { self.places().end(place, now) };
        if is_told {
            self.tell(place, typing, audience).await;
        }
        Ok(())
    }

    /// A message ends it, which whoever hears the message knows. The next may be told at once.
    pub fn sent(&self, place: Place) {
        self.places().of.remove(&place);
    }

    async fn tell(&self, (conversation, user): Place, typing: bool, audience: Vec<UserId>) {
        let topics = if audience.len() > self.fan_out_max as usize {
            vec![Topic::Conversation(conversation)]
        } else {
            audience.into_iter().filter(|member| *member != user).map(Topic::User).collect()
        };
        let expires_ms = if typing { u64::try_from(EXPIRES.as_millis()).expect("a few seconds") } else { 0 };
        let event = Event::TypingChanged { conversation, user, typing, expires_ms };
        let text = serde_json::to_string(&event).expect("an event has string keys only");
        let publication = Publication { topics, payload: Message::event_for_others(user, &text) };
        match self.layer.publish(vec![publication]).await {
            Ok(()) => {
                self.metrics.typing_told.inc();
            }
            Err(cause) => warn!(%cause, "that somebody writes was not told"),
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Typist {
    /// A connection of a person.
    #[must_use]
    pub fn new(typing: Arc<Typing>, user: UserId, connection: u64) -> Self {
        Self { typing, user, connection, conversations: Vec::new() }
    }

    /// Notes that somebody writes at this connection, or no longer does, before [`Typing::set`] tells it.
    pub fn note(&mut self, conversation: ConversationId, typing: bool) {
        self.conversations.retain(|known| *known != conversation);
        if typing {
            if self.conversations.len() >= TYPIST_PLACES_MAX {
                self.conversations.remove(0);
            }
            self.conversations.push(conversation);
        }
    }
}

impl Drop for Typist {
    fn drop(&mut self) {
        let is_own =
            |conversation: &ConversationId| self.typing.places().is_of((*conversation, self.user), self.connection);
        let ending: Vec<ConversationId> = self.conversations.iter().copied().filter(is_own).collect();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if ending.is_empty() {
            return;
        }
        let (typing, user) = (self.typing.clone(), self.user);
        runtime.spawn(async move {
            for conversation in ending {
                // Whoever cannot be told lets it pass.
                drop(typing.set((conversation, user), false, None).await);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = (ConversationId(1), UserId(7));

    #[test]
    fn it_is_told_at_intervals_and_its_end_once() {
        let (mut places, start) = (Places::new(10), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        let begin = |places: &mut Places, ms| places.begin(PLACE, None, at(ms)).expect("there is room");
        assert!(begin(&mut places, 0));
        assert!(!begin(&mut places, 100) && !begin(&mut places, 2499));
        assert!(begin(&mut places, 2500));
        assert!(places.end(PLACE, at(2600)) && !places.end(PLACE, at(2600)));
        assert!(!begin(&mut places, 2700), "on and off and on again is no way around");
        assert!(begin(&mut places, 5000));
        assert!(!places.end(PLACE, at(11_000)), "it is over by itself");
    }

    #[test]
    fn it_ends_with_the_connection_that_said_it_last() {
        let (mut places, now) = (Places::new(10), Instant::now());
        places.begin(PLACE, Some(1), now).expect("there is room");
        assert!(places.is_of(PLACE, 1) && !places.is_of(PLACE, 2));
        places.begin(PLACE, Some(2), now).expect("there is room");
        assert!(places.is_of(PLACE, 2) && !places.is_of(PLACE, 1));
        places.end(PLACE, now);
        assert!(!places.is_of(PLACE, 2));
    }

    #[test]
    fn no_more_are_remembered_than_may_be() {
        let (mut places, now) = (Places::new(2), Instant::now());
        let place = |user| (ConversationId(1), UserId(user));
        for user in 1..=2 {
            assert_eq!(places.begin(place(user), None, now), Ok(true));
        }
        assert_eq!(places.begin(place(3), None, now).map_err(|problem| problem.code), Err(Code::TooMany));
        assert_eq!(places.begin(place(1), None, now + INTERVAL), Ok(true), "one of these may go on");
        assert_eq!(places.begin(place(3), None, now + EXPIRES), Ok(true), "one is over");
        let mut many = Places::new(1_000_000);
        for user in 1..=10_000_u32 {
            let later = now + EXPIRES * user;
            many.begin(place(user.into()), None, later).expect("there is room");
        }
        assert!(many.of.len() <= SWEPT_FROM, "those that are over are forgotten");
    }
}
