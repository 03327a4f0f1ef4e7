//! What was used, by person and UTC day, and by turn while it runs.

use rusqlite::{Row, params};
use zaki_edge_core::meter::{day, first_of_month};
use zaki_envelope::{
    SandboxName, Timestamp, TurnId, ZakiUserId,
    wire::{Unasked, Usage, UsageReport},
};
use zaki_store::{Error, Text, Tx};

use super::{State, number};

/// Days that are remembered: a year and the month it began in.
const REMEMBERED: i64 = 400;

const UNASKED: &str = "INSERT INTO unasked SELECT ?1, ?2, ?3, ?4, ?5
    WHERE EXISTS (SELECT 1 FROM sandboxes WHERE name = ?6)
    ON CONFLICT DO UPDATE SET input_tokens = input_tokens + excluded.input_tokens,
    output_tokens = output_tokens + excluded.output_tokens,
    cost_micros = cost_micros + excluded.cost_micros";

const SUMS: &str = "coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0),
    coalesce(sum(cost_micros), 0)";

fn numbers(usage: Usage) -> [i64; 3] {
    [usage.input_tokens, usage.output_tokens, usage.cost_micros].map(number)
}

impl State {
    /// Counts one model call of `sandbox`, what its turn has used with it, and how much of it no turn
    /// tells. A sandbox whose person has been erased counts for nobody.
    pub(crate) async fn count(
        &self,
        sandbox: SandboxName,
        turn: Option<TurnId>,
        usage: Usage,
        unasked: Usage,
        now: Timestamp,
    ) -> Result<(), Error> {
        let by_day = "INSERT INTO metered SELECT ?1, ?2, 1, ?3, ?4, ?5
            WHERE EXISTS (SELECT 1 FROM sandboxes WHERE name = ?6)
            ON CONFLICT DO UPDATE SET calls = calls + 1,
            input_tokens = input_tokens + excluded.input_tokens,
            output_tokens = output_tokens + excluded.output_tokens,
            cost_micros = cost_micros + excluded.cost_micros";
        let by_turn = "UPDATE turns SET input_tokens = input_tokens + ?,
            output_tokens = output_tokens + ?, cost_micros = cost_micros + ?
            WHERE turn = ? AND user = ?";
        let user = sandbox.user();
        let [input, output, cost] = numbers(usage);
        self.db
            .write(move |tx| {
                let what = params![Text(user), day(now), input, output, cost, Text(&sandbox)];
                tx.execute(by_day, what)?;
                if !unasked.is_nothing() {
                    let [input, output, cost] = numbers(unasked);
                    let what = params![Text(user), day(now), input, output, cost, Text(&sandbox)];
                    tx.execute(UNASKED, what)?;
                }
                if let Some(turn) = turn {
                    tx.execute(by_turn, params![input, output, cost, Text(turn), Text(user)])?;
                }
                Ok(())
            })
            .await
    }

    /// What `user` has used today and this month.
    pub(crate) async fn used(
        &self,
        user: ZakiUserId,
        now: Timestamp,
    ) -> Result<UsageReport, Error> {
        let (first, today) = (first_of_month(now), day(now));
        self.db
            .read(move |tx| {
                let since = |table: &str, from| {
                    let sql = format!(
                        "SELECT {SUMS} FROM {table} WHERE user = ? AND day BETWEEN ? AND ?"
                    );
                    let sum = tx.one(&sql, params![Text(user), from, today], |row| read(row, 0))?;
                    Ok::<_, Error>(sum.unwrap_or_default())
                };
                let unasked = Unasked {
                    at: now,
                    day: since("unasked", today)?,
                    month: since("unasked", first)?,
                };
                let (day, month) = (since("metered", today)?, since("metered", first)?);
                Ok(UsageReport { day, month, unasked })
            })
            .await
    }
}

/// Tokens read and written, and the cost, in columns that lie together.
pub(super) fn read(row: &Row<'_>, from: usize) -> rusqlite::Result<Usage> {
    let at = |column| row.get::<_, i64>(from + column).map(i64::unsigned_abs);
    Ok(Usage { input_tokens: at(0)?, output_tokens: at(1)?, cost_micros: at(2)? })
}

