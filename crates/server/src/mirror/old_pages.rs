//! The mirror as the old sockets use it.

use super::{Mirror, NewHostRow, host_tables::HostTables, message_row::HostMessageRow};
use crate::{
    host::{HostError, HostValue, django::UserTable},
    host_side::{HostSide, MessageTarget, NewHostMessage},
    profile::write_rule::{RuleName, RuleParameter, RuleQuery},
};
use futures_util::{FutureExt as _, TryFutureExt as _, future::BoxFuture};
use parlor_protocol::{
    error::{Code, Problem},
    ids::UserId,
    model::ContextKey,
};
use tracing::warn;

impl HostSide for Mirror {
    fn id_of(&self, user: UserId) -> BoxFuture<'_, Result<Option<String>, Problem>> {
        self.options.users.external_id_of(user).boxed()
    }

    fn has_person<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, Problem>> {
        async move { Ok(self.user_of(id).await?.is_some()) }.boxed()
    }

    fn is_allowed<'a>(
        &'a self,
        query: &'a RuleQuery,
        sender: &'a str,
        target: &'a MessageTarget,
    ) -> BoxFuture<'a, Result<bool, Problem>> {
        async move {
            let allowed = has_row(&self.tables, &self.options.user_table, query, sender, target);
            allowed.await.map_err(|error| unanswered(&error))
        }
        .boxed()
    }

    fn send(&self, message: NewHostMessage) -> BoxFuture<'_, Result<HostMessageRow, Problem>> {
        async move {
            let NewHostMessage { sender, target, text, subject } = message;
            let recipient = self.user_of(&target.recipient).await?.ok_or(Problem::from(Code::NotFound))?;
            let kind = self.options.profile.context.as_ref().map(|table| table.kind.clone());
            let context = kind.zip(target.context).map(|(kind, id)| ContextKey { kind, id });
            self.send(NewHostRow { sender, recipient, context, text, subject }).await
        }
        .boxed()
    }

    fn mark_read<'a>(&'a self, reader: UserId, row_ids: &'a [i64]) -> BoxFuture<'a, Result<(), Problem>> {
        self.mark_read(reader, row_ids).map_ok(drop).boxed()
    }

    fn unread_count(&self, user: UserId) -> BoxFuture<'_, Result<i64, Problem>> {
        self.unread_count(user).boxed()
    }
}

/// Reports that it is unknown whether a message is allowed: whatever is wrong, it is not the sender's mistake.
fn unanswered(error: &HostError) -> Problem {
    if !error.is_outage() {
        warn!(%error, "the host's database refuses the query about who may write to whom (`allow`)");
    }
    Problem::new(Code::Unavailable).with_detail("the application does not say whether this message may be sent")
}

/// Returns whether a query of the profile returns a row.
async fn has_row(
    tables: &HostTables,
    users: &UserTable,
    query: &RuleQuery,
    sender: &str,
    target: &MessageTarget,
) -> Result<bool, HostError> {
    let database = &tables.database;
    let (sql, parameters) = query.sql(|name| match name {
        RuleName::Plain(name) => database.quoted(name),
        RuleName::Users => database.quoted(&users.table),
        RuleName::UserId => database.quoted(&users.id),
        RuleName::UserIsActive => database.quoted(&users.active),
    });
    let forms = tables.forms().await?;
    let values = parameters.into_iter().map(|parameter| match parameter {
        RuleParameter::Sender => forms.people.value(sender),
        RuleParameter::Recipient => forms.people.value(&target.recipient),
        RuleParameter::Context => target.context.as_deref().map_or(HostValue::Null, |id| forms.context.value(id)),
    });
    Ok(!database.query(sql, values.collect()).await?.is_empty())
}
