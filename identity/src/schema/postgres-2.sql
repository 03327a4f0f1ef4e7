-- As in sqlite-3.sql.
ALTER TABLE person
    ADD COLUMN tier        text,
    ADD COLUMN role        text   NOT NULL DEFAULT 'member',
    ADD COLUMN lang        text,
    ADD COLUMN model       text,
    ADD COLUMN session     bigint NOT NULL DEFAULT 1,
    ADD COLUMN home        text,
    ADD COLUMN blocked_at  bigint,
    ADD COLUMN merged_into text,
    ADD COLUMN salt        text;
ALTER TABLE binding
    ADD COLUMN label        text,
    ADD COLUMN how          text   NOT NULL DEFAULT 'sign_up',
    ADD COLUMN by_whom      text   NOT NULL DEFAULT 'system',
    ADD COLUMN last_seen_at bigint;
