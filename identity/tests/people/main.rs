//! What people do with what is theirs: codes, merges, sessions, counts, archives. One contract,
//! two engines.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test speaks by panicking")]

mod barring;
mod codes;
mod errands;
mod following;
mod guessing;
mod heirs;
mod leaving;
mod lifting;
mod merging;
mod sealed;
mod spending;
mod spilling;
mod town;

/// Each part of the contract on a fresh town of either engine.
macro_rules! contract {
    ($($module:ident: $($part:ident)*;)*) => {
        mod sqlite {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $part() {
                super::$module::$part(super::town::Town::sqlite().await).await;
            })*)*
        }

        mod postgres {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $part() {
                if let Some(town) = super::town::Town::postgres().await {
                    super::$module::$part(town).await;
                }
            })*)*
        }
    };
}

contract! {
    barring:
        a_sender_of_somebody_blocked_stays_blocked
        to_be_erased_is_no_way_around_a_block
        a_blocked_number_with_a_new_owner_is_theirs
        who_parts_from_somebody_blocked_is_blocked
        a_better_id_of_somebody_blocked_is_blocked
        who_is_barred_is_nobody_else_by_a_number
        who_has_become_another_is_not_blocked_as_they_were;
    codes:
        a_code_links_a_stranger_once
        whatever_is_wrong_with_a_code_the_answer_is_one
        of_two_who_race_for_a_code_one_wins
        five_codes_of_a_person_are_open_at_most
        a_code_of_somebody_blocked_is_none
        an_invitation_lets_in_as_many_as_it_says
        an_invitation_is_taken_back
        an_invitation_opens_no_closed_door
        a_code_that_others_have_read_is_void
        burning_codes_is_no_way_to_guess_them;
    following:
        a_stranger_who_uses_a_code_is_asked_first
        a_no_makes_nobody_anything
        an_old_button_joins_nobody
        a_question_ends_after_an_hour
        whoever_has_become_somebody_is_asked_with_the_other
        a_yes_to_one_who_is_no_more_joins_nobody
        of_two_who_use_a_code_one_is_asked
        an_invitation_is_no_question
        what_is_a_code_is_known_before_it_is_used;
    spilling:
        a_code_among_other_words_is_void
        a_word_that_erases_is_void_among_others
        an_invitation_among_other_words_is_void_where_others_read_it
        what_a_stranger_spills_is_a_try
        what_strangers_spill_at_a_bot_is_counted
        words_that_look_like_codes_shut_nobody_out
        of_a_code_among_other_words_hears_who_hears_anything;
    lifting:
        a_block_is_lifted_of_all_of_an_account
        who_is_nobody_any_more_waits_nowhere;
    guessing:
        a_sender_has_five_tries
        a_bot_has_so_many_wrong_codes_a_minute
        a_few_who_guess_shut_no_newcomer_out
        right_codes_use_nothing_up
        guessing_at_full_speed_finds_nothing
        wrong_codes_take_equally_long;
    merging:
        two_people_become_one_when_both_say_so
        who_links_may_write_where_they_typed_the_code
        one_no_is_enough
        two_who_say_so_at_once_become_one_once
        nobody_is_bound_to_who_is_no_more
        a_yes_is_to_one_question_only
        an_old_button_answers_no_new_question
        a_better_id_goes_back_with_the_older_one
        a_merge_is_undone_within_thirty_days
        merges_in_a_row_are_undone_in_any_order
        what_has_gone_elsewhere_stays_there
        what_both_were_allowed_both_keep
        only_those_who_may_merge_people
        a_merge_lifts_no_block;
    spending:
        counts_of_two_replicas_add_up
        a_day_and_a_month_begin_anew
        an_erased_person_is_not_counted
        whoever_comes_back_has_used_what_they_had
        whoever_leaves_with_a_sender_has_used_it_too
        what_agents_use_by_themselves_is_counted_once
        a_person_moves_between_sessions
        sessions_begun_at_once_are_different
        a_person_chooses_and_takes_it_back
        feedback_is_kept_for_the_operator;
    errands:
        what_follows_an_erasure_is_written_with_it_and_done_in_order
        an_errand_is_one_replica_s_and_goes_on_without_it
        of_all_who_want_an_errand_one_has_it
        what_fails_is_tried_again_and_says_why
        what_follows_from_merges_stays_in_order
        an_errand_without_an_edge_is_the_ledger_s;
    sealed:
        with_a_key_nothing_that_was_said_lies_open
        keys_are_exchanged
        what_was_said_is_kept_for_so_long;
    heirs:
        a_sender_is_somebody_s_since_it_became_theirs
        an_account_leaves_by_its_older_id_too
        what_came_by_a_number_before_it_was_handed_on_is_not_its_heir_s;
    leaving:
        a_sender_is_taken_away_but_not_the_last
        an_unlinked_sender_is_nobody_at_every_replica
        whoever_has_left_is_told_as_a_stranger
        what_a_sender_who_left_may_know_of_is_void
        a_home_is_made_by_whoever_is_theirs
        a_blocked_person_has_no_download
        an_erased_person_leaves_nothing
        an_erased_person_takes_along_who_became_them
        a_dossier_has_everything
        the_dossiers_are_of_all_they_were
        a_download_is_had_once
        an_erasure_is_confirmed_by_its_own_word
        what_has_expired_is_swept;
}
