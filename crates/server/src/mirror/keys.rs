//! The keys of rows that Parlor writes, in the host's table `parlor_map`: by them a row that was written and whose
//! COMMIT got no answer is found again, and a row is recognised as the one of a message.

use crate::domain::rows::MessageRow;
use parlor_protocol::ids::{ConversationId, Seq};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The key of a message's row.
///
/// The digest distinguishes the message from another one that has its place in a store that was restored from a backup.
pub(super) fn of_message(message: &MessageRow) -> String {
    format!("m-{}-{}-{}", message.conversation, message.seq, digest(message))
}

/// The key of a row without a message: one that was sent over an old socket.
pub(super) fn of_send(random: [u8; 16]) -> String {
    format!("s-{}", hex(&random))
}

/// Returns the message that a key may be of.
pub(super) fn place(key: &str) -> Option<(ConversationId, Seq)> {
    let mut parts = key.strip_prefix("m-")?.split('-');
    let place = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (parts.next().is_some() && parts.next().is_none()).then_some(place)
}

fn digest(message: &MessageRow) -> String {
    let mut digest = Sha256::new();
    digest.update(message.sender.0.to_be_bytes());
    digest.update(message.client_id.as_bytes());
    hex(&digest.finalize()[..8])
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing into a String");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_messages_name_their_place_and_others_do_not() {
        assert_eq!(place("m-12-345-0011223344556677"), Some((ConversationId(12), Seq(345))));
        for key in ["s-00112233445566778899aabbccddeeff", "m-12-345", "m-12-345-00-11", "m-x-345-00", "", "12-345-00"] {
            assert_eq!(place(key), None, "{key}");
        }
        assert_eq!(of_send([1; 16]), format!("s-{}", "01".repeat(16)));
    }
}
