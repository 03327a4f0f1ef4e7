//! The statements, in one place; those of `../sqlite/sql.rs`, where most are explained, in
//! PostgreSQL's words.
//!
//! What is open is found by partial indices, which serve only where a statement repeats their
//! `WHERE`, word by word. Where it says `(…) IS TRUE` they shall not: what has an id is found by that,
//! and to read all that is open seems no more work while nothing is.

macro_rules! open {
    ($alias:literal) => {
        concat!($alias, "state IN ('pending', 'sending')")
    };
    () => {
        open!("")
    };
}

/// Everything `rows::delivery` reads.
macro_rules! delivery {
    () => {
        "id, turn, address, outbound, kind, part, state, attempts, not_before, reason, receipt, \
         changed_at"
    };
}

// Leases.

pub(super) const ENROLL: &str = "INSERT INTO replica (name, expires_at, ttl)
    VALUES ($1, clock_timestamp() + $2::bigint * interval '1 millisecond', $2) RETURNING token";

/// Renews; how many are alive, whether something is nobody's or about to be, and whether somebody's
/// lease ends later than it can, as when the server's clock has been set back.
pub(super) const PULSE: &str = concat!(
    "UPDATE replica SET expires_at = clock_timestamp() + $2::bigint * interval '1 millisecond'
    WHERE token = $1 AND expires_at > clock_timestamp()
    RETURNING (SELECT count(*) FROM replica WHERE expires_at > clock_timestamp() AND token <> $1),
        EXISTS (SELECT 1 FROM replica WHERE expires_at <= clock_timestamp() AND token <> $1)
        OR EXISTS (SELECT 1 FROM inbound
            WHERE state = 'accepted' AND lane IS NULL AND holder IS NULL)
        OR EXISTS (SELECT 1 FROM turn WHERE ended_at IS NULL AND holder IS NULL)
        OR EXISTS (SELECT 1 FROM delivery WHERE ",
    open!(),
    " AND holder IS NULL),
        EXISTS (SELECT 1 FROM replica WHERE token <> $1
            AND expires_at > clock_timestamp() + ttl * interval '1 millisecond')"
);

/// Leases that end later than they can, end when they may have been renewed just now: who is alive
/// renews it, and who is not is not waited for longer than that.
pub(super) const SHORTEN: &str = "UPDATE replica
    SET expires_at = clock_timestamp() + ttl * interval '1 millisecond'
    WHERE token IN (SELECT token FROM replica
        WHERE token <> $1 AND expires_at > clock_timestamp() + ttl * interval '1 millisecond'
        FOR UPDATE SKIP LOCKED)";

pub(super) const EXPIRED: &str = "SELECT token FROM replica WHERE expires_at <= clock_timestamp()";

/// What is under way in the name of a term that ends is waited for as long as a statement may run:
/// longer than a transaction may be idle.
pub(super) const BURY: &str =
    "SELECT bury($1, $2) FROM (SELECT set_config('lock_timeout', '0', true) OFFSET 0) AS patient";

/// Whether they are there is for whoever finds them.
pub(super) const DISOWN: &str = "UPDATE inbound SET holder = NULL FROM (
        SELECT id FROM inbound
        WHERE id = ANY($2) AND state = 'accepted' AND lane IS NULL AND holder = $1
        ORDER BY no FOR UPDATE) AS ours
    WHERE inbound.id = ours.id";

/// What one holds and has not begun.
pub(super) const GIVE_UP: [&str; 2] = [
    "UPDATE inbound SET holder = NULL FROM (
        SELECT id FROM inbound WHERE state = 'accepted' AND lane IS NULL AND holder = $1
        ORDER BY no FOR UPDATE) AS ours
    WHERE inbound.id = ours.id",
    concat!(
        "UPDATE delivery SET holder = NULL WHERE state = 'pending' AND ",
        open!(),
        " AND holder = $1"
    ),
];

/// Who has a lease, and whether that replica's own has run out.
pub(super) const HOLDER: &str = "SELECT lease.holder,
        EXISTS (SELECT 1 FROM replica WHERE token = lease.holder AND expires_at > clock_timestamp())
    FROM lease WHERE name = $1";

pub(super) const TAKE_LEASE: &str = "INSERT INTO lease (name, holder) VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET holder = lease.holder
    RETURNING holder = $2";

pub(super) const HELD: &str = "SELECT name FROM lease WHERE holder = $1 AND name = ANY($2)";

// Messages.

