use super::*;

const NOW: Timestamp = Timestamp::from_ms(1_000);

fn user() -> ZakiUserId {
    person(1)
}

fn person(n: u128) -> ZakiUserId {
    ZakiUserId::from_parts(NOW, n)
}

const fn near_day() -> Verdict {
    Verdict::Near { what: Quota::MessagesPerDay, left: 1, resets_at: NOW.plus_ms(DAY_MS) }
}

const fn over_month() -> Verdict {
    Verdict::Over { what: Quota::TokensPerMonth, resets_at: NOW.plus_ms(30 * DAY_MS) }
}

fn near_minute() -> Said {
    let (left, resets_at, now) = (1, NOW, NOW);
    Said::Pass(Limit::Near { what: What::MessagesPerMinute, left, resets_at, now })
}

/// Of which limit somebody hears.
#[derive(Debug, PartialEq)]
enum Of {
    Own(What),
    Host,
}

use Of::{Host, Own};

/// Whether a message is stopped, and of what it is said.
fn heard(said: Said) -> (bool, Option<Of>) {
    let what = |limit| match limit {
        Limit::Near { what, .. } | Limit::Over { what, .. } => Own(what),
        Limit::Host { .. } => Host,
        Limit::Commands { .. } => panic!("this is no command"),
    };
    match said {
        Said::Nothing => (false, None),
        Said::Pass(limit) => (false, Some(what(limit))),
        Said::Stop(limit) => (true, limit.map(what)),
    }
}

fn allowance(limits: Limits) -> Allowance {
    Allowance::new([("plain".to_owned(), limits)].into(), "plain".to_owned(), false)
}

fn totals(tokens: u64, month_tokens: u64, cost_micros: u64) -> Totals {
    Totals {
        day: Counts { input_tokens: tokens, cost_micros, ..Counts::default() },
        month: Counts { output_tokens: month_tokens, cost_micros, ..Counts::default() },
        day_resets_at: NOW.plus_ms(1),
        month_resets_at: NOW.plus_ms(2),
    }
}

#[test]
fn a_tier_that_is_not_configured_any_more_is_the_default() {
    let few = Limits { messages_per_day: 3, ..Limits::default() };
    let allowance = allowance(few);
    for tier in [None, Some("plain"), Some("gone")] {
        assert_eq!(allowance.of(tier), few);
    }
}

#[test]
fn what_is_left_is_the_least_of_day_and_month() {
    let limits = Limits {
        tokens_per_day: 100,
        tokens_per_month: 1_000,
        cost_per_month_micros: 50,
        ..Limits::default()
    };
    let of = |totals| left(&limits, &totals);
    assert_eq!(of(totals(30, 30, 20)), Left { tokens: Some(70), cost_micros: Some(30) });
    assert_eq!(of(totals(0, 990, 60)), Left { tokens: Some(10), cost_micros: Some(0) });
    assert_eq!(left(&Limits::default(), &totals(1, 1, 1)), Left::default());
}

#[test]
fn each_limit_is_told_once_until_it_begins_anew() {
    let allowance = allowance(Limits::default());
    let over = |resets_at| Verdict::Over { what: Quota::TokensPerDay, resets_at };
    let told = |resets_at, now| {
        let found = [(user(), over(resets_at))];
        let (is_stopped, told) = heard(allowance.said(user(), Said::Nothing, &found, now));
        assert!(is_stopped);
        told.is_some()
    };
    let (today, tomorrow) = (NOW.plus_ms(10), NOW.plus_ms(20));
    assert!(told(today, NOW));
    assert!(!told(today, NOW.plus_ms(1)));
    assert!(told(tomorrow, today));
}

#[test]
fn what_stops_a_message_outweighs_what_is_only_said() {
    let allowance = allowance(Limits::default());
    let of = |minute, found: &[Found]| heard(allowance.said(user(), minute, found, NOW));
    assert_eq!(
        of(near_minute(), &[(user(), Verdict::Fine)]),
        (false, Some(Own(What::MessagesPerMinute)))
    );
    let found = [(user(), near_day()), (person(2), over_month())];
    assert_eq!(of(near_minute(), &found), (true, Some(Host)));
    assert_eq!(of(near_minute(), &found), (true, None), "told, and stopped all the same");
}

#[test]
fn only_what_is_said_counts_as_told() {
    let allowance = allowance(Limits::default());
    let of = |minute, found: &[Found]| heard(allowance.said(user(), minute, found, NOW)).1;
    let found = [(user(), near_day())];
    assert_eq!(of(near_minute(), &found), Some(Own(What::MessagesPerMinute)));
    let stopped = [(user(), near_day()), (person(2), over_month())];
    assert_eq!(of(Said::Nothing, &stopped), Some(Host));
    assert_eq!(
        of(Said::Nothing, &found),
        Some(Own(What::MessagesPerDay)),
        "nobody has said it yet"
    );
    assert_eq!(of(Said::Nothing, &found), None);
}

#[test]
fn everybody_hears_of_the_limit_of_a_host() {
    let allowance = allowance(Limits::default());
    let (host, guest) = (person(1), person(2));
    let found = [(host, over_month())];
    let told =
        |speaker, now| heard(allowance.said(speaker, Said::Nothing, &found, now)).1.is_some();
    assert!(told(guest, NOW));
    assert!(!told(guest, NOW));
    assert!(told(host, NOW), "who has heard nothing so far");
    assert!(!told(host, NOW.plus_ms(DAY_MS - 1)));
    assert!(told(host, NOW.plus_ms(DAY_MS)), "again the next day, though it is a month's limit");
}

#[test]
fn how_near_a_host_is_to_a_limit_is_nobody_elses_business() {
    let allowance = allowance(Limits::default());
    let found = [(person(1), near_day())];
    let said = |speaker| heard(allowance.said(speaker, Said::Nothing, &found, NOW)).1;
    assert_eq!(said(person(2)), None);
    assert_eq!(said(person(1)), Some(Own(What::MessagesPerDay)));
}

#[test]
fn a_burst_is_stopped_and_told_once() {
    let limits = Limits { messages_per_minute: 4, ..Limits::default() };
    let allowance = allowance(limits);
    let mut stopped = 0;
    let mut told = 0;
    for _ in 0..10 {
        if let Said::Stop(said) = allowance.minute(user(), &limits, NOW) {
            stopped += 1;
            told += usize::from(said.is_some());
        }
    }
    assert_eq!((stopped, told), (8, 1), "half of a minute's come at once");
}
