//! A perfect run, and one doctored record for every promise: each must be seen, and nothing else.

use std::time::Duration;

use super::*;
use crate::chaos::script::spelled;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn place() -> Where {
    (ChannelKind::Telegram, "7".to_owned())
}

fn asked(message: MessageNo, words: u32) -> Asked {
    Asked {
        message,
        words,
        speaker: 1,
        place: place(),
        thread: None,
        said_at: at(u64::from(message) * 10),
        acknowledged: Some(at(u64::from(message) * 10 + 1)),
        in_line: false,
    }
}

fn text(message: MessageNo, words: std::ops::Range<u32>) -> String {
    let words: Vec<String> = words.map(|word| spelled(message, word)).collect();
    format!("echo: {}", words.join(" "))
}

fn shown(text: &str, seconds: u64) -> Shown {
    Shown { at: at(seconds), place: place(), text: text.to_owned() }
}

fn stored(turn: &str, state: State, text: &str) -> Stored {
    Stored {
        place: place(),
        turn: Some(turn.to_owned()),
        is_notice: false,
        state,
        changed_at: 50_000,
        text: text.to_owned(),
    }
}

/// Three questions, the second answered in two parts; everything sent.
fn perfect() -> Records {
    let parts = [text(1, 0..2), text(2, 0..3), text(2, 3..6), text(3, 0..1)];
    let turns = ["a", "b", "b", "c"];
    Records {
        asked: vec![asked(1, 2), asked(2, 6), asked(3, 1)],
        shown: parts.iter().zip(42..).map(|(part, second)| shown(part, second)).collect(),
        stored: parts.iter().zip(turns).map(|(p, turn)| stored(turn, State::Sent, p)).collect(),
        waiting: 0,
        in_flight: Some(1),
    }
}

fn doctored(doctor: impl FnOnce(&mut Records)) -> Vec<Flaw> {
    let mut records = perfect();
    doctor(&mut records);
    check(&records)
}

#[test]
fn nothing_is_wrong_with_a_perfect_run() {
    assert_eq!(check(&perfect()), []);
}

#[test]
fn what_was_never_acknowledged_need_not_be_answered() {
    let unheard = |records: &mut Records| {
        records.asked.push(Asked { acknowledged: None, ..asked(4, 2) });
    };
    assert_eq!(doctored(unheard), []);
    let half = |records: &mut Records| {
        records.asked[1].acknowledged = None;
        records.shown.remove(2);
        records.stored.remove(2);
    };
    assert_eq!(doctored(half), [Flaw::Lost(2, 3)], "but once begun it is");
}

#[test]
fn a_lost_answer_is_seen() {
    let lost = |records: &mut Records| {
        records.shown.remove(3);
        records.stored.remove(3);
    };
    assert_eq!(doctored(lost), [Flaw::Lost(3, 0)]);
    let never = |records: &mut Records| drop(records.shown.remove(3));
    assert_eq!(doctored(never), [Flaw::NeverArrived(3, 0)], "whatever the ledger says");
    let half = |records: &mut Records| drop(records.shown.remove(2));
    assert_eq!(doctored(half), [Flaw::NeverArrived(2, 3)]);
}

#[test]
fn a_second_copy_is_seen() {
    let sent_twice = |records: &mut Records| {
        let copy = records.shown[3].clone();
        records.shown.push(copy);
    };
    assert_eq!(doctored(sent_twice), [Flaw::Twice(3, 0)]);
    let run_twice = |records: &mut Records| {
        records.stored.push(stored("d", State::Unknown, &text(3, 0..1)));
        records.shown.push(shown("Something may be missing.", 60));
    };
    assert_eq!(doctored(run_twice), [Flaw::AnsweredTwice(3, 0)]);
}

