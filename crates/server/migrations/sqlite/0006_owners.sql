-- Pictures of users and groups count for the user who set them.
ALTER TABLE pictures ADD COLUMN owner INTEGER REFERENCES users (id);
CREATE INDEX pictures_by_owner ON pictures (owner);

-- Where a user has signed in before: keyed hashes of addresses, and hashes of secrets that browsers keep. Failed
-- attempts from elsewhere do not count against these.
CREATE TABLE known_places (
    user_id INTEGER NOT NULL REFERENCES users (id),
    place BLOB NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, place)
) WITHOUT ROWID;
