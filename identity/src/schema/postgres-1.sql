-- As in sqlite-1.sql. `user_id`, since `user` is PostgreSQL's own word.
CREATE TABLE person (
    id         text   NOT NULL PRIMARY KEY,
    created_at bigint NOT NULL,
    mode       text
);

CREATE TABLE binding (
    channel  text   NOT NULL,
    scope    text   NOT NULL,
    sender   text   NOT NULL,
    user_id  text   NOT NULL REFERENCES person (id),
    kind     text   NOT NULL CHECK (kind IN ('primary', 'alias')),
    bound_at bigint NOT NULL,
    PRIMARY KEY (channel, scope, sender)
);
CREATE INDEX binding_user ON binding (user_id);

CREATE TABLE audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      bigint NOT NULL,
    change  text   NOT NULL CHECK (change IN ('bound', 'moved', 'upgraded')),
    channel text   NOT NULL,
    scope   text   NOT NULL,
    sender  text   NOT NULL,
    user_id text   NOT NULL,
    was     text
);
