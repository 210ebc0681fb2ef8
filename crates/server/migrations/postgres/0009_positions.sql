-- How far the mirror of the host's message table has read the store's changes, and which node runs it. The search index
-- has its row in the same table.
CREATE TABLE IF NOT EXISTS followers (
    name TEXT PRIMARY KEY,
    format BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    version BIGINT NOT NULL,
    base BIGINT NOT NULL,
    lease BIGINT NOT NULL,
    holder BIGINT NOT NULL,
    until_ms BIGINT NOT NULL
);
