//! One contract, two directories.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test speaks by panicking"
)]

mod contract;
mod replicas;
mod town;

use zaki_identity::SignUp::{Closed, Open};

/// Each part of the contract on a fresh town of either engine.
macro_rules! contract {
    ($($part:ident $policy:ident,)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $part() {
                super::contract::$part(super::town::Town::sqlite(super::$policy).await).await;
            })*
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $part() {
                if let Some(town) = super::town::Town::postgres(super::$policy).await {
                    super::contract::$part(town).await;
                }
            })*
        }
    };
}

contract! {
    a_sender_is_one_person_for_good Open,
    first_messages_at_once_make_one_person Open,
    a_closed_house_lets_in_whom_it_knows Closed,
    a_phone_number_gives_way_to_the_better_id Open,
    ids_shown_together_stay_together Open,
    linking_moves_one_binding_and_says_what_it_did Open,
    a_link_made_by_another_process_holds_at_the_next_claim Open,
    a_person_chooses_how_they_are_listened_to Open,
}
