//! Queries: what a user reads, the same on every edge.

use crate::{
    app::App,
    domain::reports::shown_to,
    environment::rfc3339,
    evidence,
    identity::actor::Actor,
    paging,
    search::fold::{self, Class},
    store::{
        self,
        snapshot::{PageAnchor, Snapshot},
    },
    sync,
    task::to_its_end,
};
use parlor_protocol::{
    cursor::Cursor,
    error::{Code, Problem},
    ids::{ConversationId, ReportId, Seq, UserId, Version},
    params::Search,
    reply::{Answer, ConversationAnswer, ConversationPage, MeAnswer, Users},
    report::{Evidence, ReportAnswer, ReportState, Reports},
};
use std::{sync::Arc, time::Instant};

/// A command that reads. Each is described at the command of its name.
#[derive(Debug)]
pub(crate) enum QueryRequest {
    Resume {
        user: UserId,
        cursor: Option<Cursor>,
    },
    ListConversations {
        after: Option<String>,
        limit: Option<u32>,
    },
    GetConversation {
        conversation: ConversationId,
    },
    GetChanges {
        conversation: ConversationId,
        since: Version,
    },
    ListMessages {
        conversation: ConversationId,
        before: Option<Seq>,
        after: Option<Seq>,
        around: Option<Seq>,
        limit: Option<u32>,
    },
    ListReactions {
        conversation: ConversationId,
        seq: Seq,
        after: Option<String>,
        limit: Option<u32>,
    },
    GetMe {
        since: Option<Version>,
    },
    ListMembers {
        conversation: ConversationId,
        after: Option<String>,
        limit: Option<u32>,
    },
    ListUsers {
        query: String,
        after: Option<String>,
        limit: Option<u32>,
    },
    ListBlocks {
        after: Option<String>,
        limit: Option<u32>,
    },
    ListReports {
        state: ReportState,
        after: Option<String>,
        limit: Option<u32>,
    },
    GetReport {
        report: ReportId,
    },
    Search(Search),
}

/// Answers a query, within the limit of what the user reads at once and within the timeout of the store. A query that
/// has begun runs to its end, even if nobody waits for its answer any more.
///
/// # Errors
/// The query is refused, or the store is not available.
pub(crate) async fn answer(app: &Arc<App>, actor: Actor, query: QueryRequest) -> Result<Answer, Problem> {
    let permit = app.queries.take(actor.user).await?;
    let app = app.clone();
    to_its_end(async move {
        let _permit = permit;
        read(&app, actor, query).await
    })
    .await
}

async fn read(app: &App, actor: Actor, query: QueryRequest) -> Result<Answer, Problem> {
    let (user, limits) = (actor.user, &app.config.limits);
    match query {
        QueryRequest::Resume { user: page, cursor } => {
            if page != user {
                return Err(Code::WrongUser.into());
            }
            sync::heads(app, user, cursor).await.map(Answer::Heads)
        }
        QueryRequest::ListConversations { after, limit } => {
            list_conversations(app, user, after.as_deref(), limit).await
        }
        QueryRequest::GetConversation { conversation } => {
            let found = app.store.read(move |snapshot| {
                let Some(conversation) = snapshot.conversation(user, conversation)? else { return Ok(None) };
                let users = snapshot.users_beside_members(std::slice::from_ref(&conversation))?;
                Ok(Some(ConversationAnswer { conversation, users, cursor: snapshot.cursor }))
            });
            let found = found.await?;
            found.map(|found| Answer::Conversation(Box::new(found))).ok_or(Code::NotFound.into())
        }
        QueryRequest::GetChanges { conversation, since } => {
            let changes = app.store.read(move |snapshot| snapshot.changes(user, conversation, since)).await?;
            changes.map(|changes| Answer::Changes(Box::new(changes))).ok_or(Code::NotFound.into())
        }
        QueryRequest::ListMessages { conversation, before, after, around, limit } => {
            let page = page(before, after, around)?;
            let limit = paging::page_size(limits, limit)?;
            let messages = app.store.read(move |snapshot| snapshot.messages(user, conversation, page, limit)).await?;
            messages.map(Answer::Messages).ok_or(Code::NotFound.into())
        }
        QueryRequest::ListReactions { conversation, seq, after, limit } => {
            let (after, limit) = (paging::position(after.as_deref())?, paging::page_size(limits, limit)?);
            let reactions = app.store.read(move |snapshot| snapshot.reactions(user, conversation, seq)).await?;
            let reactions = reactions.ok_or(Problem::from(Code::NotFound))?;
            Ok(Answer::Reactions(paging::reactions(reactions, after, limit)))
        }
        QueryRequest::GetMe { since } => get_me(app, user, since).await.map(Answer::Me),
        QueryRequest::ListMembers { conversation, after, limit } => {
            let (after, limit) = (paging::position(after.as_deref())?, paging::page_size(limits, limit)?);
            let members = app.store.read(move |snapshot| snapshot.list_members(user, conversation, after, limit));
            let members = members.await?;
            members.map(Answer::Members).ok_or(Code::NotFound.into())
        }
        QueryRequest::ListUsers { query, after, limit } => {
            list_users(app, user, query, after.as_deref(), limit).await.map(Answer::Users)
        }
        QueryRequest::ListBlocks { after, limit } => {
            let (after, limit) = (paging::position(after.as_deref())?, paging::page_size(limits, limit)?);
            let found = app.store.read(move |snapshot| snapshot.blocked_users(user, after, limit));
            let (users, next) = found.await?;
            Ok(Answer::Users(Users { users, next: next.map(|place| place.to_string()) }))
        }
        QueryRequest::ListReports { state, after, limit } => {
            list_reports(app, user, state, after.as_deref(), limit).await.map(Answer::Reports)
        }
        QueryRequest::GetReport { report } => {
            get_report(app, user, report).await.map(|found| Answer::Report(Box::new(found)))
        }
        QueryRequest::Search(search) => {
            let rows = paging::page_size(limits, search.limit)?;
            let started = Instant::now();
            let found = app.search.search(user, search, rows).await;
            app.metrics.search_seconds.observe(started.elapsed().as_secs_f64());
            found.map(Answer::Found)
        }
    }
}

