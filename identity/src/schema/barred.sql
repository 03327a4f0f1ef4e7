-- Senders that stay blocked although they are nobody's: whoever was blocked is erased, or the sender
-- was taken from them. `who` is a keyed hash, so nothing leads to anybody.
CREATE TABLE barred (
    who  TEXT   NOT NULL PRIMARY KEY,
    kind TEXT   NOT NULL CHECK (kind IN ('primary', 'alias')),
    at   BIGINT NOT NULL
);
