//! The demo's story, told to a server through `commit` like anything else. Telling it again changes nothing.

use crate::{
    app::App,
    domain::{Change, Content, Look, Outcome, Profile},
    files::ingest::{Fed, From},
    http::ItemPage,
    identity,
    store::pictures::Picture,
};
use bytes::Bytes;
use parlor_protocol::{
    error::{Code, Problem},
    ids::{ConversationId, FileId, Seq, UserId},
    model::{Context, ContextKey, Role, Tone},
    params::{Group, History, Open},
};
use serde::Deserialize;
use std::{collections::HashMap, sync::atomic::Ordering};

use super::demo::Clock;

const STORY: &str = include_str!("../../demo/story.toml");
const PICTURES: [(&str, &str); 8] = [
    ("ada.svg", include_str!("../../demo/ada.svg")),
    ("ben.svg", include_str!("../../demo/ben.svg")),
    ("mira.svg", include_str!("../../demo/mira.svg")),
    ("tomas.svg", include_str!("../../demo/tomas.svg")),
    ("umbrella.svg", include_str!("../../demo/umbrella.svg")),
    ("keys.svg", include_str!("../../demo/keys.svg")),
    ("mitten.svg", include_str!("../../demo/mitten.svg")),
    ("tin.svg", include_str!("../../demo/tin.svg")),
];
/// What messages carry: drawn for the demo.
const PHOTOS: [(&str, &[u8]); 2] =
    [("seat.jpg", include_bytes!("../../demo/seat.jpg")), ("ring.jpg", include_bytes!("../../demo/ring.jpg"))];
const MINUTE_MS: i64 = 60 * 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Story {
    people: Vec<Person>,
    items: Vec<Item>,
    conversations: Vec<Talk>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    login: String,
    name: String,
    picture: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    id: String,
    title: String,
    detail: String,
    picture: String,
    status: String,
    tone: Tone,
    roles: HashMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Talk {
    key: String,
    /// The opener first.
    with: Vec<String>,
    item: Option<String>,
    title: Option<String>,
    /// Minutes before now, who, what; the oldest first.
    messages: Vec<(i64, String, String)>,
    /// What was changed about a group.
    #[serde(default)]
    changes: Vec<Step>,
    /// What a message carries, answers and is reacted to with, by its place in `messages`, from 0. Only where nothing was
    /// changed, so that places are numbers of messages.
    #[serde(default)]
    extras: Vec<Extra>,
    /// How many messages somebody has not read.
    #[serde(default)]
    unread: HashMap<String, u32>,
}

/// What a message has beside its text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Extra {
    of: usize,
    #[serde(default)]
    photos: Vec<String>,
    answers: Option<usize>,
    /// Who, and with what.
    #[serde(default)]
    reactions: Vec<(String, String)>,
}

/// The number of a message, by its place in the story.
fn seq_of(place: usize) -> Seq {
    Seq(i64::try_from(place).expect("a story is short") + 1)
}

/// Somebody changed something about a group, so many minutes ago.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    ago: i64,
    by: String,
    deed: Deed,
}

/// What.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Deed {
    /// Added this person, who is not there from the beginning.
    Add(String),
    /// Made this person a moderator.
    Moderator(String),
    /// Named it so.
    Title(String),
}

impl Deed {
    fn change(&self, actor: UserId, conversation: ConversationId, people: &HashMap<String, UserId>) -> Change {
        match self {
            Self::Add(login) => {
                let history = Some(History::FromStart);
                Change::AddMembers { actor, conversation, users: vec![people[login]], history }
            }
            Self::Moderator(login) => {
                Change::UpdateMember { actor, conversation, user: people[login], role: Role::Moderator }
            }
            Self::Title(title) => Change::UpdateConversation { actor, conversation, look: Look::Title(title.clone()) },
        }
    }
}

impl Talk {
    /// Everything that happened in it, with its time: the change of it, once the conversation and people are known.
    fn happenings(&self) -> impl Iterator<Item = Happening<'_>> {
        let said = self.messages.iter().enumerate().map(move |(index, (ago, sender, text))| {
            let extra = self.extras.iter().find(|extra| extra.of == index);
            Happening {
                talk: self,
                ago: *ago,
                photos: extra.map_or(&[], |extra| extra.photos.as_slice()),
                by: sender,
                change: Box::new(move |conversation, people, attachments| Change::Send {
                    actor: people[sender],
                    conversation,
                    client_id: format!("demo-{}-{index}", self.key),
                    content: Content {
                        reply_to: extra.and_then(|extra| extra.answers).map(seq_of),
                        attachments,
                        ..Content::text(text.as_str())
                    },
                }),
            }
        });
        let done = self.changes.iter().map(move |step| Happening {
            talk: self,
            ago: step.ago,
            photos: &[],
            by: &step.by,
            change: Box::new(move |conversation, people, _| step.deed.change(people[&step.by], conversation, people)),
        });
        said.chain(done)
    }

    /// Whether somebody came only later.
    fn is_added(&self, login: &str) -> bool {
        self.changes.iter().any(|step| matches!(&step.deed, Deed::Add(added) if added == login))
    }
}

