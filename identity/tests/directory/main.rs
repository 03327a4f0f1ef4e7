//! One contract, two engines.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test speaks by panicking"
)]

mod access;
mod audit;
mod contract;
mod groups;
mod migration;
mod pairing;
mod people;
mod places;
mod replicas;
mod town;
mod web;

use zaki_identity::SignUp::{Allowlist, Closed, Open, Pairing};

/// Each part of the contract on a fresh town of either engine.
macro_rules! contract {
    ($($module:ident { $($part:ident $policy:ident,)* })*) => {
        mod sqlite {
            $(mod $module {
                use super::super::{$module, town::Town};
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $part() {
                    $module::$part(Town::sqlite(super::super::$policy).await).await;
                })*
            })*
        }

        mod postgres {
            $(mod $module {
                use super::super::{$module, town::Town};
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $part() {
                    if let Some(town) = Town::postgres(super::super::$policy).await {
                        $module::$part(town).await;
                    }
                })*
            })*
        }
    };
}

contract! {
    contract {
        a_sender_is_one_person_for_good Open,
        first_messages_at_once_make_one_person Open,
        a_closed_house_lets_in_whom_it_knows Closed,
        a_phone_number_gives_way_to_the_better_id Open,
        ids_shown_together_stay_together Open,
        linking_moves_one_binding_and_says_what_it_did Open,
        a_link_made_by_another_process_holds_at_the_next_claim Open,
        what_is_asked_anew_is_not_from_memory Open,
        a_person_chooses_how_they_are_listened_to Open,
    }
    access {
        every_account_has_its_own_say Open,
        the_line_is_said_once_a_day Closed,
        many_messages_at_once_are_told_once Closed,
        whoever_is_taken_off_the_list_is_out Allowlist,
        an_invitation_is_no_place_on_the_list Allowlist,
        who_guesses_slows_nobody_down Open,
        what_is_remembered_needs_no_store Open,
        blocked_people_are_served_nowhere Open,
    }
    groups {
        a_group_grants_nothing_in_direct_messages Closed,
        direct_messages_grant_nothing_in_groups Open,
        a_group_hears_what_it_is_set_to Open,
        an_owner_may_serve_all Open,
        a_group_that_has_guests_is_listed Open,
        a_change_holds_at_the_next_claim Open,
        groups_are_changed_by_those_who_may Open,
    }
    pairing {
        a_stranger_waits_for_somebody_to_let_them_in Pairing,
        only_owners_and_operators_let_in Pairing,
        a_code_lets_in_once Pairing,
        a_request_is_denied_or_grows_old Pairing,
        so_many_wait_and_no_more Pairing,
        a_code_is_told_whatever_was_told_before Pairing,
        who_was_turned_away_is_forgotten_in_time Pairing,
        somebody_known_may_be_let_in_on_another_account Pairing,
        each_stranger_is_announced_once_and_those_of_a_minute_together Pairing,
        an_announcement_that_was_begun_is_given_out_once_more Pairing,
        whoever_is_let_in_is_to_hear_of_it_once Pairing,
        who_comes_in_by_another_way_waits_no_more Pairing,
        owners_are_those_who_decide_now Pairing,
    }
    audit {
        there_is_one_chain_however_many_write Open,
        whatever_is_done_to_the_record_shows Open,
        no_platform_id_is_in_it Open,
        it_is_read_in_pages Open,
    }
    people {
        people_are_listed_in_pages_and_found Open,
        an_operator_makes_people Closed,
        roles_and_tiers_are_for_owners_to_give Open,
        when_somebody_wrote_is_kept_to_the_hour Open,
    }
    places {
        the_place_somebody_wrote_in_last_is_the_first Open,
        a_place_goes_with_its_sender_and_with_its_person Open,
    }
    web {
        an_issuer_names_a_person Open,
        a_verified_domain_lets_in_as_long_as_it_is_listed Closed,
        what_an_operator_decides_holds_at_the_next_sign_in Open,
        a_stranger_on_the_web_waits_like_any_other Pairing,
        a_call_is_the_first_once Open,
    }
}
