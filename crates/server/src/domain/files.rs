//! Files that messages carry: which may be sent, and what becomes of them.
//!
//! Invariants: a message carries only finished uploads of its sender, each of which was carried by none before; a
//! forwarded message has rows of its own for the same bytes; the files of a deleted message are freed with it.

use super::{
    decide::{At, Rules},
    rows::{Details, Named},
    state::{MessageKey, State},
};
use parlor_protocol::{
    error::{Code, Problem},
    ids::{ConversationId, FileId, Seq, UserId},
    model::{Attachment, Upload},
};

/// How far a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Not all of it is there, or it was not looked at yet.
    Uploading,
    /// It is there, and no message carries it.
    Finished,
    /// A message carries it.
    Sent,
}

impl Named for FileState {
    fn name(self) -> &'static str {
        match self {
            Self::Uploading => "uploading",
            Self::Finished => "finished",
            Self::Sent => "sent",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Uploading, Self::Finished, Self::Sent].into_iter().find(|state| state.name() == name)
    }
}

/// What the smaller copy of a picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preview {
    /// A JPEG.
    Jpeg,
    /// A PNG: something shines through.
    Png,
}

impl Preview {
    /// Its type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }

    /// The number by which the store knows it; 0 is for none.
    #[must_use]
    pub fn number(preview: Option<Self>) -> i64 {
        match preview {
            None => 0,
            Some(Self::Jpeg) => 1,
            Some(Self::Png) => 2,
        }
    }

    /// Read back.
    #[must_use]
    pub fn numbered(number: i64) -> Option<Self> {
        [Self::Jpeg, Self::Png].into_iter().find(|preview| Self::number(Some(*preview)) == number)
    }
}

/// A file.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migrations")]
pub struct FileRow {
    pub id: FileId,
    pub owner: UserId,
    pub client_id: String,
    pub name: String,
    pub bytes: u64,
    pub announced_bytes: u64,
    pub received: u64,
    pub state: FileState,
    pub media_type: Option<String>,
    pub size: Option<(u32, u32)>,
    pub blur_hash: Option<String>,
    pub blob: String,
    pub preview: Option<Preview>,
    pub touched_at: i64,
}

/// A file to be made of another one with the same bytes.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "fields that are named like what they hold")]
pub struct FileCopy {
    pub id: FileId,
    pub source: FileId,
    pub owner: UserId,
    pub conversation: ConversationId,
    pub seq: Seq,
    pub made_at: i64,
}

impl FileRow {
    /// What a message carries of it.
    #[must_use]
    pub fn attachment(&self) -> Attachment {
        Attachment {
            id: self.id,
            name: self.name.clone(),
            media_type: self.media_type.clone().unwrap_or_else(|| "application/octet-stream".to_owned()),
            bytes: self.bytes,
            url: url(self.id),
            width: self.size.map(|(width, _)| width),
            height: self.size.map(|(_, height)| height),
            blur_hash: self.blur_hash.clone(),
            preview: self.preview.map(|_| preview_url(self.id)),
        }
    }

    /// As its owner sees it.
    #[must_use]
    pub fn upload(&self) -> Upload {
        Upload {
            id: self.id,
            client_id: self.client_id.clone(),
            name: self.name.clone(),
            bytes: self.announced_bytes,
            received: self.received,
            attachment: (self.state != FileState::Uploading).then(|| self.attachment()),
        }
    }
}

fn url(id: FileId) -> String {
    format!("/v1/files/{id}")
}

fn preview_url(id: FileId) -> String {
    format!("/v1/files/{id}/preview")
}

impl State {
    /// What a new message of the actor will carry.
    ///
    /// # Errors
    /// Too many, one twice, or one that is not his, not finished, or sent already.
    pub(super) fn attachments(&self, actor: UserId, ids: &[FileId], rules: &Rules) -> Result<Vec<Attachment>, Problem> {
        let most = rules.limits.message_attachments_max;
        if ids.len() > most as usize {
            return Err(Problem::new(Code::LimitReached)
                .with_detail(format!("a message carries up to {most} files"))
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

    /// A new message at this place carries its files from now on; a forwarded one the same bytes under ids of its own.
    pub(super) fn with_files(
        &mut self,
        mut details: Details,
        sender: UserId,
        (conversation, seq): MessageKey,
        rules: &Rules,
        at: At,
    ) -> Details {
        for (position, attachment) in details.attachments.iter_mut().enumerate() {
            if !details.forwarded {
                if let Some(row) = self.files.get_mut(&attachment.id) {
                    row.state = FileState::Sent;
                }
                self.carried.push((attachment.id, conversation, seq));
                continue;
            }
            let id = rules.fingerprints.of_copy(at.version, position);
            // Of what was copied in this batch there is no row yet.
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
