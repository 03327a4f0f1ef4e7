//! Makes one person a crowd: copies what the stores hold of them, once per person, with ids of
//! their own. Knows no table: what a row says of the person is found by their ids.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use rusqlite::Connection;
use zaki_store::testkit::Database;
use zaki_tests::load::App;

/// Where a hub keeps what it knows.
pub(crate) enum Store<'a> {
    /// In this file.
    Sqlite(PathBuf),
    /// On a server.
    Postgres(&'a Database),
}

/// Has the server read all of it once, as one that has been up for a while has.
const WARM: [&str; 2] = [
    "CREATE EXTENSION pg_prewarm",
    "SELECT pg_prewarm(oid) FROM pg_class
    WHERE relnamespace::regnamespace::text LIKE 'zaki%' AND relkind IN ('r', 'i', 't')",
];

/// A table and its columns, with their types where literals need one.
type Table = (String, Vec<(String, String)>);

impl Store<'_> {
    /// Person 0 becomes persons 0 to `people - 1`.
    pub(crate) async fn multiply(&self, people: u32) -> Result<()> {
        let mut statements = Vec::new();
        for (table, columns) in self.tables().await? {
            // A chain has one entry in each place.
            if table.ends_with("audit_entry") {
                continue;
            }
            for row in self.rows(&table, &columns).await? {
                let ids = ids(&row);
                if ids.is_empty() {
                    continue;
                }
                let values: Vec<_> = row
                    .iter()
                    .zip(&columns)
                    .map(|(value, (_, kind))| self.vary(value, &ids, kind))
                    .collect();
                let names: Vec<_> = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
                statements.push(format!(
                    "INSERT INTO {table} ({}) {} SELECT {} FROM series",
                    names.join(", "),
                    self.series(people),
                    values.join(", ")
                ));
            }
        }
        ensure!(!statements.is_empty(), "nothing is kept of the person who wrote");
        self.run(&statements).await
    }

    async fn tables(&self) -> Result<Vec<Table>> {
        // What counts up by itself is left to itself.
        let sql = match self {
            Self::Sqlite(_) => {
                "SELECT t.name || ' ' || c.name || ' ' FROM sqlite_schema AS t
                JOIN pragma_table_info(t.name) AS c ON c.type <> 'INTEGER' OR c.pk = 0
                WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' ORDER BY t.rowid, c.cid"
            }
            Self::Postgres(_) => {
                "SELECT table_schema || '.' || table_name || ' ' || column_name || ' ::' || udt_name
                FROM information_schema.columns
                WHERE table_schema LIKE 'zaki%' AND is_identity = 'NO' AND is_generated = 'NEVER'
                ORDER BY table_schema, table_name, ordinal_position"
            }
        };
        let mut tables: Vec<Table> = Vec::new();
        for line in self.texts(sql).await? {
            let mut words = line.splitn(3, ' ').map(str::to_owned);
            let (table, column) = words.next().zip(words.next()).context("no column")?;
            let kind = words.next().unwrap_or_default();
            match tables.last_mut() {
                Some((name, columns)) if *name == table => columns.push((column, kind)),
                _ => tables.push((table, vec![(column, kind)])),
            }
        }
        Ok(tables)
    }

    /// The rows of a table, each as the literals of its columns.
    async fn rows(&self, table: &str, columns: &[(String, String)]) -> Result<Vec<Vec<String>>> {
        let literals: Vec<_> = columns
            .iter()
            .map(|(name, _)| match self {
                Self::Sqlite(_) => format!("quote(\"{name}\")"),
                Self::Postgres(_) => format!("quote_nullable(\"{name}\"::text)"),
            })
            .collect();
        let array = match self {
            Self::Sqlite(_) => "json_array",
            Self::Postgres(_) => "json_build_array",
        };
        let cast = if matches!(self, Self::Postgres(_)) { "::text" } else { "" };
        let sql = format!("SELECT {array}({}){cast} FROM {table}", literals.join(", "));
        let rows = self.texts(&sql).await?;
        rows.iter().map(|row| serde_json::from_str(row).context("a row that is no JSON")).collect()
    }

    /// A literal with the person's ids replaced by those of the i-th.
    fn vary(&self, literal: &str, ids: &BTreeSet<String>, kind: &str) -> String {
        let mut value = literal.to_owned();
        for id in ids {
            let (kept, digits) = id.split_at(if id.len() == ULID { 13 } else { 1 });
            value = value.replace(id, &format!("{kept}' || {} || '", self.padded(digits.len())));
        }
        if value == "NULL" { value } else { format!("({value}){kind}") }
    }

    fn padded(&self, digits: usize) -> String {
        match self {
            Self::Sqlite(_) => format!("printf('%0{digits}d', i)"),
            Self::Postgres(_) => format!("lpad(i::text, {digits}, '0')"),
        }
    }

    fn series(&self, people: u32) -> String {
        let last = people.saturating_sub(1);
        match self {
            Self::Sqlite(_) => format!(
                "WITH RECURSIVE series(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM series \
                 WHERE i < {last})"
            ),
            Self::Postgres(_) => {
                format!("WITH series(i) AS (SELECT generate_series(1, {last}))")
            }
        }
    }

    async fn texts(&self, sql: &str) -> Result<Vec<String>> {
        match self {
            Self::Sqlite(path) => {
                let conn = Connection::open(path)?;
                let mut statement = conn.prepare(sql)?;
                let rows = statement.query_map([], |row| row.get(0))?;
                Ok(rows.collect::<rusqlite::Result<_>>()?)
            }
            Self::Postgres(database) => Ok(database.text(sql).await),
        }
    }

    async fn run(&self, statements: &[String]) -> Result<()> {
        match self {
            Self::Sqlite(path) => {
                let conn = Connection::open(path)?;
                conn.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA cache_size = -200000")?;
                conn.execute_batch(&format!("BEGIN; {}; COMMIT", statements.join(";")))?;
                conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            }
            Self::Postgres(database) => {
                // Without looking for what a row refers to: that is copied later, or before.
                let copy = ["SET session_replication_role = replica"].into_iter();
                let copy = copy.chain(statements.iter().map(String::as_str));
                let all: Vec<_> =
                    copy.chain(["VACUUM ANALYZE", "CHECKPOINT"]).chain(WARM).collect();
                database.run(&all).await;
            }
        }
        Ok(())
    }
}

/// The length of a ULID in text.
const ULID: usize = 26;

/// What names the person, and what of theirs has an id of ours.
fn ids(row: &[String]) -> BTreeSet<String> {
    let names = [App::channel(0), App::user(0)];
    let words = row.iter().flat_map(|value| value.split(|c: char| !c.is_ascii_alphanumeric()));
    let is_ulid = |word: &str| word.len() == ULID && word.starts_with('0');
    words
        .filter(|word| is_ulid(word) || names.iter().any(|name| name == word))
        .map(str::to_owned)
        .collect()
}
