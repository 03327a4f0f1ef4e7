//! What one object keeps, in its own SQLite. Calls return when the write is ordered; nothing leaves
//! the object before it is durable (the platform's output gate).

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use worker::{Error, Result, SqlStorage, SqlStorageValue as Value};
use zaki_edge_core::{meter, sandbox::Generation, turn::TurnLog};
use zaki_envelope::{
    ProactiveId, SandboxName, Timestamp, TurnId,
    wire::{TurnRequest, Unasked, Usage, UsageReport, proactive::Proactive},
};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS turns (
        turn TEXT PRIMARY KEY, request TEXT, ended INTEGER, log TEXT,
        input INTEGER NOT NULL DEFAULT 0, output INTEGER NOT NULL DEFAULT 0,
        cost INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS elsewhere (turn TEXT PRIMARY KEY, sandbox TEXT NOT NULL,
        at INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS others (sandbox TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS due (what TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS spoken (id TEXT PRIMARY KEY, message TEXT, kept_at INTEGER NOT NULL,
        due_at INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS used (day INTEGER NOT NULL, asked INTEGER NOT NULL,
        input INTEGER NOT NULL, output INTEGER NOT NULL, cost INTEGER NOT NULL,
        PRIMARY KEY (day, asked)) WITHOUT ROWID;";

/// The tables of one object.
pub(crate) struct Store(SqlStorage);

/// What is durable of a sandbox's life.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) generation: Generation,
    /// Something may run.
    pub(crate) placed: bool,
    /// It took turns when this was written.
    pub(crate) up: bool,
    pub(crate) used: i64,
    pub(crate) reminder: Option<Timestamp>,
}

/// A turn as it lies there.
pub(crate) struct Kept {
    pub(crate) request: Option<TurnRequest>,
    pub(crate) ended: Option<(Timestamp, TurnLog)>,
    pub(crate) used: Usage,
}

/// What an agent has said, and nobody has heard.
pub(crate) struct Spoken {
    pub(crate) message: Proactive,
    pub(crate) kept_at: Timestamp,
    pub(crate) tries: u32,
}

#[derive(Deserialize)]
struct Column<T> {
    value: T,
}

#[derive(Deserialize)]
struct TurnRow {
    turn: String,
    request: Option<String>,
    ended: Option<f64>,
    log: Option<String>,
    input: f64,
    output: f64,
    cost: f64,
}

#[derive(Deserialize)]
struct SpokenRow {
    message: String,
    kept_at: f64,
    tries: f64,
}

#[derive(Default, Deserialize)]
struct Sum {
    input: f64,
    output: f64,
    cost: f64,
}

impl Store {
    pub(crate) fn open(sql: SqlStorage) -> Result<Self> {
        sql.exec(SCHEMA, None)?;
        Ok(Self(sql))
    }

    /// After everything was deleted.
    pub(crate) fn begin_anew(&self) -> Result<()> {
        self.run(SCHEMA, vec![])
    }

    fn run(&self, sql: &str, values: Vec<Value>) -> Result<()> {
        self.0.exec(sql, values).map(drop)
    }

    fn rows<T: DeserializeOwned>(&self, sql: &str, values: Vec<Value>) -> Result<Vec<T>> {
        self.0.exec(sql, values)?.to_array()
    }

    fn column<T: DeserializeOwned>(&self, sql: &str, values: Vec<Value>) -> Result<Option<T>> {
        let rows: Vec<Column<T>> = self.rows(sql, values)?;
        Ok(rows.into_iter().next().map(|row| row.value))
    }

    /// A single fact; what cannot be read is not there.
    pub(crate) fn fact<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let text: Option<String> =
            self.column("SELECT value FROM facts WHERE name = ?", vec![name.into()])?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    pub(crate) fn set_fact(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string(value).map_err(|error| Error::from(error.to_string()))?;
        self.run("INSERT OR REPLACE INTO facts VALUES (?, ?)", vec![name.into(), text.into()])
    }

    pub(crate) fn forget_fact(&self, name: &str) -> Result<()> {
        self.run("DELETE FROM facts WHERE name = ?", vec![name.into()])
    }

    /// It is to be taken up after a crash.
    pub(crate) fn begin_turn(&self, request: &TurnRequest) -> Result<()> {
        let text = json(request)?;
        let sql = "INSERT OR IGNORE INTO turns (turn, request) VALUES (?, ?)";
        self.run(sql, vec![request.turn.to_string().into(), text.into()])
    }

    pub(crate) fn end_turn(&self, turn: TurnId, at: Timestamp, log: &TurnLog) -> Result<()> {
        let sql = "UPDATE turns SET request = NULL, ended = ?, log = ? WHERE turn = ?";
        self.run(sql, vec![at.as_ms().into(), json(log)?.into(), turn.to_string().into()])
    }

    pub(crate) fn turn(&self, turn: TurnId) -> Result<Option<Kept>> {
        let sql = "SELECT * FROM turns WHERE turn = ?";
        let rows: Vec<TurnRow> = self.rows(sql, vec![turn.to_string().into()])?;
        Ok(rows.into_iter().next().map(Kept::of))
    }

    /// Those that have not ended.
    pub(crate) fn open_turns(&self) -> Result<Vec<Kept>> {
        let rows: Vec<TurnRow> =
            self.rows("SELECT * FROM turns WHERE ended IS NULL ORDER BY turn", vec![])?;
        Ok(rows.into_iter().map(Kept::of).collect())
    }

    /// Drops the events of turns that ended before `kept`, and the rest before `known`.
    pub(crate) fn forget_turns(&self, kept: Timestamp, known: Timestamp) -> Result<()> {
        let sql = "UPDATE turns SET log = NULL WHERE log IS NOT NULL AND ended <= ?";
        self.run(sql, vec![kept.as_ms().into()])?;
        self.run("DELETE FROM turns WHERE ended <= ?", vec![known.as_ms().into()])?;
        self.run("DELETE FROM elsewhere WHERE at <= ?", vec![known.as_ms().into()])?;
        self.run(
            "DELETE FROM spoken WHERE message IS NULL AND kept_at <= ?",
            vec![known.as_ms().into()],
        )
    }

    /// The turn runs in another sandbox of the same person.
    pub(crate) fn send_elsewhere(
        &self,
        turn: TurnId,
        to: &SandboxName,
        at: Timestamp,
    ) -> Result<()> {
        // Turns are forgotten; where somebody has ever been is not, before they are.
        self.run("INSERT OR IGNORE INTO others VALUES (?)", vec![to.as_str().into()])?;
        let values = vec![turn.to_string().into(), to.as_str().into(), at.as_ms().into()];
        self.run("INSERT OR IGNORE INTO elsewhere VALUES (?, ?, ?)", values)
    }

    pub(crate) fn elsewhere(&self, turn: TurnId) -> Result<Option<SandboxName>> {
        let sql = "SELECT sandbox AS value FROM elsewhere WHERE turn = ?";
        let name: Option<String> = self.column(sql, vec![turn.to_string().into()])?;
        Ok(name.and_then(|name| name.parse().ok()))
    }

    /// The other sandboxes of the person.
    pub(crate) fn others(&self) -> Result<Vec<SandboxName>> {
        let rows: Vec<Column<String>> =
            self.rows("SELECT sandbox AS value FROM others ORDER BY sandbox", vec![])?;
        Ok(rows.into_iter().filter_map(|row| row.value.parse().ok()).collect())
    }

    /// In place of an earlier time of the same thing.
    pub(crate) fn set_due(&self, what: &str, at: Option<Timestamp>) -> Result<()> {
        match at {
            Some(at) => {
                let values = vec![what.into(), at.as_ms().into()];
                self.run("INSERT OR REPLACE INTO due VALUES (?, ?)", values)
            }
            None => self.run("DELETE FROM due WHERE what = ?", vec![what.into()]),
        }
    }

    pub(crate) fn due(&self, now: Timestamp) -> Result<Vec<String>> {
        let sql = "SELECT what AS value FROM due WHERE at <= ? ORDER BY at";
        let rows: Vec<Column<String>> = self.rows(sql, vec![now.as_ms().into()])?;
        Ok(rows.into_iter().map(|row| row.value).collect())
    }

    pub(crate) fn next_due(&self) -> Result<Option<Timestamp>> {
        let next: Option<Option<f64>> = self.column("SELECT min(at) AS value FROM due", vec![])?;
        Ok(next.flatten().map(|ms| Timestamp::from_ms(whole(ms))))
    }

    /// Known before or not, it is held; once a hub has had it, it is not held again.
    pub(crate) fn hold(&self, message: &Proactive, now: Timestamp) -> Result<()> {
        let id = message.id.to_string();
        let values = vec![id.into(), json(message)?.into(), now.as_ms().into(), now.as_ms().into()];
        self.run(
            "INSERT OR IGNORE INTO spoken (id, message, kept_at, due_at) VALUES (?, ?, ?, ?)",
            values,
        )
    }

    pub(crate) fn spoken(&self, now: Timestamp) -> Result<Vec<Spoken>> {
        let sql = "SELECT message, kept_at, tries FROM spoken
            WHERE message IS NOT NULL AND due_at <= ? ORDER BY id LIMIT 20";
        let rows: Vec<SpokenRow> = self.rows(sql, vec![now.as_ms().into()])?;
        let read = |row: SpokenRow| {
            let kept_at = Timestamp::from_ms(whole(row.kept_at));
            let tries = u32::try_from(whole(row.tries)).unwrap_or(u32::MAX);
            Some(Spoken { message: serde_json::from_str(&row.message).ok()?, kept_at, tries })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    pub(crate) fn release(&self, id: ProactiveId) -> Result<()> {
        self.run("UPDATE spoken SET message = NULL WHERE id = ?", vec![id.to_string().into()])
    }

    pub(crate) fn postpone(&self, id: ProactiveId, at: Timestamp) -> Result<()> {
        let sql = "UPDATE spoken SET due_at = ?, tries = tries + 1 WHERE id = ?";
        self.run(sql, vec![at.as_ms().into(), id.to_string().into()])
    }

    /// They write: what waited for that may go.
    pub(crate) fn hasten(&self, now: Timestamp) -> Result<()> {
        let sql = "UPDATE spoken SET due_at = ?1 WHERE message IS NOT NULL AND due_at > ?1";
        self.run(sql, vec![now.as_ms().into()])
    }

    pub(crate) fn next_spoken(&self) -> Result<Option<Timestamp>> {
        let sql = "SELECT min(due_at) AS value FROM spoken WHERE message IS NOT NULL";
        let next: Option<Option<f64>> = self.column(sql, vec![])?;
        Ok(next.flatten().map(|ms| Timestamp::from_ms(whole(ms))))
    }

    /// Counts a model call, of a turn or of none.
    pub(crate) fn count(&self, turn: Option<TurnId>, usage: Usage, now: Timestamp) -> Result<()> {
        let Usage { input_tokens, output_tokens, cost_micros } = usage;
        let numbers = || [input_tokens, output_tokens, cost_micros].map(number);
        let mut values = vec![meter::day(now).into(), i64::from(turn.is_some()).into()];
        values.extend(numbers());
        self.run(
            "INSERT INTO used VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
            input = input + excluded.input, output = output + excluded.output,
            cost = cost + excluded.cost",
            values,
        )?;
        let Some(turn) = turn else { return Ok(()) };
        let mut values: Vec<Value> = numbers().into();
        values.push(turn.to_string().into());
        self.run(
            "UPDATE turns SET input = input + ?, output = output + ?, cost = cost + ?
            WHERE turn = ?",
            values,
        )
    }

    pub(crate) fn used(&self, now: Timestamp) -> Result<UsageReport> {
        let (first, today) = (meter::first_of_month(now), meter::day(now));
        let since = |from: i64, most_asked: i64| {
            let sql = "SELECT coalesce(sum(input), 0) AS input, coalesce(sum(output), 0) AS output,
                coalesce(sum(cost), 0) AS cost FROM used WHERE day BETWEEN ? AND ? AND asked <= ?";
            let sums: Vec<Sum> =
                self.rows(sql, vec![from.into(), today.into(), most_asked.into()])?;
            let sum = sums.into_iter().next().unwrap_or_default();
            Ok::<_, Error>(usage(sum.input, sum.output, sum.cost))
        };
        let unasked = Unasked { at: now, day: since(today, 0)?, month: since(first, 0)? };
        Ok(UsageReport { day: since(today, 1)?, month: since(first, 1)?, unasked })
    }
}

impl Kept {
    fn of(row: TurnRow) -> Self {
        let _ = row.turn;
        let log = row.log.and_then(|log| serde_json::from_str(&log).ok());
        let ended = row.ended.map(|at| Timestamp::from_ms(whole(at)));
        Self {
            request: row.request.and_then(|request| serde_json::from_str(&request).ok()),
            ended: ended.map(|at| (at, log.unwrap_or_default())),
            used: usage(row.input, row.output, row.cost),
        }
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::from(error.to_string()))
}

/// JavaScript's numbers are exact up to 2^53, which no time or count of ours reaches.
#[expect(clippy::cast_possible_truncation)]
const fn whole(number: f64) -> i64 {
    number as i64
}

fn number(count: u64) -> Value {
    i64::try_from(count).unwrap_or(i64::MAX >> 11).into()
}

fn usage(input: f64, output: f64, cost: f64) -> Usage {
    let [input_tokens, output_tokens, cost_micros] =
        [input, output, cost].map(|it| whole(it).unsigned_abs());
    Usage { input_tokens, output_tokens, cost_micros }
}
