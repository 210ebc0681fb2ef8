-- How many conversations a user has opened lately.
CREATE INDEX conversations_by_opener ON conversations (created_by, created_at);