/// All of many requests at once: what is new of their messages. `$1` to `$6`: messages with their
/// request's number, in the order of their keys; `$7` to `$11`: requests.
pub(super) const ACCEPT: &str = "WITH item AS (
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
            $6::bigint[], $13::text[], $14::text[], $15::bytea[], $16::bytea[], $17::bytea[])
            WITH ORDINALITY AS t (id, channel, account, dedupe, envelope, job, state, reason, line,
                sender, seen, place)
    ), fresh AS (
        INSERT INTO seen (channel, account, dedupe, at)
        SELECT item.channel, item.account, item.dedupe, job.at
        FROM item JOIN unnest($7::bigint[], $8::bigint[]) AS job (no, at) ON job.no = item.job
        WHERE NOT EXISTS (SELECT 1 FROM forgotten WHERE digest = item.seen)
        ORDER BY item.channel, item.account, item.dedupe
        ON CONFLICT DO NOTHING RETURNING channel, account, dedupe
    ), new AS MATERIALIZED (
        SELECT item.* FROM item JOIN fresh USING (channel, account, dedupe)
    ), job AS MATERIALIZED (
        SELECT coalesce(id, nextval(pg_get_serial_sequence('request', 'id'))) AS request, t.*
        FROM unnest($7::bigint[], $8::bigint[], $9::text[], $10::text[], $11::bytea[],
            $18::bigint[], $19::bigint[]) AS t (no, at, channel, account, raw, items, id)
        WHERE length(raw) > 0 AND no IN (SELECT job FROM new)
    ), kept AS (
        INSERT INTO request (id, channel, account, received_at, raw, items)
        SELECT request, channel, account, at, raw, items FROM job
    )
    INSERT INTO inbound (id, request, envelope, state, reason, line, holder, sender)
    SELECT new.id, job.request, new.envelope, new.state, new.reason, new.line, $12::bigint,
        new.sender
    FROM new LEFT JOIN job ON job.no = new.job ORDER BY new.job, new.place
    RETURNING id";

pub(super) const ADD_HANDLES: &str =
    "INSERT INTO reply_handle (inbound, address, secret, expires_at, uses_left)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])";

pub(super) const ADD_DEAD: &str =
    "INSERT INTO dead_letter (channel, account, received_at, reason, raw, id)
    OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5,
        coalesce($6, nextval(pg_get_serial_sequence('dead_letter', 'id'))))";

/// Ids of rows to come: an encrypted row is bound to its id, so it has to be known before.
pub(super) const NEXT_IDS: &str =
    "SELECT nextval(pg_get_serial_sequence($1, 'id')) FROM generate_series(1, $2::bigint)";

pub(super) const MOVE_CURSOR: &str = "INSERT INTO cursor (name, value, at) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = excluded.at";

pub(super) const CURSOR: &str = "SELECT value FROM cursor WHERE name = $1";

pub(super) const SETTLE: &str = "UPDATE inbound SET state = $2, reason = $3, lane = NULL
    WHERE id = ANY($1) AND state = 'accepted'";

// Turns.

pub(super) const ADD_TURN: &str = "INSERT INTO turn
        (id, user_id, session, sandbox, address, reply_to, state, started_at, holder)
    VALUES ($1, $2, $3, $4, $5, $6, 'running', $7, $8) ON CONFLICT DO NOTHING";

pub(super) const OPEN_IN_LANE: &str =
    "SELECT id FROM turn WHERE user_id = $1 AND session = $2 AND ended_at IS NULL";

/// Open?, its lane, the next place for a message.
pub(super) const TURN: &str = "SELECT ended_at IS NULL, user_id || ' ' || session,
        (SELECT coalesce(max(place) + 1, 0) FROM inbound WHERE turn = $1)
    FROM turn WHERE id = $1";

/// Messages in order, the turn, the place of the first, whether it runs already, our token and its
/// lane. As [`JOIN`] where nothing that came before them waits, as nearly always; none, otherwise.
///
/// Here and there, what came before is looked for within a subquery of its own, so that the only way to
/// it is from a line: at another time it may seem cheaper to read all that waits.
pub(super) const JOIN_FIRST: &str = "UPDATE inbound
    SET state = 'joined', turn = $2, place = $3::bigint + array_position($1::text[], id) - 1,
        steered = $4, holder = NULL, lane = NULL
    WHERE id = ANY($1) AND state = 'accepted' AND (holder = $5 OR lane = $6)
      AND NOT EXISTS (SELECT 1 FROM unnest($1::text[]) AS t (id)
        CROSS JOIN LATERAL (SELECT line, no FROM inbound AS i WHERE i.id = t.id OFFSET 0) AS ours
        CROSS JOIN LATERAL (SELECT 1 FROM inbound AS i
            WHERE i.line = ours.line AND i.no < ours.no AND i.state = 'accepted'
              AND i.line IS NOT NULL AND i.id <> ALL($1) LIMIT 1) AS earlier)
    RETURNING id";

