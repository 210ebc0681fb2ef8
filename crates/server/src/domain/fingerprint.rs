//! A keyed fingerprint of what is kept of a command, by which a repeat is told from another command under the
//! same `client_id`, even after the text is gone. Keyed, so that nobody can guess a deleted text from it.

use super::change::Content;
use hmac::{Hmac, KeyInit, Mac};
use parlor_protocol::{
    ids::{ConversationId, FileId, ID_MAX, Version},
    model::Attachment,
    params::{MessagePlace, Open},
};
use sha2::Sha256;

/// The first sixteen bytes of an HMAC-SHA256 (RFC 2104).
pub type Fingerprint = [u8; 16];

/// The key, made once for a store.
#[derive(Clone)]
pub struct FingerprintKey(Hmac<Sha256>);

impl std::fmt::Debug for FingerprintKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("FingerprintKey")
    }
}

impl FingerprintKey {
    /// From the store's secret.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes a key of any length"))
    }

    /// Of `message.send`.
    #[must_use]
    pub fn of_send(&self, conversation: ConversationId, content: &Content) -> Fingerprint {
        let Content { text, mentions, subject, reply_to, attachments, draft: _ } = content;
        let place = conversation.0.to_be_bytes();
        if mentions.is_empty() && subject.is_none() && reply_to.is_none() && attachments.is_empty() {
            // As it was before there was anything else: repeats of older messages are known again.
            return self.of(b"send", &[&place, text.as_bytes()]);
        }
        let json = "texts and numbers only";
        let rest = serde_json::to_vec(&(subject, reply_to, attachments)).expect(json);
        if mentions.is_empty() {
            return self.of(b"send more", &[&place, text.as_bytes(), &rest]);
        }
        let mentions = serde_json::to_vec(mentions).expect(json);
        self.of(b"send mentions", &[&place, text.as_bytes(), &rest, &mentions])
    }

    /// Of `message.forward`.
    #[must_use]
    pub fn of_forward(&self, conversation: ConversationId, from: MessagePlace) -> Fingerprint {
        let places = [conversation.0, from.conversation.0, from.seq.0].map(i64::to_be_bytes);
        self.of(b"forward", &[&places[0], &places[1], &places[2]])
    }

    /// Of `conversation.open`.
    #[must_use]
    pub fn of_open(&self, open: &Open) -> Fingerprint {
        self.of(b"open", &[&serde_json::to_vec(open).expect("a command has string keys only")])
    }

    /// Of the text and the subject of a row of the host.
    #[must_use]
    pub fn of_host_text(&self, text: &str, subject: Option<&str>) -> Fingerprint {
        let has_subject = [u8::from(subject.is_some())];
        self.of(b"host text", &[text.as_bytes(), &has_subject, subject.unwrap_or_default().as_bytes()])
    }

    /// Of the time and the attachments of a row of the host.
    #[must_use]
    pub fn of_host_rest(&self, created_at: i64, attachments: &[Attachment]) -> Fingerprint {
        let attachments = serde_json::to_vec(attachments).expect("texts and numbers only");
        self.of(b"host rest", &[&created_at.to_be_bytes(), &attachments])
    }

    /// The id of a forwarded file: as hard to guess as one drawn at random, and found without drawing.
    #[must_use]
    pub fn of_copy(&self, version: Version, position: usize) -> FileId {
        let hash = self.of(b"copy", &[&version.0.to_be_bytes(), &(position as u64).to_be_bytes()]);
        let mut number = [0; 8];
        number.copy_from_slice(&hash[..8]);
        FileId((i64::from_be_bytes(number) & ID_MAX).max(1))
    }

    fn of(&self, kind: &[u8], parts: &[&[u8]]) -> Fingerprint {
        let mut mac = self.0.clone();
        for part in std::iter::once(&kind).chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        fingerprint
    }
}
