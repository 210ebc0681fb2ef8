-- When users were last seen: not a change, so it has no version. Written periodically by the node they were connected
-- to.
CREATE TABLE last_seen (
    user_id BIGINT PRIMARY KEY REFERENCES users (id),
    seen_at BIGINT NOT NULL
);