/// The same and how many to take along, and what not to. An earlier one goes before the first of ours
/// that came after it.
pub(super) const JOIN: &str = "WITH ours AS MATERIALIZED (
        SELECT i.id, i.no, i.line, t.place
        FROM unnest($1::text[]) WITH ORDINALITY AS t (id, place)
        CROSS JOIN LATERAL (SELECT id, no, line FROM inbound WHERE inbound.id = t.id OFFSET 0) AS i
    ), lines AS (
        SELECT line, max(no) AS last FROM ours WHERE line IS NOT NULL GROUP BY line
    ), earlier AS MATERIALIZED (
        SELECT i.id, i.no
        FROM lines CROSS JOIN LATERAL (SELECT inbound.id, inbound.no FROM inbound
            WHERE inbound.line = lines.line AND inbound.no < lines.last
              AND state = 'accepted' AND inbound.line IS NOT NULL AND holder IS DISTINCT FROM $5
              AND (lane IS NULL OR lane = $6) AND id <> ALL($1) AND id <> ALL($8::text[])
            ORDER BY no LIMIT $7 FOR UPDATE) AS i
        ORDER BY i.no LIMIT $7
    ), placed AS (
        SELECT id, row_number() OVER (ORDER BY reach, place) - 1 AS place, place = 0 AS is_earlier
        FROM (SELECT id, place, max(no) OVER (ORDER BY place) AS reach FROM ours
            UNION ALL SELECT id, 0, no FROM earlier) AS both_kinds
    )
    UPDATE inbound
    SET state = 'joined', turn = $2, place = $3 + placed.place, steered = $4, holder = NULL,
        lane = NULL
    FROM placed
    WHERE inbound.id = placed.id AND state = 'accepted'
      AND (is_earlier OR holder = $5 OR lane = $6)
    RETURNING inbound.id, placed.place, CASE WHEN is_earlier THEN envelope END";

pub(super) const JOINED: &str =
    "SELECT id FROM inbound WHERE id = ANY($1) AND turn = $2 AND steered";

/// What a turn has begun with besides these.
pub(super) const TAKEN_ALONG: &str = "SELECT id, place, envelope FROM inbound
    WHERE turn = $1 AND NOT steered AND id <> ALL($2)";

pub(super) const PARK: &str = "UPDATE inbound SET lane = $2, holder = NULL
    WHERE id = ANY($1) AND state = 'accepted' AND (holder = $3 OR lane = $2) RETURNING id";

pub(super) const PART: &str = "UPDATE inbound
    SET state = 'accepted', turn = NULL, place = NULL, steered = false, lane = $3, holder = $4
    WHERE id = ANY($1) AND turn = $2 AND steered";

/// Returns its lane, and whether anything is left of what it was asked and has heard.
pub(super) const END_TURN: &str = "UPDATE turn SET state = $2, code = $3, ended_at = $4
    WHERE id = $1 AND (ended_at IS NULL) IS TRUE AND holder = $5
    RETURNING user_id || ' ' || session, EXISTS (SELECT 1 FROM inbound
        WHERE turn = $1 AND (NOT steered OR inbound.id = ANY($6::text[])))";

/// Of a turn whose messages are all gone, unless it has said something.
pub(super) const FORGET_TURN: &str = "DELETE FROM turn WHERE id = $1
    AND NOT EXISTS (SELECT 1 FROM delivery WHERE turn = $1)";

/// What waits for the lane, and what has joined the turn without being heard there.
pub(super) const TAKE_WAITING: &str = "UPDATE inbound
    SET state = 'accepted', turn = NULL, place = NULL, steered = false, lane = NULL, holder = $2
    WHERE lane = $1 OR (turn = $3 AND steered AND id <> ALL($4::text[]))
    RETURNING no, id, envelope";

// Deliveries.

pub(super) const TAIL: &str =
    concat!("SELECT max(seq) FROM delivery WHERE conversation = $1 AND ", open!());

pub(super) const ADD_DELIVERY: &str = "INSERT INTO delivery (id, turn, reply, part, address,
        outbound, kind, conversation, not_before, changed_at, seq, state, attempts, holder,
        fleeting)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
    ON CONFLICT (id) DO NOTHING";

