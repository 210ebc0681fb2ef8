//! Files through a power cut: whatever a message carries is there, whole; what is on its way goes on from what was
//! counted; what nothing knows is collected. The disk and the cut are those of `power_cut`.

use super::{noise, path_of};
use crate::{
    harness::{Chance, Person, Server, Setup, folder, signal},
    power_cut::{Disk, rounds},
};
use http::Method;
use image::{ImageFormat, Rgb, RgbImage};
use parlor_protocol::{
    ids::ConversationId,
    model::{Attachment, Message, Upload},
};
use std::{
    fs,
    io::Cursor,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// What a file is to have, by its name: bytes that are a picture, or so many others.
fn content(name: &str) -> Vec<u8> {
    let (seed, length) = name.trim_end_matches(".bin").split_once('-').expect("a name of this test's");
    let seed: u32 = seed.parse().expect("a number");
    let Ok(length) = length.parse() else {
        let shade = |place: u32| (place.wrapping_mul(seed | 1) >> 3).to_le_bytes()[0];
        let image = RgbImage::from_fn(700, 400, |x, y| Rgb([shade(x), shade(y), shade(x ^ y)]));
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, ImageFormat::Png).expect("written");
        return bytes.into_inner();
    };
    let mut bytes = noise(length);
    bytes.iter_mut().zip(seed.to_le_bytes().into_iter().cycle()).for_each(|(byte, other)| *byte ^= other);
    // It begins as nothing that is looked at.
    bytes.iter_mut().take(1).for_each(|byte| *byte = 0);
    bytes
}

fn name(chance: &mut Chance) -> String {
    let seed = u32::try_from(chance.below(1 << 30)).expect("small");
    match chance.below(10) {
        0 => format!("{seed}-0.bin"),
        1 | 2 => format!("{seed}-picture.png"),
        3 | 4 => format!("{seed}-{}.bin", chance.below(5_000)),
        5 | 6 => format!("{seed}-{}.bin", chance.below(200_000)),
        7 | 8 => format!("{seed}-{}.bin", chance.below(3_000_000)),
        _ => format!("{seed}-{}.bin", 8_400_000 + chance.below(2_000_000)),
    }
}

/// What people did.
#[derive(Clone, Default)]
struct Done {
    is_over: Arc<AtomicBool>,
    /// Names of files of which a message was acknowledged.
    sent: Arc<Mutex<Vec<String>>>,
    /// Who began which, by its key and name.
    begun: Arc<Mutex<Vec<(usize, String, String)>>>,
}

impl Done {
    fn sent(&self) -> Vec<String> {
        self.sent.lock().expect("not poisoned").clone()
    }
}

/// Uploads files and sends each with a message until the server is gone.
async fn sends_files(index: usize, person: Person, conversation: ConversationId, done: Done, mut chance: Chance) {
    for number in 0_u32.. {
        if done.is_over.load(Ordering::Relaxed) {
            return;
        }
        let (key, name) = (format!("cut-{number}"), name(&mut chance));
        let bytes = content(&name);
        done.begun.lock().expect("not poisoned").push((index, key.clone(), name.clone()));
        let answer = person.api.request(Method::POST, &path_of(&key, &name, bytes.len()), bytes).await;
        let Ok(upload) = answer.and_then(|answer| answer.parse::<Upload>()) else { continue };
        if person.try_send_files(conversation, &name, &[upload.id]).await.is_ok() {
            done.sent.lock().expect("not poisoned").push(name);
        }
    }
}

/// The same person at another server.
fn at(server: &Server, person: &Person) -> Person {
    let token = person.api.headers()["authorization"].to_str().expect("a token").trim_start_matches("Bearer ");
    Person { api: server.api().with_token(token).as_user(person.id), ..person.clone() }
}

async fn messages(person: &Person, conversation: ConversationId) -> Vec<Message> {
    let (mut messages, mut after) = (Vec::<Message>::new(), 0);
    loop {
        let page = person.api.messages(conversation, &format!("after={after}")).await.expect("a member reads");
        messages.extend(page.messages);
        match messages.last() {
            Some(last) if page.next.is_some() => after = last.seq.0,
            _ => return messages,
        }
    }
}

async fn is_whole(person: &Person, attachment: &Attachment, what: &str) {
    let name = &attachment.name;
    let (status, bytes) = person.fetch(&attachment.url).await;
    assert_eq!((status, bytes.len() as u64), (200, attachment.bytes), "{what} {name}");
    assert!(bytes == content(name), "{what} {name}: other bytes");
    if let Some(preview) = &attachment.preview {
        let (status, bytes) = person.fetch(preview).await;
        assert_eq!(status, 200, "the smaller copy of {name}");
        image::load_from_memory(&bytes).unwrap_or_else(|error| panic!("the smaller copy of {name}: {error}"));
    }
}

