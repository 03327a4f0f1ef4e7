//! How PostgreSQL carries out what each turn does: planned once, at whatever time, and kept.

use zaki_store::testkit::{Database, database};
use zaki_store::{PgOptions, Postgres};

use super::{SCHEMA, sql::*};

/// All that follows [`ENTER_LANE`], [`ENTER_TURN`] and [`ENTER_DELIVERY`] and looks for something.
const PLANNED_ONCE: [&str; 26] = [
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
    UNTOLD,
];

/// Many messages that have been answered, as the statistics of a quiet hub have them: that all of what
/// waits is read seems cheap then, and is not when much waits.
const QUIET: [&str; 3] = [
    "SET session_replication_role = replica",
    "INSERT INTO zaki_ledger.inbound (id, envelope, state, turn, place, line)
        SELECT n::text, repeat('e', 400), 'joined', n::text, 0, decode(md5(n::text), 'hex')
        FROM generate_series(1, 20000) AS n",
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
        let details = plan[n + 1..].iter().take_while(|line| !is_node(line));
        details.into_iter().any(|line| line.trim_start().starts_with("Index Cond:"))
    };
    let reads = |(n, line): &(usize, &String)| {
        let reads_index = line.contains("Index Scan") || line.contains("Index Only Scan");
        line.contains("Seq Scan on") || (reads_index && !has_condition(*n))
    };
    plan.iter().enumerate().find(reads).map(|(_, line)| line)
}

async fn check(db: &Postgres) {
    for statement in PLANNED_ONCE {
        let plan = plan(db, statement).await;
        assert!(plan.len() > 1, "no plan: {plan:?}\n{statement}");
        assert_eq!(reads_all(&plan), None, "{}\n{statement}", plan.join("\n"));
    }
}

async fn open(database: &Database) -> Postgres {
    Postgres::connect(&database.url(), &PgOptions::default(), &SCHEMA).await.unwrap()
}

#[tokio::test]
async fn what_is_planned_once_reads_by_its_keys() {
    let Some(database) = database().await else { return };
    let db = open(&database).await;
    check(&db).await;
    database.run(&QUIET).await;
    check(&open(&database).await).await;
}
