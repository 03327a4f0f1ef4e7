-- What follows from an erasure or a merge elsewhere, until it is done; one line for each person, in
-- order. Nothing refers to the person: they may be gone.
CREATE TABLE errand (
    user_id    TEXT   NOT NULL,
    n          BIGINT NOT NULL,
    what       TEXT   NOT NULL CHECK (what IN ('forget', 'erase', 'retire', 'reinstate')),
    -- JSON, encrypted where there are keys and it names ids of platforms.
    detail     TEXT   NOT NULL,
    asked_at   BIGINT NOT NULL,
    due_at     BIGINT NOT NULL,
    -- Not sooner after the one before it.
    wait_ms    BIGINT NOT NULL,
    tries      BIGINT NOT NULL DEFAULT 0,
    trouble    TEXT,
    -- Who does it, until then.
    holder     TEXT,
    held_until BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, n)
);
CREATE INDEX errand_due ON errand (due_at);
CREATE INDEX errand_holder ON errand (holder);

-- What a sender has used in a period as somebody who is no more: whoever comes back by it has used
-- that already. `who` is a keyed hash of sender and period. Gone with the period.
CREATE TABLE carried (
    who           TEXT   NOT NULL PRIMARY KEY,
    period        TEXT   NOT NULL,
    messages      BIGINT NOT NULL,
    input_tokens  BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cost_micros   BIGINT NOT NULL
);
CREATE INDEX carried_period ON carried (period);

-- How much of it agents have used by themselves, outside a turn, as the edge has last told.
ALTER TABLE usage ADD COLUMN unasked_input BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN unasked_output BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN unasked_cost BIGINT NOT NULL DEFAULT 0;

CREATE INDEX session_used ON session (used_at);
