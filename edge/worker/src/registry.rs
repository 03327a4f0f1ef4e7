//! Which sandboxes there are, and which of them have something that no backup has: one object, told
//! by theirs, asked by the cron and by operators.

#![expect(missing_docs, reason = "what `durable_object` generates has none")]

use serde::{Deserialize, Serialize};
use worker::{
    DurableObject, Env, Method, Request, Response, Result, SqlStorage, State, durable_object,
};
use zaki_envelope::{
    SandboxName, Timestamp,
    wire::{BackupState, SandboxReport},
};

use crate::{config::Config, convert, report, sandbox::LOOK};

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
}

#[derive(Deserialize)]
struct Row {
    entry: String,
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
            name TEXT PRIMARY KEY, changed INTEGER, entry TEXT NOT NULL) WITHOUT ROWID";
        if let Err(error) = sql.exec(schema, None) {
            report::failure("registry.no_store", &error);
        }
        Self { sql }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        match (request.method(), request.path().as_str()) {
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
    fn list(&self, sql: &str) -> Result<Response> {
        let rows: Vec<Row> = self.sql.exec(sql, None)?.to_array()?;
        let read = |row: &Row| serde_json::from_str::<Entry>(&row.entry).ok();
        Response::from_json(&rows.iter().filter_map(read).collect::<Vec<_>>())
    }
}

async fn ask(env: &Env, method: Method, path: &str, entry: Option<&Entry>) -> Result<Response> {
    let body = entry.and_then(|entry| serde_json::to_vec(entry).ok());
    let call = convert::call(&format!("https://object{path}"), method, &[], body.as_deref())?;
    env.durable_object(BINDING)?.get_by_name(NAME)?.fetch_with_request(call).await
}

/// From now on it is known as it is.
pub(crate) async fn put(env: &Env, entry: &Entry) -> Result<()> {
    ask(env, Method::Put, "/", Some(entry)).await.map(drop)
}

/// It is not there any more.
pub(crate) async fn remove(env: &Env, name: &SandboxName) -> Result<()> {
    ask(env, Method::Delete, &format!("/{name}"), None).await.map(drop)
}

/// Every sandbox there is, as it was told of last.
pub(crate) async fn list(env: &Env) -> Result<Vec<SandboxReport>> {
    let entries: Vec<Entry> = ask(env, Method::Get, "/", None).await?.json().await?;
    let of = |entry: Entry| {
        let Entry { sandbox, awake, changed_since, made_at } = entry;
        let backup = BackupState { changed_since, made_at, ..BackupState::default() };
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

/// Has every object whose memory is in no backup look at it: each has an alarm of its own for that,
/// and this is for the one whose alarm was lost.
pub(crate) async fn look_after(env: &Env) -> Result<()> {
    let config = Config::of(env).map_err(|error| worker::Error::from(error.to_string()))?;
    let entries: Vec<Entry> = ask(env, Method::Get, "/changed", None).await?.json().await?;
    report::event(
        env,
        "cron.looked",
        "backups",
        f64::from(u32::try_from(entries.len()).unwrap_or(SOME)),
    );
    for entry in entries {
        let Ok(name) = entry.sandbox.parse::<SandboxName>() else { continue };
        let headers = [("zaki-sandbox", name.as_str())];
        let call = convert::call(&format!("https://object{LOOK}"), Method::Post, &headers, None)?;
        let stub = env.durable_object(config.binding(&name))?.get_by_name(name.as_str())?;
        if let Err(error) = stub.fetch_with_request(call).await {
            report::failure("cron.not_looked", &error);
        }
    }
    Ok(())
}
