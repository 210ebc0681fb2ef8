-- The clock: its row's version orders every commit (I2).
CREATE TABLE clock (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL
);
INSERT INTO clock (one, version) VALUES (1, 0);

-- One row for each start of a server: the newest epoch is the one that cursors carry (I6).
CREATE TABLE starts (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    epoch INTEGER NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    started_at INTEGER NOT NULL
);

-- What each commit touched; pruned after ten minutes (I2, I5).
CREATE TABLE commits (
    last_version INTEGER PRIMARY KEY,
    first_version INTEGER NOT NULL,
    node INTEGER NOT NULL,
    scopes TEXT NOT NULL,
    committed_at INTEGER NOT NULL
);

CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
);

CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    external_id TEXT UNIQUE,
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- The folded words of the name, each after a space: what user.list searches.
    name_words TEXT NOT NULL,
    password_hash TEXT,
    picture TEXT,
    disabled INTEGER NOT NULL DEFAULT 0,
    -- The version of the last change of name or picture.
    profile_version INTEGER NOT NULL,
    -- The version of the scope user:….
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE TABLE pictures (
    id TEXT PRIMARY KEY,
    media_type TEXT NOT NULL,
    bytes BLOB NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE TABLE sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES users (id),
    token_hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    agent TEXT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE contexts (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    external_id TEXT NOT NULL,
    title TEXT NOT NULL,
    detail TEXT,
    url TEXT,
    image TEXT,
    status TEXT,
    tone TEXT NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL,
    UNIQUE (kind, external_id)
);

CREATE TABLE context_roles (
    context_id INTEGER NOT NULL REFERENCES contexts (id),
    user_id INTEGER NOT NULL REFERENCES users (id),
    role TEXT NOT NULL,
    PRIMARY KEY (context_id, user_id)
) WITHOUT ROWID;
CREATE INDEX context_roles_by_user ON context_roles (user_id);

CREATE TABLE conversations (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    -- "context:lower user:higher user" of a direct conversation; the context is empty when there is none.
    direct_key TEXT UNIQUE,
    title TEXT,
    context_id INTEGER REFERENCES contexts (id),
    created_by INTEGER NOT NULL REFERENCES users (id),
    client_id TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    activity INTEGER NOT NULL,
    last_seq INTEGER NOT NULL DEFAULT 0,
    last_message_id INTEGER,
    member_count INTEGER NOT NULL,
    UNIQUE (client_id, created_by)
);
CREATE INDEX conversations_by_context ON conversations (context_id) WHERE context_id IS NOT NULL;

CREATE TABLE members (
    conversation_id INTEGER NOT NULL REFERENCES conversations (id),
    user_id INTEGER NOT NULL REFERENCES users (id),
    role TEXT NOT NULL,
    -- The version at which this member joined, or rejoined.
    joined_version INTEGER NOT NULL,
    history_from INTEGER NOT NULL,
    read_seq INTEGER NOT NULL,
    delivered_seq INTEGER NOT NULL,
    -- The seq of this member's newest message: unread is a subtraction unless it is after the read marker.
    sent_seq INTEGER NOT NULL,
    has_left INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL,
    -- The version of the last change that only this member sees.
    personal_version INTEGER NOT NULL,
    PRIMARY KEY (conversation_id, user_id)
) WITHOUT ROWID;
CREATE INDEX members_by_user ON members (user_id, conversation_id);

-- A message's id is the version that created it, so the table is append-ordered.
CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    conversation_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    text TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX messages_by_seq ON messages (conversation_id, seq);
-- The client_id comes first, so that ids beginning with the time touch one page instead of one for each sender.
CREATE UNIQUE INDEX messages_by_client_id ON messages (client_id, sender_id);

CREATE TABLE cancelled_keys (
    client_id TEXT NOT NULL,
    sender_id INTEGER NOT NULL,
    cancelled_at INTEGER NOT NULL,
    PRIMARY KEY (client_id, sender_id)
) WITHOUT ROWID;
