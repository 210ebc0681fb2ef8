-- Who has blocked whom.
CREATE TABLE blocks (
    user_id INTEGER NOT NULL REFERENCES users (id),
    blocked_id INTEGER NOT NULL REFERENCES users (id),
    PRIMARY KEY (user_id, blocked_id)
) WITHOUT ROWID;

-- The version of the last change of the user's own blocks.
ALTER TABLE users ADD COLUMN blocks_version INTEGER NOT NULL DEFAULT 0;

-- A copy of the blocks between the members of a direct conversation: 1 if the one with the lower id has blocked the other,
-- plus 2 if the other one has.
ALTER TABLE conversations ADD COLUMN blocking INTEGER NOT NULL DEFAULT 0;
