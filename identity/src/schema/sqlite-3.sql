-- From here on the statements are written once for both engines.
ALTER TABLE binding RENAME COLUMN user TO user_id;
ALTER TABLE audit RENAME COLUMN user TO user_id;
ALTER TABLE person ADD COLUMN tier TEXT;
ALTER TABLE person ADD COLUMN role TEXT NOT NULL DEFAULT 'member';
ALTER TABLE person ADD COLUMN lang TEXT;
ALTER TABLE person ADD COLUMN model TEXT;
ALTER TABLE person ADD COLUMN session INTEGER NOT NULL DEFAULT 1;
ALTER TABLE person ADD COLUMN home TEXT;
ALTER TABLE person ADD COLUMN blocked_at INTEGER;
ALTER TABLE person ADD COLUMN merged_into TEXT;
ALTER TABLE person ADD COLUMN salt TEXT;
ALTER TABLE binding ADD COLUMN label TEXT;
ALTER TABLE binding ADD COLUMN how TEXT NOT NULL DEFAULT 'sign_up';
ALTER TABLE binding ADD COLUMN by_whom TEXT NOT NULL DEFAULT 'system';
ALTER TABLE binding ADD COLUMN last_seen_at INTEGER;
