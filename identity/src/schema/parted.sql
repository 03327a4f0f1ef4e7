-- When senders stopped being whose; kept for an hour. Both are keyed hashes.
CREATE TABLE parted (
    who   TEXT   NOT NULL PRIMARY KEY,
    whose TEXT   NOT NULL,
    at    BIGINT NOT NULL
);
CREATE INDEX parted_at ON parted (at);
