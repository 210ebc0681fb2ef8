-- What is looked for, of which block of message ids, and the messages of that block that have it.
CREATE TABLE IF NOT EXISTS search_terms (
    block INTEGER NOT NULL,
    term BLOB NOT NULL,
    slots BLOB NOT NULL,
    PRIMARY KEY (block, term)
) WITHOUT ROWID;

-- When the messages of a block were written.
CREATE TABLE IF NOT EXISTS search_blocks (
    block INTEGER PRIMARY KEY,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL
);

-- Messages that were edited or deleted, with a digest of the terms that they are kept under.
CREATE TABLE IF NOT EXISTS search_changed (
    message_id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL
);

-- How far each follower has read, and who runs it.
CREATE TABLE IF NOT EXISTS followers (
    name TEXT PRIMARY KEY,
    -- Of what it wrote: another one is built anew.
    format INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    version INTEGER NOT NULL,
    -- The clock when it began from nothing: changes up to here were seen with what they changed.
    base INTEGER NOT NULL,
    lease INTEGER NOT NULL,
    holder INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
);