/// Returns a page of reports for a moderator.
async fn list_reports(
    app: &App,
    user: UserId,
    state: ReportState,
    after: Option<&str>,
    limit: Option<u32>,
) -> Result<Reports, Problem> {
    let (after, limit) = (paging::position(after)?, paging::page_size(&app.config.limits, limit)?);
    let (reports, next) = as_moderator(app, user, move |snapshot| snapshot.list_reports(state, after, limit)).await?;
    let reports = reports.into_iter().map(|report| shown_to(user, report)).collect();
    Ok(Reports { reports, next: next.map(|place| place.to_string()) })
}

/// Returns a report for a moderator, without its copies if it is about a message of theirs.
async fn get_report(app: &App, user: UserId, report: ReportId) -> Result<ReportAnswer, Problem> {
    let found = as_moderator(app, user, move |snapshot| snapshot.report(report)).await?;
    let ReportAnswer { report, copies } = found.ok_or(Problem::from(Code::NotFound))?;
    let copies = if report.sender.id == user { Vec::new() } else { copies };
    Ok(ReportAnswer { report: shown_to(user, report), copies })
}

/// Reads what only moderators may, in the snapshot in which the user is one.
async fn as_moderator<T: Send + 'static>(
    app: &App,
    user: UserId,
    read: impl FnOnce(&mut Snapshot<'_>) -> store::Result<T> + Send + 'static,
) -> Result<T, Problem> {
    let found = app.store.read(move |snapshot| {
        let is_moderator = snapshot.is_moderator(user)?;
        is_moderator.then(|| read(snapshot)).transpose()
    });
    found.await?.ok_or(Code::NotAllowed.into())
}

/// Returns the evidence of an open report for a moderator, within the limits of queries.
///
/// # Errors
/// `not_allowed`, also to the sender of the message; `not_found`, `too_late` once it is settled, or the store is not
/// available.
pub(crate) async fn evidence(app: &Arc<App>, actor: Actor, report: ReportId) -> Result<Evidence, Problem> {
    let permit = app.queries.take(actor.user).await?;
    let app = app.clone();
    to_its_end(async move {
        let _permit = permit;
        let found = as_moderator(&app, actor.user, move |snapshot| snapshot.report(report)).await?;
        if found.as_ref().is_some_and(|found| found.report.sender.id == actor.user) {
            return Err(Problem::new(Code::NotAllowed).with_detail("it is about a message of yours"));
        }
        open_evidence(&app, found, Some(actor.user))
    })
    .await
}

/// Makes the evidence of a report that is open.
///
/// # Errors
/// `not_found`, or `too_late` once it is settled.
pub(crate) fn open_evidence(app: &App, found: Option<ReportAnswer>, by: Option<UserId>) -> Result<Evidence, Problem> {
    let found = found.ok_or(Problem::from(Code::NotFound))?;
    if found.report.state == ReportState::Settled {
        return Err(Problem::new(Code::TooLate).with_detail("it is settled, and the copies are erased"));
    }
    Ok(evidence::evidence(found, rfc3339(app.environment.now_ms()), by))
}

