-- Reports of messages. `text` is the beginning of the message's; `copies` has it and those near it as JSON, and `edited` has
-- it as it was when it was last reported, if it was edited meanwhile. Both are NULL once the report is settled. `warning_unread` is 1 if its sender was warned and has not seen it.
CREATE TABLE reports (
    id INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    conversation_id INTEGER NOT NULL REFERENCES conversations (id),
    kind TEXT NOT NULL,
    title TEXT,
    seq INTEGER NOT NULL,
    sender_id INTEGER NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    text TEXT NOT NULL,
    copies TEXT,
    edited TEXT,
    reason_count INTEGER NOT NULL,
    settled_at INTEGER,
    settled_by INTEGER REFERENCES users (id),
    removed INTEGER NOT NULL,
    warned INTEGER NOT NULL,
    warning_unread INTEGER NOT NULL,
    note TEXT
);
CREATE UNIQUE INDEX reports_open_by_message ON reports (conversation_id, seq) WHERE settled_at IS NULL;
CREATE INDEX reports_open ON reports (id) WHERE settled_at IS NULL;
CREATE INDEX reports_settled ON reports (version) WHERE settled_at IS NOT NULL;
CREATE INDEX reports_by_unread_warning ON reports (sender_id, version) WHERE warning_unread = 1;

-- Who reported a message and why: `place` counts from 1 within a report.
CREATE TABLE report_reasons (
    report_id INTEGER NOT NULL REFERENCES reports (id),
    place INTEGER NOT NULL,
    reporter_id INTEGER NOT NULL REFERENCES users (id),
    reason TEXT NOT NULL,
    note TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (report_id, place)
) WITHOUT ROWID;
CREATE INDEX report_reasons_by_reporter ON report_reasons (reporter_id, created_at);

-- Whether the user decides about reports, and the version of the last change of their own warnings.
ALTER TABLE users ADD COLUMN moderator INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN warnings_version INTEGER NOT NULL DEFAULT 0;
CREATE INDEX users_moderators ON users (id) WHERE moderator = 1;