pub(super) const HEAD: &str = concat!(
    "SELECT id, state, holder, not_before, changed_at FROM delivery WHERE conversation = $1 AND ",
    open!(),
    " ORDER BY seq LIMIT 1"
);

pub(super) const PROMOTE: &str = concat!(
    "UPDATE delivery SET holder = NULL WHERE holder = 0 AND id = (
        SELECT id FROM delivery WHERE conversation = $1 AND ",
    open!(),
    " ORDER BY seq LIMIT 1)"
);

pub(super) const TAKE_LATER: &str =
    "UPDATE delivery SET holder = $2 WHERE id = $1 RETURNING address";

pub(super) const CLAIM: &str = concat!(
    "UPDATE delivery SET state = 'sending', attempts = attempts + 1, reason = NULL,
        holder = $2, changed_at = $3
    WHERE id = $1 RETURNING ",
    delivery!()
);

/// The newest live handle that one of the turn's messages brought from the delivery's address.
pub(super) const LIVE_HANDLE: &str = "SELECT h.inbound, h.secret, h.expires_at, h.uses_left
    FROM delivery AS d
    JOIN inbound AS i ON i.turn = d.turn
    JOIN reply_handle AS h ON h.inbound = i.id AND h.address = d.address
    WHERE d.id = $1 AND h.uses_left > 0 AND h.expires_at > $2
    ORDER BY i.place DESC LIMIT 1";

/// The live handle of the message that a notice is about: both have one id.
pub(super) const OWN_HANDLE: &str = "SELECT h.inbound, h.secret, h.expires_at, h.uses_left
    FROM delivery AS d
    JOIN reply_handle AS h ON h.inbound = d.id AND h.address = d.address
    WHERE d.id = $1 AND h.uses_left > 0 AND h.expires_at > $2";

pub(super) const USE_HANDLE: &str =
    "UPDATE reply_handle SET uses_left = uses_left - 1 WHERE inbound = $1";

pub(super) const NOTE_HANDLE: &str = "UPDATE delivery SET handle = $2 WHERE id = $1";

pub(super) const RETURN_HANDLE: &str = "UPDATE reply_handle SET uses_left = uses_left + 1
    WHERE inbound = (SELECT handle FROM delivery
        WHERE id = $1 AND (state = 'sending') IS TRUE AND holder = $2)";

pub(super) const SETTLE_DELIVERY: &str = "UPDATE delivery
    SET state = $2, reason = $3, receipt = $4, not_before = coalesce($5, not_before),
        handle = NULL, changed_at = $6, attempts = attempts - $8,
        outbound = CASE WHEN fleeting = 1 AND $2 = 'sent' THEN $9 ELSE outbound END
    WHERE id = $1 AND ((state = 'sending' AND holder = $7)
        OR (state = 'pending' AND $2 = 'dead') OR (state = 'unknown' AND $2 = 'sent'))
    RETURNING conversation, kind";

pub(super) const STANDING: &str = "SELECT conversation, kind, state FROM delivery WHERE id = $1";

pub(super) const END_LATER_PARTS: &str = "UPDATE delivery
    SET state = 'dead', reason = $3, changed_at = $2
    FROM delivery AS earlier
    WHERE earlier.id = $1 AND (delivery.state = 'pending') IS TRUE AND delivery.reply = earlier.reply
      AND delivery.address = earlier.address AND delivery.part > earlier.part";

pub(super) const UNTELL: &str =
    "UPDATE delivery SET told = NULL WHERE told = (SELECT reply FROM delivery WHERE id = $1)";

pub(super) const TELL: &str = "UPDATE delivery SET told = $2 WHERE id = ANY($1)";

pub(super) const UNTOLD: &str = "SELECT id, turn, state, reason, changed_at FROM delivery
    WHERE conversation = $1 AND state IN ('unknown', 'dead') AND kind = 'reply' AND told IS NULL
    ORDER BY no";

pub(super) const PROVE: &str = "UPDATE delivery
    SET state = 'sent', receipt = $2, reason = NULL, handle = NULL, changed_at = $3
    WHERE id = $1 AND state IN ('sending', 'unknown') RETURNING conversation";

pub(super) const REFUTE: &str = "UPDATE delivery
    SET state = 'dead', reason = $2, handle = NULL, changed_at = $3
    WHERE id = $1 AND state IN ('sending', 'unknown', 'sent') RETURNING conversation";