/// Something that happened in a conversation, so many minutes ago.
struct Happening<'story> {
    talk: &'story Talk,
    ago: i64,
    by: &'story str,
    photos: &'story [String],
    change: Box<dyn Making + 'story>,
}

/// Makes a change, once the conversation, the people and the files are known.
trait Making: Fn(ConversationId, &HashMap<String, UserId>, Vec<FileId>) -> Change + Send + Sync {}

impl<T: Fn(ConversationId, &HashMap<String, UserId>, Vec<FileId>) -> Change + Send + Sync> Making for T {}

/// What was told.
pub(super) struct Told {
    /// Who is in it, by login name.
    pub people: HashMap<String, UserId>,
    /// The pages of the items, by their ids.
    pub items: HashMap<String, ItemPage>,
    /// The conversation that the story begins with.
    pub first: ConversationId,
}

/// Tells the story, moving the clock as it goes.
pub(super) async fn tell(app: &App, clock: &Clock) -> Result<Told, Problem> {
    let story: Story = toml::from_str(STORY).expect("the story is valid: a test reads it");
    let now_ms = app.environment.now_ms();
    let oldest = story.conversations.iter().flat_map(|talk| &talk.messages).map(|message| message.0).max().unwrap_or(0);
    let minutes_ago = |minutes: i64| clock.store(now_ms - minutes * MINUTE_MS, Ordering::Relaxed);
    minutes_ago(oldest + 60);
    let mut people = HashMap::new();
    for person in &story.people {
        people.insert(person.login.clone(), add(app, person).await?);
    }
    let mut items = HashMap::new();
    for item in &story.items {
        items.insert(item.id.clone(), put(app, item, &people).await?);
    }
    let mut ids = HashMap::new();
    let mut happenings: Vec<_> = story.conversations.iter().flat_map(Talk::happenings).collect();
    happenings.sort_by_key(|happening| std::cmp::Reverse(happening.ago));
    for Happening { talk, ago, by, photos, change } in happenings {
        minutes_ago(ago);
        let conversation = match ids.get(&talk.key) {
            Some(id) => *id,
            None => *ids.entry(talk.key.clone()).or_insert(open(app, talk, &people).await?),
        };
        let attachments = upload(app, people[by], &talk.key, photos).await?;
        app.commit.submit(change(conversation, &people, attachments)).await?;
    }
    for talk in &story.conversations {
        mark(app, talk, ids[&talk.key], &people).await?;
        react(app, talk, ids[&talk.key], &people).await?;
    }
    clock.store(0, Ordering::Relaxed);
    let first = story.conversations.first().map(|talk| ids[&talk.key]).ok_or(Code::Internal)?;
    Ok(Told { people, items, first })
}

/// Uploads what a message carries, as anybody would.
async fn upload(app: &App, owner: UserId, key: &str, photos: &[String]) -> Result<Vec<FileId>, Problem> {
    let mut ids = Vec::new();
    for name in photos {
        let (_, photo) = PHOTOS.iter().find(|(known, _)| known == name).expect("the story names photos that are here");
        let bytes = u64::try_from(photo.len()).expect("a photo is small");
        let row = app.files.begin(owner, format!("demo-{key}-{name}"), name, bytes).await?;
        let upload = match app.files.feed(owner, row.id, From::Start, 1).await? {
            Fed::Finished(upload) => upload,
            Fed::Open(feed) => {
                feed.send(Bytes::from_static(photo)).await;
                feed.finish().await?
            }
        };
        ids.push(upload.attachment.ok_or(Code::Internal)?.id);
    }
    Ok(ids)
}

async fn react(
    app: &App,
    talk: &Talk,
    conversation: ConversationId,
    people: &HashMap<String, UserId>,
) -> Result<(), Problem> {
    for extra in &talk.extras {
        for (login, emoji) in &extra.reactions {
            let (actor, seq, emoji) = (people[login], seq_of(extra.of), emoji.clone());
            app.commit.submit(Change::React { actor, conversation, seq, emoji, on: true }).await?;
        }
    }
    Ok(())
}

async fn add(app: &App, person: &Person) -> Result<UserId, Problem> {
    let change = Change::AddUser { login: person.login.clone(), name: person.name.clone(), password_hash: None };
    match app.commit.submit(change).await {
        Ok(Outcome::UserAdded(user)) => {
            let profile = Profile::pictured(Some(keep(app, &person.picture).await?));
            app.commit.submit(Change::UpdateProfile { user, profile }).await?;
            Ok(user)
        }
        Ok(_) => Err(Code::Internal.into()),
        Err(problem) if problem.code == Code::NameTaken => {
            let account = app.store.account(person.login.clone()).await;
            let account = account.map_err(Problem::from)?;
            account.map(|account| account.user).ok_or_else(|| Code::Internal.into())
        }
        Err(problem) => Err(problem),
    }
}

