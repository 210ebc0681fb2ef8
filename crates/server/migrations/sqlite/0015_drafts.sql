-- What users are writing. A draft that was sent or deleted keeps its row and version, with an empty text and no details.
CREATE TABLE drafts (
    user_id INTEGER NOT NULL REFERENCES users (id),
    conversation_id INTEGER NOT NULL REFERENCES conversations (id),
    text TEXT NOT NULL,
    details TEXT,
    version INTEGER NOT NULL,
    PRIMARY KEY (user_id, conversation_id)
) WITHOUT ROWID;
CREATE INDEX drafts_by_version ON drafts (user_id, version);
