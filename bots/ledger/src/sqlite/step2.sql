-- From the database as a log to the database as the queue: who holds what, one open turn per lane,
-- strict order per conversation. A release that knows step 1 alone would break that order.

-- The run of the hub that may write; its number is its token.
CREATE TABLE run (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    token INTEGER NOT NULL,
    name  TEXT    NOT NULL
) STRICT;

-- `holder`: the token that works on it; NULL: nobody does.
ALTER TABLE inbound ADD COLUMN holder INTEGER;
-- The lane whose open turn it waits for. Then nobody holds it: whoever ends the turn will.
ALTER TABLE inbound ADD COLUMN lane TEXT;
-- It has joined a turn that was running.
ALTER TABLE inbound ADD COLUMN steered INTEGER NOT NULL DEFAULT 0;
DROP INDEX inbound_open;
CREATE INDEX inbound_open ON inbound (holder) WHERE state = 'accepted' AND lane IS NULL;
DROP INDEX inbound_turn;
CREATE INDEX inbound_turn ON inbound (turn, place) WHERE turn IS NOT NULL;
CREATE INDEX inbound_lane ON inbound (lane) WHERE lane IS NOT NULL;

ALTER TABLE turn ADD COLUMN holder INTEGER;
DROP INDEX turn_open;
-- No hub has left two open turns in one lane; should there be two, the later one's messages wait.
UPDATE inbound SET state = 'accepted', turn = NULL, place = NULL WHERE turn IN (
    SELECT id FROM turn WHERE ended_at IS NULL AND EXISTS (
        SELECT 1 FROM turn AS earlier WHERE earlier.user = turn.user
          AND earlier.session = turn.session AND earlier.ended_at IS NULL
          AND earlier.rowid < turn.rowid));
DELETE FROM turn WHERE ended_at IS NULL AND EXISTS (
    SELECT 1 FROM turn AS earlier WHERE earlier.user = turn.user
      AND earlier.session = turn.session AND earlier.ended_at IS NULL
      AND earlier.rowid < turn.rowid);
CREATE UNIQUE INDEX turn_lane ON turn (user, session) WHERE ended_at IS NULL;
CREATE INDEX turn_orphan ON turn (id) WHERE ended_at IS NULL AND holder IS NULL;

ALTER TABLE delivery ADD COLUMN kind TEXT NOT NULL DEFAULT 'reply'
    CHECK (kind IN ('reply', 'notice'));
-- Channel, account and conversation, joined by slashes: what leaves for one place is in order.
ALTER TABLE delivery ADD COLUMN conversation TEXT NOT NULL DEFAULT '';
-- Place in its conversation's queue.
ALTER TABLE delivery ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
-- Of the oldest open one of its conversation: who works on it, NULL for nobody. 0: it waits behind
-- another.
ALTER TABLE delivery ADD COLUMN holder INTEGER;
-- The reply that tells of its loss.
ALTER TABLE delivery ADD COLUMN told TEXT;
UPDATE delivery SET seq = rowid, conversation = json_extract(address, '$.channel') || '/'
    || json_extract(address, '$.account') || '/' || json_extract(address, '$.conversation.id');
-- The parts behind an unknown one used to wait for an operator.
UPDATE delivery SET state = 'dead', reason = 'an earlier part was not sent'
    WHERE state = 'pending' AND EXISTS (
        SELECT 1 FROM delivery AS earlier WHERE earlier.reply = delivery.reply
          AND earlier.address = delivery.address AND earlier.part < delivery.part
          AND earlier.state IN ('unknown', 'dead'));
DROP INDEX delivery_open;
CREATE INDEX delivery_open ON delivery (conversation, seq) WHERE state IN ('pending', 'sending');
CREATE INDEX delivery_orphan ON delivery (seq)
    WHERE state IN ('pending', 'sending') AND holder IS NULL;
CREATE INDEX delivery_failed ON delivery (state) WHERE state IN ('unknown', 'dead');
CREATE INDEX delivery_untold ON delivery (conversation)
    WHERE state IN ('unknown', 'dead') AND kind = 'reply' AND told IS NULL;
CREATE INDEX delivery_told ON delivery (told) WHERE told IS NOT NULL;
UPDATE delivery SET holder = 0 WHERE state = 'pending' AND EXISTS (
    SELECT 1 FROM delivery AS earlier WHERE earlier.conversation = delivery.conversation
      AND earlier.state IN ('pending', 'sending') AND earlier.seq < delivery.seq);
