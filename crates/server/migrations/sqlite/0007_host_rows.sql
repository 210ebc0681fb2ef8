-- The host's message table: each row as it was last read, and its message. A row that differs from this was changed by
-- the host.
CREATE TABLE host_rows (
    table_name TEXT NOT NULL,
    row_id INTEGER NOT NULL,
    -- NULL for a message to its own sender, which has no conversation.
    conversation_id INTEGER,
    seq INTEGER,
    sender_id INTEGER NOT NULL,
    recipient_id INTEGER NOT NULL,
    -- Of text and subject, and of the time and the attachments: keyed hashes.
    text_fingerprint BLOB NOT NULL,
    rest_fingerprint BLOB NOT NULL,
    is_read INTEGER NOT NULL,
    hidden_by_sender INTEGER NOT NULL,
    hidden_by_recipient INTEGER NOT NULL,
    PRIMARY KEY (table_name, row_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX host_rows_by_message ON host_rows (conversation_id, seq) WHERE conversation_id IS NOT NULL;
CREATE INDEX host_rows_unread ON host_rows (recipient_id, conversation_id, seq) WHERE is_read = 0;

-- Messages that users hid and that the host shows them again: clients that held them as hidden are told.
CREATE TABLE unhidden_messages (
    user_id INTEGER NOT NULL REFERENCES users (id),
    conversation_id INTEGER NOT NULL REFERENCES conversations (id),
    seq INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (user_id, conversation_id, seq)
) WITHOUT ROWID;
CREATE INDEX unhidden_messages_by_version ON unhidden_messages (user_id, version);

-- In messages, uncounted is now: 0 counts as unread after the marker; 1 is deleted, or a system message; 2 was removed by
-- the host; 3 was read by its recipient in the host.
