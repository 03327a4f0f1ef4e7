//! What people have spent, by day and month.

pub(crate) mod carried;
mod period;
mod unasked;

use std::collections::BTreeMap;

use serde::Serialize;
use zaki_envelope::{Timestamp, ZakiUserId};
use zaki_store::{Row, Sql, Text, Value, glance, params, transact};

use crate::{Directory, DirectoryError};
pub(crate) use period::Periods;

/// An amount spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Messages that were let in.
    pub messages: u64,
    /// Tokens that a model has read.
    pub input_tokens: u64,
    /// Tokens that a model has written.
    pub output_tokens: u64,
    /// Millionths of the currency the operator counts in.
    pub cost_micros: u64,
}

/// What a person has spent in the day and the month of an instant, both of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Since midnight.
    pub day: Counts,
    /// Since the first of the month.
    pub month: Counts,
    /// The next midnight.
    pub day_resets_at: Timestamp,
    /// The next first of a month.
    pub month_resets_at: Timestamp,
}

impl Counts {
    /// Read and written together.
    pub const fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.each(other, u64::saturating_add)
    }

    fn each(self, other: Self, f: fn(u64, u64) -> u64) -> Self {
        Self {
            messages: f(self.messages, other.messages),
            input_tokens: f(self.input_tokens, other.input_tokens),
            output_tokens: f(self.output_tokens, other.output_tokens),
            cost_micros: f(self.cost_micros, other.cost_micros),
        }
    }
}

impl Totals {
    fn nothing(periods: &Periods) -> Self {
        let (day, month) = (Counts::default(), Counts::default());
        let (day_resets_at, month_resets_at) = (periods.day_ends, periods.month_ends);
        Self { day, month, day_resets_at, month_resets_at }
    }

    fn take(&mut self, periods: &Periods, row: &Row) -> Result<(), DirectoryError> {
        let counts = Counts {
            messages: row.get(1)?,
            input_tokens: row.get(2)?,
            output_tokens: row.get(3)?,
            cost_micros: row.get(4)?,
        };
        if row.get::<String>(0)? == periods.day {
            self.day = counts;
        } else {
            self.month = counts;
        }
        Ok(())
    }
}

impl Directory {
    /// Adds what has been spent, in one transaction; for whoever is not there any more, nothing.
    /// After an error nothing has been added, unless it [is unknown](zaki_store::Error::is_unknown).
    pub async fn count(
        &self,
        spent: &[(ZakiUserId, Counts)],
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        // In the order of the ids, so that two replicas never wait for each other in a ring.
        let mut sums = BTreeMap::<ZakiUserId, Counts>::new();
        for (user, counts) in spent {
            let sum = sums.entry(*user).or_default();
            *sum = sum.plus(*counts);
        }
        transact!(&self.store, |tx| count(tx, &sums, now))
    }

    /// What a person has spent.
    pub async fn totals(&self, user: ZakiUserId, now: Timestamp) -> Result<Totals, DirectoryError> {
        glance!(&self.store, |tx| totals(tx, user, now))
    }
}

const READ: &str = "SELECT period, messages, input_tokens, output_tokens, cost_micros
    FROM usage WHERE user_id = $1 AND period IN ($2, $3)";

/// For a person who is there: an erased one does not come back by what was still to be counted.
const ADD: &str = "INSERT INTO usage
        (user_id, period, messages, input_tokens, output_tokens, cost_micros)
    SELECT id, CAST($2 AS TEXT), CAST($4 AS BIGINT), CAST($5 AS BIGINT), CAST($6 AS BIGINT),
        CAST($7 AS BIGINT) FROM person WHERE id = $1
    UNION ALL SELECT id, CAST($3 AS TEXT), CAST($4 AS BIGINT), CAST($5 AS BIGINT),
        CAST($6 AS BIGINT), CAST($7 AS BIGINT) FROM person WHERE id = $1
    ON CONFLICT (user_id, period) DO UPDATE SET
        messages = usage.messages + excluded.messages,
        input_tokens = usage.input_tokens + excluded.input_tokens,
        output_tokens = usage.output_tokens + excluded.output_tokens,
        cost_micros = usage.cost_micros + excluded.cost_micros";

async fn count<S: Sql>(
    tx: &S,
    sums: &BTreeMap<ZakiUserId, Counts>,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let periods = Periods::of(now);
    for (user, sum) in sums {
        tx.execute(ADD, &add(*user, &periods, sum)).await?;
    }
    Ok(())
}

fn add(user: ZakiUserId, periods: &Periods, sum: &Counts) -> Vec<Value> {
    let Counts { messages, input_tokens, output_tokens, cost_micros } = *sum;
    let (day, month) = (&periods.day, &periods.month);
    params![Text(user), day, month, messages, input_tokens, output_tokens, cost_micros].to_vec()
}

async fn totals<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    now: Timestamp,
) -> Result<Totals, DirectoryError> {
    let periods = Periods::of(now);
    let rows = tx.all(READ, params![Text(user), &periods.day, &periods.month]).await?;
    read(&periods, &rows)
}

fn read(periods: &Periods, rows: &[Row]) -> Result<Totals, DirectoryError> {
    let mut totals = Totals::nothing(periods);
    rows.iter().try_for_each(|row| totals.take(periods, row))?;
    Ok(totals)
}
