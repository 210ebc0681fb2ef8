//! Durability through a power cut at the block device: only what reached the device remains.
//!
//! The data folder is on an ext4 image. While users write, the server is paused, the image copied, the server killed;
//! the copy is what a power cut would have left. A control with `durability = relaxed` must lose something, or the
//! test would prove nothing. Needs root and loop mounts; without them it reports that and proves nothing.

use crate::{
    harness::{Rng, Server, Setup, TestUser, budget, folder, signal, tool},
    writers::{SharedState, WriterOptions, final_read, spawn_writer},
};
use parlor_client::history::{
    checker::{Verdict, Violation, check},
    record::{Op, Record, Recorder},
};
use parlor_protocol::ids::ConversationId;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

/// A mounted ext4 image.
pub(crate) struct Disk {
    pub(crate) image: PathBuf,
    mount: PathBuf,
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

impl Disk {
    pub(crate) fn new(folder: &TempDir, bytes: u64) -> Result<Self, String> {
        let image = folder.path().join("disk.img");
        let file = fs::File::create(&image).map_err(|error| error.to_string())?;
        file.set_len(bytes).map_err(|error| error.to_string())?;
        tool("mkfs.ext4", &["-q", "-F", text(&image)])?;
        Self::mount(image, folder.path().join("disk"))
    }

    pub(crate) fn mount(image: PathBuf, mount: PathBuf) -> Result<Self, String> {
        fs::create_dir_all(&mount).map_err(|error| error.to_string())?;
        tool("mount", &["-o", "loop", text(&image), text(&mount)])?;
        Ok(Self { image, mount })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.mount.join("data")
    }

    /// Flushes everything written so far to the image.
    pub(crate) fn sync(&self) -> Result<(), String> {
        tool("sync", &["-f", text(&self.mount)])
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(why) = tool("umount", &[text(&self.mount)]) {
            eprintln!("{why}");
        }
    }
}

/// The outcome of one cut.
struct CutResult {
    verdict: Verdict,
}

/// Runs a server on its own disk with four writers, and cuts the power.
async fn cut(durability: &str, rng: &mut Rng) -> Result<CutResult, String> {
    let folder = folder();
    let disk = Disk::new(&folder, 64 << 20)?;
    let mut server = Setup::new().with("store.durability", durability).in_folder(&disk.data()).start().await;
    let (users, conversation) = four_writers(&server).await;
    // Only what happens from here on is tested.
    disk.sync()?;

    let shared = SharedState::new(users.len());
    let options = WriterOptions { pause_ms: 3, cancels_percent: 0, reconnects_percent: 0, converges: false };
    let writers: Vec<_> = users
        .iter()
        .map(|user| spawn_writer(user, vec![conversation], &shared, options, Rng::new(rng.next())))
        .collect();
    shared.until_acknowledged(50).await;
    // waits for: nothing; the moment of the cut is random
    tokio::time::sleep(rng.millis(0, 300)).await;

    signal(server.pid(), "STOP");
    let copy = folder.path().join("cut.img");
    fs::copy(&disk.image, &copy).map_err(|error| error.to_string())?;
    shared.end();
    server.kill();
    let mut records = Vec::new();
    for writer in writers {
        let ended = tokio::time::timeout(Duration::from_mins(1), writer).await;
        records.extend(ended.expect("a writer ends").expect("and well").records);
    }
    drop(server);
    drop(disk);

    let disk = Disk::mount(copy, folder.path().join("cut"))?;
    let mut server = Setup::new().with("store.durability", durability).in_folder(&disk.data()).start().await;
    records.extend(read_again(&server, &users, conversation, &shared).await);
    server.stop().await;
    let verified = server.run(&["verify"]);
    assert!(verified.status.success(), "`parlor verify` finds: {}", String::from_utf8_lossy(&verified.stdout));
    drop(server);

    let everyone: BTreeSet<_> = users.iter().map(|user| user.id.0).collect();
    Ok(CutResult { verdict: check(&records, &BTreeMap::from([(conversation.0, everyone)])) })
}

async fn four_writers(server: &Server) -> (Vec<TestUser>, ConversationId) {
    let mut users = Vec::new();
    for name in ["ada", "ben", "cleo", "dan"] {
        users.push(server.user(name).await);
    }
    let others: Vec<_> = users[1..].iter().collect();
    let conversation = users[0].group("tram 18", &others).await;
    (users, conversation)
}

/// The final read, at the new process's address.
async fn read_again(
    server: &Server,
    users: &[TestUser],
    conversation: ConversationId,
    shared: &SharedState,
) -> Vec<Record> {
    let mut recorder = Recorder::in_memory(shared.began);
    let mut api = server.api();
    for (name, value) in users[0].api.headers() {
        api = api.with_header(name.clone(), value.to_str().expect("plain headers"));
    }
    final_read(&api, conversation, 0, &mut recorder).await;
    recorder.finish()
}

/// The number of rounds, or why there are none.
pub(crate) fn rounds() -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
    let rounds = (4.0 * budget()).max(2.0) as usize;
    rounds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_messages_survive_a_power_cut() {
    let mut rng = Rng::new(u64::from(std::process::id()));
    let mut acknowledged = 0;
    for _ in 0..rounds() {
        match cut("full", &mut rng).await {
            Err(why) => return println!("skipped, for no disk image can be mounted here: {why}"),
            Ok(CutResult { verdict }) => {
                let lost: Vec<_> = verdict.findings.iter().take(10).collect();
                assert!(
                    verdict.findings.is_empty(),
                    "{} of {}: {lost:#?}",
                    verdict.findings.len(),
                    verdict.acknowledged
                );
                acknowledged += verdict.acknowledged;
            }
        }
    }
    println!("{} power cuts, {acknowledged} sends acknowledged, none lost", rounds());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relaxed_durability_loses_messages_in_a_power_cut() {
    let mut rng = Rng::new(u64::from(std::process::id()));
    for _ in 0..3 {
        match cut("relaxed", &mut rng).await {
            Err(why) => return println!("skipped, for no disk image can be mounted here: {why}"),
            Ok(CutResult { verdict }) if verdict.violations().contains(&Violation::Lost) => {
                let lost = verdict.findings.iter().filter(|finding| finding.violation == Violation::Lost).count();
                return println!("relaxed durability lost {lost} messages, as it must");
            }
            Ok(_) => {}
        }
    }
    panic!("three power cuts lost nothing without a sync: the test is blind");
}

#[test]
fn an_empty_final_read_counts_as_a_loss() {
    // The control relies on this: a conversation that is empty after a cut must count as lost.
    let send = Record::send(1, 2, "a", "text");
    let row = Record { sender: Some(1), cmid: Some("a".to_owned()), mid: Some(3), seq: Some(1), ..send.clone() };
    let records = [send, Record { op: Op::Ack, ..row }];
    let verdict = check(&records, &BTreeMap::from([(2, BTreeSet::from([1]))]));
    assert_eq!(verdict.violations(), BTreeSet::from([Violation::Lost]));
}
