//! The table by hand.

use super::*;

const RULES: Rules = Rules {
    max_wait: Duration::from_mins(2),
    patience: Duration::from_hours(24),
    report: Duration::from_mins(1),
};
const NONCE: Recourse = Recourse::Repeat { within: Duration::from_mins(2) };
const STATUS: Recourse = Recourse::Callback { within: Duration::from_mins(5) };

const fn letter(recourse: Recourse, claims: u32, age: Duration) -> Letter {
    Letter { recourse, harmless: false, claims, age }
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// The first answer to a send, claimed for the `claims`th time at `age`, drawn longest.
fn first(retry: Retry, recourse: Recourse, claims: u32, age: Duration) -> Act {
    Attempt::new(RULES, letter(recourse, claims, age), secs(0)).step(
        Heard::Failed(retry),
        secs(0),
        1.0,
    )
}

#[test]
fn a_pause_is_never_shorter_than_the_platform_asks_and_our_own_is_capped() {
    let pause = |ms, claims| first(Retry::AfterMs(ms), Recourse::None, claims, secs(0));
    assert_eq!(pause(0, 1), Act::End(End::Retry(Duration::from_millis(500))));
    assert_eq!(pause(0, 3), Act::End(End::Retry(secs(2))));
    assert_eq!(pause(0, u32::MAX), Act::End(End::Retry(RULES.max_wait)));
    assert_eq!(pause(2_100_000, 1), Act::End(End::Retry(Duration::from_mins(35))));
}

#[test]
fn many_who_fail_at_once_do_not_come_back_at_once() {
    let pause = |draw| {
        let mut attempt = Attempt::new(RULES, letter(Recourse::None, 4, secs(0)), secs(0));
        attempt.step(Heard::Failed(Retry::AfterMs(0)), secs(0), draw)
    };
    assert_eq!(pause(0.0), Act::End(End::Retry(secs(2))));
    assert_eq!(pause(0.5), Act::End(End::Retry(secs(3))));
}

#[test]
fn patience_ends_a_reply_and_nothing_else_does() {
    let many = first(Retry::AfterMs(0), Recourse::None, 700, Duration::from_hours(23));
    assert!(matches!(many, Act::End(End::Retry(_))), "{many:?}");
    let old = first(Retry::AfterMs(0), Recourse::None, 2, Duration::from_hours(24));
    assert_eq!(old, Act::End(End::GivenUp));
    let too_long = first(Retry::AfterMs(u64::MAX), Recourse::None, 1, secs(0));
    assert_eq!(too_long, Act::End(End::GivenUp), "waits are bounded");
    assert_eq!(first(Retry::Never, NONCE, 1, secs(0)), Act::End(End::Refused));
}

#[test]
fn without_recourse_what_may_have_arrived_is_not_sent_again() {
    assert_eq!(first(Retry::Unknown, Recourse::None, 1, secs(0)), Act::End(End::Unknown));
    let (_, act) = Attempt::resume(RULES, letter(Recourse::None, 1, secs(1)), secs(1), secs(0));
    assert_eq!(act, Act::End(End::Unknown));
}

#[test]
fn a_nonce_is_repeated_as_long_as_the_platform_remembers_it() {
    let mut attempt = Attempt::new(RULES, letter(NONCE, 1, secs(0)), secs(10));
    let mut now = secs(40);
    let mut act = attempt.step(Heard::Failed(Retry::Unknown), now, 1.0);
    let mut sends = 0;
    while let Act::Wait(until) = act {
        assert!(until > now && until < secs(130), "{until:?}");
        now = until;
        assert_eq!(attempt.step(Heard::Time, now, 1.0), Act::Send);
        sends += 1;
        act = attempt.step(Heard::Failed(Retry::AfterMs(100)), now, 1.0);
    }
    assert_eq!(act, Act::End(End::Unknown));
    assert!(sends > 5, "{sends}");
    // Somebody woke too late.
    let mut attempt = Attempt::new(RULES, letter(NONCE, 1, secs(0)), secs(10));
    attempt.step(Heard::Failed(Retry::Unknown), secs(11), 1.0);
    assert_eq!(attempt.step(Heard::Time, secs(130), 1.0), Act::End(End::Unknown));
    assert_eq!(attempt.step(Heard::Sent, secs(130), 1.0), Act::End(End::Sent));
}

#[test]
fn what_is_refused_after_it_may_have_arrived_is_still_unknown() {
    let mut attempt = Attempt::new(RULES, letter(NONCE, 1, secs(0)), secs(0));
    attempt.step(Heard::Failed(Retry::Unknown), secs(1), 1.0);
    assert_eq!(attempt.step(Heard::Time, secs(2), 1.0), Act::Send);
    let refused = attempt.step(Heard::Failed(Retry::Never), secs(3), 1.0);
    assert_eq!(refused, Act::End(End::Unknown));
}

#[test]
fn a_nonce_an_earlier_process_used_is_repeated_at_once_or_never() {
    let resume = |before| Attempt::resume(RULES, letter(NONCE, 1, before), before, secs(0)).1;
    assert_eq!(resume(secs(119)), Act::Send);
    assert_eq!(resume(secs(120)), Act::End(End::Unknown));
}

#[test]
fn a_platform_is_asked_after_a_while_and_its_word_counts() {
    let asked = |heard| {
        let mut attempt = Attempt::new(RULES, letter(Recourse::Prove, 1, secs(0)), secs(0));
        let act = attempt.step(Heard::Failed(Retry::Unknown), secs(1), 0.0);
        assert_eq!(act, Act::Wait(secs(1) + QUIET));
        assert_eq!(attempt.step(Heard::Time, secs(7), 0.0), Act::Prove);
        attempt.step(heard, secs(8), 1.0)
    };
    assert_eq!(asked(Heard::Proved(true)), Act::End(End::Sent));
    assert_eq!(asked(Heard::Proved(false)), Act::End(End::Retry(Duration::from_millis(500))));
    assert_eq!(asked(Heard::CannotTell), Act::End(End::Unknown));
    assert_eq!(asked(Heard::Failed(Retry::Never)), Act::End(End::Unknown));
    assert_eq!(asked(Heard::Failed(Retry::Unknown)), Act::Wait(secs(8) + QUIET));
    assert_eq!(asked(Heard::Failed(Retry::AfterMs(60_000))), Act::Wait(secs(68)));
    assert_eq!(asked(Heard::Failed(Retry::AfterMs(600_000))), Act::End(End::Unknown));
}

#[test]
fn a_report_is_waited_for_so_long_and_no_longer() {
    let mut attempt = Attempt::new(RULES, letter(STATUS, 1, secs(0)), secs(10));
    let act = attempt.step(Heard::Failed(Retry::Unknown), secs(20), 0.0);
    assert_eq!(act, Act::Wait(secs(80)));
    let mut other = attempt;
    assert_eq!(other.step(Heard::Reported(true), secs(21), 0.0), Act::End(End::Sent));
    let mut other = attempt;
    assert_eq!(other.step(Heard::Reported(false), secs(21), 0.0), Act::End(End::Refused));
    assert_eq!(attempt.step(Heard::Time, secs(80), 0.0), Act::End(End::Unknown));
    // Reports that came while nobody listened come again.
    let resumed = Attempt::resume(RULES, letter(STATUS, 1, secs(500)), secs(500), secs(1000)).1;
    assert_eq!(resumed, Act::Wait(secs(1060)));
}

#[test]
fn what_does_no_harm_twice_is_sent_a_few_times() {
    let notice = |claims| Letter { harmless: true, ..letter(Recourse::None, claims, secs(0)) };
    let lost = |claims| {
        Attempt::new(RULES, notice(claims), secs(0)).step(
            Heard::Failed(Retry::Unknown),
            secs(0),
            1.0,
        )
    };
    assert_eq!(lost(1), Act::End(End::Retry(Duration::from_millis(500))));
    assert_eq!(lost(2), Act::End(End::Retry(secs(1))));
    assert_eq!(lost(3), Act::End(End::Unknown));
    let (_, act) = Attempt::resume(RULES, notice(1), secs(9), secs(0));
    assert_eq!(act, Act::End(End::Retry(Duration::from_millis(500))), "cut by a crash");
}