async fn keep(app: &App, file: &str) -> Result<String, Problem> {
    let (_, drawing) = PICTURES.iter().find(|(name, _)| *name == file).expect("the story names drawings that are here");
    let picture = Picture { media_type: "image/svg+xml".to_owned(), bytes: drawing.as_bytes().to_vec() };
    identity::keep_picture(app, None, picture).await
}

async fn put(app: &App, item: &Item, people: &HashMap<String, UserId>) -> Result<ItemPage, Problem> {
    let picture = format!("/v1/pictures/{}", keep(app, &item.picture).await?);
    let context = Context {
        key: key(&item.id),
        title: item.title.clone(),
        detail: Some(item.detail.clone()),
        url: Some(format!("/demo/items/{}", item.id)),
        image: Some(picture.clone()),
        status: Some(item.status.clone()),
        tone: item.tone,
        closed: false,
    };
    let roles = item.roles.iter().map(|(role, login)| (people[login], role.clone())).collect();
    app.commit.submit(Change::PutContext { context, roles }).await?;
    let (title, detail, status) = (item.title.clone(), item.detail.clone(), item.status.clone());
    Ok(ItemPage { title, detail, status, picture })
}

fn key(id: &str) -> ContextKey {
    ContextKey { kind: "item".to_owned(), id: id.to_owned() }
}

async fn open(app: &App, talk: &Talk, people: &HashMap<String, UserId>) -> Result<ConversationId, Problem> {
    let others = talk.with[1..].iter().filter(|login| !talk.is_added(login)).map(|login| people[login]);
    let others: Vec<UserId> = others.collect();
    let (user, group) = match &talk.title {
        Some(title) => (None, Some(Group { title: title.clone(), users: others })),
        None => (Some(others[0]), None),
    };
    let open = Open {
        client_id: format!("demo-{}", talk.key),
        user,
        role: None,
        group,
        context: talk.item.as_deref().map(key),
    };
    match app.commit.submit(Change::Open { actor: people[&talk.with[0]], open }).await? {
        Outcome::Opened { conversation, .. } => Ok(conversation),
        _ => Err(Code::Internal.into()),
    }
}

async fn mark(
    app: &App,
    talk: &Talk,
    conversation: ConversationId,
    people: &HashMap<String, UserId>,
) -> Result<(), Problem> {
    let last = u32::try_from(talk.happenings().count()).expect("a story is short");
    for login in &talk.with {
        let read = Seq((last - talk.unread.get(login).copied().unwrap_or(0)).into());
        let delivered = Seq(last.into());
        app.commit.submit(Change::Mark { actor: people[login], conversation, delivered, read }).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_is_told_in_order_by_people_who_are_in_it() {
        let story: Story = toml::from_str(STORY).expect("valid");
        let logins: Vec<_> = story.people.iter().map(|person| &person.login).collect();
        for person in &story.people {
            assert!(PICTURES.iter().any(|(name, _)| *name == person.picture));
        }
        for item in &story.items {
            assert!(PICTURES.iter().any(|(name, _)| *name == item.picture));
            assert!(item.roles.values().all(|login| logins.contains(&login)));
        }
        for talk in &story.conversations {
            assert!(talk.messages.is_sorted_by_key(|message| std::cmp::Reverse(message.0)), "{}", talk.key);
            assert!(talk.messages.iter().all(|message| talk.with.contains(&message.1)), "{}", talk.key);
            // Unread are the last messages, so that no line lies among them.
            assert!(talk.changes.iter().all(|step| talk.messages.last().is_some_and(|last| step.ago > last.0)));
            assert!(talk.item.iter().all(|id| story.items.iter().any(|item| item.id == *id)), "{}", talk.key);
            assert!(talk.title.is_some() || talk.with.len() == 2, "{}", talk.key);
            assert!(talk.extras.is_empty() || talk.changes.is_empty(), "{}", talk.key);
            for extra in &talk.extras {
                assert!(extra.of < talk.messages.len() && extra.answers.is_none_or(|answered| answered < extra.of));
                assert!(extra.photos.iter().all(|photo| PHOTOS.iter().any(|(name, _)| name == photo)));
                assert!(extra.reactions.iter().all(|(login, _)| talk.with.contains(login)), "{}", talk.key);
            }
        }
        assert!(story.conversations.iter().any(|talk| talk.unread.contains_key("ada")));
        let first = &story.conversations[0].extras;
        assert!(first.iter().any(|extra| !extra.photos.is_empty()), "the first conversation shows pictures");
        assert!(first.iter().any(|extra| extra.answers.is_some()), "and a quote");
        assert!(first.iter().any(|extra| !extra.reactions.is_empty()), "and a reaction");
    }
}
