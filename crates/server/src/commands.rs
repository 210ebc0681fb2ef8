//! Carrying out commands: the same for every edge, which only makes them and writes their answers.

use crate::{
    app::{Actor, App},
    domain::{Change, Content, Look, Outcome, Profile, text},
    paging,
    search::{self, fold::Class},
    store::{self, snapshot::PageAnchor},
    sync,
    task::to_its_end,
};
use futures_util::future::BoxFuture;
use parlor_protocol::{
    command::Command,
    error::{Code, Problem},
    ids::{ConversationId, Seq, UserId, Version},
    params::MeUpdate,
    reply::{Answer, ConversationAnswer, ConversationPage, Done, MeAnswer, Opened, Users, Watched},
};
use std::sync::Arc;
use tracing::error;

/// The answer, or why there is none.
pub type Result = std::result::Result<Answer, Problem>;

/// Carries a command out.
///
/// # Errors
/// The refusal.
pub async fn execute(app: &Arc<App>, actor: Actor, command: Command) -> Result {
    match sort(app, actor, command)? {
        Asked::Change(change) => begin(app.clone(), actor, change).await?.await,
        Asked::Query(command) => answer(app, actor, command).await,
    }
}

/// What a command comes to.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Something is to change: see [`begin`].
    Change(Change),
    /// Something is to be read: see [`answer`].
    Query(Command),
}

/// Begins a change: it is handed in when this returns, so that changes begun one after the other are decided in that
/// order; the rest may be awaited together with others. Neither holds anything that others wait for.
///
/// # Errors
/// The refusal.
pub(crate) async fn begin(
    app: Arc<App>,
    actor: Actor,
    change: Change,
) -> std::result::Result<BoxFuture<'static, Result>, Problem> {
    let pending = app.commit.begin(change).await?;
    Ok(Box::pin(async move {
        match pending.outcome().await? {
            Outcome::Answer(answer) => {
                if let Answer::Sent(sent) = &answer {
                    app.typing.sent((sent.message.conversation, actor.user));
                }
                Ok(answer)
            }
            Outcome::Opened { conversation, found } => opened(&app, actor, conversation, found).await,
            Outcome::UserAdded(_) | Outcome::Done => Err(Code::Internal.into()),
        }
    }))
}

/// Answers a query, within the person's share of what is read at once and within the store's patience. What has begun to
/// read comes to its end, also if nobody waits for it any more.
///
/// # Errors
/// The refusal.
pub(crate) async fn answer(app: &Arc<App>, actor: Actor, command: Command) -> Result {
    let share = app.queries.take(actor.user).await?;
    let app = app.clone();
    to_its_end(async move {
        let _share = share;
        query(&app, actor, command).await
    })
    .await
}

/// The names that a command is loaded by are looked at before anything is: PostgreSQL takes no text with U+0000, and
/// one such among the parameters would fail the whole batch.
fn checked(app: &App, command: &Command) -> std::result::Result<(), Problem> {
    let client_id = match command {
        Command::Send { client_id, .. } | Command::Forward { client_id, .. } | Command::Cancel { client_id } => {
            client_id
        }
        Command::Open(open) => {
            let names = open.context.iter().flat_map(|key| [&key.kind, &key.id]).chain(&open.role);
            if names.into_iter().any(|name| name.contains(char::is_control)) {
                return Err(Problem::new(Code::InvalidField).with_detail("a name has control characters"));
            }
            &open.client_id
        }
        _ => return Ok(()),
    };
    text::client_id(client_id, app.config.limits.client_id_chars_max)
}

