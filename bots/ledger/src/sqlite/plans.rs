//! How SQLite carries the statements out.

use rusqlite::Connection;

use super::sql::*;
use crate::overdue::HEAPS;
use crate::privacy::{dossier, erase, find, recent};

/// Everything a message meets on its way.
const HOT: [&str; 38] = [
    IS_FORGOTTEN,
    SEE,
    SEEN,
    PRUNE_SEEN,
    ADD_REQUEST,
    ADD_INBOUND,
    CURSOR,
    SETTLE,
    ADD_TURN,
    OPEN_IN_LANE,
    TURN,
    JOIN,
    HAS_JOINED,
    PLACES,
    STEERED,
    PARK,
    PART,
    END_TURN,
    IS_ASKED,
    FORGET_TURN,
    WAITING,
    TAKE_WAITING,
    TAIL,
    ADD_DELIVERY,
    HEAD,
    PROMOTE,
    TAKE_LATER,
    CLAIM,
    LIVE_HANDLE,
    OWN_HANDLE,
    USE_HANDLE,
    RETURN_HANDLE,
    SETTLE_DELIVERY,
    STANDING,
    END_LATER_PARTS,
    UNTELL,
    UNTOLD,
    PROVE,
];

fn plan(conn: &Connection, sql: &str) -> Vec<String> {
    let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut rows = statement.raw_query();
    let mut plan = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        plan.push(row.get(3).unwrap());
    }
    plan
}

fn tables() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(include_str!("step1.sql")).unwrap();
    conn.execute_batch(include_str!("step2.sql")).unwrap();
    conn.execute_batch(include_str!("step3.sql")).unwrap();
    conn.execute_batch(include_str!("step4.sql")).unwrap();
    conn.execute_batch(include_str!("step5.sql")).unwrap();
    conn.execute_batch(include_str!("step6.sql")).unwrap();
    conn
}

#[test]
fn what_is_hot_reads_by_an_index() {
    let conn = tables();
    for sql in HOT {
        for step in plan(&conn, sql) {
            let reads_all = step.starts_with("SCAN") && step != "SCAN CONSTANT ROW";
            assert!(!reads_all && !step.contains("TEMP B-TREE"), "{step}\n{sql}");
        }
    }
}

/// Whose a turn is, is found without reading the turns of others.
#[test]
fn the_turns_of_a_person_are_found_by_whose_they_are() {
    let conn = tables();
    for sql in [dossier::TURNS, erase::FIRST, recent::LAST] {
        let plan = plan(&conn, sql);
        assert!(plan.iter().all(|step| step.ends_with("INDEX turn_whose")), "{plan:?}\n{sql}");
    }
}

/// What lies out of the order of time is looked for by number, some at a time.
#[test]
fn what_is_overdue_is_found_by_number() {
    let conn = tables();
    for sql in HEAPS.iter().flat_map(|heap| [heap.page, heap.prune]) {
        let plan = plan(&conn, sql);
        let by_number = |step: &String| {
            step.ends_with("USING INTEGER PRIMARY KEY (rowid>?)")
                || step.ends_with("USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)")
        };
        assert!(plan.iter().any(by_number), "{plan:?}\n{sql}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}\n{sql}");
    }
}

/// What runs at a start, or each second, reads what is open, and not what is done. What is done of
/// one person is found without that of others.
#[test]
fn what_is_open_is_found_without_what_is_done() {
    let conn = tables();
    let starting = RELEASE.into_iter().chain(GIVE_UP).chain([
        ORPHANS,
        TAKE_ACCEPTED,
        TAKE_TURNS,
        TAKE_HEADS,
        COUNTS,
        find::SAID,
        find::NEW,
        find::WAITS,
    ]);
    for sql in starting {
        for step in plan(&conn, sql) {
            let whole = step.starts_with("SCAN") && !step.contains("INDEX");
            let allowed = step == "SCAN CONSTANT ROW" || step == "SCAN dead_letter";
            assert!(!whole || allowed, "{step}\n{sql}");
        }
    }
}
