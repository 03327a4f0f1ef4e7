-- Senders that stay blocked although they are nobody's: whoever was blocked is erased, or the sender
-- was taken from them. `who` is a keyed hash of an id, `account` that of the best id of its account.
-- They name nobody; with the key, which the store has, too, ids can be tried.
CREATE TABLE barred (
    who     TEXT   NOT NULL PRIMARY KEY,
    account TEXT   NOT NULL,
    kind    TEXT   NOT NULL CHECK (kind IN ('primary', 'alias')),
    at      BIGINT NOT NULL
);
