//! What the edge keeps durably: where each sandbox runs, how each turn ended, what was used, who is
//! retired. Holds the sandboxes' tokens; the file is readable by the edge's own user alone.

mod backups;
mod people;
mod proactive;
mod releases;
mod scrub;
mod usage;

use std::path::{Path, PathBuf};

use rusqlite::{Row, params};
use zaki_edge_core::{
    release::Release,
    sandbox::Generation,
    turn::{KEPT_MS, KNOWN_MS, TurnLog},
};
use zaki_envelope::{
    SandboxName, Timestamp, TurnId, ZakiUserId,
    wire::{TurnRequest, Usage},
};
use zaki_store::{Error, Json, Schema, Sqlite, Step, Text};

use crate::{
    runtime::{Place, Version},
    turn::Turn,
};
pub(crate) use proactive::Spoken;
pub(crate) use scrub::ScrubError;

const SCHEMA: Schema = Schema {
    name: "edge",
    release: env!("CARGO_PKG_VERSION"),
    steps: &[FIRST, TURNS_BY_ID, PEOPLE, REMINDERS, BACKUPS, UNASKED, PROACTIVE, RELEASES],
};

const FIRST: Step = Step {
    min_reader: 1,
    sql: "
        CREATE TABLE sandboxes (
            number     INTEGER PRIMARY KEY,
            name       TEXT    NOT NULL UNIQUE,
            generation INTEGER NOT NULL,
            place      TEXT
        ) STRICT;
        CREATE TABLE turns (
            user       TEXT    NOT NULL,
            turn       TEXT    NOT NULL,
            sandbox    TEXT    NOT NULL,
            request    TEXT,
            log        TEXT,
            started_at INTEGER NOT NULL,
            ended_at   INTEGER,
            PRIMARY KEY (user, turn)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX turns_by_age ON turns (ended_at, started_at);
        CREATE TABLE settings (
            name  TEXT PRIMARY KEY,
            value TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE usage (
            sandbox       TEXT    NOT NULL,
            day           INTEGER NOT NULL,
            calls         INTEGER NOT NULL,
            input_tokens  INTEGER NOT NULL,
            output_tokens INTEGER NOT NULL,
            PRIMARY KEY (sandbox, day)
        ) STRICT, WITHOUT ROWID;",
};

/// By id first: ids grow, so that new turns lie together and the greatest is found at once.
const TURNS_BY_ID: Step = Step {
    min_reader: 1,
    sql: "
        CREATE TABLE turns_by_id (
            user       TEXT    NOT NULL,
            turn       TEXT    NOT NULL,
            sandbox    TEXT    NOT NULL,
            request    TEXT,
            log        TEXT,
            started_at INTEGER NOT NULL,
            ended_at   INTEGER,
            PRIMARY KEY (turn, user)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO turns_by_id SELECT * FROM turns ORDER BY turn;
        DROP TABLE turns;
        ALTER TABLE turns_by_id RENAME TO turns;
        CREATE INDEX turns_by_age ON turns (ended_at, started_at);",
};

/// What was used is the person's, and the turn's while it runs; the table `usage` is read no more.
const PEOPLE: Step = Step {
    min_reader: 1,
    sql: "
        CREATE TABLE people (
            user  TEXT PRIMARY KEY,
            until INTEGER
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE metered (
            user          TEXT    NOT NULL,
            day           INTEGER NOT NULL,
            calls         INTEGER NOT NULL,
            input_tokens  INTEGER NOT NULL,
            output_tokens INTEGER NOT NULL,
            cost_micros   INTEGER NOT NULL,
            PRIMARY KEY (user, day)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO metered
            SELECT substr(sandbox, -26), day, sum(calls), sum(input_tokens), sum(output_tokens), 0
            FROM usage GROUP BY substr(sandbox, -26), day;
        ALTER TABLE turns ADD COLUMN input_tokens INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE turns ADD COLUMN output_tokens INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE turns ADD COLUMN cost_micros INTEGER NOT NULL DEFAULT 0;",
};

/// When its agent wants to act by itself, in milliseconds.
const REMINDERS: Step =
    Step { min_reader: 1, sql: "ALTER TABLE sandboxes ADD COLUMN reminder INTEGER;" };

/// Which version each sandbox is on.
const RELEASES: Step =
    Step { min_reader: 1, sql: "ALTER TABLE sandboxes ADD COLUMN release TEXT;" };

/// How the memory of each sandbox stands.
const BACKUPS: Step = Step {
    min_reader: 1,
    sql: "
        CREATE TABLE backups (
            sandbox TEXT PRIMARY KEY,
            record  TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;",
};

/// What was used that no turn tells.
const UNASKED: Step = Step {
    min_reader: 1,
    sql: "
        CREATE TABLE unasked (
            user          TEXT    NOT NULL,
            day           INTEGER NOT NULL,
            input_tokens  INTEGER NOT NULL,
            output_tokens INTEGER NOT NULL,
            cost_micros   INTEGER NOT NULL,
            PRIMARY KEY (user, day)
        ) STRICT, WITHOUT ROWID;",
};

/// What agents have said without being asked; no message: a hub has it.
const PROACTIVE: Step = Step {
    min_reader: 1,
    sql: "
        CREATE TABLE proactive (
            id      TEXT    PRIMARY KEY,
            sandbox TEXT    NOT NULL,
            message TEXT,
            kept_at INTEGER NOT NULL,
            due_at  INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX proactive_due ON proactive (due_at) WHERE message IS NOT NULL;",
};

/// A sandbox as it was last persisted.
pub(crate) struct SandboxRow {
    /// Small and its own for good: its user id on the machine is counted from it.
    pub(crate) number: u32,
    pub(crate) name: SandboxName,
    pub(crate) generation: Generation,
    /// Where its last start is or was.
    pub(crate) place: Option<Place>,
    /// When its agent wants to act by itself.
    pub(crate) reminder: Option<Timestamp>,
    /// Which version it is on.
    pub(crate) release: Release<Version>,
}

impl SandboxRow {
    /// A sandbox of which nothing is known.
    pub(crate) fn new(name: SandboxName) -> Self {
        let (place, reminder, release) = <_>::default();
        Self { number: 0, name, generation: Generation(0), place, reminder, release }
    }
}

/// A turn as it was last persisted.
pub(crate) struct TurnRow {
    pub(crate) sandbox: SandboxName,
    /// Until it ends.
    pub(crate) request: Option<TurnRequest>,
    /// From its end until it is no longer kept.
    pub(crate) log: Option<TurnLog>,
    pub(crate) ended: Option<Timestamp>,
    /// By what was metered of it so far.
    pub(crate) used: Usage,
}

/// What has become of a turn. The JSON is made before the writer's turn comes.
pub(crate) struct Change {
    user: ZakiUserId,
    turn: TurnId,
    sandbox: SandboxName,
    at: Timestamp,
    what: What,
}

enum What {
    Started { request: String },
    Ended { log: String },
}

impl Change {
    /// It runs, and can be taken up after a crash.
    pub(crate) fn started(turn: &Turn, at: Timestamp) -> Option<Self> {
        let request = json(&turn.request)?;
        Some(Self::new(turn, at, What::Started { request }))
    }

    /// It ended; its request is needed no longer.
    pub(crate) fn ended(turn: &Turn, at: Timestamp) -> Option<Self> {
        let log = json(&turn.log())?;
        Some(Self::new(turn, at, What::Ended { log }))
    }

    fn new(turn: &Turn, at: Timestamp, what: What) -> Self {
        Self { user: turn.user, turn: turn.id(), sandbox: turn.sandbox.clone(), at, what }
    }
}

/// Our own types always have a JSON form; `None` is an artefact of the trait.
fn json(value: &impl serde::Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}

/// The edge's database. Clones share it.
#[derive(Clone)]
pub(crate) struct State {
    db: Sqlite,
    path: PathBuf,
}

impl State {
    pub(crate) async fn open(path: &Path) -> Result<Self, Error> {
        let db = Sqlite::open(path, &SCHEMA).await?;
        let state = Self { db, path: path.to_owned() };
        state.db.delete_securely().await?;
        Ok(state)
    }

    /// Finishes what is being written.
    pub(crate) async fn close(&self) {
        self.db.close().await;
    }

    /// All sandboxes there have ever been.
    pub(crate) async fn sandboxes(&self) -> Result<Vec<SandboxRow>, Error> {
        let sql = "SELECT number, name, generation, place, reminder, release FROM sandboxes
            WHERE name NOT LIKE 'erased-%'";
        self.db.read(move |tx| tx.all(sql, [], sandbox_row)).await
    }

    /// The row of `name`, made when it is new.
    pub(crate) async fn sandbox(&self, name: SandboxName) -> Result<SandboxRow, Error> {
        let sql = "INSERT INTO sandboxes (name, generation) VALUES (?, 0)
            ON CONFLICT (name) DO UPDATE SET name = name
            RETURNING number, name, generation, place, reminder, release";
        let name_again = name.clone();
        let row = move |tx: &zaki_store::Tx<'_>| {
            tx.all(sql, params![Text(&name)], sandbox_row).map(|mut rows| rows.pop())
        };
        let row: Option<SandboxRow> = self.db.write(row).await?;
        // RETURNING always gives a row.
        Ok(row.unwrap_or_else(|| SandboxRow::new(name_again)))
    }

    /// The row of `name`, if it has ever been started.
    pub(crate) async fn known_sandbox(
        &self,
        name: SandboxName,
    ) -> Result<Option<SandboxRow>, Error> {
        let sql = "SELECT number, name, generation, place, reminder, release FROM sandboxes
            WHERE name = ?";
        self.db.read(move |tx| tx.one(sql, params![Text(name)], sandbox_row)).await
    }

    /// Where a sandbox is in its life.
    pub(crate) async fn save_sandbox(&self, row: SandboxRow) -> Result<(), Error> {
        let sql = "UPDATE sandboxes SET generation = ?, place = ?, reminder = ?, release = ?
            WHERE name = ?";
        let SandboxRow { name, generation, place, reminder, release, .. } = row;
        let (generation, reminder) = (number(generation.0), reminder.map(Timestamp::as_ms));
        self.db
            .write(move |tx| {
                let row = params![generation, place.map(Json), reminder, Json(release), Text(name)];
                tx.execute(sql, row).map(drop)
            })
            .await
    }

    /// Everything known of a turn.
    pub(crate) async fn turn(
        &self,
        user: ZakiUserId,
        turn: TurnId,
    ) -> Result<Option<TurnRow>, Error> {
        let sql = "SELECT sandbox, request, log, ended_at, input_tokens, output_tokens, cost_micros
            FROM turns WHERE user = ? AND turn = ?";
        self.db.read(move |tx| tx.one(sql, params![Text(user), Text(turn)], turn_row)).await
    }

    /// The greatest id of any turn here.
    pub(crate) async fn greatest_turn(&self) -> Result<Option<TurnId>, Error> {
        let sql = "SELECT max(turn) FROM turns";
        let read = move |tx: &zaki_store::Tx<'_>| {
            tx.one(sql, [], |row| row.get::<_, Option<Text<TurnId>>>(0))
        };
        let greatest: Option<Option<Text<TurnId>>> = self.db.read(read).await?;
        Ok(greatest.flatten().map(|id| id.0))
    }

    /// Keeps what has become of turns, all in one commit.
    pub(crate) async fn record(&self, changes: Vec<Change>) -> Result<(), Error> {
        self.db
            .write(move |tx| {
                changes.iter().try_for_each(|change| match &change.what {
                    What::Started { request } => tx
                        .execute(
                            "INSERT INTO turns (user, turn, sandbox, request, started_at)
                            VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                            params![
                                Text(change.user),
                                Text(change.turn),
                                Text(&change.sandbox),
                                request,
                                change.at.as_ms()
                            ],
                        )
                        .map(drop),
                    What::Ended { log } => tx
                        .execute(
                            "INSERT INTO turns (user, turn, sandbox, log, started_at, ended_at)
                            VALUES (?1, ?2, ?3, ?4, ?5, ?5)
                            ON CONFLICT DO UPDATE SET request = NULL, log = ?4, ended_at = ?5",
                            params![
                                Text(change.user),
                                Text(change.turn),
                                Text(&change.sandbox),
                                log,
                                change.at.as_ms()
                            ],
                        )
                        .map(drop),
                })
            })
            .await
    }

    /// Drops what is no longer kept; returns how many turns that touched.
    pub(crate) async fn forget(&self, now: Timestamp) -> Result<usize, Error> {
        let kept =
            "UPDATE turns SET request = NULL, log = NULL WHERE ended_at <= ? AND log IS NOT NULL";
        let known = "DELETE FROM turns WHERE ended_at <= ?1
            OR (ended_at IS NULL AND started_at <= ?1)";
        self.db
            .write(move |tx| {
                usage::forget(tx, now)?;
                let emptied = tx.execute(kept, [now.plus_ms(-KEPT_MS).as_ms()])?;
                Ok(emptied + tx.execute(known, [now.plus_ms(-KNOWN_MS).as_ms()])?)
            })
            .await
    }

    /// A number the edge settled on once.
    pub(crate) async fn setting(&self, name: Setting) -> Result<Option<u32>, Error> {
        let sql = "SELECT value FROM settings WHERE name = ?";
        self.db
            .read(move |tx| tx.one(sql, [name.key()], |row| row.get(0).map(|Text(value)| value)))
            .await
    }

    /// Remembers such a number.
    pub(crate) async fn save_setting(&self, name: Setting, value: u32) -> Result<(), Error> {
        let sql = "INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)";
        self.db.write(move |tx| tx.execute(sql, params![name.key(), Text(value)]).map(drop)).await
    }
}

/// What an edge settles on once.
#[derive(Clone, Copy)]
pub(crate) enum Setting {
    /// The port it listens on.
    Port,
    /// The first of its sandboxes' user ids.
    FirstUid,
    /// What tells it from other edges of a Docker engine.
    Docker,
}

impl Setting {
    const fn key(self) -> &'static str {
        match self {
            Self::Port => "port",
            Self::FirstUid => "first_uid",
            Self::Docker => "docker",
        }
    }
}

/// SQLite counts in `i64`.
fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn sandbox_row(row: &Row<'_>) -> rusqlite::Result<SandboxRow> {
    let generation: i64 = row.get(2)?;
    Ok(SandboxRow {
        number: row.get(0)?,
        name: row.get::<_, Text<SandboxName>>(1)?.0,
        generation: Generation(generation.unsigned_abs()),
        place: row.get::<_, Option<Json<Place>>>(3)?.map(|json| json.0),
        reminder: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_ms),
        release: row
            .get::<_, Option<Json<Release<Version>>>>(5)?
            .map(|it| it.0)
            .unwrap_or_default(),
    })
}

fn turn_row(row: &Row<'_>) -> rusqlite::Result<TurnRow> {
    Ok(TurnRow {
        sandbox: row.get::<_, Text<SandboxName>>(0)?.0,
        request: row.get::<_, Option<Json<TurnRequest>>>(1)?.map(|json| json.0),
        log: row.get::<_, Option<Json<TurnLog>>>(2)?.map(|json| json.0),
        ended: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_ms),
        used: usage::read(row, 4)?,
    })
}
