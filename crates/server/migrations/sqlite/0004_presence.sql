-- When people were last here: no change of anybody's, so it has no version. Written now and then by the node that saw
-- them.
CREATE TABLE last_seen (
    user_id INTEGER PRIMARY KEY REFERENCES users (id),
    seen_at INTEGER NOT NULL
);