/// Three people who send files, and a cut. Says how many files were acknowledged, and how many uploads went on.
async fn cut(chance: &mut Chance) -> Result<(usize, usize), String> {
    let folder = folder();
    let disk = Disk::new(&folder, 192 << 20)?;
    let mut server = Setup::new().in_folder(&disk.data()).start().await;
    let people = [server.user("ada").await, server.user("ben").await, server.user("cleo").await];
    let conversation = people[0].group("tram 18", &[&people[1], &people[2]]).await;
    // What was done so far is not what is tested.
    disk.sync()?;
    let done = Done::default();
    let writers = people.iter().enumerate().map(|(index, person)| {
        let chance = Chance::new(chance.next());
        tokio::spawn(sends_files(index, person.clone(), conversation, done.clone(), chance))
    });
    let writers: Vec<_> = writers.collect();
    let deadline = Instant::now() + Duration::from_mins(1);
    while done.sent().len() < 10 {
        assert!(Instant::now() < deadline, "nothing is acknowledged");
        // waits for: acknowledgements
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // waits for: nothing; the moment of the cut is the chance that is tested
    tokio::time::sleep(chance.millis(0, 300)).await;
    signal(server.pid(), "STOP");
    let acknowledged = done.sent();
    done.is_over.store(true, Ordering::Relaxed);
    let copy = folder.path().join("cut.img");
    fs::copy(&disk.image, &copy).map_err(|error| error.to_string())?;
    server.kill();
    for writer in writers {
        tokio::time::timeout(Duration::from_mins(1), writer).await.expect("a writer ends").expect("and well");
    }
    drop(server);
    drop(disk);
    let begun = done.begun.lock().expect("not poisoned").clone();

    let disk = Disk::mount(copy, folder.path().join("cut"))?;
    let mut server = Setup::new().in_folder(&disk.data()).start().await;
    let people = people.map(|person| at(&server, &person));
    let there = messages(&people[2], conversation).await;
    for message in &there {
        let [attachment] = message.attachments.as_slice() else { panic!("one file: {message:?}") };
        assert_eq!(message.text, attachment.name);
        is_whole(&people[2], attachment, "sent:").await;
    }
    for name in &acknowledged {
        assert!(there.iter().any(|message| &message.text == name), "{name} was acknowledged and is lost");
    }
    let mut went_on = 0;
    for (index, key, name) in begun.iter().filter(|(_, _, name)| !there.iter().any(|sent| &sent.text == name)) {
        let person = &people[*index];
        let Ok(upload) = person.api.get::<Upload>(&format!("/v1/uploads/{key}")).await else { continue };
        let (bytes, received) = (content(name), usize::try_from(upload.received).expect("small"));
        let path = format!("/v1/uploads/{key}?offset={received}");
        let rest = person.api.request(Method::PATCH, &path, bytes[received..].to_vec()).await.expect("an answer");
        let attachment = rest.parse::<Upload>().expect("it goes on").attachment.expect("it is complete");
        is_whole(person, &attachment, &format!("from {received} on:")).await;
        went_on += 1;
    }
    server.stop().await;
    let verified = server.run(&["verify"]);
    assert!(verified.status.success(), "`parlor verify` finds: {}", String::from_utf8_lossy(&verified.stderr));
    drop(server);

    // What no message carries goes, and nothing else.
    let setup = Setup::new().with("files.unsent_ms", 1).with("files.collect_ms", 20).in_folder(&disk.data());
    let server = setup.start().await;
    let previews = there.iter().filter(|message| message.attachments[0].preview.is_some()).count();
    server.has_files(there.len() + previews).await;
    Ok((acknowledged.len(), went_on))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_message_carries_is_whole_after_a_power_cut() {
    let mut chance = Chance::new(u64::from(std::process::id()));
    let (mut acknowledged, mut went_on) = (0, 0);
    for _ in 0..rounds() {
        match cut(&mut chance).await {
            Err(why) => return println!("skipped, for no disk image can be mounted here: {why}"),
            Ok((files, uploads)) => (acknowledged, went_on) = (acknowledged + files, went_on + uploads),
        }
    }
    println!("{} power cuts, {acknowledged} files acknowledged, none lost; {went_on} uploads went on", rounds());
}
