-- Where somebody is let in. `direct`: their direct messages, to the account `id` or, where that is
-- empty, to all of the channel. `group`: the conversation `id`.
CREATE TABLE allowed (
    user_id    TEXT   NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    place      TEXT   NOT NULL CHECK (place IN ('direct', 'group')),
    channel    TEXT   NOT NULL,
    scope      TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    allowed_at BIGINT NOT NULL,
    how        TEXT   NOT NULL,
    by_whom    TEXT   NOT NULL,
    PRIMARY KEY (user_id, place, channel, scope, id)
);
CREATE INDEX allowed_place ON allowed (place, channel, scope, id);
-- Whoever is known already stays so.
INSERT INTO allowed (user_id, place, channel, scope, id, allowed_at, how, by_whom)
SELECT user_id, 'direct', channel, '', '', min(bound_at), 'sign_up', 'system'
FROM binding GROUP BY user_id, channel;

-- What an operator or a group itself has chosen; the configuration speaks for the others.
CREATE TABLE chat_group (
    channel      TEXT   NOT NULL,
    scope        TEXT   NOT NULL,
    conversation TEXT   NOT NULL,
    mode         TEXT   NOT NULL,
    who          TEXT   NOT NULL,
    owner_id     TEXT,
    changers     TEXT   NOT NULL,
    changed_at   BIGINT NOT NULL,
    changed_by   TEXT   NOT NULL,
    PRIMARY KEY (channel, scope, conversation)
);
CREATE INDEX chat_group_owner ON chat_group (owner_id);

-- Strangers who wait for somebody to let them in.
CREATE TABLE pairing (
    code         TEXT   NOT NULL PRIMARY KEY,
    channel      TEXT   NOT NULL,
    account      TEXT   NOT NULL,
    scope        TEXT   NOT NULL,
    sender       TEXT   NOT NULL,
    aliases      TEXT   NOT NULL,
    label        TEXT,
    conversation TEXT   NOT NULL,
    asked_at     BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    UNIQUE (channel, account, scope, sender)
);
CREATE INDEX pairing_expires ON pairing (expires_at);

-- Strangers who have been told; kept for a day.
CREATE TABLE told (
    channel TEXT   NOT NULL,
    account TEXT   NOT NULL,
    scope   TEXT   NOT NULL,
    sender  TEXT   NOT NULL,
    told_at BIGINT NOT NULL,
    PRIMARY KEY (channel, account, scope, sender)
);
CREATE INDEX told_at ON told (told_at);

-- The chain: each hash covers its entry and the hash before it. `detail` is JSON, as it was hashed.
CREATE TABLE audit_entry (
    seq     BIGINT NOT NULL PRIMARY KEY,
    at      BIGINT NOT NULL,
    act     TEXT   NOT NULL,
    by_whom TEXT   NOT NULL,
    about   TEXT,
    detail  TEXT   NOT NULL,
    hash    TEXT   NOT NULL
);
CREATE INDEX audit_entry_about ON audit_entry (about);
-- Its end: whoever appends changes this row, one after the other.
CREATE TABLE audit_head (
    one  BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    seq  BIGINT NOT NULL,
    hash TEXT   NOT NULL
);
INSERT INTO audit_head (one, seq, hash) VALUES (1, 0, '');

-- Keys that nobody has configured.
CREATE TABLE secret (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
