-- Whose everything is, is read from indices in the order of time, which grow at their end alone: by
-- person, each message and each turn would write a page of its own. Whoever asks for what is kept of
-- them reads some fifty bytes of each message and each turn for that.
DROP INDEX inbound_sender;
CREATE INDEX inbound_said ON inbound (id, sender);
DROP INDEX turn_person;
CREATE INDEX turn_whose ON turn (id, user_id);
