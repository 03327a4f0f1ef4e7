//! What every ledger must do, whichever database is behind it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a contract speaks by panicking"
)]

mod damage;
mod fifo;
mod inbox;
mod lanes;
mod losses;
mod operator;
mod order;
mod outbox;
pub mod people;
mod privacy;
mod replicas;
mod samples;
mod schedule;
mod turns;
mod upkeep;

use std::{any::Any, sync::Arc, time::Duration};

use zaki_store::Either;

use crate::{
    Claimed, Delivery, DeliveryEnd, DeliveryFilter, Fence, Ledger, NewDelivery, NewTurn, Next,
    PgLedger, Settled, SqliteLedger,
};

pub use samples::{
    at, batch, begun, delivery, delivery_id, elsewhere, in_lane, message, said, said_by, turn,
    turn_id,
};
pub use schedule::schedule;

/// A fresh, empty ledger to try.
pub struct Subject {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The right to write to it.
    pub fence: Fence,
    /// Whether several replicas may be alive at a time.
    pub shared: bool,
    /// The database, where something is to be damaged.
    store: Either,
    /// What must live as long (a scratch directory).
    pub keep: Box<dyn Any + Send + Sync>,
}

impl Subject {
    /// In a file. Takes the first lease.
    pub async fn sqlite(ledger: SqliteLedger, keep: impl Any + Send + Sync) -> Self {
        let store = ledger.store();
        Self::new(Arc::new(ledger), false, store, Box::new(keep)).await
    }

    /// On a server. Takes the first lease.
    pub async fn postgres(ledger: PgLedger, keep: impl Any + Send + Sync) -> Self {
        let store = ledger.store();
        Self::new(Arc::new(ledger), true, store, Box::new(keep)).await
    }

    async fn new(
        ledger: Arc<dyn Ledger>,
        shared: bool,
        store: Either,
        keep: Box<dyn Any + Send + Sync>,
    ) -> Self {
        let fence = ledger.enroll("first").await.unwrap();
        Self { ledger, fence, shared, store, keep }
    }

    /// This replica dies; the one that comes after it.
    async fn successor(&self) -> Fence {
        self.ledger.leave(self.fence).await.unwrap();
        self.ledger.enroll("second").await.unwrap()
    }

    /// Accepts messages and begins a turn of them.
    async fn run(&self, new: NewTurn, messages: &[u32]) {
        let items = messages.iter().map(|n| said(*n)).collect();
        self.ledger.accept(self.fence, batch(items)).await.unwrap();
        self.ledger.begin_turn(self.fence, new).await.unwrap();
    }

    async fn post(&self, deliveries: Vec<NewDelivery>) -> Next {
        self.ledger.post(self.fence, deliveries, &[], at(1)).await.unwrap()
    }

    async fn claim(&self, n: u32) -> Next {
        self.ledger.claim_delivery(self.fence, delivery_id(n), at(100)).await.unwrap()
    }

    /// Claims what a recovery has found.
    async fn begin(&self, found: &Next) -> Next {
        let Next::Later { id, .. } = found else { panic!("for later, not {found:?}") };
        self.ledger.claim_delivery(self.fence, *id, at(300)).await.unwrap()
    }

    async fn settle(&self, n: u32, end: DeliveryEnd) -> Settled {
        self.ledger.settle_delivery(self.fence, delivery_id(n), end, at(200)).await.unwrap()
    }

