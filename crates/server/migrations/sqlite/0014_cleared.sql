-- The seq up to which this member has cleared the conversation for themselves; 0 if they never did.
ALTER TABLE members ADD COLUMN cleared_seq INTEGER NOT NULL DEFAULT 0;