/// Drops the days that nobody asks for any more.
pub(super) fn forget(tx: &Tx<'_>, now: Timestamp) -> Result<usize, Error> {
    let eldest = day(now) - REMEMBERED;
    tx.execute("DELETE FROM unasked WHERE day < ?", [eldest])?;
    tx.execute("DELETE FROM metered WHERE day < ?", [eldest])
}

#[cfg(test)]
mod tests {
    use zaki_envelope::SandboxKind;
    use zaki_store::{Schema, Sqlite};

    use super::*;
    use crate::state::SCHEMA;

    /// 21 November 2026, noon.
    const NOON: Timestamp = Timestamp::from_secs(1_795_262_400);
    const DAY: i64 = 86_400_000;

    #[tokio::test]
    async fn usage_is_the_persons_by_day_and_month() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("edge.db")).await.unwrap();
        let user = ZakiUserId::from_parts(Timestamp::from_ms(1), 1);
        let other = ZakiUserId::from_parts(Timestamp::from_ms(1), 2);
        let name = |kind| SandboxName::new(user, &kind).unwrap();
        let sandboxes = [name(SandboxKind::Personal), name(SandboxKind::Runtime)];
        for sandbox in sandboxes.clone() {
            state.sandbox(sandbox).await.unwrap();
        }
        let one = Usage { input_tokens: 10, output_tokens: 1, cost_micros: 5 };
        for ago in [0, 1, 20, 21, 30] {
            for sandbox in &sandboxes {
                let then = NOON.plus_ms(-ago * DAY);
                let unasked = if ago == 1 { one } else { Usage::default() };
                state.count(sandbox.clone(), None, one, unasked, then).await.unwrap();
            }
        }
        let report = state.used(user, NOON).await.unwrap();
        let times = |n: u64| Usage { input_tokens: n * 10, output_tokens: n, cost_micros: n * 5 };
        assert_eq!((report.day, report.month), (times(2), times(6)));
        let unasked = Unasked { at: NOON, day: times(0), month: times(2) };
        assert_eq!(report.unasked, unasked, "yesterday's");
        let nothing = |at| {
            let unasked = Unasked { at, ..Unasked::default() };
            UsageReport { unasked, ..UsageReport::default() }
        };
        assert_eq!(state.used(other, NOON).await.unwrap(), nothing(NOON));

        state.forget(NOON.plus_ms((REMEMBERED - 10) * DAY)).await.unwrap();
        let then = state.used(user, NOON).await.unwrap();
        assert_eq!(then.month, times(4), "what is older than a year is dropped");
        assert_eq!(then.unasked.month, times(2));
        state.forget_person(user).await.unwrap();
        assert_eq!(state.used(user, NOON).await.unwrap(), nothing(NOON));
    }

    #[tokio::test]
    async fn a_sandbox_nobody_has_counts_for_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("edge.db")).await.unwrap();
        let user = ZakiUserId::from_parts(Timestamp::from_ms(1), 1);
        let sandbox = SandboxName::new(user, &SandboxKind::Personal).unwrap();
        let one = Usage { input_tokens: 10, ..Usage::default() };
        state.count(sandbox, None, one, one, NOON).await.unwrap();
        let report = state.used(user, NOON).await.unwrap();
        assert_eq!((report.month, report.unasked.month), (Usage::default(), Usage::default()));
    }

    #[tokio::test]
    async fn what_an_earlier_release_counted_is_the_persons() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("edge.db");
        // Those before people's usage was theirs.
        let steps = &SCHEMA.steps[..2];
        let earlier = Schema { steps, ..SCHEMA };
        let user = ZakiUserId::from_parts(Timestamp::from_ms(1), 1);
        let kinds = [SandboxKind::Personal, SandboxKind::Runtime];
        let names = kinds.map(|kind| SandboxName::new(user, &kind).unwrap());
        let db = Sqlite::open(&path, &earlier).await.unwrap();
        db.write(move |tx| {
            let sql = "INSERT INTO usage VALUES (?, ?, 1, 10, 2)";
            names
                .iter()
                .try_for_each(|name| tx.execute(sql, params![Text(name), day(NOON)]).map(drop))
        })
        .await
        .unwrap_or_else(|error: Error| panic!("{error}"));
        db.close().await;
        let state = State::open(&path).await.unwrap();
        let both = Usage { input_tokens: 20, output_tokens: 4, cost_micros: 0 };
        assert_eq!(state.used(user, NOON).await.unwrap().day, both);
    }
}
