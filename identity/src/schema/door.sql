-- What happens at the door. One text for both engines.

-- In which language they use their platform; since when they are turned away, until it expires;
-- with which others owners were told of them, and until when whoever tells them has to do it.
ALTER TABLE pairing ADD COLUMN locale TEXT;
ALTER TABLE pairing ADD COLUMN denied_at BIGINT;
ALTER TABLE pairing ADD COLUMN announced_at BIGINT;
ALTER TABLE pairing ADD COLUMN announcing_until BIGINT;

-- Those who have been let in and are to hear of it, by whichever replica comes first.
CREATE TABLE admission (
    id           TEXT   NOT NULL PRIMARY KEY,
    user_id      TEXT   NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    channel      TEXT   NOT NULL,
    account      TEXT   NOT NULL,
    conversation TEXT   NOT NULL,
    locale       TEXT,
    asked_at     BIGINT NOT NULL,
    telling_until BIGINT NOT NULL
);
CREATE INDEX admission_user ON admission (user_id);

-- Senders nobody knows who have followed somebody's link, and are asked whether they want to share
-- that person's assistant.
CREATE TABLE proposal (
    channel  TEXT   NOT NULL,
    account  TEXT   NOT NULL,
    scope    TEXT   NOT NULL,
    sender   TEXT   NOT NULL,
    user_id  TEXT   NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    asked_at BIGINT NOT NULL,
    PRIMARY KEY (channel, account, scope, sender)
);
CREATE INDEX proposal_user ON proposal (user_id);

-- Few among many.
CREATE INDEX person_owner ON person (id) WHERE role = 'owner';
