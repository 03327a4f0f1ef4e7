//! What only a shared ledger has: leases that run out, replicas that meet, a network that breaks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test speaks by panicking")]

use std::time::Duration;

use zaki_ledger::testkit::{at, batch, begun, message, said, said_by, turn, turn_id};
use zaki_ledger::{Begin, Earlier, Error, Fence, Finish, Ledger, PgLedger, TurnEnd};
use zaki_store::PgOptions;
use zaki_store::testkit::{Database, Wire, database};

const LONG: Duration = Duration::from_hours(1);

async fn open(database: &Database, ttl: Duration) -> PgLedger {
    PgLedger::connect(&database.url(), &PgOptions::default(), ttl).await.unwrap()
}

async fn replica(database: &Database, name: &str) -> (PgLedger, Fence) {
    let ledger = open(database, LONG).await;
    let fence = ledger.enroll(name).await.unwrap();
    (ledger, fence)
}

#[tokio::test]
async fn a_lease_that_runs_out_leaves_everything_to_others() {
    let Some(database) = database().await else { return };
    let frail = open(&database, Duration::from_millis(1500)).await;
    let first = frail.enroll("first").await.unwrap();
    assert!(frail.hold(first, "telegram:main").await.unwrap());
    frail.accept(first, batch(vec![said(1), said(2)])).await.unwrap();
    frail.begin_turn(first, turn(1, &[1])).await.unwrap();
    let (ledger, second) = replica(&database, "second").await;
    // It dies: no pulse.
    while !ledger.pulse(second).await.unwrap().orphans {
        tokio::task::yield_now().await;
    }
    assert!(matches!(frail.pulse(first).await, Err(Error::Fenced)), "for ever");
    let error = frail.accept(first, batch(vec![said(3)])).await.unwrap_err();
    assert!(matches!(error, Error::Fenced), "before anybody has taken over: {error}");
    assert!(ledger.hold(second, "telegram:main").await.unwrap());
    let found = ledger.recover(second).await.unwrap();
    assert_eq!((found.accepted, found.turns.len()), (vec![message(2)], 1));
    let end = frail.finish_turn(first, turn_id(1), TurnEnd::Finished, &[], vec![], at(10)).await;
    assert!(matches!(end, Err(Error::Fenced)), "{end:?}");
    let pulse = ledger.pulse(second).await.unwrap();
    assert_eq!((pulse.replicas, pulse.orphans), (1, false));
}

/// As if the server's clock had been set back by an hour after the last pulse of one that has died.
#[tokio::test]
async fn a_lease_that_ends_too_late_is_waited_for_no_longer_than_it_lives() {
    let Some(database) = database().await else { return };
    let frail = open(&database, Duration::from_secs(5)).await;
    let first = frail.enroll("first").await.unwrap();
    frail.accept(first, batch(vec![said(1)])).await.unwrap();
    let (ledger, second) = replica(&database, "second").await;
    let later = "UPDATE zaki_ledger.replica SET expires_at = expires_at + interval '1 hour'
        WHERE name = 'first'";
    database.run(&[later]).await;
    let gone = async {
        while !ledger.pulse(second).await.unwrap().orphans {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
    assert_eq!(ledger.recover(second).await.unwrap().accepted, [message(1)]);

    // Who is alive renews it, and is not taken for dead.
    let again = ledger.enroll("again").await.unwrap();
    database.run(&[&later.replace("first", "again")]).await;
    assert_eq!(ledger.pulse(second).await.unwrap().replicas, 2);
    assert_eq!(ledger.pulse(again).await.unwrap().replicas, 2);
}

/// A replica that was paused in the middle of a write: whoever takes over waits for it.
#[tokio::test]
async fn taking_over_waits_for_what_is_under_way() {
    let Some(database) = database().await else { return };
    let patient = PgOptions { statement_timeout: LONG, ..PgOptions::default() };
    let ledger = PgLedger::connect(&database.url(), &patient, LONG).await.unwrap();
    let first = ledger.enroll("first").await.unwrap();
    let (other, second) = replica(&database, "second").await;
    let writing = database.client().await;
    let begun = format!("BEGIN; SELECT zaki_ledger.enter({}, NULL, '{{}}')", first.token());
    let path = "SET search_path = zaki_ledger";
    writing.batch_execute(path).await.unwrap();
    writing.batch_execute(&begun).await.unwrap();

    let leaving = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.leave(first).await }
    });
    somebody_waits(&writing).await;
    assert!(!leaving.is_finished());
    assert_eq!(other.pulse(second).await.unwrap().replicas, 2, "its lease still counts");
    writing.batch_execute("COMMIT").await.unwrap();
    leaving.await.unwrap().unwrap();
    let error = ledger.accept(first, batch(vec![said(1)])).await.unwrap_err();
    assert!(matches!(error, Error::Fenced), "{error}");
}

