//! Verifies a store: its file, and whether its rows are consistent.

use super::{Result, Store, column, connection::DatabaseConnection};

/// Consistency checks: each statement counts the rows that violate one.
const CHECKS: [(&str, &str); 29] = [
    (
        "conversations whose messages have gaps in seq",
        "SELECT COUNT(*) FROM (SELECT conversation_id FROM messages GROUP BY conversation_id \
         HAVING COUNT(*) <> MAX(seq) OR MIN(seq) <> 1) AS broken",
    ),
    (
        "conversations whose last_seq is not that of their newest message",
        "SELECT COUNT(*) FROM conversations c WHERE c.last_seq <> \
         COALESCE((SELECT MAX(m.seq) FROM messages m WHERE m.conversation_id = c.id), 0)",
    ),
    (
        "conversations whose last_message_id is not that of their newest message",
        "SELECT COUNT(*) FROM conversations c WHERE COALESCE(c.last_message_id, 0) <> \
         COALESCE((SELECT MAX(m.id) FROM messages m WHERE m.conversation_id = c.id), 0)",
    ),
    (
        "conversations whose member_count is not the number of their members",
        "SELECT COUNT(*) FROM conversations c WHERE c.member_count <> \
         (SELECT COUNT(*) FROM members m WHERE m.conversation_id = c.id AND m.has_left = 0)",
    ),
    (
        "direct conversations without exactly two members",
        "SELECT COUNT(*) FROM conversations c WHERE c.kind = 'direct' AND \
         (SELECT COUNT(*) FROM members m WHERE m.conversation_id = c.id) <> 2",
    ),
    (
        "messages without a conversation",
        "SELECT COUNT(*) FROM messages m LEFT JOIN conversations c ON c.id = m.conversation_id WHERE c.id IS NULL",
    ),
    (
        "messages without a sender",
        "SELECT COUNT(*) FROM messages m LEFT JOIN users u ON u.id = m.sender_id WHERE u.id IS NULL",
    ),
    (
        "members without a conversation or a user",
        "SELECT COUNT(*) FROM members m LEFT JOIN conversations c ON c.id = m.conversation_id \
         LEFT JOIN users u ON u.id = m.user_id WHERE c.id IS NULL OR u.id IS NULL",
    ),
    (
        "members whose markers are beyond the last message",
        "SELECT COUNT(*) FROM members m JOIN conversations c ON c.id = m.conversation_id \
         WHERE m.read_seq > c.last_seq OR m.delivered_seq > c.last_seq OR m.read_seq > m.delivered_seq",
    ),
    (
        "sessions without a user, or of a disabled user",
        "SELECT COUNT(*) FROM sessions s LEFT JOIN users u ON u.id = s.user_id WHERE u.id IS NULL OR u.disabled <> 0",
    ),
    (
        "roles without a context or a user",
        "SELECT COUNT(*) FROM context_roles r LEFT JOIN contexts x ON x.id = r.context_id \
         LEFT JOIN users u ON u.id = r.user_id WHERE x.id IS NULL OR u.id IS NULL",
    ),
    (
        "deleted messages that still have content",
        "SELECT COUNT(*) FROM messages m WHERE (m.details LIKE '%\"deleted\":true%' \
         OR m.details LIKE '%\"removed\":true%') \
         AND (m.text <> '' OR m.details NOT IN ('{\"deleted\":true}', '{\"removed\":true}'))",
    ),
    (
        "messages whose uncounted number is wrong",
        "SELECT COUNT(*) FROM messages m LEFT JOIN host_rows h ON h.conversation_id = m.conversation_id AND h.seq = m.seq \
         WHERE m.uncounted <> CASE WHEN m.details LIKE '%\"removed\":true%' THEN 2 \
         WHEN m.details LIKE '%\"deleted\":true%' OR m.details LIKE '%\"system\":{%' THEN 1 \
         WHEN h.is_read = 1 THEN 3 ELSE 0 END",
    ),
    (
        "conversations whose uncounted_seq is before their newest uncounted message",
        "SELECT COUNT(*) FROM conversations c WHERE c.uncounted_seq < COALESCE((SELECT MAX(m.seq) FROM messages m \
         WHERE m.conversation_id = c.id AND m.uncounted <> 0), 0)",
    ),
    (
        "rows of the host without their message",
        "SELECT COUNT(*) FROM host_rows h LEFT JOIN messages m ON m.conversation_id = h.conversation_id \
         AND m.seq = h.seq WHERE h.conversation_id IS NOT NULL AND (m.id IS NULL OR m.uncounted = 2)",
    ),
    ("messages that changed before they existed", "SELECT COUNT(*) FROM messages m WHERE m.changed_version <= m.id"),
    (
        "hidden markers of messages that do not exist",
        "SELECT COUNT(*) FROM hidden_messages h LEFT JOIN messages m ON m.conversation_id = h.conversation_id \
         AND m.seq = h.seq WHERE m.id IS NULL",
    ),
    (
        "members whose hidden_seq is before the newest message they hid",
        "SELECT COUNT(*) FROM members m WHERE m.hidden_seq < COALESCE((SELECT MAX(h.seq) FROM hidden_messages h \
         WHERE h.user_id = m.user_id AND h.conversation_id = m.conversation_id), 0)",
    ),
    (
        "settings of conversations by users who never were members",
        "SELECT COUNT(*) FROM conversation_settings s LEFT JOIN members m ON m.conversation_id = s.conversation_id \
         AND m.user_id = s.user_id WHERE m.user_id IS NULL",
    ),
    (
        "mentions that are not in their message",
        "SELECT COUNT(*) FROM mentions n LEFT JOIN messages m ON m.conversation_id = n.conversation_id \
         AND m.seq = n.seq WHERE m.id IS NULL OR m.sender_id = n.user_id \
         OR COALESCE(m.details, '') NOT LIKE '%\"mentions\":[{%'",
    ),
    ("members who have not read what they cleared", "SELECT COUNT(*) FROM members m WHERE m.cleared_seq > m.read_seq"),
    (
        "conversations whose copy of the blocks is wrong",
        "SELECT COUNT(*) FROM conversations c WHERE c.blocking <> CASE WHEN c.kind <> 'direct' THEN 0 ELSE (\
         SELECT COALESCE(SUM(CASE WHEN b.user_id < b.blocked_id THEN 1 ELSE 2 END), 0) FROM members m \
         JOIN members o ON o.conversation_id = c.id AND o.user_id <> m.user_id \
         JOIN blocks b ON b.user_id = m.user_id AND b.blocked_id = o.user_id WHERE m.conversation_id = c.id) END",
    ),
    (
        "drafts of users who are not members",
        "SELECT COUNT(*) FROM drafts d LEFT JOIN members m ON m.conversation_id = d.conversation_id \
         AND m.user_id = d.user_id AND m.has_left = 0 \
         WHERE m.user_id IS NULL AND (d.text <> '' OR d.details IS NOT NULL)",
    ),
    (
        "members whose history begins after history_from_max",
        "SELECT COUNT(*) FROM members m JOIN conversations c ON c.id = m.conversation_id \
         WHERE m.history_from > c.history_from_max",
    ),
    (
        "sent files without an existing message, or unsent files with one",
        "SELECT COUNT(*) FROM files f LEFT JOIN messages m ON m.conversation_id = f.conversation_id AND m.seq = f.seq \
         WHERE (f.state = 'sent' AND (m.id IS NULL OR m.uncounted IN (1, 2))) \
         OR (f.state <> 'sent' AND f.conversation_id IS NOT NULL)",
    ),
    (
        "open reports without copies, or settled ones that still have something that users wrote",
        "SELECT COUNT(*) FROM reports p WHERE (p.settled_at IS NULL AND p.copies IS NULL) \
         OR (p.settled_at IS NOT NULL AND (p.copies IS NOT NULL OR p.edited IS NOT NULL OR p.title IS NOT NULL OR p.text <> '' \
         OR p.settled_by IS NULL \
         OR EXISTS (SELECT 1 FROM report_reasons r WHERE r.report_id = p.id AND r.note <> '')))",
    ),
    (
        "reports whose reason_count is not the number of their reasons",
        "SELECT COUNT(*) FROM reports p WHERE p.reason_count = 0 OR p.reason_count <> \
         (SELECT COUNT(*) FROM report_reasons r WHERE r.report_id = p.id)",
    ),
    (
        "reports with an unread warning that was not given, or of a message of nobody's",
        "SELECT COUNT(*) FROM reports p LEFT JOIN messages m ON m.conversation_id = p.conversation_id AND m.seq = p.seq \
         WHERE p.warning_unread > p.warned OR m.id IS NULL OR m.sender_id <> p.sender_id",
    ),
    (
        "rows with a version beyond the clock",
        "SELECT (SELECT COUNT(*) FROM messages WHERE id > clock.version OR changed_version > clock.version) \
         + (SELECT COUNT(*) FROM hidden_messages WHERE hidden_messages.version > clock.version) \
         + (SELECT COUNT(*) FROM conversation_settings WHERE conversation_settings.version > clock.version) \
         + (SELECT COUNT(*) FROM drafts WHERE drafts.version > clock.version) \
         + (SELECT COUNT(*) FROM conversations WHERE conversations.version > clock.version) \
         + (SELECT COUNT(*) FROM reports WHERE reports.version > clock.version) \
         + (SELECT COUNT(*) FROM users WHERE users.version > clock.version) FROM clock",
    ),
];

