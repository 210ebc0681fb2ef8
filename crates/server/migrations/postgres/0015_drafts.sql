-- What users are writing. A draft that was sent or deleted keeps its row and version, with an empty text and no details.
CREATE TABLE drafts (
    user_id BIGINT NOT NULL REFERENCES users (id),
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    text TEXT NOT NULL,
    details TEXT,
    version BIGINT NOT NULL,
    PRIMARY KEY (user_id, conversation_id)
);
CREATE INDEX drafts_by_version ON drafts (user_id, version);
