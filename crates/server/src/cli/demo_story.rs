//! The demo's sample data, written through `commit` like anything else. Writing it again changes nothing.

use crate::{
    app::App,
    domain::{Change, Content, GroupUpdate, Outcome, ProfileUpdate},
    files::ingest::{Ingest, StartAt},
    http::ItemPage,
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
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

/// The time of the story while it is told; 0 is the real time.
pub(super) type Clock = Arc<AtomicI64>;

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
/// The pictures in messages, drawn for the demo.
const PHOTOS: [(&str, &[u8]); 2] =
    [("seat.jpg", include_bytes!("../../demo/seat.jpg")), ("ring.jpg", include_bytes!("../../demo/ring.jpg"))];
const MINUTE_MS: i64 = 60 * 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Story {
    people: Vec<StoryUser>,
    items: Vec<StoryItem>,
    conversations: Vec<StoryConversation>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoryUser {
    login: String,
    name: String,
    picture: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoryItem {
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
struct StoryConversation {
    key: String,
    /// The creator first.
    with: Vec<String>,
    item: Option<String>,
    title: Option<String>,
    /// How many minutes ago, the sender, and the text; oldest first.
    messages: Vec<(i64, String, String)>,
    /// Changes of a group.
    #[serde(default)]
    changes: Vec<GroupChange>,
    /// What messages carry, reply to and are reacted to with, by their index in `messages`, from 0. Only in
    /// conversations without changes, so that indexes correspond to message numbers.
    #[serde(default)]
    extras: Vec<MessageExtra>,
    /// How many messages each user has not read.
    #[serde(default)]
    unread: HashMap<String, u32>,
}

/// What a message has besides its text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageExtra {
    of: usize,
    #[serde(default)]
    photos: Vec<String>,
    answers: Option<usize>,
    /// The user and the emoji.
    #[serde(default)]
    reactions: Vec<(String, String)>,
}

/// Returns the number of a message from its index.
fn seq_of(index: usize) -> Seq {
    Seq(i64::try_from(index).expect("a story is short") + 1)
}

/// A change of a group, some minutes ago.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupChange {
    ago: i64,
    by: String,
    deed: GroupAction,
}

/// The kind of change.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum GroupAction {
    /// Adds this user, who is not a member from the beginning.
    Add(String),
    /// Makes this user a moderator.
    Moderator(String),
    /// Changes the title.
    Title(String),
}

impl GroupAction {
    fn change(&self, actor: UserId, conversation: ConversationId, people: &HashMap<String, UserId>) -> Change {
        match self {
            Self::Add(login) => {
                let history = Some(History::FromStart);
                Change::AddMembers { actor, conversation, users: vec![people[login]], history }
            }
            Self::Moderator(login) => {
                Change::UpdateMember { actor, conversation, user: people[login], role: Role::Moderator }
            }
            Self::Title(title) => {
                Change::UpdateConversation { actor, conversation, update: GroupUpdate::Title(title.clone()) }
            }
        }
    }
}

impl StoryConversation {
    /// Returns everything that happens in the conversation, with its time and the change that it becomes once ids are
    /// known.
    fn events(&self) -> impl Iterator<Item = StoryEvent<'_>> {
        let text = self.messages.iter().enumerate().map(move |(index, (ago, sender, text))| {
            let extra = self.extras.iter().find(|extra| extra.of == index);
            StoryEvent {
                story_conversation: self,
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
        let done = self.changes.iter().map(move |step| StoryEvent {
            story_conversation: self,
            ago: step.ago,
            photos: &[],
            by: &step.by,
            change: Box::new(move |conversation, people, _| step.deed.change(people[&step.by], conversation, people)),
        });
        text.chain(done)
    }

    /// Returns whether a user is added later.
    fn is_added(&self, login: &str) -> bool {
        self.changes.iter().any(|step| matches!(&step.deed, GroupAction::Add(added) if added == login))
    }
}

/// Something that happens in a conversation, some minutes ago.
struct StoryEvent<'story> {
    story_conversation: &'story StoryConversation,
    ago: i64,
    by: &'story str,
    photos: &'story [String],
    change: Box<dyn MakeChange + 'story>,
}

/// Creates a change, once the ids of the conversation, users and files are known.
trait MakeChange: Fn(ConversationId, &HashMap<String, UserId>, Vec<FileId>) -> Change + Send + Sync {}

impl<T: Fn(ConversationId, &HashMap<String, UserId>, Vec<FileId>) -> Change + Send + Sync> MakeChange for T {}

/// The ids of the sample data.
pub(super) struct SeededStory {
    /// The users by login name.
    pub people: HashMap<String, UserId>,
    /// The pages of the items by id.
    pub items: HashMap<String, ItemPage>,
    /// The conversation that the links open.
    pub first: ConversationId,
}

/// Writes the sample data, moving the clock along.
pub(super) async fn seed(app: &App, clock: &Clock) -> Result<SeededStory, Problem> {
    let story: Story = toml::from_str(STORY).expect("the story is valid: a test reads it");
    let now_ms = app.environment.now_ms();
    let oldest = story
        .conversations
        .iter()
        .flat_map(|story_conversation| &story_conversation.messages)
        .map(|message| message.0)
        .max()
        .unwrap_or(0);
    let minutes_ago = |minutes: i64| clock.store(now_ms - minutes * MINUTE_MS, Ordering::Relaxed);
    minutes_ago(oldest + 60);
    let mut people = HashMap::new();
    for person in &story.people {
        people.insert(person.login.clone(), add(app, person).await?);
    }
    let mut items = HashMap::new();
    for item in &story.items {
        items.insert(item.id.clone(), put_item(app, item, &people).await?);
    }
    let mut ids = HashMap::new();
    let mut events: Vec<_> = story.conversations.iter().flat_map(StoryConversation::events).collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.ago));
    for StoryEvent { story_conversation, ago, by, photos, change } in events {
        minutes_ago(ago);
        let conversation = match ids.get(&story_conversation.key) {
            Some(id) => *id,
            None => *ids.entry(story_conversation.key.clone()).or_insert(open(app, story_conversation, &people).await?),
        };
        let attachments = upload(app, people[by], &story_conversation.key, photos).await?;
        app.commit.submit(change(conversation, &people, attachments)).await?;
    }
    for story_conversation in &story.conversations {
        mark(app, story_conversation, ids[&story_conversation.key], &people).await?;
        react(app, story_conversation, ids[&story_conversation.key], &people).await?;
    }
    clock.store(0, Ordering::Relaxed);
    let first =
        story.conversations.first().map(|story_conversation| ids[&story_conversation.key]).ok_or(Code::Internal)?;
    Ok(SeededStory { people, items, first })
}

