-- Who wrote it stands in the message alone, since an index of senders would write a page at random for
-- each message; whoever asks for what is kept of them reads all messages for that. Whose a turn is
-- stands in an index in the order of time, which grows at its end alone.
DROP INDEX inbound_sender;
DROP INDEX turn_person;
CREATE INDEX turn_whose ON turn (id, user_id);
