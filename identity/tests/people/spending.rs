//! Counts, sessions, choices.

use std::collections::BTreeSet;

use zaki_envelope::ChannelKind::{Slack, Telegram};
use zaki_envelope::{Timestamp, ZakiUserId};
use zaki_identity::{Actor, Counts, DirectoryError, Home, Setting};

use super::town::{DAY, MINUTE, Town, from, later, now};

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
                assert_eq!(replica.count(&batch, now()).await.unwrap().len(), 2);
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
    let counted = town.directory.count(&[(ann, spent(1, 1))], last).await.unwrap();
    assert_eq!(counted, [(ann, town.directory.totals(ann, last).await.unwrap())]);
    assert_eq!((counted[0].1.day_resets_at, counted[0].1.month_resets_at), (first, first));
    town.directory.count(&[(ann, spent(2, 0))], last.plus_ms(-DAY)).await.unwrap();

    let september = town.directory.totals(ann, last).await.unwrap();
    assert_eq!((september.day, september.month), (spent(1, 1), spent(3, 1)));
    let october = town.directory.totals(ann, first).await.unwrap();
    assert_eq!((october.day, october.month), (Counts::default(), Counts::default()));
    assert_eq!(october.day_resets_at, first.plus_ms(DAY));
    assert_eq!(october.month_resets_at, first.plus_ms(31 * DAY));
}

pub(super) async fn an_erased_person_is_not_counted(town: Town) {
    let (ann, bob) = (town.user(Telegram, "ann").await, town.user(Slack, "bob").await);
    town.directory.erase(bob, Actor::Operator, now()).await.unwrap();
    let batch = [(ann, spent(1, 1)), (bob, spent(1, 1))];
    let counted = town.directory.count(&batch, now()).await.unwrap();
    assert_eq!(counted.iter().map(|(user, _)| *user).collect::<Vec<_>>(), [ann]);
    let rows = town.rows().await;
    assert!(rows.iter().any(|(table, _)| table == "usage"));
    let his = |(table, row): &(String, String)| table == "usage" && row.contains(&bob.to_string());
    assert!(!rows.iter().any(his));
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
