//! What somebody has used who is no more is used all the same: whoever comes back by one of their
//! senders within the day or the month goes on from there. Kept under a keyed hash, until the period
//! ends.

use zaki_envelope::{ChannelKind, Sender, Timestamp, ZakiUserId};
use zaki_store::{Row, Sql, Text, params};

use super::{Counts, Periods, READ};
use crate::codes::{CodeKey, Keyed};
use crate::rules::ids;
use crate::{Binding, DirectoryError};

/// Of two amounts that were carried the larger stays: one holds the other.
const KEEP: &str = "INSERT INTO carried
        (who, period, messages, input_tokens, output_tokens, cost_micros)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (who) DO UPDATE SET
        messages = CASE WHEN excluded.messages > carried.messages
            THEN excluded.messages ELSE carried.messages END,
        input_tokens = CASE WHEN excluded.input_tokens > carried.input_tokens
            THEN excluded.input_tokens ELSE carried.input_tokens END,
        output_tokens = CASE WHEN excluded.output_tokens > carried.output_tokens
            THEN excluded.output_tokens ELSE carried.output_tokens END,
        cost_micros = CASE WHEN excluded.cost_micros > carried.cost_micros
            THEN excluded.cost_micros ELSE carried.cost_micros END";

const FIND: &str = "SELECT period, messages, input_tokens, output_tokens, cost_micros FROM carried
    WHERE who = $1";

const BEGIN: &str = "INSERT INTO usage
        (user_id, period, messages, input_tokens, output_tokens, cost_micros)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";

/// What is over is nobody's any more.
const SWEEP: &str = "DELETE FROM carried WHERE period <> $1 AND period <> $2";

/// What stands for a sender in a period: nothing joins one period's to the next one's.
fn mark(key: &CodeKey, channel: ChannelKind, scope: &str, sender: &str, period: &str) -> String {
    key.digest(Keyed::Carried, &[channel.as_str(), scope, sender, period])
}

fn read(row: &Row) -> Result<(String, Counts), DirectoryError> {
    let counts = Counts {
        messages: row.get(1)?,
        input_tokens: row.get(2)?,
        output_tokens: row.get(3)?,
        cost_micros: row.get(4)?,
    };
    Ok((row.get(0)?, counts))
}

/// Keeps what a person has used today and this month for those of their senders that are about to
/// leave them.
pub(crate) async fn keep<S: Sql>(
    tx: &S,
    key: &CodeKey,
    user: ZakiUserId,
    leaving: &[&Binding],
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let periods = Periods::of(now);
    let rows = tx.all(READ, params![Text(user), &periods.day, &periods.month]).await?;
    let spent = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    for Binding { channel, scope, sender, .. } in leaving {
        for (period, counts) in &spent {
            let who = mark(key, *channel, scope.as_str(), sender.as_str(), period);
            let Counts { messages, input_tokens, output_tokens, cost_micros } = *counts;
            let row = params![who, period, messages, input_tokens, output_tokens, cost_micros];
            tx.execute(KEEP, row).await?;
        }
    }
    Ok(())
}

/// Gives somebody new what their sender has used before.
pub(crate) async fn take_up<S: Sql>(
    tx: &S,
    key: &CodeKey,
    user: ZakiUserId,
    channel: ChannelKind,
    sender: &Sender,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let Periods { day, month, .. } = Periods::of(now);
    for period in [day, month] {
        let mut spent = Counts::default();
        for id in ids(sender) {
            let who = mark(key, channel, sender.scope.as_str(), id.as_str(), &period);
            if let Some(row) = tx.one(FIND, params![who]).await? {
                spent = spent.each(read(&row)?.1, u64::max);
            }
        }
        if spent != Counts::default() {
            let Counts { messages, input_tokens, output_tokens, cost_micros } = spent;
            let row =
                params![Text(user), period, messages, input_tokens, output_tokens, cost_micros];
            tx.execute(BEGIN, row).await?;
        }
    }
    Ok(())
}

/// Removes what is over.
pub(crate) async fn sweep<S: Sql>(tx: &S, now: Timestamp) -> Result<u64, DirectoryError> {
    let periods = Periods::of(now);
    Ok(tx.execute(SWEEP, params![periods.day, periods.month]).await?)
}
