//! Which sandboxes there are, which of them have something that no backup has, and what any isolate
//! leaves alone because it failed: one object, told by all others, asked by the cron and by operators.

#![expect(missing_docs, reason = "what `durable_object` generates has none")]

use serde::{Deserialize, Serialize};
use serde_json::json;
use worker::{
    DurableObject, Env, Method, Request, Response, Result, SqlStorage, State, durable_object,
};
use zaki_edge_core::breaker::{BELIEVED_MS, Said, Word};
use zaki_envelope::{
    SandboxName, Timestamp,
    wire::{BackupState, SandboxReport},
};

use crate::{clock, config::Config, convert, report, sandbox::LOOK};

/// Between its own parts.
const BREAKERS: &str = "/breakers";
const SUMS: &str = "/sums";
const NOTHING: Option<&()> = None;
/// The class's binding, and the name of its one object.
const BINDING: &str = "REGISTRY";
const NAME: &str = "registry";
/// So many objects are looked after by one cron.
const SOME: u32 = 200;

/// A sandbox, as its object tells of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) sandbox: String,
    pub(crate) awake: bool,
    pub(crate) changed_since: Option<Timestamp>,
    pub(crate) made_at: Option<Timestamp>,
    /// How much room its backups take, in bytes.
    #[serde(default)]
    pub(crate) stored: u64,
}

/// How all of them stand together.
#[derive(Default, Deserialize)]
struct Sums {
    known: f64,
    awake: f64,
    changed: f64,
    stored: f64,
    oldest_change: Option<f64>,
    oldest_backup: Option<f64>,
}

#[derive(Deserialize)]
struct Row {
    entry: String,
}

#[derive(Deserialize)]
struct Kept {
    said: String,
}

/// All of them.
#[durable_object]
pub struct Registry {
    sql: SqlStorage,
}

impl DurableObject for Registry {
    fn new(state: State, _env: Env) -> Self {
        let sql = state.storage().sql();
        let schema = "CREATE TABLE IF NOT EXISTS sandboxes (
            name TEXT PRIMARY KEY, changed INTEGER, entry TEXT NOT NULL) WITHOUT ROWID;
            CREATE TABLE IF NOT EXISTS breakers (
            isolate TEXT NOT NULL, name TEXT NOT NULL, at INTEGER NOT NULL, said TEXT NOT NULL,
            PRIMARY KEY (isolate, name)) WITHOUT ROWID";
        if let Err(error) = sql.exec(schema, None) {
            report::failure("registry.no_store", &error);
        }
        Self { sql }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        match (request.method(), request.path().as_str()) {
            (Method::Put, BREAKERS) => self.note(&request.json().await?),
            (Method::Get, BREAKERS) => self.said(),
            (Method::Get, SUMS) => self.sums(),
            (Method::Put, _) => {
                let entry: Entry = request.json().await?;
                let changed = entry.changed_since.map(Timestamp::as_ms);
                let changed = changed.map_or(worker::SqlStorageValue::Null, Into::into);
                let text = serde_json::to_string(&entry).unwrap_or_default();
                let values = vec![entry.sandbox.into(), changed, text.into()];
                let sql = "INSERT OR REPLACE INTO sandboxes VALUES (?, ?, ?)";
                self.sql.exec(sql, values)?;
                Response::empty()
            }
            (Method::Delete, path) => {
                let name = path.trim_start_matches('/').to_owned();
                self.sql.exec("DELETE FROM sandboxes WHERE name = ?", vec![name.into()])?;
                Response::empty()
            }
            (_, "/changed") => self.list(&format!(
                "SELECT entry FROM sandboxes WHERE changed NOT NULL ORDER BY changed LIMIT {SOME}"
            )),
            _ => self.list("SELECT entry FROM sandboxes ORDER BY name"),
        }
    }
}

impl Registry {
    /// Of one that is well, nothing is kept.
    fn note(&self, Said { isolate, word }: &Said) -> Result<Response> {
        let now = clock::now();
        let old = vec![now.plus_ms(-BELIEVED_MS).as_ms().into()];
        self.sql.exec("DELETE FROM breakers WHERE at < ?", old)?;
        let name = word.stands.provider.as_str();
        if word.is_well() {
            let values = vec![isolate.as_str().into(), name.into()];
            self.sql.exec("DELETE FROM breakers WHERE isolate = ? AND name = ?", values)?;
        } else {
            let text = serde_json::to_string(word).unwrap_or_default();
            let values =
                vec![isolate.as_str().into(), name.into(), now.as_ms().into(), text.into()];
            self.sql.exec("INSERT OR REPLACE INTO breakers VALUES (?, ?, ?, ?)", values)?;
        }
        Response::empty()
    }

    fn said(&self) -> Result<Response> {
        let since = vec![clock::now().plus_ms(-BELIEVED_MS).as_ms().into()];
        let sql = "SELECT said FROM breakers WHERE at >= ?";
        let rows: Vec<Kept> = self.sql.exec(sql, since)?.to_array()?;
        let read = |row: &Kept| serde_json::from_str::<Word>(&row.said).ok();
        Response::from_json(&rows.iter().filter_map(read).collect::<Vec<_>>())
    }

