//! The same through a power cut at the block device: only what reached the device is left.
//!
//! The data folder lies on an ext4 image of its own. While people write, the server is stopped where it stands, the
//! image copied, the server killed; the copy is what a cut would have left. A control with `durability = relaxed` must
//! lose something, else the test would be blind. Needs root and loop mounts; without them it says so and proves nothing.

use crate::{
    crowd::{Rhythm, Stage, final_read, writes},
    harness::{Chance, Person, Server, Setup, budget, folder, signal, tool},
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

/// An ext4 image, mounted.
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

    /// Sees to it that all that was written so far is on it.
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

/// What is left of one cut.
struct Cut {
    verdict: Verdict,
}

/// One server on a disk of its own, four people who write, and a cut.
async fn cut(durability: &str, chance: &mut Chance) -> Result<Cut, String> {
    let folder = folder();
    let disk = Disk::new(&folder, 64 << 20)?;
    let mut server = Setup::new().with("store.durability", durability).in_folder(&disk.data()).start().await;
    let (people, conversation) = four(&server).await;
    // What was done so far is not what is tested.
    disk.sync()?;

    let stage = Stage::new(people.len());
    let rhythm = Rhythm { pause_ms: 3, cancels_percent: 0, converges: false };
    let writers: Vec<_> = people
        .iter()
        .map(|person| writes(person, vec![conversation], &stage, rhythm, Chance::new(chance.next())))
        .collect();
    stage.until_acknowledged(50).await;
    // waits for: nothing; the moment of the cut is the chance that is tested
    tokio::time::sleep(chance.millis(0, 300)).await;

    signal(server.pid(), "STOP");
    let copy = folder.path().join("cut.img");
    fs::copy(&disk.image, &copy).map_err(|error| error.to_string())?;
    stage.end();
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
    records.extend(read_again(&server, &people, conversation, &stage).await);
    server.stop().await;
    let verified = server.run(&["verify"]);
    assert!(verified.status.success(), "`parlor verify` finds: {}", String::from_utf8_lossy(&verified.stdout));
    drop(server);

    let everybody: BTreeSet<_> = people.iter().map(|person| person.id.0).collect();
    Ok(Cut { verdict: check(&records, &BTreeMap::from([(conversation.0, everybody)])) })
}

async fn four(server: &Server) -> (Vec<Person>, ConversationId) {
    let mut people = Vec::new();
    for name in ["ada", "ben", "cleo", "dan"] {
        people.push(server.user(name).await);
    }
    let others: Vec<_> = people[1..].iter().collect();
    let conversation = people[0].group("tram 18", &others).await;
    (people, conversation)
}

/// The final read, on the address of the new process.
async fn read_again(server: &Server, people: &[Person], conversation: ConversationId, stage: &Stage) -> Vec<Record> {
    let mut recorder = Recorder::in_memory(stage.began);
    let mut api = server.api();
    for (name, value) in people[0].api.headers() {
        api = api.with_header(name.clone(), value.to_str().expect("plain headers"));
    }
    final_read(&api, conversation, 0, &mut recorder).await;
    recorder.finish()
}

/// The rounds of a budget, or the reason why there are none.
pub(crate) fn rounds() -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
    let rounds = (4.0 * budget()).max(2.0) as usize;
    rounds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_power_cut() {
    let mut chance = Chance::new(u64::from(std::process::id()));
    let mut acknowledged = 0;
    for _ in 0..rounds() {
        match cut("full", &mut chance).await {
            Err(why) => return println!("skipped, for no disk image can be mounted here: {why}"),
            Ok(Cut { verdict }) => {
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
async fn the_power_cut_is_a_real_one_for_relaxed_durability_loses_messages() {
    let mut chance = Chance::new(u64::from(std::process::id()));
    for _ in 0..3 {
        match cut("relaxed", &mut chance).await {
            Err(why) => return println!("skipped, for no disk image can be mounted here: {why}"),
            Ok(Cut { verdict }) if verdict.violations().contains(&Violation::Lost) => {
                let lost = verdict.findings.iter().filter(|finding| finding.violation == Violation::Lost).count();
                return println!("relaxed durability lost {lost} messages, as it must");
            }
            Ok(_) => {}
        }
    }
    panic!("three power cuts lost nothing without a sync: the test is blind");
}

#[test]
fn a_final_read_that_found_nothing_is_a_loss() {
    // The control above rests on this: a conversation that is empty after a cut must count as lost.
    let send = Record::send(1, 2, "a", "text");
    let row = Record { sender: Some(1), cmid: Some("a".to_owned()), mid: Some(3), seq: Some(1), ..send.clone() };
    let records = [send, Record { op: Op::Ack, ..row }];
    let verdict = check(&records, &BTreeMap::from([(2, BTreeSet::from([1]))]));
    assert_eq!(verdict.violations(), BTreeSet::from([Violation::Lost]));
}