#[test]
fn another_order_is_seen() {
    let swapped = |records: &mut Records| records.shown.swap(0, 3);
    let flaws = doctored(swapped);
    assert_eq!(flaws, [Flaw::Overtaken(1, 2), Flaw::Overtaken(1, 3), Flaw::Overtaken(2, 3)]);
    let at_once = |records: &mut Records| {
        // Said before the first was acknowledged: the platform may have turned them round.
        records.asked[1].said_at = at(10);
        records.asked[2].said_at = at(10);
        records.shown.swap(0, 3);
    };
    assert_eq!(doctored(at_once), []);
    let in_line = |records: &mut Records| {
        for asked in &mut records.asked {
            (asked.said_at, asked.in_line) = (at(10), true);
        }
        records.shown.swap(0, 3);
    };
    assert_eq!(doctored(in_line).len(), 3, "but one that delivers in line cannot");
    let threads = |records: &mut Records| {
        records.asked[0].thread = Some("another".to_owned());
        records.shown.swap(0, 3);
    };
    assert_eq!(doctored(threads), [Flaw::Overtaken(2, 3)], "threads have no common order");
    let others = |records: &mut Records| {
        records.asked[0].speaker = 2;
        records.shown.swap(0, 3);
    };
    assert_eq!(doctored(others), [Flaw::Overtaken(2, 3)], "two people have no common order");
}

#[test]
fn parts_out_of_order_or_with_something_between_are_seen() {
    let parts = |records: &mut Records| records.shown.swap(1, 2);
    assert_eq!(doctored(parts), [Flaw::Jumbled(2)]);
    let between = |records: &mut Records| {
        records.asked[2].speaker = 2;
        records.shown.swap(2, 3);
    };
    assert_eq!(doctored(between), [Flaw::Interleaved(2)]);
    let gap = |records: &mut Records| {
        records.stored[1].state = State::Unknown;
        records.shown.remove(1);
        records.shown.push(shown("A part may be missing.", 60));
    };
    assert_eq!(doctored(gap), [Flaw::Jumbled(2)], "it must not go on after a failed one");
}

#[test]
fn an_answer_in_the_wrong_place_is_seen() {
    let elsewhere = |records: &mut Records| records.shown[0].place.1 = "8".to_owned();
    assert_eq!(doctored(elsewhere), [Flaw::Misplaced(1)]);
    let from_nowhere = |records: &mut Records| records.shown.push(shown(&text(99, 0..1), 60));
    assert_eq!(doctored(from_nowhere), [Flaw::Invented(99)]);
}

/// The second answer broke off after its first part.
fn broken_off(records: &mut Records) {
    records.stored[1].state = State::Unknown;
    records.stored[2].state = State::Dead;
    records.shown.remove(2);
}

#[test]
fn a_loss_is_fine_when_the_person_was_told_after_it() {
    let told = |records: &mut Records| {
        broken_off(records);
        records.shown.push(shown("An answer may be missing.", 51));
    };
    assert_eq!(doctored(told), []);
    assert_eq!(doctored(broken_off), [Flaw::Untold(2)]);
    let too_early = |records: &mut Records| {
        broken_off(records);
        records.shown.push(shown("An answer may be missing.", 49));
    };
    assert_eq!(doctored(too_early), [Flaw::Untold(2)], "that was about something else");
    let elsewhere = |records: &mut Records| {
        broken_off(records);
        let place = (ChannelKind::Telegram, "8".to_owned());
        records.shown.push(Shown { place, ..shown("An answer may be missing.", 51) });
    };
    assert_eq!(doctored(elsewhere), [Flaw::Untold(2)]);
}

#[test]
fn giving_up_without_a_reason_is_seen() {
    let given_up = |records: &mut Records| {
        records.stored[3].state = State::Dead;
        records.shown.remove(3);
        records.shown.push(shown("An answer is missing.", 60));
    };
    assert_eq!(doctored(given_up), [Flaw::GivenUp(3)]);
}

#[test]
fn more_unknowns_than_kills_can_explain_are_seen() {
    let told = |records: &mut Records| {
        broken_off(records);
        records.shown.push(shown("An answer may be missing.", 51));
        records.in_flight = Some(0);
    };
    assert_eq!(doctored(told), [Flaw::TooManyUnknown(1, 0)]);
}

#[test]
fn what_is_left_open_is_seen_and_may_pass() {
    let open = |records: &mut Records| {
        records.waiting = 2;
        records.stored[3].state = State::Open;
    };
    let flaws = doctored(open);
    assert_eq!(flaws, [Flaw::Unfinished(1, 2)]);
    assert!(flaws.iter().all(Flaw::may_pass) && !Flaw::Twice(1, 0).may_pass());
}
