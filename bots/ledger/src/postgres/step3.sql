-- Step 5 of ../sqlite, where it is explained.
ALTER TABLE delivery ADD COLUMN fleeting bigint NOT NULL DEFAULT 0;
