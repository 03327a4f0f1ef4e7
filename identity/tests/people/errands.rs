//! What follows elsewhere: written with what it follows from, done in order by whoever runs.

use zaki_envelope::ChannelKind::{Discord, Slack, Telegram};
use zaki_envelope::ZakiUserId;
use zaki_identity::{Actor, Directory, ERRAND_MS, Errand, HEAD_START_MS, Pick, Task};

use super::town::{DAY, MINUTE, Town, later, now};

const fn anybody(ms: i64) -> Pick {
    Pick { of: None, due: later(ms), edge: true, most: 9 }
}

async fn take(directory: &Directory, by: &str, ms: i64) -> Vec<Errand> {
    directory.take_errands(anybody(ms), by, later(ms)).await.unwrap()
}

async fn one(directory: &Directory, by: &str, ms: i64) -> Errand {
    let mut taken = take(directory, by, ms).await;
    assert_eq!(taken.len(), 1, "{taken:?}");
    taken.remove(0)
}

async fn words(town: &Town, of: Option<ZakiUserId>) -> Vec<(ZakiUserId, &'static str)> {
    let errands = town.directory.errands(of, 99).await.unwrap();
    errands.iter().map(|errand| (errand.user, errand.task.word())).collect()
}

pub(super) async fn what_follows_an_erasure_is_written_with_it_and_done_in_order(town: Town) {
    let directory = &town.directory;
    let (ann, bob) = (town.user(Telegram, "ann").await, town.user(Slack, "bob").await);
    town.merge(ann, bob, now()).await;
    let refused = directory.erase(ann, Actor::Person(bob), now()).await;
    assert!(refused.is_err());
    assert_eq!(words(&town, None).await, [(bob, "retire")], "what is not done has no sequel");
    assert!(!directory.has_errands(now()).await.unwrap(), "whoever gave it has a head start");

    directory.erase(ann, Actor::Operator, now()).await.unwrap();
    // Nobody need stop who is removed.
    assert_eq!(words(&town, None).await, [(ann, "forget"), (ann, "erase"), (ann, "forget")]);
    assert!(directory.has_errands(later(HEAD_START_MS)).await.unwrap());

    let first = one(directory, "a", HEAD_START_MS).await;
    let Task::Forget { traces, last_look: false } = &first.task else { panic!("{first:?}") };
    assert_eq!(traces.users, [bob, ann]);
    let senders: Vec<_> = traces.senders.iter().map(|it| it.sender.as_str()).collect();
    assert_eq!(senders, ["bob", "ann"]);
    assert_eq!(take(directory, "a", HEAD_START_MS).await, [], "one after the other");
    assert!(directory.errand_done(&first, "a", later(2 * DAY)).await.unwrap());
    let second = one(directory, "a", 2 * DAY).await;
    assert_eq!(second.task, Task::Erase { users: vec![bob, ann] });
    assert!(directory.errand_done(&second, "a", later(2 * DAY)).await.unwrap());

    assert_eq!(take(directory, "a", 2 * DAY).await, [], "what is under way needs its time");
    let last = one(directory, "a", 2 * DAY + MINUTE).await;
    assert!(last.task.is_last_look());
    assert!(directory.errand_done(&last, "a", later(3 * DAY)).await.unwrap());
    assert_eq!(words(&town, None).await, []);
}

pub(super) async fn an_errand_is_one_replica_s_and_goes_on_without_it(town: Town) {
    let ann = town.user(Telegram, "ann").await;
    town.directory.erase(ann, Actor::Operator, now()).await.unwrap();
    let (here, there) = (&town.directory, town.replica().await);
    let at = HEAD_START_MS;
    let taken = one(here, "a", at).await;
    assert_eq!(take(&there, "b", at + ERRAND_MS - 1).await, []);
    assert!(!there.errand_done(&taken, "b", later(at)).await.unwrap());
    // The first one is no more.
    let over = one(&there, "b", at + ERRAND_MS).await;
    assert_eq!((over.user, over.n), (taken.user, taken.n));
    assert!(!here.errand_done(&taken, "a", later(at)).await.unwrap(), "or only slept");
    assert!(there.errand_done(&over, "b", later(at + ERRAND_MS)).await.unwrap());
    // Whoever stops leaves it to others at once.
    let at = at + ERRAND_MS;
    one(here, "a", at).await;
    here.leave_errands("a").await.unwrap();
    assert_eq!(one(&there, "b", at).await.task.word(), "erase");
}

