//! The shape of the database, as the steps that lead to it. Those that have been released stay as
//! they are; from the third on, the two engines share the text.

use zaki_store::{Either, Schema, Step};

const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// Tables of people as they were when each engine had statements of its own.
macro_rules! who {
    ($engine:literal) => {
        concat!(include_str!($engine), include_str!("schema/who.sql"))
    };
}

const PEOPLE: &str = include_str!("schema/people.sql");
const DOOR: &str = include_str!("schema/door.sql");
const ERRANDS: &str = include_str!("schema/errands.sql");
const PLACES: &str = include_str!("schema/places.sql");
const BARRED: &str = include_str!("schema/barred.sql");

/// Which account an older id is of; none: not known.
const BEST: &str = "ALTER TABLE binding ADD COLUMN best TEXT;";

/// Since when what comes by a sender is its person's; none: an hour before it was bound.
macro_rules! parted {
    ($integer:literal) => {
        concat!(
            "ALTER TABLE binding ADD COLUMN since ",
            $integer,
            ";\n",
            include_str!("schema/parted.sql")
        )
    };
}

pub(crate) const SQLITE: Schema = Schema {
    name: "identity",
    release: RELEASE,
    steps: &[
        Step { sql: include_str!("schema/sqlite-1.sql"), min_reader: 1 },
        Step { sql: "ALTER TABLE person ADD COLUMN mode TEXT;", min_reader: 1 },
        // A column gets another name.
        Step { sql: who!("schema/sqlite-3.sql"), min_reader: 3 },
        Step { sql: PEOPLE, min_reader: 3 },
        Step { sql: DOOR, min_reader: 3 },
        Step { sql: ERRANDS, min_reader: 3 },
        Step { sql: PLACES, min_reader: 3 },
        Step { sql: parted!("INTEGER"), min_reader: 3 },
        Step { sql: BARRED, min_reader: 3 },
        Step { sql: BEST, min_reader: 3 },
    ],
};

pub(crate) const POSTGRES: Schema = Schema {
    name: "identity",
    release: RELEASE,
    steps: &[
        Step { sql: include_str!("schema/postgres-1.sql"), min_reader: 1 },
        Step { sql: who!("schema/postgres-2.sql"), min_reader: 1 },
        Step { sql: PEOPLE, min_reader: 1 },
        Step { sql: DOOR, min_reader: 1 },
        Step { sql: ERRANDS, min_reader: 1 },
        Step { sql: PLACES, min_reader: 1 },
        Step { sql: parted!("BIGINT"), min_reader: 1 },
        Step { sql: BARRED, min_reader: 1 },
        Step { sql: BEST, min_reader: 1 },
    ],
};

/// How many steps this release knows of an engine's.
pub(crate) const fn version(store: &Either) -> usize {
    match store {
        Either::Sqlite(_) => SQLITE.steps.len(),
        Either::Postgres(_) => POSTGRES.steps.len(),
    }
}
