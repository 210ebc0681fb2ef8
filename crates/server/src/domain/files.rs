//! Attachments: which files may be sent, and what happens to them.
//!
//! Invariants: a message has only finished uploads of its sender, each of which was attached to no message before; a
//! forwarded message has its own rows for the same bytes; the files of a deleted message are freed with it.

use super::{
    decide::{At, Rules},
    rows::{Details, FileState, preview_url, url},
    state::{FileCopy, MessageKey, State},
};
use parlor_protocol::{
    error::{Code, Problem},
    ids::{FileId, UserId},
    model::Attachment,
};

/// Returns whether it is a file of this server, not of the host.
#[must_use]
pub fn is_stored(attachment: &Attachment) -> bool {
    attachment.url == url(attachment.id)
}

impl State {
    /// Returns the attachments of a new message of the actor.
    ///
    /// # Errors
    /// Too many, one twice, or one that is not theirs, not finished, or already sent.
    pub(super) fn attachments(&self, actor: UserId, ids: &[FileId], rules: &Rules) -> Result<Vec<Attachment>, Problem> {
        let most = rules.limits.message_attachments_max;
        if ids.len() > most as usize {
            return Err(Problem::new(Code::LimitReached)
                .with_detail(format!("a message has up to {most} files"))
                .with_limit(most.into()));
        }
        let mut attachments = Vec::with_capacity(ids.len());
        for (position, id) in ids.iter().enumerate() {
            if ids[..position].contains(id) {
                return Err(Problem::new(Code::InvalidField).with_detail(format!("`attachments`: {id} is there twice")));
            }
            let row = self.files.get(id).filter(|row| row.owner == actor && row.state != FileState::Sent);
            let row = row.ok_or_else(|| {
                Problem::new(Code::NotFound).with_detail(format!("there is no upload {id} that was not sent yet"))
            })?;
            if row.state == FileState::Uploading {
                return Err(Problem::new(Code::UploadUnfinished).with_detail(format!("upload {id} is not finished")));
            }
            attachments.push(row.attachment());
        }
        Ok(attachments)
    }

    /// Attaches files to a new message; a forwarded one gets the same bytes under new ids.
    pub(super) fn with_files(
        &mut self,
        mut details: Details,
        sender: UserId,
        (conversation, seq): MessageKey,
        rules: &Rules,
        at: At,
    ) -> Details {
        for (position, attachment) in details.attachments.iter_mut().enumerate() {
            if !is_stored(attachment) {
                // A file of the host, which stays there.
                continue;
            }
            if !details.forwarded {
                if let Some(row) = self.files.get_mut(&attachment.id) {
                    row.state = FileState::Sent;
                }
                self.carried.push((attachment.id, conversation, seq));
                continue;
            }
            let id = rules.fingerprints.of_copy(at.version, position);
            // A file that was copied in this batch has no row yet.
            let copied = self.copied.iter().find(|copy| copy.id == attachment.id);
            let source = copied.map_or(attachment.id, |copy| copy.source);
            self.copied.push(FileCopy { id, source, owner: sender, conversation, seq, made_at: at.now_ms });
            attachment.id = id;
            attachment.url = url(id);
            attachment.preview = attachment.preview.as_ref().map(|_| preview_url(id));
        }
        details
    }
}
