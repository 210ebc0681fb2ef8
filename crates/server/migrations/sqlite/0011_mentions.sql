-- Which messages mention which users, without the senders of these messages themselves. Where in the text is in
-- `messages.details`.
CREATE TABLE mentions (
    user_id INTEGER NOT NULL REFERENCES users (id),
    conversation_id INTEGER NOT NULL REFERENCES conversations (id),
    seq INTEGER NOT NULL,
    PRIMARY KEY (user_id, conversation_id, seq)
) WITHOUT ROWID;
