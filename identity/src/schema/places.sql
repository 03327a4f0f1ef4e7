-- Where people were spoken to, as long as the sender they wrote by is theirs. One text for both
-- engines. `address` is JSON.
CREATE TABLE place (
    user_id TEXT   NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    id      TEXT   NOT NULL,
    channel TEXT   NOT NULL,
    scope   TEXT   NOT NULL,
    sender  TEXT   NOT NULL,
    address TEXT   NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, id)
);
CREATE INDEX place_sender ON place (channel, scope, sender);
