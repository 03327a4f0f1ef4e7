//! No minute holds more than it may, and nothing is said twice, by hand and by random schedules.

use std::collections::HashMap;

use super::*;
use crate::dice::Dice;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const PASS: Verdict = Verdict::Pass { near: None };

#[test]
fn half_at_once_the_others_evenly_and_each_line_once() {
    let mut minutes = Minutes::new(10);
    let mut said = Vec::new();
    for _ in 0..12 {
        said.push(minutes.ask(&"ada", 20, seconds(100)));
    }
    assert_eq!(said[..7], [PASS; 7]);
    let near = Near { left: 2, full_at: seconds(148) };
    assert_eq!(said[7], Verdict::Pass { near: Some(near) });
    assert_eq!(said[8..10], [PASS; 2]);
    assert_eq!(said[10], Verdict::Over { until: seconds(106), tell: true });
    assert_eq!(said[11], Verdict::Over { until: seconds(106), tell: false });
    assert_eq!(minutes.ask(&"bob", 20, seconds(100)), PASS, "another person");
    assert_eq!(minutes.ask(&"ada", 20, seconds(106)), PASS);
    let over = minutes.ask(&"ada", 20, seconds(106));
    assert_eq!(over, Verdict::Over { until: seconds(112), tell: false }, "they know");
}

#[test]
fn who_has_slowed_down_is_told_again() {
    let mut minutes = Minutes::new(10);
    let mut told = |now| {
        let ask = || minutes.ask(&(), 20, now);
        let said: Vec<_> = std::iter::repeat_with(ask).take(15).collect();
        let near = said.iter().filter(|it| matches!(it, Verdict::Pass { near: Some(_) })).count();
        let over = said.iter().filter(|it| matches!(it, Verdict::Over { tell: true, .. })).count();
        (near, over)
    };
    assert_eq!(told(seconds(0)), (1, 1));
    assert_eq!(told(seconds(20)), (0, 0));
    assert_eq!(told(seconds(77)), (0, 0), "not quite");
    assert_eq!(told(seconds(160)), (1, 1));
}

#[test]
fn small_limits_are_not_announced_and_none_is_none() {
    let mut minutes = Minutes::new(10);
    assert_eq!(minutes.ask(&(), 1, seconds(0)), PASS);
    let over = minutes.ask(&(), 1, seconds(1));
    assert_eq!(over, Verdict::Over { until: seconds(60), tell: true });
    assert_eq!(minutes.ask(&(), 1, seconds(60)), PASS);
    for _ in 0..1000 {
        assert_eq!(minutes.ask(&(), 0, seconds(0)), PASS);
    }
}

#[test]
fn a_million_people_take_no_more_room_than_is_allowed() {
    let mut minutes = Minutes::new(5_000);
    for person in 0..1_000_000_u32 {
        minutes.ask(&person, 20, Duration::from_micros(person.into()));
        assert!(minutes.remembered() <= 5_000);
    }
    // Nobody needs to be remembered whose minute is over.
    minutes = Minutes::new(1_000_000);
    for person in 0..200_000_u32 {
        minutes.ask(&person, 20, Duration::from_millis(u64::from(person) * 10));
        assert!(minutes.remembered() <= 2_048, "{}", minutes.remembered());
    }
}

#[test]
fn no_minute_holds_more_in_a_million_random_messages() {
    for seed in 0..200 {
        let mut dice = Dice::new(seed);
        let per_minute = 1 + u32::try_from(dice.below(40)).unwrap();
        let mut minutes = Minutes::new(100);
        let mut passed: HashMap<usize, Vec<Duration>> = HashMap::new();
        let mut told: HashMap<usize, Duration> = HashMap::new();
        let mut now = seconds(0);
        for _ in 0..5_000 {
            let pause = if dice.once_in(50) { 60_000 } else { 2_000 };
            now += dice.millis(0..pause);
            let person = dice.below(2);
            match minutes.ask(&person, per_minute, now) {
                Verdict::Pass { .. } => passed.entry(person).or_default().push(now),
                Verdict::Over { until, tell } => {
                    assert!(until > now && until <= now + MINUTE, "{until:?} at {now:?}");
                    assert!(tell || told.contains_key(&person), "refused in silence");
                    let before = tell.then(|| told.insert(person, now)).flatten();
                    // Half a bucket comes back between the one and the other.
                    let quiet = before.is_none_or(|before| now - before >= seconds(15));
                    assert!(
                        quiet || per_minute == 1,
                        "told again after {:?}",
                        now - before.unwrap()
                    );
                }
            }
        }
        for passed in passed.values() {
            let most = usize::try_from(per_minute).unwrap();
            for pair in passed.windows(most + 1) {
                assert!(pair[most] - pair[0] >= MINUTE, "seed {seed}: more than {most}");
            }
        }
    }
}
