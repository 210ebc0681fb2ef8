-- A term, a block of message ids, and the messages of that block that contain the term.
CREATE TABLE IF NOT EXISTS search_terms (
    block INTEGER NOT NULL,
    term BLOB NOT NULL,
    slots BLOB NOT NULL,
    PRIMARY KEY (block, term)
) WITHOUT ROWID;

-- When the messages of a block were sent.
CREATE TABLE IF NOT EXISTS search_blocks (
    block INTEGER PRIMARY KEY,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL
);

-- Messages that were edited or deleted, with a digest of their terms in the index.
CREATE TABLE IF NOT EXISTS search_changed (
    message_id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL
);

-- How far each consumer has read, and which node runs it.
CREATE TABLE IF NOT EXISTS followers (
    name TEXT PRIMARY KEY,
    -- The format of its data; another format is rebuilt.
    format INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    version INTEGER NOT NULL,
    -- The clock when it started from scratch: earlier changes were read along with the changed messages.
    base INTEGER NOT NULL,
    lease INTEGER NOT NULL,
    holder INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
);
