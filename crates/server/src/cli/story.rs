//! The demo's story, told to a server through `commit` like anything else. Telling it again changes nothing.

use crate::{
    app::App,
    domain::{Change, Content, Look, Outcome, Profile},
    identity,
    store::pictures::Picture,
};
use parlor_protocol::{
    command::{Group, History, Open},
    error::{Code, Problem},
    ids::{ConversationId, Seq, UserId},
    model::{Context, ContextKey, Role, Tone},
};
use serde::Deserialize;
use std::{collections::HashMap, sync::atomic::Ordering};

use super::demo::Clock;

const STORY: &str = include_str!("../../demo/story.toml");
const PICTURES: [(&str, &str); 7] = [
    ("ada.svg", include_str!("../../demo/ada.svg")),
    ("ben.svg", include_str!("../../demo/ben.svg")),
    ("mira.svg", include_str!("../../demo/mira.svg")),
    ("tomas.svg", include_str!("../../demo/tomas.svg")),
    ("umbrella.svg", include_str!("../../demo/umbrella.svg")),
    ("keys.svg", include_str!("../../demo/keys.svg")),
    ("mitten.svg", include_str!("../../demo/mitten.svg")),
];
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
    /// How many messages somebody has not read.
    #[serde(default)]
    unread: HashMap<String, u32>,
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
        let said = self.messages.iter().enumerate().map(move |(index, (ago, sender, text))| Happening {
            talk: self,
            ago: *ago,
            change: Box::new(move |conversation, people| Change::Send {
                actor: people[sender],
                conversation,
                client_id: format!("demo-{}-{index}", self.key),
                content: Content::text(text.as_str()),
            }),
        });
        let done = self.changes.iter().map(move |step| Happening {
            talk: self,
            ago: step.ago,
            change: Box::new(move |conversation, people| step.deed.change(people[&step.by], conversation, people)),
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
    change: Box<dyn Making + 'story>,
}

/// Makes a change, once the conversation and the people are known.
trait Making: Fn(ConversationId, &HashMap<String, UserId>) -> Change + Send + Sync {}

impl<T: Fn(ConversationId, &HashMap<String, UserId>) -> Change + Send + Sync> Making for T {}

/// Tells the story, moving the clock as it goes, and answers who is in it by login name.
pub(super) async fn tell(app: &App, clock: &Clock) -> Result<HashMap<String, UserId>, Problem> {
    let story: Story = toml::from_str(STORY).expect("the story is valid: a test reads it");
    let now_ms = app.environment.now_ms();
    let oldest = story.conversations.iter().flat_map(|talk| &talk.messages).map(|message| message.0).max().unwrap_or(0);
    let minutes_ago = |minutes: i64| clock.store(now_ms - minutes * MINUTE_MS, Ordering::Relaxed);
    minutes_ago(oldest + 60);
    let mut people = HashMap::new();
    for person in &story.people {
        people.insert(person.login.clone(), add(app, person).await?);
    }
    for item in &story.items {
        put(app, item, &people).await?;
    }
    let mut ids = HashMap::new();
    let mut happenings: Vec<_> = story.conversations.iter().flat_map(Talk::happenings).collect();
    happenings.sort_by_key(|happening| std::cmp::Reverse(happening.ago));
    for Happening { talk, ago, change } in happenings {
        minutes_ago(ago);
        let conversation = match ids.get(&talk.key) {
            Some(id) => *id,
            None => *ids.entry(talk.key.clone()).or_insert(open(app, talk, &people).await?),
        };
        app.commit.submit(change(conversation, &people)).await?;
    }
    for talk in &story.conversations {
        mark(app, talk, ids[&talk.key], &people).await?;
    }
    clock.store(0, Ordering::Relaxed);
    Ok(people)
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

async fn put(app: &App, item: &Item, people: &HashMap<String, UserId>) -> Result<(), Problem> {
    let context = Context {
        key: key(&item.id),
        title: item.title.clone(),
        detail: Some(item.detail.clone()),
        url: None,
        image: Some(format!("/v1/pictures/{}", keep(app, &item.picture).await?)),
        status: Some(item.status.clone()),
        tone: item.tone,
        closed: false,
    };
    let roles = item.roles.iter().map(|(role, login)| (people[login], role.clone())).collect();
    app.commit.submit(Change::PutContext { context, roles }).await?;
    Ok(())
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
        }
        assert!(story.conversations.iter().any(|talk| talk.unread.contains_key("ada")));
    }
}
