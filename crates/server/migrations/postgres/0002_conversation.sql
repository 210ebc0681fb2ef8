-- Settings of a person: receipts (tells and is told how far has been read), presence (shows whether one is here).
ALTER TABLE users ADD COLUMN receipts BIGINT NOT NULL DEFAULT 1;
ALTER TABLE users ADD COLUMN presence BIGINT NOT NULL DEFAULT 1;

-- The picture of a group.
ALTER TABLE conversations ADD COLUMN picture TEXT;
-- The seq of the newest message that counts as unread for nobody: a deleted one, or a line of the system.
ALTER TABLE conversations ADD COLUMN uncounted_seq BIGINT NOT NULL DEFAULT 0;
-- The highest history_from that anybody ever had here: from there on, everybody sees everything.
ALTER TABLE conversations ADD COLUMN history_from_max BIGINT NOT NULL DEFAULT 1;
UPDATE conversations SET history_from_max = COALESCE(
    (SELECT max(m.history_from) FROM members m WHERE m.conversation_id = conversations.id), 1);

-- When read_seq last moved.
ALTER TABLE members ADD COLUMN read_at BIGINT;
-- The seq of the newest message that this person hid.
ALTER TABLE members ADD COLUMN hidden_seq BIGINT NOT NULL DEFAULT 0;

-- What few messages have, as JSON: subject, attachments, reactions and so on.
ALTER TABLE messages ADD COLUMN details TEXT;
-- Counts as unread for nobody: deleted, or a line of the system.
ALTER TABLE messages ADD COLUMN uncounted BIGINT NOT NULL DEFAULT 0;
-- The version of the last change; NULL while there was none, so that sending touches neither index.
ALTER TABLE messages ADD COLUMN changed_version BIGINT;
CREATE INDEX messages_by_change ON messages (conversation_id, changed_version) WHERE changed_version IS NOT NULL;
CREATE INDEX messages_changed ON messages (changed_version) WHERE changed_version IS NOT NULL;

-- What people deleted for themselves alone.
CREATE TABLE hidden_messages (
    user_id BIGINT NOT NULL REFERENCES users (id),
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    seq BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (user_id, conversation_id, seq)
);
CREATE INDEX hidden_messages_by_version ON hidden_messages (user_id, version);
