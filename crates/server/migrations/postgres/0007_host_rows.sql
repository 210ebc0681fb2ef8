-- The host's message table: each row as it was last read, and its message. A row that differs from this was changed by
-- the host.
CREATE TABLE host_rows (
    table_name TEXT NOT NULL,
    row_id BIGINT NOT NULL,
    -- NULL for a message to its own sender, which has no conversation.
    conversation_id BIGINT,
    seq BIGINT,
    sender_id BIGINT NOT NULL,
    recipient_id BIGINT NOT NULL,
    -- Of text and subject, and of the time and the attachments: keyed hashes.
    text_fingerprint BYTEA NOT NULL,
    rest_fingerprint BYTEA NOT NULL,
    is_read BIGINT NOT NULL,
    hidden_by_sender BIGINT NOT NULL,
    hidden_by_recipient BIGINT NOT NULL,
    PRIMARY KEY (table_name, row_id)
);
CREATE UNIQUE INDEX host_rows_by_message ON host_rows (conversation_id, seq) WHERE conversation_id IS NOT NULL;
CREATE INDEX host_rows_unread ON host_rows (recipient_id, conversation_id, seq) WHERE is_read = 0;

-- Messages that users hid and that the host shows them again: clients that held them as hidden are told.
CREATE TABLE unhidden_messages (
    user_id BIGINT NOT NULL REFERENCES users (id),
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    seq BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (user_id, conversation_id, seq)
);
CREATE INDEX unhidden_messages_by_version ON unhidden_messages (user_id, version);

-- In messages, uncounted is now: 0 counts as unread after the marker; 1 is deleted, or a system message; 2 was removed by
-- the host; 3 was read by its recipient in the host.
