-- Whose everything is: for the person who asks for it, or wants it gone. And names of keys.

-- A digest of who wrote it. NULL: stored by the release before this one. What still waits is few, and
-- found by other indices: a page less to write before a platform is answered.
ALTER TABLE inbound ADD COLUMN sender BLOB;
CREATE INDEX inbound_sender ON inbound (sender, id) WHERE state <> 'accepted';
CREATE INDEX inbound_unknown ON inbound (id) WHERE sender IS NULL;
-- How many messages and dead letters it held, known ones too.
ALTER TABLE request ADD COLUMN items INTEGER;
-- As PostgreSQL calls it, where `user` is a word of its own.
ALTER TABLE turn ADD COLUMN user_id TEXT GENERATED ALWAYS AS (user) VIRTUAL;
CREATE INDEX turn_person ON turn (user_id, id);
CREATE INDEX delivery_notice ON delivery (conversation) WHERE turn IS NULL;

-- Digests of the keys in `seen` that hold ids of people who have been erased.
CREATE TABLE forgotten (
    digest BLOB    NOT NULL PRIMARY KEY,
    at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX forgotten_age ON forgotten (at);

-- The keys by which something here may be encrypted, each with a text that it opens.
CREATE TABLE seal_key (
    id    TEXT NOT NULL PRIMARY KEY,
    probe TEXT NOT NULL
) STRICT, WITHOUT ROWID;