    fn sums(&self) -> Result<Response> {
        let sql = "SELECT count(*) AS known, coalesce(sum(entry ->> 'awake'), 0) AS awake,
            count(changed) AS changed, coalesce(sum(entry ->> 'stored'), 0) AS stored,
            min(changed) AS oldest_change,
            min(CASE WHEN changed NOT NULL THEN entry ->> 'made_at' END) AS oldest_backup
            FROM sandboxes";
        let rows: Vec<serde_json::Value> = self.sql.exec(sql, None)?.to_array()?;
        Response::from_json(&rows.into_iter().next().unwrap_or(json!({})))
    }

    fn list(&self, sql: &str) -> Result<Response> {
        let rows: Vec<Row> = self.sql.exec(sql, None)?.to_array()?;
        let read = |row: &Row| serde_json::from_str::<Entry>(&row.entry).ok();
        Response::from_json(&rows.iter().filter_map(read).collect::<Vec<_>>())
    }
}

async fn ask<T: Serialize>(
    env: &Env,
    method: Method,
    path: &str,
    body: Option<&T>,
) -> Result<Response> {
    let body = body.and_then(|body| serde_json::to_vec(body).ok());
    let call = convert::call(&format!("https://object{path}"), method, &[], body.as_deref())?;
    env.durable_object(BINDING)?.get_by_name(NAME)?.fetch_with_request(call).await
}

/// From now on it is known as it is.
pub(crate) async fn put(env: &Env, entry: &Entry) -> Result<()> {
    ask(env, Method::Put, "/", Some(entry)).await.map(drop)
}

/// It is not there any more.
pub(crate) async fn remove(env: &Env, name: &SandboxName) -> Result<()> {
    ask(env, Method::Delete, &format!("/{name}"), NOTHING).await.map(drop)
}

/// Every sandbox there is, as it was told of last.
pub(crate) async fn list(env: &Env) -> Result<Vec<SandboxReport>> {
    let entries: Vec<Entry> = ask(env, Method::Get, "/", NOTHING).await?.json().await?;
    let of = |entry: Entry| {
        let Entry { sandbox, awake, changed_since, made_at, stored } = entry;
        let stored = Some(stored);
        let backup = BackupState { changed_since, made_at, stored, ..BackupState::default() };
        SandboxReport {
            sandbox,
            awake,
            phase: if awake { zaki_envelope::wire::SandboxPhase::Running } else { <_>::default() },
            release: <_>::default(),
            backup,
            backups: None,
        }
    };
    Ok(entries.into_iter().map(of).collect())
}

/// From now on an isolate's breaker is known to stand so.
pub(crate) async fn say(env: &Env, isolate: String, word: Word) -> Result<()> {
    let said = Said { isolate, word };
    ask(env, Method::Put, BREAKERS, Some(&said)).await.map(drop)
}

/// What isolates have said of theirs that are not well.
pub(crate) async fn said(env: &Env) -> Result<Vec<Word>> {
    ask(env, Method::Get, BREAKERS, NOTHING).await?.json().await
}

/// Tells how all of them stand together: how many there are, how much room their backups take, and
/// how old the oldest are of what waits to be backed up.
pub(crate) async fn tell_sums(env: &Env) -> Result<()> {
    let sums: Sums = ask(env, Method::Get, SUMS, NOTHING).await?.json().await?;
    let now = report::number(clock::now().as_ms());
    let age = |at: Option<f64>| at.map_or(0.0, |at| (now - at).max(0.0));
    let numbers = [
        ("known", sums.known),
        ("awake", sums.awake),
        ("changed", sums.changed),
        ("stored_bytes", sums.stored),
        ("oldest_change_ms", age(sums.oldest_change)),
        ("oldest_backup_ms", age(sums.oldest_backup)),
    ];
    report::figures(env, "sandboxes.stand", "all", &numbers);
    Ok(())
}

/// How old the newest backup is of one that waits for another; what never had one tells 0.
fn tell_age(env: &Env, entry: &Entry) {
    let age = |at: Option<Timestamp>| at.map_or(0, |at| clock::now().since(at).max(0));
    let numbers = [
        ("backup_ms", report::number(age(entry.made_at))),
        ("change_ms", report::number(age(entry.changed_since))),
    ];
    report::figures(env, "backup.age", &entry.sandbox, &numbers);
}

/// Has every object whose memory is in no backup look at it: each has an alarm of its own for that,
/// and this is for the one whose alarm was lost.
pub(crate) async fn look_after(env: &Env) -> Result<()> {
    let config = Config::of(env).map_err(|error| worker::Error::from(error.to_string()))?;
    let entries: Vec<Entry> = ask(env, Method::Get, "/changed", NOTHING).await?.json().await?;
    let found = f64::from(u32::try_from(entries.len()).unwrap_or(SOME));
    report::event(env, "cron.looked", "backups", found);
    for entry in entries {
        let Ok(name) = entry.sandbox.parse::<SandboxName>() else { continue };
        tell_age(env, &entry);
        let headers = [("zaki-sandbox", name.as_str())];
        let call = convert::call(&format!("https://object{LOOK}"), Method::Post, &headers, None)?;
        let stub = env.durable_object(config.binding(&name))?.get_by_name(name.as_str())?;
        if let Err(error) = stub.fetch_with_request(call).await {
            report::failure("cron.not_looked", &error);
        }
    }
    Ok(())
}
