//! The members of a conversation, each row as the viewer may see it.

use super::Snapshot;
use crate::{
    domain::{
        blocking::Blocking,
        rows::{ConversationRow, MemberRow},
    },
    store::{
        Result,
        bulk_params::BulkParams,
        column,
        row::Row,
        rows::{MEMBER, RowReader},
    },
};
use parlor_protocol::{
    ids::{ConversationId, UserId},
    model::{ConversationKind, Member, Message, Role},
    reply::Members,
};
use std::collections::HashMap;

/// The joins that member rows of a conversation `c` need.
const WITH: &str = "JOIN users u ON u.id = m.user_id \
     LEFT JOIN context_roles r ON r.context_id = c.context_id AND r.user_id = m.user_id";

impl Snapshot<'_> {
    /// Returns a page of a conversation's members in the order of their ids, if the viewer is one of them.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn list_members(
        &mut self,
        viewer: UserId,
        conversation: ConversationId,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Option<Members>> {
        let own: Option<(i64, i64)> = self.connection().query_optional(
            "SELECT u.receipts, c.blocking FROM members m JOIN users u ON u.id = m.user_id \
             JOIN conversations c ON c.id = m.conversation_id \
             WHERE m.conversation_id = $1 AND m.user_id = $2 AND m.has_left = 0",
            &[conversation.0.into(), viewer.0.into()],
            |row| Ok((column(row, 0)?, column(row, 1)?)),
        )?;
        let Some((own, blocking)) = own else { return Ok(None) };
        let blocking = Blocking::numbered(blocking);
        let has_receipts = own != 0 && self.receipts;
        let rows: Vec<MemberRow> = self.connection().query(
            &format!(
                "SELECT {MEMBER} FROM members m JOIN conversations c ON c.id = m.conversation_id {WITH} \
             WHERE m.conversation_id = $1 AND m.user_id > $2 AND m.has_left = 0 ORDER BY m.user_id LIMIT $3"
            ),
            &[conversation.0.into(), after.map_or(0, |user| user.0).into(), (i64::from(limit) + 1).into()],
            |row| RowReader::new(row).member(),
        )?;
        let is_last = rows.len() <= limit as usize;
        let page = rows.iter().take(limit as usize);
        let members: Vec<Member> = page.map(|row| row.member_for(viewer, has_receipts, blocking)).collect();
        let next = members.last().filter(|_| !is_last).map(|member| member.user.id.to_string());
        Ok(Some(Members { members, next }))
    }

    /// Returns whether a member may change a group's title and picture; none if the user is not in the conversation.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn can_manage(&mut self, user: UserId, conversation: ConversationId) -> Result<Option<bool>> {
        self.connection().query_optional(
            "SELECT c.kind, m.role FROM members m JOIN conversations c ON c.id = m.conversation_id \
             WHERE m.conversation_id = $1 AND m.user_id = $2 AND m.has_left = 0",
            &[conversation.0.into(), user.0.into()],
            |row| {
                let mut reader = RowReader::new(row);
                let (kind, role) = (reader.named::<ConversationKind>()?, reader.named::<Role>()?);
                Ok(kind == ConversationKind::Group && role != Role::Member)
            },
        )
    }

    /// Returns the members that conversations show: all of them up to `conversation_fan_out_max`; in larger ones the
    /// viewer, the sender of the last message, and the members of longest standing.
    pub(super) fn shown_members(
        &mut self,
        viewer: UserId,
        found: &[&ConversationRow],
        messages: &HashMap<ConversationId, Message>,
    ) -> Result<HashMap<ConversationId, Vec<Member>>> {
        const JOIN: &str = "JOIN conversations c ON c.id = v.id \
             JOIN members m ON m.conversation_id = c.id AND m.has_left = 0";
        let few = self.limits.conversation_fan_out_max;
        let mut params = BulkParams::new(["id"]);
        for row in found.iter().filter(|row| row.member_count <= few) {
            params.push([row.id.0.into()]);
        }
        let sql = format!("SELECT c.id, {MEMBER} FROM v {JOIN} {WITH} ORDER BY m.joined_version, m.user_id");
        let member = |row: Row<'_>| {
            let mut reader = RowReader::new(row);
            Ok((ConversationId(reader.int()?), reader.member()?))
        };
        let mut rows = params.query(self.connection(), &sql, member)?;
        for row in found.iter().filter(|row| row.member_count > few) {
            let sender = messages.get(&row.id).map_or(0, |message| message.sender.0);
            let mut params = BulkParams::new(["id", "viewer_id", "sender_id"]);
            params.push([row.id.0.into(), viewer.0.into(), sender.into()]);
            let sql = format!(
                "SELECT c.id, {MEMBER} FROM v {JOIN} {WITH} ORDER BY \
                 CASE WHEN m.user_id = v.viewer_id THEN 0 WHEN m.user_id = v.sender_id THEN 1 ELSE 2 END, \
                 m.joined_version, m.user_id LIMIT {few}"
            );
            rows.extend(params.query(self.connection(), &sql, member)?);
        }
        let mut members: HashMap<ConversationId, Vec<MemberRow>> = HashMap::new();
        for (conversation, member) in rows {
            members.entry(conversation).or_default().push(member);
        }
        let receipts = self.receipts;
        let blocking: HashMap<ConversationId, Blocking> = found.iter().map(|row| (row.id, row.blocking)).collect();
        let rows_for_viewer = |id: ConversationId, rows: Vec<MemberRow>| -> Vec<Member> {
            // The viewer's own row is among them.
            let has_receipts = receipts && rows.iter().any(|row| row.user.id == viewer && row.receipts);
            rows.iter().map(|row| row.member_for(viewer, has_receipts, blocking[&id])).collect()
        };
        Ok(members.into_iter().map(|(id, rows)| (id, rows_for_viewer(id, rows))).collect())
    }
}