/// Webhooks that are sent twice, to two replicas, in different orders and groups.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_messages_at_once_are_new_once() {
    let Some(database) = database().await else { return };
    let replicas = [replica(&database, "one").await, replica(&database, "two").await];
    let mut tasks = Vec::new();
    for (reverse, (ledger, fence)) in [false, true].into_iter().zip(replicas) {
        for n in 0..40 {
            let mut items: Vec<_> = (n * 5..n * 5 + 10).map(said).collect();
            if reverse {
                items.reverse();
            }
            let ledger = ledger.clone();
            tasks.push(tokio::spawn(async move { ledger.accept(fence, batch(items)).await }));
        }
    }
    let (mut fresh, mut known) = (Vec::new(), 0);
    for task in tasks {
        let accepted = task.await.unwrap().unwrap();
        fresh.extend(accepted.fresh.into_iter().map(|inbound| inbound.id));
        known += accepted.duplicates;
    }
    fresh.sort_unstable();
    let expected: Vec<_> = (0..205).map(|n| message(n).id).collect();
    assert_eq!(fresh, expected);
    assert_eq!(known, 2 * 40 * 10 - 205);
}

/// No message that arrives while its lane's turn ends, on another replica, is forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wakeup_is_lost_between_replicas() {
    let Some(database) = database().await else { return };
    let (one, first) = replica(&database, "one").await;
    let (two, second) = replica(&database, "two").await;
    for n in (0..60).step_by(2) {
        one.accept(first, batch(vec![said(n)])).await.unwrap();
        two.accept(second, batch(vec![said(n + 1)])).await.unwrap();
        assert_eq!(one.begin_turn(first, turn(n, &[n])).await.unwrap(), begun());
        let (end, begin) = tokio::join!(
            one.finish_turn(first, turn_id(n), TurnEnd::Finished, &[], vec![], at(9)),
            two.begin_turn(second, turn(n + 1, &[n + 1]))
        );
        let Finish::Ended { waiting, .. } = end.unwrap() else { panic!("ended before") };
        match begin.unwrap() {
            Begin::Begun { .. } => {
                assert_eq!(waiting, []);
                let end =
                    two.finish_turn(second, turn_id(n + 1), TurnEnd::Finished, &[], vec![], at(9));
                end.await.unwrap();
            }
            Begin::Busy { turn } => {
                assert_eq!((turn, waiting), (turn_id(n), vec![message(n + 1)]));
                one.begin_turn(first, self::turn(n + 1, &[n + 1])).await.unwrap();
                let end =
                    one.finish_turn(first, turn_id(n + 1), TurnEnd::Finished, &[], vec![], at(9));
                end.await.unwrap();
            }
        }
    }
    assert_eq!(one.counts().await.unwrap().accepted, 0);
}