/// Tells changes and queries apart.
///
/// # Errors
/// What no store needs to be asked for.
pub(crate) fn sort(app: &App, actor: Actor, command: Command) -> std::result::Result<Asked, Problem> {
    checked(app, &command)?;
    let actor = actor.user;
    let most = app.config.limits.page_rows_max as usize;
    Ok(Asked::Change(match command {
        Command::Send { conversation, client_id, text, subject, reply_to, attachments } => {
            let content = Content { text, subject, reply_to, attachments };
            Change::Send { actor, conversation, client_id, content }
        }
        Command::Forward { conversation, client_id, from } => Change::Forward { actor, conversation, client_id, from },
        Command::Edit { text: None, subject: None, .. } => {
            return Err(Problem::new(Code::InvalidField).with_detail("`text` or `subject` is expected"));
        }
        Command::Edit { conversation, seq, text, subject } => Change::Edit { actor, conversation, seq, text, subject },
        Command::Delete { conversation, seq } => Change::Delete { actor, conversation, seq },
        Command::Hide { conversation, seq } => Change::Hide { actor, conversation, seq },
        Command::React { conversation, seq, emoji, on } => Change::React { actor, conversation, seq, emoji, on },
        Command::Cancel { client_id } => Change::Cancel { actor, client_id },
        Command::Open(open) => {
            if open.group.as_ref().is_some_and(|group| group.users.len() > most) {
                return Err(Problem::new(Code::LimitReached).with_limit(most as u64));
            }
            Change::Open { actor, open }
        }
        Command::Mark { delivered: None, read: None, .. } => {
            return Err(Problem::new(Code::InvalidField).with_detail("`delivered` or `read` is expected"));
        }
        Command::Mark { conversation, delivered, read } => {
            Change::Mark { actor, conversation, delivered: delivered.unwrap_or(Seq(0)), read: read.unwrap_or(Seq(0)) }
        }
        Command::AddMembers { conversation, users, history } => {
            if users.len() > most {
                return Err(Problem::new(Code::LimitReached).with_limit(most as u64));
            }
            Change::AddMembers { actor, conversation, users, history }
        }
        Command::UpdateConversation { conversation, title } => {
            Change::UpdateConversation { actor, conversation, look: Look::Title(title) }
        }
        Command::UpdateMember { conversation, user, role } => Change::UpdateMember { actor, conversation, user, role },
        Command::RemoveMember { conversation, user } => Change::RemoveMember { actor, conversation, user },
        Command::UpdateMe(MeUpdate { name: None, receipts: None, presence: None }) => {
            return Err(Problem::new(Code::InvalidField).with_detail("`name`, `receipts` or `presence` is expected"));
        }
        Command::UpdateMe(MeUpdate { name, receipts, presence }) => {
            Change::UpdateProfile { user: actor, profile: Profile { name, receipts, presence, picture: None } }
        }
        query => return Ok(Asked::Query(query)),
    }))
}

async fn query(app: &App, actor: Actor, command: Command) -> Result {
    let (user, limits) = (actor.user, &app.config.limits);
    match command {
        Command::Resume { user: page, cursor } => {
            if page != user {
                return Err(Code::WrongUser.into());
            }
            sync::heads(app, user, cursor).await.map(Answer::Heads)
        }
        Command::ListConversations { after, limit } => list(app, user, after.as_deref(), limit).await,
        Command::GetConversation { conversation } => {
            let found = app.store.read(move |snapshot| {
                let Some(conversation) = snapshot.conversation(user, conversation)? else { return Ok(None) };
                let users = snapshot.users_beside_members(std::slice::from_ref(&conversation))?;
                Ok(Some(ConversationAnswer { conversation, users, cursor: snapshot.cursor }))
            });
            let found = found.await?;
            found.map(|found| Answer::Conversation(Box::new(found))).ok_or(Code::NotFound.into())
        }
        Command::GetChanges { conversation, since } => {
            let changes = app.store.read(move |snapshot| snapshot.changes(user, conversation, since));
            let changes = changes.await?;
            changes.map(|changes| Answer::Changes(Box::new(changes))).ok_or(Code::NotFound.into())
        }
        Command::ListMessages { conversation, before, after, around, limit } => {
            let page = page(before, after, around)?;
            let limit = paging::page_size(limits, limit)?;
            let messages = app.store.read(move |snapshot| snapshot.messages(user, conversation, page, limit));
            let messages = messages.await?;
            messages.map(Answer::Messages).ok_or(Code::NotFound.into())
        }
        Command::ListReactions { conversation, seq, after, limit } => {
            let (after, limit) = (paging::position(after.as_deref())?, paging::page_size(limits, limit)?);
            let reactions = app.store.read(move |snapshot| snapshot.reactions(user, conversation, seq));
            let reactions = reactions.await?;
            let reactions = reactions.ok_or(Problem::from(Code::NotFound))?;
            Ok(Answer::Reactions(paging::reactions(reactions, after, limit)))
        }
        Command::GetMe { since } => me(app, actor, since).await.map(Answer::Me),
        Command::ListMembers { conversation, after, limit } => {
            let (after, limit) = (paging::position(after.as_deref())?, paging::page_size(limits, limit)?);
            let members = app.store.read(move |snapshot| snapshot.list_members(user, conversation, after, limit));
            let members = members.await?;
            members.map(Answer::Members).ok_or(Code::NotFound.into())
        }
        Command::ListUsers { query, after, limit } => {
            people(app, actor, &query, (after, limit)).await.map(Answer::Users)
        }
        Command::Search(wanted) => {
            let rows = paging::page_size(limits, wanted.limit)?;
            let began = std::time::Instant::now();
            let found = search::search(app, user, wanted, rows).await;
            app.metrics.search_seconds.observe(began.elapsed().as_secs_f64());
            found.map(Answer::Found)
        }
        Command::SetTyping { conversation, typing } => {
            app.typing.set((conversation, user), typing, None).await?;
            Ok(Answer::Done(Done {}))
        }
        Command::WatchPresence { users } => {
            Ok(Answer::Watched(Watched { presence: app.presence.ask(user, &users).await? }))
        }
        // What a connection shows is the socket's own affair, and changes are handed in above.
        _ => Err(Problem::new(Code::NotAllowed).with_detail("this command is one of the socket only")),
    }
}