pub(super) async fn of_all_who_want_an_errand_one_has_it(town: Town) {
    let mut people = Vec::new();
    for n in 0..10 {
        let user = town.user(Telegram, &format!("person {n}")).await;
        town.directory.erase(user, Actor::Operator, now()).await.unwrap();
        people.push(user);
    }
    let replicas = [town.replica().await, town.replica().await];
    let takers = (0..6_usize).map(|n| {
        let replica = replicas[n % 2].clone();
        tokio::spawn(async move {
            let pick = anybody(HEAD_START_MS);
            loop {
                let taken = replica.take_errands(pick, &format!("{n}"), later(HEAD_START_MS)).await;
                match taken {
                    Ok(taken) => return taken,
                    Err(error) => assert!(error.is_transient(), "{error}"),
                }
            }
        })
    });
    let mut taken = Vec::new();
    for taker in takers.collect::<Vec<_>>() {
        taken.extend(taker.await.unwrap().into_iter().map(|errand| errand.user));
    }
    // Whoever came second to one may have left others.
    taken.extend(take(&town.directory, "last", HEAD_START_MS).await.into_iter().map(|it| it.user));
    taken.extend(take(&town.directory, "last", HEAD_START_MS).await.into_iter().map(|it| it.user));
    taken.sort();
    people.sort();
    assert_eq!(taken, people);
}

pub(super) async fn what_fails_is_tried_again_and_says_why(town: Town) {
    let ann = town.user(Telegram, "ann").await;
    town.directory.erase(ann, Actor::Operator, now()).await.unwrap();
    let mut at = HEAD_START_MS;
    for (tries, pause) in [(0, 1_000), (1, 2_000), (2, 4_000)] {
        let errand = one(&town.directory, "a", at).await;
        assert_eq!(errand.tries, tries);
        let now = later(at);
        town.directory.errand_failed(&errand, "a", "the edge is away", now).await.unwrap();
        assert_eq!(take(&town.directory, "a", at + pause - 1).await, []);
        at += pause;
    }
    let errand = one(&town.directory, "a", at).await;
    assert_eq!(errand.trouble.as_deref(), Some("the edge is away"));
    assert_eq!(words(&town, Some(ann)).await.len(), 3, "what comes after it waits");
}

pub(super) async fn what_follows_from_merges_stays_in_order(town: Town) {
    let (ann, bob) = (town.user(Telegram, "ann").await, town.user(Slack, "bob").await);
    let cem = town.user(Discord, "cem").await;
    let by = Actor::Operator;
    let merged = town.directory.merge(ann, bob, by, now()).await.unwrap();
    town.directory.unmerge(bob, by, later(1)).await.unwrap();
    town.directory.merge(ann, cem, by, later(2)).await.unwrap();
    let expected = [(bob, "retire"), (bob, "reinstate"), (cem, "retire")];
    assert_eq!(words(&town, None).await, expected);

    let at = 2 * HEAD_START_MS;
    let taken = take(&town.directory, "a", at).await;
    assert_eq!(taken.iter().map(|it| it.user).collect::<Vec<_>>(), [bob, cem]);
    let Task::Retire { until } = taken[0].task else { panic!("{taken:?}") };
    assert_eq!(until, merged.restorable_until.plus_ms(DAY), "the edge may hear late");
    let why = "it is away";
    town.directory.errand_failed(&taken[0], "a", why, later(at)).await.unwrap();
    assert!(town.directory.errand_done(&taken[1], "a", later(at)).await.unwrap());
    let again = one(&town.directory, "b", at + MINUTE).await;
    assert_eq!(again.task.word(), "retire", "the second must not be undone by the first");
    assert!(town.directory.errand_done(&again, "b", later(at + MINUTE)).await.unwrap());
    assert_eq!(one(&town.directory, "b", at + MINUTE).await.task, Task::Reinstate);
}

pub(super) async fn an_errand_without_an_edge_is_the_ledger_s(town: Town) {
    let (ann, bob) = (town.user(Telegram, "ann").await, town.user(Slack, "bob").await);
    let cem = town.user(Discord, "cem").await;
    town.merge(ann, bob, now()).await;
    town.directory.erase(cem, Actor::Operator, now()).await.unwrap();
    let pick = Pick { edge: false, ..anybody(DAY) };
    let taken = town.directory.take_errands(pick, "a", now()).await.unwrap();
    assert_eq!(
        taken.iter().map(|it| (it.user, it.task.word())).collect::<Vec<_>>(),
        [(cem, "forget")]
    );
    assert!(town.directory.errand_done(&taken[0], "a", now()).await.unwrap());
    let rest = town.directory.take_errands(pick, "a", now()).await.unwrap();
    assert_eq!(rest, [], "the edge is before it");
    let of = Pick { of: Some(cem), ..anybody(DAY) };
    let taken = town.directory.take_errands(of, "a", now()).await.unwrap();
    assert_eq!(taken.iter().map(|it| it.user).collect::<Vec<_>>(), [cem]);
}
