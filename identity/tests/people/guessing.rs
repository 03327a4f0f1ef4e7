//! What whoever guesses codes is up against.

use std::time::{Duration, Instant};

use zaki_envelope::ChannelKind::{Discord, Slack, Telegram};
use zaki_identity::{Actor, FIRST_WRONG, LinkCode, MORE_WRONG, NewInvite, Redeemed, most_wrong_in};

use super::town::{MINUTE, Town, from, later, now};

pub(super) async fn a_sender_has_five_tries(town: Town) {
    let ann = town.user(Telegram, "ann").await;
    let wrong = LinkCode::typed("2222-2222");
    for _ in 0..5 {
        assert_eq!(town.redeem(Slack, "eve", &wrong, now()).await, Redeemed::Refused);
    }
    let code = town.offer(ann, later(9 * MINUTE)).await;
    let shut = Redeemed::TooMany { until: later(10 * MINUTE) };
    assert_eq!(
        town.redeem(Slack, "eve", &code, later(9 * MINUTE)).await,
        shut,
        "the right one too"
    );
    let elsewhere = town.replica().await;
    let try_there = elsewhere.redeem(&from(Slack, "eve"), &code, later(9 * MINUTE)).await.unwrap();
    assert_eq!(try_there, shut, "at every replica");
    let again = town.redeem(Slack, "eve", &code, later(10 * MINUTE)).await;
    assert!(matches!(again, Redeemed::Joined { .. }));
}

pub(super) async fn a_bot_has_so_many_wrong_codes_a_minute(town: Town) {
    let wrong = LinkCode::typed("2222-2222");
    for n in 0..FIRST_WRONG.most {
        let redeemed = town.redeem(Slack, &format!("eve.{n}"), &wrong, now()).await;
        assert_eq!(redeemed, Redeemed::Refused);
    }
    let shut = Redeemed::TooMany { until: later(MINUTE) };
    assert_eq!(town.redeem(Slack, "eve", &wrong, later(1)).await, shut);
    assert_eq!(
        town.redeem(Discord, "eve", &wrong, later(1)).await,
        Redeemed::Refused,
        "another bot"
    );
    assert_eq!(town.redeem(Slack, "eve", &wrong, later(MINUTE)).await, Redeemed::Refused);
}

/// Whoever has few accounts spoils it for those who do what they do, guess again and again, and
/// not for whoever types a code for the first time.
pub(super) async fn a_few_who_guess_shut_no_newcomer_out(town: Town) {
    let ann = town.user(Telegram, "ann").await;
    let wrong = LinkCode::typed("2222-2222");
    let (mut refused, mut shut) = (0, 0);
    for sender in 0..=MORE_WRONG.most / 4 {
        for _ in 0..5 {
            match town.redeem(Slack, &format!("eve.{sender}"), &wrong, now()).await {
                Redeemed::Refused => refused += 1,
                Redeemed::TooMany { until } if until == later(MINUTE) => shut += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((refused, shut), (MORE_WRONG.most + MORE_WRONG.most / 4 + 1, 4));
    let code = town.offer(ann, now()).await;
    let joined = town.redeem(Slack, "ann", &code, later(1)).await;
    assert_eq!(joined, Redeemed::Joined { user: ann, moved: false });
    let slip = town.redeem(Slack, "ann's other", &wrong, later(1)).await;
    assert_eq!(slip, Redeemed::Refused, "also to err");
}

/// However many have a right one in the same minute.
pub(super) async fn right_codes_use_nothing_up(town: Town) {
    let uses = FIRST_WRONG.most + 10;
    let invitation = NewInvite { uses, expires_at: None, tier: None, note: None };
    let made = town.directory.invite(invitation, Actor::Operator, now()).await.unwrap();
    for n in 0..uses {
        let invited = town.redeem(Slack, &format!("ann.{n}"), &made.code, now()).await;
        assert!(matches!(invited, Redeemed::Invited { .. }), "{n}: {invited:?}");
    }
}

/// As many strangers as they like, at two replicas, for the whole life of a code.
pub(super) async fn guessing_at_full_speed_finds_nothing(town: Town) {
    let ann = town.user(Telegram, "ann").await;
    let code = town.offer(ann, now()).await;
    let replicas = [town.replica().await, town.replica().await];
    let guessers = (0..4_usize).map(|guesser| {
        let replica = replicas[guesser % 2].clone();
        tokio::spawn(async move {
            let (mut looked_up, mut turned_away) = (0_u64, 0_u64);
            for minute in 0..10 {
                for n in 0..100 {
                    let sender = from(Slack, &format!("eve.{guesser}.{minute}.{n}"));
                    // Not of the alphabet, so that chance cannot fail the test.
                    let guess = LinkCode::typed(&format!("0{guesser}{minute:02}00{n:02}"));
                    match replica.redeem(&sender, &guess, later(minute * MINUTE)).await.unwrap() {
                        Redeemed::Refused => looked_up += 1,
                        Redeemed::TooMany { .. } => turned_away += 1,
                        other => panic!("{other:?}"),
                    }
                }
            }
            (looked_up, turned_away)
        })
    });
    let (mut looked_up, mut turned_away) = (0, 0);
    for guesser in guessers.collect::<Vec<_>>() {
        let (up, away) = guesser.await.unwrap();
        (looked_up, turned_away) = (looked_up + up, turned_away + away);
    }
    println!("{looked_up} of {} guesses were looked up", looked_up + turned_away);
    assert!(looked_up <= most_wrong_in(10 * MINUTE));
    assert!(turned_away > 0);
    let joined = town.redeem(Telegram, "ann", &code, later(9 * MINUTE)).await;
    assert_eq!(joined, Redeemed::Already { user: ann }, "the code is untouched");
}

/// For those who look: nothing depends on it, since timing on this machine proves nothing.
pub(super) async fn wrong_codes_take_equally_long(town: Town) {
    let ann = town.user(Telegram, "ann").await;
    let used = town.offer(ann, now()).await;
    town.redeem(Slack, "ann", &used, now()).await;
    let old = town.offer(ann, later(-11 * MINUTE)).await;
    let kinds = [
        ("used", used),
        ("expired", old),
        ("never made", LinkCode::typed("2345-6789")),
        ("no code at all", LinkCode::typed("hello")),
    ];
    for (minute, (kind, code)) in (1..).zip(kinds) {
        let mut times = Vec::new();
        for n in 0..50 {
            let sender = from(Slack, &format!("eve.{kind}.{n}"));
            let begun = Instant::now();
            let redeemed = town.directory.redeem(&sender, &code, later(minute * MINUTE)).await;
            times.push(begun.elapsed());
            assert_eq!(redeemed.unwrap(), Redeemed::Refused);
        }
        times.sort_unstable();
        let at = |percent: usize| {
            times.get(times.len() * percent / 100).copied().unwrap_or(Duration::ZERO)
        };
        println!("{kind}: 10% {:?}, 50% {:?}, 90% {:?}", at(10), at(50), at(90));
    }
}
