//! What agents have used by themselves, outside a turn: the edge meters it and tells how much it was
//! in all; what is new of that is counted, however often and in whatever order it is told.

use zaki_envelope::ZakiUserId;
use zaki_envelope::wire::{Unasked, Usage};
use zaki_store::{Sql, Text, params, transact};

use super::Periods;
use crate::{Directory, DirectoryError};

impl Directory {
    /// Counts of what the edge tells of these people whatever has not been counted. Whoever is not
    /// there any more is left out.
    pub async fn count_unasked(
        &self,
        told: &[(ZakiUserId, Unasked)],
    ) -> Result<(), DirectoryError> {
        let mut told = told.to_vec();
        // In one order everywhere, so that two replicas never wait for each other in a ring.
        told.sort_unstable_by_key(|(user, _)| *user);
        transact!(&self.store, |tx| count(tx, &told))
    }
}

const COUNT: &str = "INSERT INTO usage (user_id, period, messages, input_tokens, output_tokens,
        cost_micros, unasked_input, unasked_output, unasked_cost)
    SELECT id, CAST($2 AS TEXT), 0, CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS BIGINT),
        CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS BIGINT) FROM person WHERE id = $1
    ON CONFLICT (user_id, period) DO UPDATE SET
        input_tokens = usage.input_tokens + CASE
            WHEN excluded.unasked_input > usage.unasked_input
            THEN excluded.unasked_input - usage.unasked_input ELSE 0 END,
        output_tokens = usage.output_tokens + CASE
            WHEN excluded.unasked_output > usage.unasked_output
            THEN excluded.unasked_output - usage.unasked_output ELSE 0 END,
        cost_micros = usage.cost_micros + CASE
            WHEN excluded.unasked_cost > usage.unasked_cost
            THEN excluded.unasked_cost - usage.unasked_cost ELSE 0 END,
        unasked_input = CASE WHEN excluded.unasked_input > usage.unasked_input
            THEN excluded.unasked_input ELSE usage.unasked_input END,
        unasked_output = CASE WHEN excluded.unasked_output > usage.unasked_output
            THEN excluded.unasked_output ELSE usage.unasked_output END,
        unasked_cost = CASE WHEN excluded.unasked_cost > usage.unasked_cost
            THEN excluded.unasked_cost ELSE usage.unasked_cost END";

async fn count<S: Sql>(tx: &S, told: &[(ZakiUserId, Unasked)]) -> Result<(), DirectoryError> {
    for (user, Unasked { at, day, month }) in told {
        // When it was read: by now it may be tomorrow.
        let periods = Periods::of(*at);
        for (period, used) in [(periods.day, day), (periods.month, month)] {
            if !used.is_nothing() {
                let Usage { input_tokens, output_tokens, cost_micros } = *used;
                let row = params![Text(*user), period, input_tokens, output_tokens, cost_micros];
                tx.execute(COUNT, row).await?;
            }
        }
    }
    Ok(())
}
