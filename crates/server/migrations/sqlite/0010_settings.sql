-- How users keep conversations in their own lists: a row once they have changed something. `archived_seq` is -1 if it is
-- not archived; `muted_until` is in milliseconds since 1970, 0 if it is not muted, and the highest number for good.
CREATE TABLE conversation_settings (
    user_id INTEGER NOT NULL REFERENCES users (id),
    conversation_id INTEGER NOT NULL REFERENCES conversations (id),
    pinned INTEGER NOT NULL,
    archived_seq INTEGER NOT NULL,
    muted_until INTEGER NOT NULL,
    marked_unread INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (user_id, conversation_id)
) WITHOUT ROWID;
CREATE INDEX conversation_settings_by_version ON conversation_settings (user_id, version);
