-- The index of ages was a second copy of every key, written for each message; whoever removes old
-- keys looks at all of them instead.
DROP INDEX seen_age;
