-- What is good for whoever reads it (a code, the address of a download): its text goes once it is sent.
ALTER TABLE delivery ADD COLUMN fleeting INTEGER NOT NULL DEFAULT 0;
