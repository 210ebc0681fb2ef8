//! Files: uploading, access, downloads, refusals, and what remains on the disk.

mod downloads;
mod garbage_collection;
mod hostile_uploads;
mod picture_metadata;
mod pictures;
mod power_cut;
mod retention;
mod s3_bucket;
mod socket_uploads;
mod uploads;

use crate::harness::{Server, TestUser, unique};
use http::Method;
use parlor_client::error::Error;
use parlor_protocol::{
    error::Problem,
    http::PostMessage,
    ids::{ConversationId, FileId},
    model::{Message, Upload},
    reply::Sent,
};
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::Instant;

/// Incompressible bytes that differ everywhere.
pub(crate) fn random_bytes(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::once(0).chain(std::iter::repeat_with(next)).take(length).collect()
}

/// The path of a new upload.
pub(crate) fn path_of(client_id: &str, name: &str, bytes: usize) -> String {
    let mut path = format!("/v1/uploads?client_id={client_id}&bytes={bytes}&name=");
    for byte in name.bytes() {
        write!(path, "%{byte:02X}").expect("a text takes more");
    }
    path
}

impl TestUser {
    /// Uploads a file in one request.
    pub(crate) async fn try_upload(&self, name: &str, bytes: &[u8]) -> Result<Upload, Error> {
        let path = path_of(&format!("file-{}", unique()), name, bytes.len());
        self.api.request(Method::POST, &path, bytes.to_vec()).await?.parse()
    }

    pub(crate) async fn upload(&self, name: &str, bytes: &[u8]) -> Upload {
        self.try_upload(name, bytes).await.expect("the file is taken")
    }

    /// Sends a message with attachments.
    pub(crate) async fn try_send_files(
        &self,
        conversation: ConversationId,
        text: &str,
        attachments: &[FileId],
    ) -> Result<Message, Error> {
        let body = PostMessage {
            client_id: format!("say-{}", unique()),
            text: text.to_owned(),
            mentions: Vec::new(),
            subject: None,
            reply_to: None,
            attachments: attachments.to_vec(),
            draft: None,
        };
        let path = format!("/v1/conversations/{conversation}/messages");
        Ok(self.api.send::<Sent>(Method::POST, &path, &body).await?.message)
    }

    pub(crate) async fn send_file(&self, conversation: ConversationId, name: &str, bytes: &[u8]) -> Message {
        let upload = self.upload(name, bytes).await;
        self.try_send_files(conversation, "", &[upload.id]).await.expect("a member may send a file")
    }

    /// Requests a path and returns the status and the body.
    pub(crate) async fn fetch(&self, path: &str) -> (u16, Vec<u8>) {
        let answer = self.api.request(Method::GET, path, "").await.expect("an answer");
        (answer.status.as_u16(), answer.body.to_vec())
    }
}

/// Parses the problem of a refusal.
pub(crate) fn problem<T: std::fmt::Debug>(result: Result<T, Error>) -> Problem {
    match result {
        Err(Error::Refused(problem)) => *problem,
        other => panic!("it is refused: {other:?}"),
    }
}

/// Lists every file below a folder.
fn all_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { all_below(&path) } else { vec![path] }).collect()
}

impl Server {
    /// Files on the disk: stored ones and partial uploads, without the database's marker.
    pub(crate) fn files_on_disk(&self) -> Vec<PathBuf> {
        let folders = ["files", "uploads"].map(|folder| self.data().join(folder));
        let is_mark = |path: &PathBuf| path.starts_with(folders[0].join("parlor"));
        folders.iter().flat_map(|folder| all_below(folder)).filter(|path| !is_mark(path)).collect()
    }

    /// Waits until there are this many files on the disk.
    pub(crate) async fn has_files(&self, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.files_on_disk().len() != count {
            assert!(Instant::now() < deadline, "{count} files are expected: {:?}", self.files_on_disk());
            // waits for: the collector's next round
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
