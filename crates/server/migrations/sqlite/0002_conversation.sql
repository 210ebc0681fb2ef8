-- Settings of a user: receipts (shares and sees how far others have read), presence (shares whether they are online).
ALTER TABLE users ADD COLUMN receipts INTEGER NOT NULL DEFAULT 1;
ALTER TABLE users ADD COLUMN presence INTEGER NOT NULL DEFAULT 1;

-- The picture of a group.
ALTER TABLE conversations ADD COLUMN picture TEXT;
-- The seq of the newest message that never counts as unread: a deleted one, or a system message.
ALTER TABLE conversations ADD COLUMN uncounted_seq INTEGER NOT NULL DEFAULT 0;
-- The highest history_from that any member ever had: every member sees everything from there on.
ALTER TABLE conversations ADD COLUMN history_from_max INTEGER NOT NULL DEFAULT 1;
UPDATE conversations SET history_from_max = COALESCE(
    (SELECT max(m.history_from) FROM members m WHERE m.conversation_id = conversations.id), 1);

-- When read_seq last moved.
ALTER TABLE members ADD COLUMN read_at INTEGER;
-- The seq of the newest message that this member hid.
ALTER TABLE members ADD COLUMN hidden_seq INTEGER NOT NULL DEFAULT 0;

-- What only some messages have, as JSON: subject, attachments, reactions and so on.
ALTER TABLE messages ADD COLUMN details TEXT;
-- Never counts as unread: deleted, or a system message.
ALTER TABLE messages ADD COLUMN uncounted INTEGER NOT NULL DEFAULT 0;
-- The version of the last change; NULL before the first, so that sending touches neither index.
ALTER TABLE messages ADD COLUMN changed_version INTEGER;
CREATE INDEX messages_by_change ON messages (conversation_id, changed_version) WHERE changed_version IS NOT NULL;
CREATE INDEX messages_changed ON messages (changed_version) WHERE changed_version IS NOT NULL;

-- Messages that users deleted for themselves only.
CREATE TABLE hidden_messages (
    user_id INTEGER NOT NULL REFERENCES users (id),
    conversation_id INTEGER NOT NULL REFERENCES conversations (id),
    seq INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (user_id, conversation_id, seq)
) WITHOUT ROWID;
CREATE INDEX hidden_messages_by_version ON hidden_messages (user_id, version);
