//! `/usage`: what a person has spent, and what is left.

use zaki_envelope::Timestamp;
use zaki_identity::{Counts, Limits};
use zaki_words::{self as words, Period, Used};

use super::{Answer, Order};

/// Today and this month, both of UTC.
pub(super) async fn usage(order: &Order<'_>) -> Answer {
    let Order { hub, .. } = order;
    hub.count_unasked_of(order.user()).await;
    // What has just been counted is to be in it.
    let keep = || hub.allowance.spending.keep(&hub.directory, order.now);
    order.attempt("keep what people have spent", keep).await?;
    let read = || order.hub.directory.totals(order.user(), order.now);
    let totals = order.attempt("read what a person has spent", read).await?;
    let Limits {
        messages_per_day,
        tokens_per_day,
        tokens_per_month,
        cost_per_day_micros,
        cost_per_month_micros,
        ..
    } = order.hub.limits_of(order.person.tier.as_deref());
    let day = [messages_per_day, tokens_per_day, cost_per_day_micros];
    let month = [0, tokens_per_month, cost_per_month_micros];
    order.say(&words::Usage {
        day: period(&totals.day, day, totals.day_resets_at),
        month: period(&totals.month, month, totals.month_resets_at),
        now: order.now,
    })
}

fn period(used: &Counts, limits: [u64; 3], resets_at: Timestamp) -> Period {
    let [messages, tokens, cost] = limits;
    Period {
        messages: Used { used: used.messages, limit: messages },
        tokens: Used { used: used.tokens(), limit: tokens },
        cost_micros: Used { used: used.cost_micros, limit: cost },
        resets_at,
    }
}
