//! Files in a commit: those that new messages carry, copies for forwarded messages, and files of deleted messages.

use super::BatchTransaction;
use crate::{
    domain::{
        load_plan::LoadPlan,
        rows::{Details, FileState, Named},
        state::State,
    },
    store::{
        Result,
        bulk_params::BulkParams,
        rows::{FILE, RowReader},
    },
};

/// Joins the files of the given messages.
const FILES_OF_MESSAGES: &str = "FROM v JOIN files f ON f.conversation_id = v.conversation_id AND f.seq = v.seq";

impl BatchTransaction<'_> {
    /// Loads the files that messages are about to carry, and locks them so that they are not deleted meanwhile.
    pub(super) fn load_files(&mut self, plan: &LoadPlan, state: &mut State) -> Result<()> {
        let mut params = BulkParams::new(["id"]);
        for id in &plan.files {
            params.push([id.0.into()]);
        }
        if params.is_empty() {
            return Ok(());
        }
        let connection = self.connection();
        // On SQLite nothing else writes during a commit.
        let lock = if connection.is_sqlite() { "" } else { " FOR UPDATE OF f" };
        let sql = format!("SELECT {FILE} FROM v JOIN files f ON f.id = v.id{lock}");
        params.for_each(connection, &sql, |row| {
            let file = RowReader::new(row).file()?;
            state.files.insert(file.id, file);
            Ok(())
        })
    }

    /// This order allows a file to be sent, forwarded and deleted in one commit.
    pub(super) fn write_files(&mut self, state: &State) -> Result<()> {
        self.carry_files(state)?;
        self.copy_files(state)?;
        self.free_files(state)
    }

    fn carry_files(&mut self, state: &State) -> Result<()> {
        let mut params = BulkParams::new(["id", "state", "conversation_id", "seq"]);
        for (id, conversation, seq) in &state.carried {
            params.push([id.0.into(), FileState::Sent.name().into(), conversation.0.into(), seq.0.into()]);
        }
        self.execute(
            params,
            "UPDATE files SET state = v.state, conversation_id = v.conversation_id, seq = v.seq FROM v \
                 WHERE files.id = v.id",
        )
    }

    fn copy_files(&mut self, state: &State) -> Result<()> {
        let mut params =
            BulkParams::new(["id", "source", "owner", "client_id", "state", "made_at", "conversation_id", "seq"]);
        for copy in &state.copied {
            params.push([
                copy.id.0.into(),
                copy.source.0.into(),
                copy.owner.0.into(),
                format!(" copy {}", copy.id).into(),
                FileState::Sent.name().into(),
                copy.made_at.into(),
                copy.conversation.0.into(),
                copy.seq.0.into(),
            ]);
        }
        self.execute(
            params,
            "INSERT INTO files (id, owner, client_id, name, bytes, announced_bytes, received, state, media_type, \
                 width, height, blur_hash, blob, has_preview, created_at, touched_at, conversation_id, seq) \
                 SELECT v.id, v.owner, v.client_id, f.name, f.bytes, f.announced_bytes, f.received, v.state, \
                 f.media_type, f.width, f.height, f.blur_hash, f.blob, f.has_preview, v.made_at, v.made_at, \
                 v.conversation_id, v.seq FROM v JOIN files f ON f.id = v.source",
        )
    }

    fn free_files(&mut self, state: &State) -> Result<()> {
        let is_gone = |details: &Details| details.deleted || details.removed;
        let deleted = state.changed_messages.iter().filter(|place| is_gone(&state.messages[place].details));
        let mut params = BulkParams::new(["conversation_id", "seq"]);
        for (conversation, seq) in deleted {
            params.push([conversation.0.into(), seq.0.into()]);
        }
        if params.is_empty() {
            return Ok(());
        }
        params.execute(
            self.connection(),
            &format!(
                "INSERT INTO freed_blobs (blob) SELECT DISTINCT f.blob {FILES_OF_MESSAGES} WHERE v.seq IS NOT NULL \
                     ON CONFLICT (blob) DO NOTHING"
            ),
        )?;
        params.execute(self.connection(), &format!("DELETE FROM files WHERE id IN (SELECT f.id {FILES_OF_MESSAGES})"))
    }
}
