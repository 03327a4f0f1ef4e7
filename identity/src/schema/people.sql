-- What people have of their own, besides their senders. One text for both engines. All of it goes
-- with its person; what only expires is swept.

-- Codes that link (one use, of one person) and codes that invite (as many uses as were given, of
-- an operator). Kept as a keyed hash: `digest` is what a typed one is looked up by.
CREATE TABLE code (
    digest     TEXT   NOT NULL PRIMARY KEY,
    id         TEXT   NOT NULL UNIQUE,
    kind       TEXT   NOT NULL CHECK (kind IN ('link', 'invite')),
    user_id    TEXT   REFERENCES person (id) ON DELETE CASCADE,
    uses       BIGINT NOT NULL,
    uses_left  BIGINT NOT NULL CHECK (uses_left >= 0),
    tier       TEXT,
    note       TEXT,
    made_by    TEXT   NOT NULL,
    made_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX code_user ON code (user_id, made_at);
CREATE INDEX code_kind ON code (kind, made_at);
CREATE INDEX code_expiry ON code (expires_at);

-- How often somebody has tried since `since`. `who` is a keyed hash.
CREATE TABLE attempt (
    who   TEXT   NOT NULL PRIMARY KEY,
    since BIGINT NOT NULL,
    tries BIGINT NOT NULL
);
CREATE INDEX attempt_since ON attempt (since);

-- Secrets that do one thing once: the address of a download, the word that confirms an erasure.
CREATE TABLE token (
    digest     TEXT   NOT NULL PRIMARY KEY,
    purpose    TEXT   NOT NULL CHECK (purpose IN ('export', 'erase')),
    user_id    TEXT   NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL
);
CREATE INDEX token_user ON token (user_id, purpose);
CREATE INDEX token_expiry ON token (expires_at);

-- Two people who are to become one, once both have said so. A person is in one of these at most.
CREATE TABLE joining (
    from_id      TEXT   NOT NULL PRIMARY KEY REFERENCES person (id) ON DELETE CASCADE,
    into_id      TEXT   NOT NULL UNIQUE REFERENCES person (id) ON DELETE CASCADE,
    channel      TEXT   NOT NULL,
    account      TEXT   NOT NULL,
    asked_at     BIGINT NOT NULL,
    from_said_at BIGINT,
    into_said_at BIGINT
);

-- People who have become another one, until that can no longer be undone, and what came with them.
CREATE INDEX person_merged_into ON person (merged_into);
CREATE TABLE merge (
    from_id          TEXT   NOT NULL PRIMARY KEY REFERENCES person (id) ON DELETE CASCADE,
    into_id          TEXT   NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    merged_at        BIGINT NOT NULL,
    restorable_until BIGINT NOT NULL
);
CREATE INDEX merge_into ON merge (into_id);
CREATE INDEX merge_until ON merge (restorable_until);

CREATE TABLE merge_part (
    from_id TEXT NOT NULL REFERENCES merge (from_id) ON DELETE CASCADE,
    what    TEXT NOT NULL,
    channel TEXT NOT NULL,
    scope   TEXT NOT NULL,
    id      TEXT NOT NULL,
    PRIMARY KEY (from_id, what, channel, scope, id)
);
CREATE INDEX merge_part_id ON merge_part (channel, scope, id);

-- A person's private sessions, as far as they have been named or left. `n` is OpenClaw's.
CREATE TABLE session (
    user_id    TEXT   NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    n          BIGINT NOT NULL,
    name       TEXT,
    created_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL,
    PRIMARY KEY (user_id, n)
);

-- `period` is a day (2026-11-21) or a month (2026-11), of UTC.
CREATE TABLE usage (
    user_id       TEXT   NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    period        TEXT   NOT NULL,
    messages      BIGINT NOT NULL,
    input_tokens  BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cost_micros   BIGINT NOT NULL,
    PRIMARY KEY (user_id, period)
);
CREATE INDEX usage_period ON usage (period);

CREATE TABLE feedback (
    id      TEXT   NOT NULL PRIMARY KEY,
    user_id TEXT   NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    at      BIGINT NOT NULL,
    text    TEXT   NOT NULL
);
CREATE INDEX feedback_at ON feedback (at);
CREATE INDEX feedback_user ON feedback (user_id);

-- For those who want to know what they have done themselves.
CREATE INDEX audit_entry_by ON audit_entry (by_whom);
