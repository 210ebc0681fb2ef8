-- The clock: its row's version orders every commit (I2).
CREATE TABLE clock (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    version BIGINT NOT NULL
);
INSERT INTO clock (one, version) VALUES (1, 0);

-- One row for each start of a server: the newest epoch is the one that cursors carry (I6).
CREATE TABLE starts (
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    epoch BIGINT NOT NULL UNIQUE,
    version BIGINT NOT NULL,
    started_at BIGINT NOT NULL
);

-- What each commit touched; pruned after ten minutes (I2, I5).
CREATE TABLE commits (
    last_version BIGINT PRIMARY KEY,
    first_version BIGINT NOT NULL,
    node BIGINT NOT NULL,
    scopes TEXT NOT NULL,
    committed_at BIGINT NOT NULL
);

CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);

CREATE TABLE users (
    id BIGINT PRIMARY KEY,
    external_id TEXT UNIQUE,
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- The folded words of the name, each after a space: what user.list searches.
    name_words TEXT NOT NULL,
    password_hash TEXT,
    picture TEXT,
    disabled BIGINT NOT NULL DEFAULT 0,
    -- The version of the last change of name or picture.
    profile_version BIGINT NOT NULL,
    -- The version of the scope user:….
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE pictures (
    id TEXT PRIMARY KEY,
    media_type TEXT NOT NULL,
    bytes BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE sessions (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id),
    token_hash BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    agent TEXT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE contexts (
    id BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    external_id TEXT NOT NULL,
    title TEXT NOT NULL,
    detail TEXT,
    url TEXT,
    image TEXT,
    status TEXT,
    tone TEXT NOT NULL,
    closed BIGINT NOT NULL DEFAULT 0,
    version BIGINT NOT NULL,
    UNIQUE (kind, external_id)
);

CREATE TABLE context_roles (
    context_id BIGINT NOT NULL REFERENCES contexts (id),
    user_id BIGINT NOT NULL REFERENCES users (id),
    role TEXT NOT NULL,
    PRIMARY KEY (context_id, user_id)
);
CREATE INDEX context_roles_by_user ON context_roles (user_id);

CREATE TABLE conversations (
    id BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    -- "context:lower user:higher user" of a direct conversation; the context is empty when there is none.
    direct_key TEXT UNIQUE,
    title TEXT,
    context_id BIGINT REFERENCES contexts (id),
    created_by BIGINT NOT NULL REFERENCES users (id),
    client_id TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    activity BIGINT NOT NULL,
    last_seq BIGINT NOT NULL DEFAULT 0,
    last_message_id BIGINT,
    member_count BIGINT NOT NULL,
    UNIQUE (client_id, created_by)
);
CREATE INDEX conversations_by_context ON conversations (context_id) WHERE context_id IS NOT NULL;

CREATE TABLE members (
    conversation_id BIGINT NOT NULL REFERENCES conversations (id),
    user_id BIGINT NOT NULL REFERENCES users (id),
    role TEXT NOT NULL,
    -- The version at which this member joined, or rejoined.
    joined_version BIGINT NOT NULL,
    history_from BIGINT NOT NULL,
    read_seq BIGINT NOT NULL,
    delivered_seq BIGINT NOT NULL,
    -- The seq of this member's newest message: unread is a subtraction unless it is after the read marker.
    sent_seq BIGINT NOT NULL,
    has_left BIGINT NOT NULL DEFAULT 0,
    version BIGINT NOT NULL,
    -- The version of the last change that only this member sees.
    personal_version BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, user_id)
);
CREATE INDEX members_by_user ON members (user_id, conversation_id);

-- A message's id is the version that created it, so the table is append-ordered.
CREATE TABLE messages (
    id BIGINT PRIMARY KEY,
    conversation_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    sender_id BIGINT NOT NULL,
    client_id TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    text TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX messages_by_seq ON messages (conversation_id, seq);
-- The client_id comes first, so that ids beginning with the time touch one page instead of one for each sender.
CREATE UNIQUE INDEX messages_by_client_id ON messages (client_id, sender_id);

CREATE TABLE cancelled_keys (
    client_id TEXT NOT NULL,
    sender_id BIGINT NOT NULL,
    cancelled_at BIGINT NOT NULL,
    PRIMARY KEY (client_id, sender_id)
);
