-- Files: uploads in progress, uploads not sent yet, and files that messages carry. They have no versions: changes are
-- sent with the message.
CREATE TABLE files (
    -- Random, so that the id of a file reveals nothing about others.
    id BIGINT PRIMARY KEY,
    owner BIGINT NOT NULL REFERENCES users (id),
    -- For a forwarded copy it begins with a space, which no uploader can send.
    client_id TEXT NOT NULL,
    name TEXT NOT NULL,
    -- As announced; once finished, as stored: a picture is rewritten without its metadata.
    bytes BIGINT NOT NULL,
    announced_bytes BIGINT NOT NULL,
    -- How much of an upload is safely on disk.
    received BIGINT NOT NULL,
    -- uploading, finished, sent
    state TEXT NOT NULL,
    media_type TEXT,
    width BIGINT,
    height BIGINT,
    blur_hash TEXT,
    -- The name in the storage, recorded before the bytes are stored; the preview has the same name with .preview and is
    -- absent (0), a JPEG (1) or a PNG (2).
    blob TEXT NOT NULL,
    has_preview BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    touched_at BIGINT NOT NULL,
    -- The message that carries it.
    conversation_id BIGINT,
    seq BIGINT,
    UNIQUE (client_id, owner)
);
CREATE INDEX files_by_owner ON files (owner, bytes);
CREATE INDEX files_by_message ON files (conversation_id, seq) WHERE conversation_id IS NOT NULL;
CREATE INDEX files_by_blob ON files (blob);
CREATE INDEX files_unsent ON files (touched_at) WHERE state <> 'sent';

-- Blobs that a row no longer has; soon removed from the storage, unless another row has them.
CREATE TABLE freed_blobs (
    blob TEXT PRIMARY KEY
);