/// Returns a page of a user's conversations, with the users that their last messages name and that are in none of them.
async fn list_conversations(
    app: &App,
    user: UserId,
    after: Option<&str>,
    limit: Option<u32>,
) -> Result<Answer, Problem> {
    let (before, limit) = (paging::position(after)?, paging::page_size(&app.config.limits, limit)?);
    let page = app.store.read(move |snapshot| {
        let (conversations, next) = snapshot.list_conversations(user, before, limit)?;
        let users = snapshot.users_beside_members(&conversations)?;
        let next = next.map(|activity| activity.to_string());
        Ok(ConversationPage { conversations, users, next, cursor: snapshot.cursor })
    });
    Ok(Answer::Conversations(page.await?))
}

async fn get_me(app: &App, user: UserId, since: Option<Version>) -> Result<MeAnswer, Problem> {
    let (receipts, now_ms) = (app.rules.messages.receipts, app.environment.now_ms());
    let answer = app.store.read(move |snapshot| {
        let Some(row) = snapshot.me(user)? else { return Ok(None) };
        let markers = snapshot.markers(user)?;
        let unread = snapshot.unread(user, now_ms)?;
        let is_old = since.is_none_or(|since| since < row.blocks_version);
        let blocks = if is_old { Some(snapshot.blocks(user)?) } else { None };
        let reports = if row.moderator { Some(snapshot.report_counts()?) } else { None };
        let is_old = since.is_none_or(|since| since < row.warnings_version);
        let warnings = if is_old { Some(snapshot.warnings(user)?) } else { None };
        let listed = match since {
            Some(since) => snapshot.hidden(user, since)?.zip(snapshot.unhidden(user, since)?),
            None => Some(Default::default()),
        };
        let listed = listed.zip(snapshot.settings(user, since)?).zip(snapshot.drafts(user, since)?);
        let hidden_reset = listed.is_none();
        let (((hidden, unhidden), settings), drafts) = if let Some(listed) = listed {
            listed
        } else {
            // The client forgets what it knows, and so needs the pinned ones and its drafts again.
            let settings = snapshot.settings(user, None)?.unwrap_or_default();
            ((Default::default(), settings), snapshot.drafts(user, None)?.unwrap_or_default())
        };
        let me = row.me(receipts);
        let (now, cursor) = (rfc3339(now_ms), snapshot.cursor);
        let me = MeAnswer {
            me,
            markers,
            unread,
            now,
            settings,
            blocks,
            reports,
            warnings,
            drafts,
            hidden,
            unhidden,
            hidden_reset,
            cursor,
        };
        Ok(Some(me))
    });
    answer.await?.ok_or(Code::NotSignedIn.into())
}

async fn list_users(
    app: &App,
    viewer: UserId,
    query: String,
    after: Option<&str>,
    limit: Option<u32>,
) -> Result<Users, Problem> {
    let (after, limit) = (paging::position(after)?, paging::page_size(&app.config.limits, limit)?);
    let chars_max = app.config.limits.name_chars_max;
    if query.chars().nth(chars_max as usize).is_some() {
        return Err(Problem::new(Code::TextTooLong).with_limit(chars_max.into()));
    }
    if !is_specific(&query) {
        return Ok(Users { users: Vec::new(), next: None });
    }
    let who_may_write = app.rules.who_may_write;
    let found = app.store.read(move |snapshot| snapshot.users_to_write_to(viewer, &query, who_may_write, after, limit));
    let (users, next) = found.await?;
    Ok(Users { users, next: next.map(|place| place.to_string()) })
}

/// Whether a query looks for somebody in particular, rather than listing who is here: it has two letters, or one
/// character of a script without spaces.
fn is_specific(query: &str) -> bool {
    let letters = fold::fold(query);
    let count = |class| letters.iter().filter(|letter| letter.class == class).count();
    count(Class::Run) > 0 || count(Class::Word) > 1
}

fn page(before: Option<Seq>, after: Option<Seq>, around: Option<Seq>) -> Result<PageAnchor, Problem> {
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
    use super::is_specific;

    #[test]
    fn users_are_searched_by_two_letters_or_one_character_of_a_script_without_spaces() {
        for query in ["", " ", "a", "é", "e\u{301}", "%", "_ -", "a.", "🙂", "ß"] {
            assert_eq!(is_specific(query), query == "ß", "{query:?}");
        }
        for query in ["an", "a b", "Öz", "傘", "김", "ธ", "か", "a1"] {
            assert!(is_specific(query), "{query:?}");
        }
    }
}
