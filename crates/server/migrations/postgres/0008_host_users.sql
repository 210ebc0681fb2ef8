-- The digest of the password hash that the host had when it was last taken over: a changed one is taken over again.
ALTER TABLE users ADD COLUMN host_password TEXT;
-- Whose session it is: accounts, or the identity provider whose session it stands for.
ALTER TABLE sessions ADD COLUMN provider TEXT NOT NULL DEFAULT 'accounts';
