-- What is looked for, of which block of message ids, and the messages of that block that have it.
CREATE TABLE IF NOT EXISTS search_terms (
    block BIGINT NOT NULL,
    term BYTEA NOT NULL,
    slots BYTEA NOT NULL,
    PRIMARY KEY (block, term)
);

-- When the messages of a block were written.
CREATE TABLE IF NOT EXISTS search_blocks (
    block BIGINT PRIMARY KEY,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL
);

-- Messages that were edited or deleted, with a digest of the terms that they are kept under.
CREATE TABLE IF NOT EXISTS search_changed (
    message_id BIGINT PRIMARY KEY,
    digest BYTEA NOT NULL
);

-- How far each follower has read, and who runs it.
CREATE TABLE IF NOT EXISTS followers (
    name TEXT PRIMARY KEY,
    -- Of what it wrote: another one is built anew.
    format BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    version BIGINT NOT NULL,
    -- The clock when it began from nothing: changes up to here were seen with what they changed.
    base BIGINT NOT NULL,
    lease BIGINT NOT NULL,
    holder BIGINT NOT NULL,
    until_ms BIGINT NOT NULL
);
