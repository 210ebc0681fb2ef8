-- The tables of a Django application, and its messages. The words in braces are written in the dialect of the database.
CREATE TABLE auth_user (
    id {key}, username varchar(150) NOT NULL, password varchar(128) NOT NULL, first_name varchar(150) NOT NULL,
    last_name varchar(150) NOT NULL, is_active {boolean} NOT NULL
);
CREATE TABLE messages_table (
    id {key}, subject varchar(255) NULL, content text NOT NULL, created_at {time} NOT NULL, updated_at {time} NOT NULL,
    is_read {boolean} NOT NULL, recipient_id integer NOT NULL, sender_id integer NOT NULL
);
CREATE TABLE message_attachments_table (
    id {key}, file varchar(100) NOT NULL, filename varchar(255) NOT NULL, file_size integer NOT NULL,
    uploaded_at {time} NOT NULL, message_id bigint NOT NULL
);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
INSERT INTO auth_user (id, username, password, first_name, last_name, is_active)
SELECT i, 'person' || i, '!', 'Person', 'No. ' || i, i > 0 FROM n;
-- A thousand people in 20,000 conversations, of which about 200 go on at a time. All but the last tenth is read.
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {messages}),
c (i, c) AS (SELECT i, ((i / 1000) * 13 + (i % 1000) * (i % 1000) % 211) % 20000 FROM n),
p (i, one, other) AS (SELECT i, 1 + c % 1000, 1 + (c % 1000 + 1 + c / 1000) % 1000 FROM c)
INSERT INTO messages_table (id, subject, content, created_at, updated_at, is_read, sender_id, recipient_id)
SELECT i, 'About ' || i % 97, 'Message number ' || i || ', which says about as much as a message of a person does.',
       {moment}, {moment}, i < {messages} / 10 * 9,
       CASE WHEN i % 3 = 0 THEN one ELSE other END, CASE WHEN i % 3 = 0 THEN other ELSE one END
FROM p;
CREATE INDEX message_attachments_message ON message_attachments_table (message_id);
