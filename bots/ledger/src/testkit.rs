//! What every ledger must do, whichever database is behind it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a contract speaks by panicking"
)]

mod inbox;
mod outbox;
mod samples;
mod turns;
mod upkeep;

use std::any::Any;
use std::sync::Arc;

use crate::{Fence, Ledger};

pub use samples::{at, batch, delivery, delivery_id, message, said, turn, turn_id};

/// A fresh, empty ledger to try.
pub struct Subject {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The right to write to it.
    pub fence: Fence,
    /// A right that is not, or no more, valid.
    pub stale: Fence,
    /// What must live as long (a scratch directory).
    pub keep: Box<dyn Any + Send + Sync>,
}

/// Runs the whole contract, each part on a fresh subject. Panics where one is broken.
pub async fn contract<F, Fut>(make: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Subject>,
{
    inbox::stores_a_message_once(make().await).await;
    inbox::keeps_one_of_three_at_a_time(make().await).await;
    inbox::moves_the_cursor_with_its_messages(make().await).await;
    inbox::keeps_what_made_no_sense(make().await).await;
    inbox::settles_what_waits_and_nothing_else(make().await).await;
    turns::joins_messages_whole_or_not_at_all(make().await).await;
    turns::gives_a_message_to_one_turn(make().await).await;
    turns::ends_once(make().await).await;
    outbox::is_claimed_by_one(make().await).await;
    outbox::keeps_the_parts_in_order(make().await).await;
    outbox::drops_what_follows_a_dead_part(make().await).await;
    outbox::waits_behind_an_unknown_part(make().await).await;
    outbox::settles_in_the_allowed_ways_only(make().await).await;
    outbox::lends_the_reply_handle(make().await).await;
    outbox::posts_notices_once(make().await).await;
    upkeep::recovers_what_was_open(make().await).await;
    upkeep::counts_and_lists(make().await).await;
    upkeep::prunes_what_is_done_with(make().await).await;
    upkeep::refuses_a_stale_fence(make().await).await;
}
