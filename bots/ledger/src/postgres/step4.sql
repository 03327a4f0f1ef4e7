-- How long a lease of this replica lives, in milliseconds: one that ends later than that from now was
-- written before the server's clock was set back. NULL: of the release before this one.
ALTER TABLE replica ADD COLUMN ttl bigint;
