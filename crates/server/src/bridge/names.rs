//! Names of channels and groups (Channels' `channel_layer_spec`), and the Redis server on which each is (channels-redis'
//! `_consistent_hash`).

/// A name has fewer characters than this.
const LENGTH_END: usize = 100;

/// Whether a group may have this name: ASCII letters, digits, `-`, `_` and `.`, up to 99.
#[must_use]
pub fn is_group(name: &str) -> bool {
    !name.is_empty() && name.len() < LENGTH_END && name.bytes().all(is_plain)
}

/// Whether a channel may have this name: that of a group, and at most one `!` with a local part behind it.
#[must_use]
pub fn is_channel(name: &str) -> bool {
    let (before, local) = name.split_once('!').unwrap_or((name, ""));
    !before.is_empty()
        && name.chars().count() < LENGTH_END
        && before.bytes().all(is_plain)
        // Python's `\w` knows the letters of all scripts.
        && local.chars().all(|sign| sign.is_alphanumeric() || matches!(sign, '-' | '_' | '.'))
}

/// Whether a process may receive from a channel by this name: its local part is absent, since it is read from the
/// message.
#[must_use]
pub fn is_receivable(name: &str) -> bool {
    is_channel(name) && name.split_once('!').is_none_or(|(_, local)| local.is_empty())
}

/// Returns the part of a channel's name that its process shares: up to `!`, and with it.
#[must_use]
pub fn shared_part(channel: &str) -> &str {
    channel.find('!').map_or(channel, |at| &channel[..=at])
}

/// Returns the index of the server that is responsible for a name, of this many.
#[must_use]
pub fn server_of(name: &str, servers: usize) -> usize {
    let place = crc32fast::hash(name.as_bytes()) & 0xfff;
    // Python divides floats, which gives the same for all 4096 places and up to 185 servers.
    place as usize * servers / 4096
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}