/// A page of somebody's conversations, with the users whom their last messages name and who are in none of them.
async fn list(app: &App, user: UserId, after: Option<&str>, limit: Option<u32>) -> Result {
    let (before, limit) = (paging::position(after)?, paging::page_size(&app.config.limits, limit)?);
    let page = app.store.read(move |snapshot| {
        let (conversations, next) = snapshot.list_conversations(user, before, limit)?;
        let users = snapshot.users_beside_members(&conversations)?;
        let next = next.map(|activity| activity.to_string());
        Ok(ConversationPage { conversations, users, next, cursor: snapshot.cursor })
    });
    page.await.map(Answer::Conversations).map_err(Problem::from)
}

async fn me(app: &App, actor: Actor, since: Option<Version>) -> std::result::Result<MeAnswer, Problem> {
    let receipts = app.rules.messages.receipts;
    let answer = app.store.read(move |snapshot| {
        let Some(row) = snapshot.me(actor.user)? else { return Ok(None) };
        let markers = snapshot.markers(actor.user)?;
        let unread = snapshot.unread(actor.user)?;
        let hidden = match since {
            Some(since) => snapshot.hidden(actor.user, since)?,
            None => Some(Vec::new()),
        };
        let hidden_reset = hidden.is_none();
        let (me, hidden) = (row.me(receipts), hidden.unwrap_or_default());
        Ok(Some(MeAnswer { me, markers, unread, hidden, hidden_reset, cursor: snapshot.cursor }))
    });
    answer.await?.ok_or(Code::NotSignedIn.into())
}

async fn people(
    app: &App,
    actor: Actor,
    query: &str,
    (after, limit): (Option<String>, Option<u32>),
) -> std::result::Result<Users, Problem> {
    let (after, limit) = (paging::position(after.as_deref())?, paging::page_size(&app.config.limits, limit)?);
    let most = app.config.limits.name_chars_max;
    if query.chars().nth(most as usize).is_some() {
        return Err(Problem::new(Code::TextTooLong).with_limit(most.into()));
    }
    if !is_enough(query) {
        return Ok(Users { users: Vec::new(), next: None });
    }
    let (query, who) = (query.to_owned(), app.rules.who_may_write);
    let found = app.store.read(move |snapshot| snapshot.users_to_write_to(actor.user, &query, who, after, limit));
    let (users, next) = found.await?;
    Ok(Users { users, next: next.map(|place| place.to_string()) })
}

/// Whether so much of a name says whom somebody looks for, rather than who is here: two letters, or one character of a
/// script without spaces.
fn is_enough(query: &str) -> bool {
    let letters = search::fold::fold(query);
    let of = |class| letters.iter().filter(|letter| letter.class == class).count();
    of(Class::Run) > 0 || of(Class::Word) > 1
}

async fn opened(app: &App, actor: Actor, conversation: ConversationId, found: bool) -> Result {
    // It is opened by now: a failure to read it must not say that nothing happened.
    let unknown = |cause: store::Error| {
        error!(%cause, "an opened conversation could not be read");
        Problem::from(Code::Unknown)
    };
    let conversation = app.store.read(move |snapshot| snapshot.conversation(actor.user, conversation));
    let conversation = conversation.await.map_err(unknown)?.ok_or(Problem::from(Code::NotFound))?;
    Ok(Answer::Opened(Box::new(Opened { conversation, found })))
}

fn page(before: Option<Seq>, after: Option<Seq>, around: Option<Seq>) -> std::result::Result<PageAnchor, Problem> {
    match (before, after, around) {
        (None, None, None) => Ok(PageAnchor::Newest),
        (Some(seq), None, None) => Ok(PageAnchor::Before(seq)),
        (None, Some(seq), None) => Ok(PageAnchor::After(seq)),
        (None, None, Some(seq)) => Ok(PageAnchor::Around(seq)),
        _ => {
            Err(Problem::new(Code::InvalidField)
                .with_detail("at most one of `before`, `after` and `around` is expected"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_enough;

    #[test]
    fn nobody_is_looked_for_by_less_than_two_letters_where_words_have_spaces() {
        for query in ["", " ", "a", "é", "e\u{301}", "%", "_ -", "a.", "🙂", "ß"] {
            assert_eq!(is_enough(query), query == "ß", "{query:?}");
        }
        for query in ["an", "a b", "Öz", "傘", "김", "ธ", "か", "a1"] {
            assert!(is_enough(query), "{query:?}");
        }
    }
}
