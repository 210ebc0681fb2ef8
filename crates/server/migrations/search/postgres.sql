-- A term, a block of message ids, and the messages of that block that contain the term.
CREATE TABLE IF NOT EXISTS search_terms (
    block BIGINT NOT NULL,
    term BYTEA NOT NULL,
    slots BYTEA NOT NULL,
    PRIMARY KEY (block, term)
);

-- When the messages of a block were sent.
CREATE TABLE IF NOT EXISTS search_blocks (
    block BIGINT PRIMARY KEY,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL
);

-- Messages that were edited or deleted, with a digest of their terms in the index.
CREATE TABLE IF NOT EXISTS search_changed (
    message_id BIGINT PRIMARY KEY,
    digest BYTEA NOT NULL
);

-- How far each consumer has read, and which node runs it.
CREATE TABLE IF NOT EXISTS followers (
    name TEXT PRIMARY KEY,
    -- The format of its data; another format is rebuilt.
    format BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    version BIGINT NOT NULL,
    -- The clock when it started from scratch: earlier changes were read along with the changed messages.
    base BIGINT NOT NULL,
    lease BIGINT NOT NULL,
    holder BIGINT NOT NULL,
    until_ms BIGINT NOT NULL
);
