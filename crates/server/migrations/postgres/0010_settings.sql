-- How users keep conversations in their own lists: a row once they have changed something. `archived_seq` is -1 if it is
-- not archived; `muted_until` is in milliseconds since 1970, 0 if it is not muted, and the highest number for good.
CREATE TABLE conversation_settings (
    user_id BIGINT NOT NULL REFERENCES users (id),
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    pinned BIGINT NOT NULL,
    archived_seq BIGINT NOT NULL,
    muted_until BIGINT NOT NULL,
    marked_unread BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (user_id, conversation_id)
);
CREATE INDEX conversation_settings_by_version ON conversation_settings (user_id, version);
