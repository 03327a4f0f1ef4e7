-- Ids are ULIDs in canonical text, so that their order is the order of time. Times are
-- milliseconds since the epoch. Columns named after a type of the envelope hold its JSON.

-- A request as it came in, once, however many messages it held.
CREATE TABLE request (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    channel     TEXT    NOT NULL,
    account     TEXT    NOT NULL,
    received_at INTEGER NOT NULL,
    raw         BLOB    NOT NULL
) STRICT;

-- What has been seen, by which bot: two bots in one room each get the message, and only one of
-- them may be meant. Outlives the message, so that a late retry is still known.
CREATE TABLE seen (
    channel TEXT    NOT NULL,
    account TEXT    NOT NULL,
    dedupe  TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (channel, account, dedupe)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_age ON seen (at);

CREATE TABLE turn (
    id         TEXT    NOT NULL PRIMARY KEY,
    user       TEXT    NOT NULL,
    session    TEXT    NOT NULL,
    sandbox    TEXT    NOT NULL,
    address    TEXT    NOT NULL,
    reply_to   TEXT,
    state      TEXT    NOT NULL CHECK (state IN ('queued', 'running', 'finished', 'failed', 'aborted')),
    code       TEXT,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER
) STRICT;
CREATE INDEX turn_open ON turn (ended_at) WHERE ended_at IS NULL;

CREATE TABLE inbound (
    id       TEXT    NOT NULL PRIMARY KEY,
    -- May point at a request that has been pruned.
    request  INTEGER,
    envelope TEXT    NOT NULL,
    state    TEXT    NOT NULL CHECK (state IN ('accepted', 'joined', 'settled', 'dead')),
    turn     TEXT    REFERENCES turn (id),
    -- Place in its turn, from 0.
    place    INTEGER,
    reason   TEXT,
    CHECK ((state = 'joined') = (turn IS NOT NULL))
) STRICT;
CREATE INDEX inbound_open ON inbound (state) WHERE state = 'accepted';
CREATE INDEX inbound_turn ON inbound (turn) WHERE turn IS NOT NULL;

-- Secrets that arrived with a message: here alone, never in an envelope or a list.
CREATE TABLE reply_handle (
    inbound    TEXT    NOT NULL PRIMARY KEY REFERENCES inbound (id) ON DELETE CASCADE,
    address    TEXT    NOT NULL,
    secret     TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    uses_left  INTEGER NOT NULL
) STRICT;

-- Bytes that were authentic and made no sense.
CREATE TABLE dead_letter (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    channel     TEXT    NOT NULL,
    account     TEXT    NOT NULL,
    received_at INTEGER NOT NULL,
    reason      TEXT    NOT NULL,
    raw         BLOB    NOT NULL
) STRICT;

CREATE TABLE delivery (
    id         TEXT    NOT NULL PRIMARY KEY,
    turn       TEXT    REFERENCES turn (id),
    -- The turn's id, or the id of the first delivery posted with it. With the address it names
    -- one reply, whose parts leave in order.
    reply      TEXT    NOT NULL,
    part       INTEGER NOT NULL,
    address    TEXT    NOT NULL,
    outbound   TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('pending', 'sending', 'sent', 'unknown', 'dead')),
    attempts   INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL,
    reason     TEXT,
    receipt    TEXT,
    -- The inbound whose reply handle the attempt under way uses.
    handle     TEXT,
    changed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX delivery_reply ON delivery (reply, part);
CREATE INDEX delivery_turn ON delivery (turn) WHERE turn IS NOT NULL;
CREATE INDEX delivery_open ON delivery (state) WHERE state <> 'sent';

-- How far each socket source has read.
CREATE TABLE cursor (
    name  TEXT    NOT NULL PRIMARY KEY,
    value TEXT    NOT NULL,
    at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
