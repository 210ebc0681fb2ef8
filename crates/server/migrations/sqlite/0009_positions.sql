-- How far the mirror of the host's message table has read the store's changes, and which node runs it. Consumers that
-- have a database of their own have a table of this name there.
CREATE TABLE IF NOT EXISTS followers (
    name TEXT PRIMARY KEY,
    format INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    version INTEGER NOT NULL,
    base INTEGER NOT NULL,
    lease INTEGER NOT NULL,
    holder INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
);