/// Uploads a message's pictures the way a client would.
pub(super) async fn upload(app: &App, owner: UserId, key: &str, photos: &[String]) -> Result<Vec<FileId>, Problem> {
    let mut ids = Vec::new();
    for name in photos {
        let (_, photo) = PHOTOS.iter().find(|(known, _)| known == name).expect("the story names photos that are here");
        let bytes = u64::try_from(photo.len()).expect("a photo is small");
        let row = app.files.begin(owner, format!("demo-{key}-{name}"), name, bytes).await?;
        let upload = match app.files.ingest(owner, row.id, StartAt::Beginning, 1).await? {
            Ingest::Finished(upload) => upload,
            Ingest::Open(feed) => {
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
    story_conversation: &StoryConversation,
    conversation: ConversationId,
    people: &HashMap<String, UserId>,
) -> Result<(), Problem> {
    for extra in &story_conversation.extras {
        for (login, emoji) in &extra.reactions {
            let (actor, seq, emoji) = (people[login], seq_of(extra.of), emoji.clone());
            app.commit.submit(Change::React { actor, conversation, seq, emoji, on: true }).await?;
        }
    }
    Ok(())
}

async fn add(app: &App, person: &StoryUser) -> Result<UserId, Problem> {
    let change = Change::AddUser { login: person.login.clone(), name: person.name.clone(), password_hash: None };
    match app.commit.submit(change).await {
        Ok(Outcome::UserAdded(user)) => {
            let profile = ProfileUpdate::pictured(Some(store_picture(app, &person.picture).await?));
            app.commit.submit(Change::UpdateProfile { user, profile }).await?;
            Ok(user)
        }
        Ok(_) => Err(Code::Internal.into()),
        Err(problem) if problem.code == Code::NameTaken => {
            let account = app.store.credentials(person.login.clone()).await;
            let account = account?;
            account.map(|account| account.user).ok_or_else(|| Code::Internal.into())
        }
        Err(problem) => Err(problem),
    }
}

async fn store_picture(app: &App, file: &str) -> Result<String, Problem> {
    let (_, drawing) = PICTURES.iter().find(|(name, _)| *name == file).expect("the story names drawings that are here");
    let picture = Picture { media_type: "image/svg+xml".to_owned(), bytes: drawing.as_bytes().to_vec() };
    app.identity.store_picture(None, picture).await
}

async fn put_item(app: &App, item: &StoryItem, people: &HashMap<String, UserId>) -> Result<ItemPage, Problem> {
    let root = &app.config.http.root_path.0;
    let picture = format!("{root}/v1/pictures/{}", store_picture(app, &item.picture).await?);
    let context = Context {
        key: key(&item.id),
        title: item.title.clone(),
        detail: Some(item.detail.clone()),
        url: Some(format!("{root}/demo/items/{}", item.id)),
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

async fn open(
    app: &App,
    story_conversation: &StoryConversation,
    people: &HashMap<String, UserId>,
) -> Result<ConversationId, Problem> {
    let others = story_conversation.with[1..]
        .iter()
        .filter(|login| !story_conversation.is_added(login))
        .map(|login| people[login]);
    let others: Vec<UserId> = others.collect();
    let (user, group) = match &story_conversation.title {
        Some(title) => (None, Some(Group { title: title.clone(), users: others })),
        None => (Some(others[0]), None),
    };
    let open = Open {
        client_id: format!("demo-{}", story_conversation.key),
        user,
        role: None,
        group,
        context: story_conversation.item.as_deref().map(key),
    };
    match app.commit.submit(Change::Open { actor: people[&story_conversation.with[0]], open }).await? {
        Outcome::Opened { conversation, .. } => Ok(conversation),
        _ => Err(Code::Internal.into()),
    }
}

async fn mark(
    app: &App,
    story_conversation: &StoryConversation,
    conversation: ConversationId,
    people: &HashMap<String, UserId>,
) -> Result<(), Problem> {
    let last = u32::try_from(story_conversation.events().count()).expect("a story is short");
    for login in &story_conversation.with {
        let read = Seq((last - story_conversation.unread.get(login).copied().unwrap_or(0)).into());
        let delivered = Seq(last.into());
        app.commit.submit(Change::Mark { actor: people[login], conversation, delivered, read }).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_data_is_in_order_and_consistent() {
        let story: Story = toml::from_str(STORY).expect("valid");
        let logins: Vec<_> = story.people.iter().map(|person| &person.login).collect();
        for person in &story.people {
            assert!(PICTURES.iter().any(|(name, _)| *name == person.picture));
        }
        for item in &story.items {
            assert!(PICTURES.iter().any(|(name, _)| *name == item.picture));
            assert!(item.roles.values().all(|login| logins.contains(&login)));
        }
        for story_conversation in &story.conversations {
            assert!(
                story_conversation.messages.is_sorted_by_key(|message| std::cmp::Reverse(message.0)),
                "{}",
                story_conversation.key
            );
            assert!(
                story_conversation.messages.iter().all(|message| story_conversation.with.contains(&message.1)),
                "{}",
                story_conversation.key
            );
            // The unread messages are the last ones, with no system message among them.
            assert!(
                story_conversation
                    .changes
                    .iter()
                    .all(|step| story_conversation.messages.last().is_some_and(|last| step.ago > last.0))
            );
            assert!(
                story_conversation.item.iter().all(|id| story.items.iter().any(|item| item.id == *id)),
                "{}",
                story_conversation.key
            );
            assert!(
                story_conversation.title.is_some() || story_conversation.with.len() == 2,
                "{}",
                story_conversation.key
            );
            assert!(
                story_conversation.extras.is_empty() || story_conversation.changes.is_empty(),
                "{}",
                story_conversation.key
            );
            for extra in &story_conversation.extras {
                assert!(
                    extra.of < story_conversation.messages.len()
                        && extra.answers.is_none_or(|answered| answered < extra.of)
                );
                assert!(extra.photos.iter().all(|photo| PHOTOS.iter().any(|(name, _)| name == photo)));
                assert!(
                    extra.reactions.iter().all(|(login, _)| story_conversation.with.contains(login)),
                    "{}",
                    story_conversation.key
                );
            }
        }
        assert!(story.conversations.iter().any(|story_conversation| story_conversation.unread.contains_key("ada")));
        let first = &story.conversations[0].extras;
        assert!(first.iter().any(|extra| !extra.photos.is_empty()), "the first conversation shows pictures");
        assert!(first.iter().any(|extra| extra.answers.is_some()), "and a quote");
        assert!(first.iter().any(|extra| !extra.reactions.is_empty()), "and a reaction");
    }
}
