//! What moves when two people become one, and back.

use zaki_envelope::{Timestamp, ZakiUserId};
use zaki_store::{Sql, Text, params};

use super::DROP;
use crate::{DirectoryError, parting, settings};

const RECORD: &str = "INSERT INTO merge (from_id, into_id, merged_at, restorable_until)
    VALUES ($1, $2, $3, $4)";

/// What is written down of what moves: `$1` becomes `$2`. Of what both are allowed nothing moves,
/// so that each still has it should they part.
const NOTE: [&str; 3] = [
    "INSERT INTO merge_part (from_id, what, channel, scope, id)
        SELECT user_id, 'binding', channel, scope, sender FROM binding WHERE user_id = $1",
    "INSERT INTO merge_part (from_id, what, channel, scope, id)
        SELECT owner_id, 'owner', channel, scope, conversation FROM chat_group WHERE owner_id = $1",
    "INSERT INTO merge_part (from_id, what, channel, scope, id)
        SELECT user_id, place, channel, scope, id FROM allowed WHERE user_id = $1
        AND NOT EXISTS (SELECT 1 FROM allowed AS has WHERE has.user_id = $2
            AND has.place = allowed.place AND has.channel = allowed.channel
            AND has.scope = allowed.scope AND has.id = allowed.id)",
];

/// Moves from `$1` to `$2` what came with the merge of `$3`, as far as it is still `$1`'s.
const MOVE_BINDINGS: &str = "UPDATE binding SET user_id = $2 WHERE user_id = $1
    AND EXISTS (SELECT 1 FROM merge_part AS part WHERE part.from_id = $3 AND part.what = 'binding'
        AND part.channel = binding.channel AND part.scope = binding.scope
        AND part.id = binding.sender)";

const MOVE_OWNED: &str = "UPDATE chat_group SET owner_id = $2 WHERE owner_id = $1
    AND EXISTS (SELECT 1 FROM merge_part AS part WHERE part.from_id = $3 AND part.what = 'owner'
        AND part.channel = chat_group.channel AND part.scope = chat_group.scope
        AND part.id = chat_group.conversation)";

const MOVE_ALLOWED: &str = "UPDATE allowed SET user_id = $2 WHERE user_id = $1
    AND EXISTS (SELECT 1 FROM merge_part AS part WHERE part.from_id = $3
        AND part.what = allowed.place AND part.channel = allowed.channel
        AND part.scope = allowed.scope AND part.id = allowed.id)
    AND NOT EXISTS (SELECT 1 FROM allowed AS has WHERE has.user_id = $2
        AND has.place = allowed.place AND has.channel = allowed.channel
        AND has.scope = allowed.scope AND has.id = allowed.id)";

const BECOME: &str = "UPDATE person SET merged_into = $2 WHERE id = $1";

const ADOPT: &str = "UPDATE person SET
        lang = coalesce(lang, (SELECT lang FROM person AS other WHERE other.id = $1)),
        mode = coalesce(mode, (SELECT mode FROM person AS other WHERE other.id = $1)),
        model = coalesce(model, (SELECT model FROM person AS other WHERE other.id = $1))
    WHERE id = $2";

const UNDO: [&str; 2] =
    ["DELETE FROM merge_part WHERE from_id = $1", "DELETE FROM merge WHERE from_id = $1"];

/// Moves everything that leads to `from`; how many bindings.
pub(super) async fn move_all<S: Sql>(
    tx: &S,
    into: ZakiUserId,
    from: ZakiUserId,
    now: Timestamp,
    until: Timestamp,
) -> Result<usize, DirectoryError> {
    let record = params![Text(from), Text(into), now.as_ms(), until.as_ms()];
    tx.execute(RECORD, record).await?;
    let [bindings, owned, allowed] = NOTE;
    for note in [bindings, owned] {
        tx.execute(note, params![Text(from)]).await?;
    }
    tx.execute(allowed, params![Text(from), Text(into)]).await?;
    let moved = move_parts(tx, from, into, from).await?;
    tx.execute(BECOME, params![Text(from), Text(into)]).await?;
    tx.execute(ADOPT, params![Text(from), Text(into)]).await?;
    tx.execute(DROP, params![Text(into)]).await?;
    // What they could still begin as the person they no longer are.
    parting::close(tx, from).await?;
    settings::leave_home(tx, from).await?;
    Ok(moved)
}

/// Gives back to `from` what came with its merge and is still `into`'s; how many bindings.
pub(super) async fn move_back<S: Sql>(
    tx: &S,
    into: ZakiUserId,
    from: ZakiUserId,
) -> Result<usize, DirectoryError> {
    let moved = move_parts(tx, into, from, from).await?;
    tx.execute(BECOME, params![Text(from), None::<&str>]).await?;
    for undo in UNDO {
        tx.execute(undo, params![Text(from)]).await?;
    }
    // Who leaves may know of it, and it may be their conversation.
    parting::close(tx, into).await?;
    settings::leave_home(tx, into).await?;
    Ok(moved)
}

async fn move_parts<S: Sql>(
    tx: &S,
    from: ZakiUserId,
    to: ZakiUserId,
    merge_of: ZakiUserId,
) -> Result<usize, DirectoryError> {
    let row = params![Text(from), Text(to), Text(merge_of)];
    let moved = tx.execute(MOVE_BINDINGS, row).await?;
    tx.execute(MOVE_OWNED, row).await?;
    tx.execute(MOVE_ALLOWED, row).await?;
    Ok(usize::try_from(moved).unwrap_or(usize::MAX))
}
