//! Counts, sessions, choices.

use std::collections::BTreeSet;

use zaki_envelope::ChannelKind::{Slack, Telegram, WhatsApp};
use zaki_envelope::wire::{Unasked, Usage};
use zaki_envelope::{SenderId, Timestamp, ZakiUserId};
use zaki_identity::{Actor, Counts, DirectoryError, Home, How, Keep, NewInvite, Redeemed, Setting};

use super::town::{DAY, MINUTE, Town, from, key, later, now};

const fn spent(messages: u64, tokens: u64) -> Counts {
    Counts { messages, input_tokens: tokens, output_tokens: 2 * tokens, cost_micros: 7 * tokens }
}

pub(super) async fn counts_of_two_replicas_add_up(town: Town) {
    let (ann, bob) = (town.user(Telegram, "ann").await, town.user(Slack, "bob").await);
    let replicas = [town.replica().await, town.replica().await];
    let tasks = replicas.into_iter().enumerate().map(|(n, replica)| {
        // Each in another order, so that they would meet head on.
        let mut batch = [(ann, spent(1, 10)), (bob, spent(1, 1)), (ann, spent(1, 0))];
        batch.rotate_left(n);
        tokio::spawn(async move {
            for _ in 0..20 {
                replica.count(&batch, now()).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let totals = async |user| town.directory.totals(user, now()).await.unwrap();
    assert_eq!(totals(ann).await.day, spent(80, 400));
    assert_eq!(totals(bob).await.day, spent(40, 40));
    assert_eq!(totals(bob).await.month, spent(40, 40));
}

pub(super) async fn a_day_and_a_month_begin_anew(town: Town) {
    let ann = town.user(Telegram, "ann").await;
    // 2026-09-30T23:59:59Z.
    let last = Timestamp::from_secs(1_790_812_799);
    let first = last.plus_ms(1_000);
    town.directory.count(&[(ann, spent(1, 1))], last).await.unwrap();
    town.directory.count(&[(ann, spent(2, 0))], last.plus_ms(-DAY)).await.unwrap();

    let september = town.directory.totals(ann, last).await.unwrap();
    assert_eq!((september.day, september.month), (spent(1, 1), spent(3, 1)));
    assert_eq!((september.day_resets_at, september.month_resets_at), (first, first));
    let october = town.directory.totals(ann, first).await.unwrap();
    assert_eq!((october.day, october.month), (Counts::default(), Counts::default()));
    assert_eq!(october.day_resets_at, first.plus_ms(DAY));
    assert_eq!(october.month_resets_at, first.plus_ms(31 * DAY));
}

pub(super) async fn an_erased_person_is_not_counted(town: Town) {
    let (ann, bob) = (town.user(Telegram, "ann").await, town.user(Slack, "bob").await);
    town.directory.erase(bob, Actor::Operator, now()).await.unwrap();
    let batch = [(ann, spent(1, 1)), (bob, spent(1, 1))];
    town.directory.count(&batch, now()).await.unwrap();
    assert_eq!(town.directory.totals(ann, now()).await.unwrap().day, spent(1, 1));
    let rows = town.rows().await;
    assert!(rows.iter().any(|(table, _)| table == "usage"));
    let his = |(table, row): &(String, String)| table == "usage" && row.contains(&bob.to_string());
    assert!(!rows.iter().any(his));
}

pub(super) async fn whoever_comes_back_has_used_what_they_had(town: Town) {
    let totals = async |user, at| town.directory.totals(user, at).await.unwrap();
    let mut first = from(WhatsApp, "CC.1");
    first.sender.aliases = vec![SenderId::new("49123")];
    let ann = town.directory.resolve(&first, now()).await.unwrap().user().unwrap();
    let used = [(ann, spent(5, 100))];
    town.directory.count(&used, later(-DAY)).await.unwrap();
    town.directory.count(&used, now()).await.unwrap();
    town.directory.erase(ann, Actor::Operator, now()).await.unwrap();
    let kept: Vec<_> = town.rows().await.into_iter().filter(|(it, _)| it == "carried").collect();
    assert_eq!(kept.len(), 4, "the day and the month of two ids");
    assert!(kept.iter().all(|(_, row)| !row.contains("CC.1") && !row.contains("49123")));

    // By the older id alone, later that day.
    let again = town.user(WhatsApp, "49123").await;
    assert_ne!(again, ann);
    let there = totals(again, later(1)).await;
    assert_eq!((there.day, there.month), (spent(5, 100), spent(10, 200)));
    town.directory.count(&[(again, spent(1, 0))], later(1)).await.unwrap();
    town.directory.erase(again, Actor::Operator, later(2)).await.unwrap();
    // By an invitation, and by an operator, it is the same.
    let new = NewInvite { uses: 1, expires_at: None, tier: None, note: None };
    let invited = town.directory.invite(new, Actor::Operator, later(2)).await.unwrap();
    let redeemed = town.redeem(WhatsApp, "49123", &invited.code, later(3)).await;
    let Redeemed::Invited { user } = redeemed else { panic!("{redeemed:?}") };
    assert_eq!(totals(user, later(3)).await.day, spent(6, 100));
    let (by, how) = (Actor::Operator, How::Operator);
    let other = from(WhatsApp, "CC.1").sender;
    let made = town.directory.enrol(WhatsApp, &other, by, how, later(3)).await.unwrap();
    assert_eq!(totals(made, later(3)).await.day, spent(5, 100));
    assert_eq!(totals(town.user(Slack, "bob").await, now()).await.day, Counts::default());

    // With the day and the month it is gone.
    let keep = Keep { usage: 400, feedback: 400, sessions: 400 };
    town.directory.sweep(later(DAY), keep).await.unwrap();
    let marks = async || town.rows().await.iter().filter(|(it, _)| it == "carried").count();
    assert_eq!(marks().await, 2);
    town.directory.sweep(later(31 * DAY), keep).await.unwrap();
    assert_eq!(marks().await, 0);
}

pub(super) async fn whoever_leaves_with_a_sender_has_used_it_too(town: Town) {
    let ann = town.user(Telegram, "ann").await;
    for sender in ["ann", "other"] {
        town.redeem(Slack, sender, &town.offer(ann, now()).await, now()).await;
    }
    town.directory.count(&[(ann, spent(7, 0))], now()).await.unwrap();
    let unlink = async |sender, by| {
        town.directory.unlink(ann, key(Slack, sender), by, now()).await.unwrap();
        let new = town.user(Slack, sender).await;
        town.directory.totals(new, now()).await.unwrap().day.messages
    };
    assert_eq!(unlink("ann", Actor::Person(ann)).await, 7, "else each unlink were a new quota");
    assert_eq!(unlink("other", Actor::Operator).await, 0, "it may have a new owner");
}

pub(super) async fn what_agents_use_by_themselves_is_counted_once(town: Town) {
    let usage = |tokens| Usage { input_tokens: tokens, output_tokens: 0, cost_micros: 2 * tokens };
    let told = |at, day, month| Unasked { at, day: usage(day), month: usage(month) };
    let ann = town.user(Telegram, "ann").await;
    let other = town.replica().await;
    let tell = async |unasked| {
        for directory in [&town.directory, &other] {
            directory.count_unasked(&[(ann, unasked)]).await.unwrap();
        }
        let totals = town.directory.totals(ann, now()).await.unwrap();
        let tokens = (totals.day.input_tokens, totals.month.input_tokens);
        assert_eq!((totals.day.cost_micros, totals.day.messages), (2 * tokens.0, 0));
        tokens
    };
    assert_eq!(tell(told(now(), 0, 0)).await, (0, 0));
    assert_eq!(tell(told(now(), 10, 30)).await, (10, 30), "by whoever, however often");
    assert_eq!(tell(told(now(), 15, 35)).await, (15, 35));
    assert_eq!(tell(told(now(), 10, 30)).await, (15, 35), "it comes late");
    // It was read before midnight.
    assert_eq!(tell(told(later(-DAY), 99, 34)).await, (15, 35));
    // What turns use is beside it.
    let turn = Counts { input_tokens: 100, cost_micros: 200, ..Counts::default() };
    town.directory.count(&[(ann, turn)], now()).await.unwrap();
    assert_eq!(tell(told(now(), 16, 36)).await, (116, 136));
    let nobody = ZakiUserId::from_parts(now(), 1);
    town.directory.count_unasked(&[(nobody, told(now(), 1, 1))]).await.unwrap();
    assert_eq!(town.directory.totals(nobody, now()).await.unwrap().day, Counts::default());
}

pub(super) async fn a_person_moves_between_sessions(town: Town) {
    let (ann, bob) = (town.user(Telegram, "ann").await, town.user(Slack, "bob").await);
    let list = async || {
        let sessions = town.directory.sessions(ann).await.unwrap();
        sessions.into_iter().map(|session| (session.n, session.name)).collect::<Vec<_>>()
    };
    let current = async || town.person(ann).await.session;
    assert_eq!((list().await, current().await), (vec![(1, None)], 1));
    let begin = async |name, at| town.directory.new_session(ann, name, at).await.unwrap();
    assert_eq!(begin(Some("taxes"), later(1)).await, 2);
    assert_eq!(begin(None, later(2)).await, 3);
    let taxes = || (2, Some("taxes".to_owned()));
    assert_eq!((list().await, current().await), (vec![(3, None), taxes(), (1, None)], 3));

    let switch = async |n, at| town.directory.switch_session(ann, n, at).await.unwrap();
    assert!(switch(1, later(3)).await);
    assert_eq!((list().await, current().await), (vec![(3, None), (1, None), taxes()], 1));
    assert!(!switch(4, later(4)).await);
    assert_eq!(current().await, 1);
    assert_eq!(begin(None, later(5)).await, 4, "no number comes twice");
    assert_eq!(town.person(bob).await.session, 1);
    let nobody = ZakiUserId::from_parts(now(), 1);
    let error = town.directory.new_session(nobody, None, now()).await.unwrap_err();
    assert!(matches!(error, DirectoryError::UnknownPerson(_)));
}

pub(super) async fn sessions_begun_at_once_are_different(town: Town) {
    let ann = town.user(Telegram, "ann").await;
    let replicas = [town.replica().await, town.replica().await];
    let begun = (0..10_usize).map(|n| {
        let replica = replicas[n % 2].clone();
        tokio::spawn(async move { replica.new_session(ann, None, now()).await.unwrap() })
    });
    let mut numbers = BTreeSet::new();
    for task in begun.collect::<Vec<_>>() {
        numbers.insert(task.await.unwrap());
    }
    assert_eq!(numbers, (2..=11).collect());
}

pub(super) async fn a_person_chooses_and_takes_it_back(town: Town) {
    let (ann, bob) = (town.user(Telegram, "ann").await, town.user(Slack, "bob").await);
    let home = Home::of(&from(Telegram, "ann"));
    let word = |word: &str| Some(word.to_owned());
    for setting in [
        Setting::Mode(word("steer")),
        Setting::Lang(word("ar")),
        Setting::Model(word("big")),
        Setting::Home(Some(home.clone())),
    ] {
        town.directory.set(ann, setting).await.unwrap();
    }
    let person = town.person(ann).await;
    assert_eq!((person.mode, person.lang, person.model), (word("steer"), word("ar"), word("big")));
    assert_eq!(person.home.as_ref(), Some(&home));
    assert_eq!(person.home.unwrap().address().conversation, home.conversation);
    let other = town.person(bob).await;
    assert_eq!((other.mode, other.home), (None, None));

    town.directory.set(ann, Setting::Home(None)).await.unwrap();
    town.directory.set(ann, Setting::Mode(None)).await.unwrap();
    let person = town.person(ann).await;
    assert_eq!((person.mode, person.home, person.lang), (None, None, word("ar")));
    let nobody = ZakiUserId::from_parts(now(), 1);
    let error = town.directory.set(nobody, Setting::Lang(None)).await.unwrap_err();
    assert!(matches!(error, DirectoryError::UnknownPerson(user) if user == nobody));
}

pub(super) async fn feedback_is_kept_for_the_operator(town: Town) {
    let ann = town.user(Telegram, "ann").await;
    town.directory.feedback(ann, "well done", now()).await.unwrap();
    let long = format!("\0{}", "ه".repeat(5_000));
    town.directory.feedback(ann, &long, later(MINUTE)).await.unwrap();
    let kept = town.directory.feedbacks(10).await.unwrap();
    assert_eq!(kept.iter().map(|f| f.text.chars().count()).collect::<Vec<_>>(), [4_000, 9]);
    assert_eq!((kept[1].user, kept[1].at, &*kept[1].text), (ann, now(), "well done"));
    assert!(!format!("{kept:?}").contains("well done"));
    assert_eq!(town.directory.feedbacks(1).await.unwrap().len(), 1);
}
