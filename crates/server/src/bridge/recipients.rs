//! What one `group_send` of the core layer puts into which queues: one message for each process that has members in
//! the group, with the names of these members.

use super::{
    capacity::{CapacityRule, capacity_of},
    codec::{Codec, Unwritable},
    commands::{Keys, QueueMessage},
    names::{server_of, shared_part},
    value::{MapKey, Value},
};
use crate::environment::Environment;

/// The key under which a message names the channels that it is for.
pub const CHANNELS: &str = "__asgi_channel__";

/// What the messages depend on.
#[derive(Clone, Debug)]
pub struct Recipients<'a> {
    /// How keys are made.
    pub keys: &'a Keys,
    /// How messages are written.
    pub codec: &'a Codec,
    /// `channel_capacity`.
    pub rules: &'a [CapacityRule],
    /// `capacity`.
    pub capacity: u32,
    /// The number of servers.
    pub servers: usize,
}

impl Recipients<'_> {
    /// Returns the messages for the members of a group, by the index of their server.
    ///
    /// # Errors
    /// The message cannot be written.
    pub fn messages(
        &self,
        members: &[String],
        message: &[(MapKey, Value)],
        environment: &Environment,
    ) -> Result<Vec<(usize, Vec<QueueMessage>)>, Unwritable> {
        let mut processes: Vec<(&str, Vec<&str>)> = Vec::new();
        for member in members {
            let shared = shared_part(member);
            match processes.iter_mut().find(|(process, _)| *process == shared) {
                Some((_, channels)) => channels.push(member),
                None => processes.push((shared, vec![member])),
            }
        }
        let mut servers: Vec<(usize, Vec<QueueMessage>)> = Vec::new();
        for (process, channels) in processes {
            let mut addressed = message.to_vec();
            let names = channels.iter().map(|channel| Value::from(*channel)).collect();
            addressed.push((CHANNELS.into(), Value::List(names)));
            let message = QueueMessage {
                queue: self.keys.queue(process),
                message: self.codec.encode(&Value::Map(addressed), environment)?,
                capacity: capacity_of(channels[0], self.rules, self.capacity),
            };
            let server = server_of(process, self.servers);
            match servers.iter_mut().find(|(index, _)| *index == server) {
                Some((_, messages)) => messages.push(message),
                None => servers.push((server, vec![message])),
            }
        }
        Ok(servers)
    }
}