    async fn delivery(&self, n: u32) -> Delivery {
        let filter = DeliveryFilter { limit: 100, ..Default::default() };
        let all = self.ledger.list_deliveries(filter).await.unwrap().rows;
        all.into_iter().find(|delivery| delivery.id == delivery_id(n)).unwrap()
    }
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// To be asked for again at `ms`, as was written at `since`.
fn later(n: u32, ms: i64, since: i64) -> Next {
    let address = zaki_envelope::Address::of(&message(0));
    Next::Later { id: delivery_id(n), not_before: at(ms), since: at(since), address }
}

/// What was claimed.
#[track_caller]
fn claimed(next: Next) -> Claimed {
    let Next::Claimed(claimed) = next else { panic!("claimed, not {next:?}") };
    claimed
}

/// Whether it is this delivery that was claimed.
#[track_caller]
fn claims(next: Next, n: u32) {
    assert_eq!(claimed(next).delivery.id, delivery_id(n));
}

fn sent() -> DeliveryEnd {
    DeliveryEnd::Sent { receipt: vec![zaki_envelope::MessageId::new("r1")] }
}

/// Not before 900.
fn retry() -> DeliveryEnd {
    DeliveryEnd::Retry { pause: ms(700), reason: "429".into() }
}

fn unknown() -> DeliveryEnd {
    DeliveryEnd::Unknown { reason: "timed out".into() }
}

fn dead() -> DeliveryEnd {
    DeliveryEnd::Dead { reason: "blocked".into() }
}

/// Each part on a subject of its own.
macro_rules! each {
    ($make:ident; $($room:ident { $($part:ident)* })*) => {
        $($(
            println!("{}: {}", stringify!($room), stringify!($part));
            $room::$part($make().await).await;
        )*)*
    };
}

/// Runs the whole contract, each part on a fresh subject. Panics where one is broken.
pub async fn contract<F, Fut>(make: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Subject>,
{
    what_is_said(&make).await;
    what_becomes_of_it(&make).await;
}

async fn what_is_said<F, Fut>(make: &F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Subject>,
{
    each! {
        make;
        inbox {
            stores_a_message_once
            keeps_one_of_three_at_a_time
            moves_the_cursor_with_its_messages
            keeps_what_made_no_sense
            settles_on_arrival_what_gets_no_turn
            settles_what_waits_and_nothing_else
        }
        turns {
            joins_messages_whole_or_not_at_all
            gives_a_message_to_one_turn
            begins_and_ends_once
            takes_further_messages_while_it_runs
        }
        lanes {
            runs_one_turn_at_a_time
            loses_no_wakeup
            gives_back_what_the_agent_did_not_get
            hands_on_what_joined_unheard
        }
        outbox {
            is_claimed_by_one
            retries_before_anything_later
            settles_in_the_allowed_ways_only
            keeps_no_text_that_serves_its_reader
            lends_the_reply_handle
            lends_a_notice_the_handle_of_its_message
            hands_the_used_handle_on
            posts_notices_once
            is_settled_twice_with_one_answer
        }
        fifo {
            keeps_replies_in_order
            waits_for_what_is_to_be_sent_later
            conversations_wait_for_nobody
            hands_each_delivery_out_once
        }
        losses {
            ends_a_reply_at_a_failed_part
            tells_what_was_lost_once
            tells_again_when_the_notice_is_lost
            holds_what_may_not_leave_yet
            believes_a_platform_that_takes_its_word_back
        }
        operator {
            proves_what_arrived
            refutes_what_was_taken
            retries_a_reply_at_the_end_of_the_queue
            drops_what_waits
            silences_what_is_dead
        }
    }
}

async fn what_becomes_of_it<F, Fut>(make: &F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Subject>,
{
    each! {
        make;
        upkeep {
            recovers_what_was_open
            recovers_some_at_a_time
            counts_and_lists
            prunes_what_is_done_with
            removes_keys_by_their_age_alone
            a_clock_that_was_ahead_keeps_nothing_longer
            frees_the_queue_behind_what_expires
            refuses_a_stale_fence
        }
        damage {
            a_message_that_cannot_be_read_keeps_nothing_else_back
            nor_does_one_that_waits_for_a_turn
            a_turn_goes_on_without_what_cannot_be_read_of_it
            a_delivery_that_cannot_be_read_ends_and_the_next_leaves
            what_was_being_sent_and_cannot_be_read_is_in_doubt
            what_cannot_be_read_is_named_and_keeps_nothing_else_back
            what_others_have_said_is_left_though_it_cannot_be_read
            what_another_cannot_read_is_not_taken_along
        }
        replicas {
            a_successor_takes_everything_over
            what_a_dead_replica_sent_holds_its_conversation
            what_waits_is_taken_over_unclaimed
            others_work_is_left_alone
            whoever_closes_gives_up_what_has_not_begun
            whoever_doubts_what_it_accepted_finds_it_again
            a_lane_passes_between_replicas
            a_conversation_passes_between_replicas
            holds_a_source_once
        }
        privacy {
            shows_what_is_kept_of_a_person
            erases_a_person_and_nobody_else
            knows_what_it_has_erased
            ends_what_is_under_way_as_a_verdict
            leaves_what_others_have_said
            leaves_nobody_waiting_for_a_turn_that_is_gone
            keeps_no_answer_to_whoever_is_gone
            finds_what_was_said_by_a_former_id
            keeps_apart_whose_an_id_was_and_is
            recalls_what_was_said_last
            text_goes_before_its_row
        }
        order {
            what_came_before_is_taken_along
            what_is_taken_along_stays_with_the_turn
            nothing_else_is_taken_along
            what_nobody_has_is_taken_along
            whoever_joins_takes_along_what_came_before
            takes_so_many_along_and_no_more
        }
    }
}
