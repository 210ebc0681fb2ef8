-- Files: uploads in progress, uploads that nobody has sent yet, and what messages carry. No versions: what a message
-- carries is told with the message.
CREATE TABLE files (
    -- Drawn at random, so that no file's id tells of another.
    id BIGINT PRIMARY KEY,
    owner BIGINT NOT NULL REFERENCES users (id),
    -- Of a forwarded copy it begins with a space, which no uploader can send.
    client_id TEXT NOT NULL,
    name TEXT NOT NULL,
    -- As announced; once finished, as kept: a picture is written anew without its metadata.
    bytes BIGINT NOT NULL,
    announced_bytes BIGINT NOT NULL,
    -- How much of an upload is safely on the disk.
    received BIGINT NOT NULL,
    -- uploading, finished, sent
    state TEXT NOT NULL,
    media_type TEXT,
    width BIGINT,
    height BIGINT,
    blur_hash TEXT,
    -- Where the bytes are in the storage, named before they are put there; a smaller copy is at the same with .preview:
    -- none (0), a JPEG (1) or a PNG (2).
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

-- What a row no longer has; removed from the storage soon, unless another row has it.
CREATE TABLE freed_blobs (
    blob TEXT PRIMARY KEY
);
