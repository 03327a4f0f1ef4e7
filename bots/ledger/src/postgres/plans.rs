//! How PostgreSQL carries out what each turn does: planned once, at whatever time, and kept.

use zaki_store::testkit::{Database, database};
use zaki_store::{PgOptions, Postgres};

use super::{SCHEMA, sql::*};

/// All that follows [`ENTER_LANE`], [`ENTER_TURN`] and [`ENTER_DELIVERY`] and looks for something, but
/// [`UNTOLD`]: while nothing has failed, it may as well read all that has.
const PLANNED_ONCE: [&str; 25] = [
    OPEN_IN_LANE,
    TURN,
    JOIN_FIRST,
    JOIN,
    JOINED,
    TAKEN_ALONG,
    PARK,
    PART,
    END_TURN,
    FORGET_TURN,
    TAKE_WAITING,
    TAIL,
    HEAD,
    TAKE_LATER,
    CLAIM,
    LIVE_HANDLE,
    OWN_HANDLE,
    USE_HANDLE,
    NOTE_HANDLE,
    RETURN_HANDLE,
    SETTLE_DELIVERY,
    STANDING,
    END_LATER_PARTS,
    UNTELL,
    TELL,
];

/// Many turns that have ended, as the statistics of a quiet hub have them: that all of what waits is
/// read seems cheap then, and is not when much waits.
const QUIET: [&str; 6] = [
    "SET session_replication_role = replica",
    "INSERT INTO zaki_ledger.inbound (id, envelope, state, turn, place, line)
        SELECT n::text, repeat('e', 400), 'joined', n::text, 0, decode(md5(n::text), 'hex')
        FROM generate_series(1, 20000) AS n",
    "INSERT INTO zaki_ledger.turn
            (id, user_id, session, sandbox, address, state, started_at, ended_at)
        SELECT n::text, n::text, 'dm', n::text, repeat('a', 100), 'finished', n, n
        FROM generate_series(1, 20000) AS n",
    "INSERT INTO zaki_ledger.delivery (id, turn, reply, part, address, outbound, kind, conversation,
            seq, state, attempts, not_before, changed_at)
        SELECT n::text, n::text, n::text, 0, repeat('a', 100), repeat('o', 400), 'reply', n::text,
            0, 'sent', 1, n, n
        FROM generate_series(1, 20000) AS n",
    "INSERT INTO zaki_ledger.reply_handle (inbound, address, secret, expires_at, uses_left)
        SELECT n::text, repeat('a', 100), repeat('s', 100), n, 1 FROM generate_series(1, 20000) AS n",
    "VACUUM ANALYZE",
];

/// The plan that is kept, as lines.
async fn plan(db: &Postgres, statement: &str) -> Vec<String> {
    let tx = db.begin().await.unwrap();
    tx.execute("SELECT set_config('plan_cache_mode', 'force_generic_plan', true)", &[])
        .await
        .unwrap();
    tx.execute(&format!("PREPARE planned AS {statement}"), &[]).await.unwrap();
    let has = |n: &usize| statement.contains(&format!("${n}"));
    let count = (1..20).rev().find(has).unwrap_or_default();
    let nothing = vec!["NULL"; count].join(", ");
    let explain = format!("EXPLAIN EXECUTE planned ({nothing})");
    let lines = tx.all(&explain, &[], |row| row.try_get(0)).await.unwrap();
    tx.execute("DEALLOCATE planned", &[]).await.unwrap();
    tx.rollback().await;
    lines
}

/// What reads all there is: a table, or an index without a condition.
fn reads_all(plan: &[String]) -> Option<&String> {
    let is_node = |line: &str| line.contains("(cost=");
    let has_condition = |n: usize| {
        let mut details = plan[n + 1..].iter().take_while(|line| !is_node(line));
        details.any(|line| line.trim_start().starts_with("Index Cond:"))
    };
    let reads = |(n, line): &(usize, &String)| {
        let reads_index = line.contains("Index Scan") || line.contains("Index Only Scan");
        line.contains("Seq Scan on") || (reads_index && !has_condition(*n))
    };
    plan.iter().enumerate().find(reads).map(|(_, line)| line)
}

/// Those that read all there is, with their plans.
async fn unbounded(db: &Postgres, statements: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for statement in statements {
        let plan = plan(db, statement).await;
        assert!(plan.len() > 1, "no plan: {plan:?}\n{statement}");
        if let Some(line) = reads_all(&plan) {
            found.push(format!("{line}\n\n{}\n\n{statement}", plan.join("\n")));
        }
    }
    found
}

async fn open(database: &Database) -> Postgres {
    Postgres::connect(&database.url(), &PgOptions::default(), &SCHEMA).await.unwrap()
}

#[tokio::test]
async fn what_is_planned_once_reads_by_its_keys() {
    let Some(database) = database().await else { return };
    let db = open(&database).await;
    // Of empty tables all else costs the same, until their first statistics have it planned anew.
    let mut found = unbounded(&db, &[JOIN_FIRST, JOIN]).await;
    database.run(&QUIET).await;
    found.extend(unbounded(&open(&database).await, &PLANNED_ONCE).await);
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}