pub(super) const FAILED_PARTS: &str = "SELECT d.id, d.conversation FROM delivery AS first
    JOIN delivery AS d ON d.reply = first.reply AND d.address = first.address
        AND d.part >= first.part
    WHERE first.id = $1 AND first.state IN ('unknown', 'dead') AND d.state IN ('unknown', 'dead')
      AND d.outbound <> $2
    ORDER BY d.part";

pub(super) const RETRY: &str = "UPDATE delivery
    SET state = 'pending', reason = NULL, told = NULL, not_before = 0, attempts = 0,
        changed_at = $2, seq = $3, holder = $4
    WHERE id = $1";

pub(super) const DROP: &str = "UPDATE delivery
    SET state = 'dead', reason = $3, changed_at = $2
    WHERE id = $1 AND state IN ('pending', 'unknown') RETURNING conversation";

pub(super) const DROP_DEAD: &str =
    "UPDATE delivery SET told = '' WHERE id = $1 AND state = 'dead' AND told IS NULL";

// Taking over.

pub(super) const TAKE_ACCEPTED: &str = "WITH oldest AS (
        SELECT id FROM inbound WHERE state = 'accepted' AND lane IS NULL AND holder IS NULL
        ORDER BY no LIMIT $2 FOR UPDATE)
    UPDATE inbound SET holder = $1 FROM oldest WHERE inbound.id = oldest.id
    RETURNING no, inbound.id, envelope";

pub(super) const TAKE_TURNS: &str = "WITH oldest AS (
        SELECT id FROM turn WHERE ended_at IS NULL AND holder IS NULL
        ORDER BY no LIMIT $2 FOR UPDATE)
    UPDATE turn SET holder = $1 FROM oldest WHERE turn.id = oldest.id
    RETURNING no, turn.id, user_id, session, sandbox, address, reply_to, started_at";

pub(super) const INBOUNDS_OF_TURNS: &str =
    "SELECT turn, steered, id, envelope FROM inbound WHERE turn = ANY($1) ORDER BY place";

pub(super) const ORPHANED_CONVERSATIONS: &str = concat!(
    "SELECT conversation FROM delivery WHERE ",
    open!(),
    " AND holder IS NULL GROUP BY conversation ORDER BY min(no) LIMIT $1"
);

/// Of conversations that are ours alone.
pub(super) const TAKE_HEADS: &str = concat!(
    "UPDATE delivery SET holder = $1 WHERE ",
    open!(),
    " AND holder IS NULL AND conversation = ANY($2) RETURNING ",
    delivery!(),
    ", no"
);

/// What the attempts under way have used; that use is still counted.
pub(super) const USED_HANDLES: &str =
    "SELECT h.inbound, h.secret, h.expires_at, h.uses_left + 1, d.id
    FROM delivery AS d JOIN reply_handle AS h ON h.inbound = d.handle WHERE d.id = ANY($1)";

// Looking.

pub(super) const DELIVERIES: &str = concat!(
    "SELECT ",
    delivery!(),
    " FROM delivery
    WHERE ($2::text IS NULL OR id < $2) AND ($3::text IS NULL OR state = $3)
    ORDER BY id DESC LIMIT $1"
);

pub(super) const INBOUNDS: &str = "SELECT id, envelope, state, turn, reason FROM inbound
    WHERE ($2::text IS NULL OR id < $2) AND ($3::text IS NULL OR state = $3)
    ORDER BY id DESC LIMIT $1";

pub(super) const RAW: &str = "SELECT request.id, request.raw FROM inbound
    JOIN request ON request.id = inbound.request WHERE inbound.id = $1";

pub(super) const DEAD_LETTERS: &str = "SELECT id, channel, account, received_at, reason, raw,
        CAST(id AS TEXT) AS name FROM dead_letter ORDER BY id DESC LIMIT $1";

pub(super) const COUNTS: &str = concat!(
    "SELECT
    (SELECT count(*) FROM inbound WHERE state = 'accepted' AND lane IS NULL)
        + (SELECT count(*) FROM inbound WHERE lane IS NOT NULL),
    (SELECT count(*) FROM turn WHERE ended_at IS NULL),
    (SELECT count(*) FROM delivery WHERE state = 'pending' AND ",
    open!(),
    "),
    (SELECT count(*) FROM delivery WHERE state = 'sending' AND ",
    open!(),
    "),
    (SELECT count(*) FROM delivery WHERE state = 'unknown' AND state IN ('unknown', 'dead')),
    (SELECT count(*) FROM delivery WHERE state = 'dead' AND state IN ('unknown', 'dead')),
    (SELECT count(*) FROM dead_letter)"
);

mod enter;
mod prune;

pub(super) use enter::*;
pub(super) use prune::*;