const COUNTED_TABLES: [&str; 7] = ["users", "conversations", "members", "messages", "files", "contexts", "sessions"];

/// What a verification found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many rows each table has.
    pub counts: Vec<(&'static str, i64)>,
    /// The problems found, one sentence each.
    pub faults: Vec<String>,
}

impl Store {
    /// Verifies the whole store without changing anything.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn verify(&self) -> Result<Report> {
        self.run_long(verify).await
    }
}

fn verify(connection: &mut DatabaseConnection) -> Result<Report> {
    let mut report = Report::default();
    if connection.is_sqlite() {
        let answers: Vec<String> = connection.query("PRAGMA integrity_check", &[], |row| column(row, 0))?;
        for answer in answers.into_iter().filter(|answer| answer != "ok") {
            report.faults.push(format!("the file is damaged: {answer}"));
        }
        let orphans = connection.query("PRAGMA foreign_key_check", &[], |_| Ok(()))?;
        if !orphans.is_empty() {
            report.faults.push(format!("{} dangling references", orphans.len()));
        }
    }
    for (what, sql) in CHECKS {
        let count: i64 = connection.query_one(sql, &[], |row| column(row, 0))?;
        if count != 0 {
            report.faults.push(format!("{count} {what}"));
        }
    }
    for table in COUNTED_TABLES {
        let count = connection.query_one(&format!("SELECT COUNT(*) FROM {table}"), &[], |row| column(row, 0))?;
        report.counts.push((table, count));
    }
    Ok(report)
}