/// Two messages of one person, acknowledged one after another by two replicas that then begin at
/// the same time, while the first of them may let go of everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_begins_first_answers_in_order() {
    let Some(database) = database().await else { return };
    let (one, first) = replica(&database, "one").await;
    let (two, second) = replica(&database, "two").await;
    let (mut taken, mut waited) = (0, 0);
    for n in (0..120).step_by(2) {
        one.accept(first, batch(vec![said_by(1, n)])).await.unwrap();
        two.accept(second, batch(vec![said_by(1, n + 1)])).await.unwrap();
        let (before, after, ()) = tokio::join!(
            one.begin_turn(first, turn(n, &[n])),
            two.begin_turn(second, turn(n + 1, &[n + 1])),
            async {
                if n % 6 == 0 {
                    one.release(first).await.unwrap();
                }
            }
        );
        let end = async |ledger: &PgLedger, fence, n| {
            let end = ledger.finish_turn(fence, turn_id(n), TurnEnd::Finished, &[], vec![], at(9));
            let Finish::Ended { waiting, .. } = end.await.unwrap() else { panic!("ended before") };
            waiting
        };
        match (before, after.unwrap()) {
            (Ok(Begin::Begun { earlier }), Begin::Busy { .. }) => {
                assert_eq!(earlier, []);
                assert_eq!(end(&one, first, n).await, [message(n + 1)]);
                one.begin_turn(first, turn(n + 1, &[n + 1])).await.unwrap();
                assert_eq!(end(&one, first, n + 1).await, []);
                waited += 1;
            }
            (Err(Error::NotAccepted(_)), Begin::Begun { earlier }) => {
                assert_eq!(earlier, [Earlier { place: 0, inbound: message(n) }]);
                assert_eq!(end(&two, second, n + 1).await, []);
                taken += 1;
            }
            other => panic!("out of order: {other:?}"),
        }
    }
    println!("{taken} taken along, {waited} waited");
    assert_eq!(one.counts().await.unwrap().accepted, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_renewed_while_everything_waits() {
    let Some(database) = database().await else { return };
    let few = PgOptions { connections: 2, ..PgOptions::default() };
    let ledger = PgLedger::connect(&database.url(), &few, LONG).await.unwrap();
    let fence = ledger.enroll("first").await.unwrap();
    let beside = database.client().await;
    beside.batch_execute(SLOW_COMMIT).await.unwrap();
    let waiting: Vec<_> = (0..4)
        .map(|n| {
            let ledger = ledger.clone();
            let accept = async move { ledger.accept(fence, batch(vec![said(n)])).await };
            tokio::spawn(accept)
        })
        .collect();
    somebody_waits(&beside).await;
    assert_eq!(ledger.pulse(fence).await.unwrap().replicas, 1);
    assert!(waiting.iter().all(|accept| !accept.is_finished()));
    beside.batch_execute("SELECT pg_advisory_unlock(77, 77)").await.unwrap();
    for accept in waiting {
        accept.await.unwrap().unwrap();
    }
}

/// Until the server has somebody waiting for a lock.
async fn somebody_waits(client: &tokio_postgres::Client) {
    let waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    while client.query(waits, &[]).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
}

/// A commit that takes as long as the test wants.
const SLOW_COMMIT: &str = "SET search_path = zaki_ledger;
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock(77, 77); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER last AFTER INSERT ON inbound DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION slow();
    SELECT pg_advisory_lock(77, 77)";

/// Nobody knows what was kept: the term is over, and everything is found by the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_term_whose_outcome_is_unknown_is_given_up() {
    let Some(database) = database().await else { return };
    let (wire, url) = Wire::to(&database).await;
    let quick = PgOptions {
        statement_timeout: Duration::from_secs(2),
        network_timeout: Duration::from_secs(1),
        ..PgOptions::default()
    };
    let cut = PgLedger::connect(&url, &quick, LONG).await.unwrap();
    let first = cut.enroll("first").await.unwrap();
    let beside = database.client().await;
    beside.batch_execute(SLOW_COMMIT).await.unwrap();

    let (accepted, ()) = tokio::join!(cut.accept(first, batch(vec![said(1)])), async {
        somebody_waits(&beside).await;
        wire.cut(true, true);
        beside.batch_execute("SELECT pg_advisory_unlock(77, 77)").await.unwrap();
    });
    let Err(Error::Store(error)) = accepted else { panic!("{accepted:?}") };
    assert!(error.is_unknown(), "{error}");
    wire.cut(false, false);
    let again = cut.accept(first, batch(vec![said(2)])).await;
    assert!(matches!(again, Err(Error::Fenced)), "{again:?}");
    assert!(matches!(cut.pulse(first).await, Err(Error::Fenced)));

    let (ledger, second) = replica(&database, "second").await;
    cut.leave(first).await.unwrap();
    let found = ledger.recover(second).await.unwrap();
    assert_eq!(found.accepted, [message(1)], "it was kept");
}

/// Nothing but the answer to the commit is lost: the server is asked again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_asked_for() {
    let Some(database) = database().await else { return };
    let (wire, url) = Wire::to(&database).await;
    let quick = PgOptions {
        statement_timeout: Duration::from_secs(2),
        network_timeout: Duration::from_secs(1),
        ..PgOptions::default()
    };
    let cut = PgLedger::connect(&url, &quick, LONG).await.unwrap();
    let first = cut.enroll("first").await.unwrap();
    let beside = database.client().await;
    beside.batch_execute(SLOW_COMMIT).await.unwrap();
    let (accepted, ()) = tokio::join!(cut.accept(first, batch(vec![said(1)])), async {
        somebody_waits(&beside).await;
        wire.cut(false, true);
        beside.batch_execute("SELECT pg_advisory_unlock(77, 77)").await.unwrap();
        while cut.stats().writes == 0 && ids(&beside).await == 0 {
            tokio::task::yield_now().await;
        }
        // Its answer has been sent by now, and swallowed.
        tokio::time::sleep(Duration::from_millis(300)).await;
        wire.cut(false, false);
    });
    assert_eq!(accepted.unwrap().fresh, [message(1)]);
    assert!(cut.pulse(first).await.is_ok(), "the term goes on");
}

async fn ids(client: &tokio_postgres::Client) -> usize {
    client.query("SELECT id FROM inbound", &[]).await.unwrap().len()
}
