//! The bytes of a message, as channels-redis' serializers make them: MessagePack or JSON, optionally encrypted, in the
//! core layer behind random bytes that make equal messages different members of a sorted set.

use super::{json, msgpack, value::Value};
use crate::{
    environment::Environment,
    fernet::{FernetKey, InvalidToken},
};
use serde::Deserialize;

/// Random bytes before a message of the core layer (`random_prefix_length`).
pub const PREFIX_BYTES: usize = 12;
/// How much older than its expiry a token may be, in seconds.
const TTL_MARGIN_S: i64 = 10;

/// Which of the two layers of channels-redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// `channels_redis.core.RedisChannelLayer`.
    Core,
    /// `channels_redis.pubsub.RedisPubSubChannelLayer`.
    Pubsub,
}

/// `serializer_format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Serializer {
    /// The default.
    Msgpack,
    /// JSON.
    Json,
}

/// How messages are written and read.
#[derive(Clone, Debug)]
pub struct Codec {
    /// The layer.
    pub layer: Layer,
    /// The serializer.
    pub serializer: Serializer,
    /// `symmetric_encryption_keys`: the first one encrypts, each decrypts. Empty for no encryption.
    pub keys: Vec<FernetKey>,
    /// `expiry`, in seconds.
    pub expiry_s: u32,
}

/// Why bytes are not read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Not valid MessagePack.
    #[error(transparent)]
    Msgpack(#[from] msgpack::DecodeError),
    /// Not valid JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// Encrypted with another key, damaged, or too old.
    #[error(transparent)]
    Token(#[from] InvalidToken),
    /// Shorter than the random bytes.
    #[error("the message is shorter than its random bytes")]
    Short,
    /// Not a dictionary.
    #[error("the message is not a dictionary")]
    NotAMap,
}

/// Why a message is not written.
#[derive(Debug, thiserror::Error)]
pub enum Unwritable {
    /// MessagePack has no form for it.
    #[error(transparent)]
    Msgpack(#[from] msgpack::EncodeError),
    /// JSON has no form for it.
    #[error(transparent)]
    Json(#[from] json::NotJson),
}

impl Codec {
    /// Writes a message.
    ///
    /// # Errors
    /// See [`Unwritable`].
    pub fn encode(&self, message: &Value, environment: &Environment) -> Result<Vec<u8>, Unwritable> {
        let mut bytes = match self.layer {
            Layer::Core => environment.random::<PREFIX_BYTES>().to_vec(),
            Layer::Pubsub => Vec::new(),
        };
        let body = match self.serializer {
            Serializer::Msgpack => msgpack::encode(message)?,
            Serializer::Json => json::encode(message)?.into_bytes(),
        };
        match self.keys.first() {
            Some(key) => bytes.extend(key.encrypt(&body, now_s(environment), environment.random()).into_bytes()),
            None => bytes.extend(body),
        }
        Ok(bytes)
    }

    /// Reads a message.
    ///
    /// # Errors
    /// See [`Unreadable`].
    pub fn decode(&self, bytes: &[u8], environment: &Environment) -> Result<Value, Unreadable> {
        let body = match self.layer {
            Layer::Core => bytes.get(PREFIX_BYTES..).ok_or(Unreadable::Short)?,
            Layer::Pubsub => bytes,
        };
        let value = if self.keys.is_empty() {
            self.deserialize(body)?
        } else {
            let ttl_s = (self.layer == Layer::Core).then(|| i64::from(self.expiry_s) + TTL_MARGIN_S);
            let now_s = now_s(environment);
            let decrypted = self.keys.iter().find_map(|key| key.decrypt(body, ttl_s, now_s).ok());
            self.deserialize(&decrypted.ok_or(InvalidToken)?)?
        };
        if matches!(value, Value::Map(_)) { Ok(value) } else { Err(Unreadable::NotAMap) }
    }

    fn deserialize(&self, body: &[u8]) -> Result<Value, Unreadable> {
        Ok(match self.serializer {
            Serializer::Msgpack => msgpack::decode(body)?,
            Serializer::Json => json::decode(body)?,
        })
    }
}

fn now_s(environment: &Environment) -> i64 {
    environment.now_ms().div_euclid(1000)
}
