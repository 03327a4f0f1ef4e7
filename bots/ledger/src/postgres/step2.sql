-- Step 3 of ../sqlite, where it is explained.

ALTER TABLE inbound ADD COLUMN sender bytea;
CREATE INDEX inbound_sender ON inbound (sender, id) WHERE state <> 'accepted';
CREATE INDEX inbound_unknown ON inbound (id) WHERE sender IS NULL;
ALTER TABLE request ADD COLUMN items bigint;
CREATE INDEX turn_person ON turn (user_id, id);
CREATE INDEX delivery_notice ON delivery (conversation) WHERE turn IS NULL;

CREATE TABLE forgotten (
    digest bytea  NOT NULL PRIMARY KEY,
    at     bigint NOT NULL
);
CREATE INDEX forgotten_age ON forgotten (at);

CREATE TABLE seal_key (
    id    text NOT NULL PRIMARY KEY,
    probe text NOT NULL
);
