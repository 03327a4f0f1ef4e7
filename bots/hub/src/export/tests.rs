//! What a person's archive has of their sandbox, against an edge of the tests.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use futures::TryStreamExt;
use serde_json::{Value, json};
use zaki_edge_native::Reach;
use zaki_envelope::{ChannelKind, Sender, SenderId, SenderScope, signature::SigningKey};
use zaki_identity::{Actor, How, Setting};
use zip::ZipArchive;

use super::*;
use crate::{config, stores::Stores};

const OLD: &str = "01j00000000000000000000001";
const NEW: &str = "01j00000000000000000000002";

/// An edge that has one backup of everybody, and something newer of those who are busy.
#[derive(Default)]
struct Sandboxes {
    changed: AtomicBool,
    /// Its store does not answer.
    shut: bool,
    /// Its archives break off.
    torn: bool,
}

type At = State<Arc<Sandboxes>>;

fn backup(id: &str) -> Value {
    json!({
        "id": id, "at": 1_790_000_000_000_i64, "size": 9, "sha256": "00", "lineage": "l",
        "root": "/data", "files": 1, "bytes": 9, "databases": 1,
    })
}

async fn report(State(edge): At) -> Json<Value> {
    let changed = edge.changed.load(Relaxed);
    let state = if changed { json!({"changed_since": 1, "overdue": false}) } else { json!({}) };
    let all = if changed { vec![backup(OLD)] } else { vec![backup(NEW), backup(OLD)] };
    let mut report = json!({"sandbox": "s", "awake": false, "backup": state, "backups": all});
    if edge.shut {
        report["backups"] = Value::Null;
    }
    Json(report)
}

async fn back_up(State(edge): At) -> Json<Value> {
    edge.changed.store(false, Relaxed);
    Json(json!({"outcome": "done", "backup": backup(NEW)}))
}

async fn download(State(edge): At, Path((user, id)): Path<(String, String)>) -> Body {
    let whole = Ok(format!("memory {id} of {user}"));
    let torn = edge.torn.then(|| Err(io::Error::other("on purpose")));
    Body::from_stream(stream::iter([whole].into_iter().chain(torn)))
}

fn client(edge: Sandboxes) -> EdgeClient {
    let router = Router::new()
        .route("/v1/users/{user}/sandbox", get(report))
        .route("/v1/users/{user}/backup", post(back_up))
        .route("/v1/users/{user}/backups/{id}", get(download))
        .with_state(Arc::new(edge));
    let key = SigningKey::new("hub", "a secret of the tests, long enough");
    EdgeClient::new(Reach::InProcess(router), key)
}

/// A house of its own, in which somebody is known by these names.
struct House {
    _dir: tempfile::TempDir,
    directory: Directory,
    ledger: Arc<dyn Ledger>,
}

impl House {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let toml = format!("[hub]\ndata_dir = {:?}", dir.path());
        let config = config::load_table(toml.parse().unwrap()).unwrap();
        let Stores { directory, ledger, .. } = Stores::open(&config).await.unwrap();
        Self { _dir: dir, directory, ledger }
    }

    async fn user(&self, name: &str) -> ZakiUserId {
        let sender = Sender::new(SenderScope::new(""), SenderId::new(name));
        let (by, how) = (Actor::Operator, How::Operator);
        let enrol = self.directory.enrol(ChannelKind::Telegram, &sender, by, how, clock::now());
        enrol.await.unwrap()
    }

    /// Whose archives are in the record as broken off.
    async fn failed(&self) -> Vec<Option<ZakiUserId>> {
        let acts = self.directory.audit(0, 100).await.unwrap();
        acts.iter().filter(|act| act.act == "export_failed").map(|act| act.about).collect()
    }

    /// What is in somebody's archive, by name.
    async fn export(
        &self,
        user: ZakiUserId,
        edge: Option<EdgeClient>,
    ) -> io::Result<BTreeMap<String, String>> {
        let (directory, ledger) = (self.directory.clone(), Arc::clone(&self.ledger));
        let source = Source { directory, ledger, accounts: Arc::default(), edge };
        let pieces: Vec<Bytes> = archive(source, user, Some(Actor::Operator)).try_collect().await?;
        let mut zip = ZipArchive::new(Cursor::new(pieces.concat())).unwrap();
        let mut found = BTreeMap::new();
        for n in 0..zip.len() {
            let (mut text, mut file) = (String::new(), zip.by_index(n).unwrap());
            file.read_to_string(&mut text).unwrap();
            let name = file.name().unwrap().into_owned();
            found.insert(name, text);
        }
        Ok(found)
    }
}

#[tokio::test]
async fn what_the_sandbox_has_is_in_it_as_of_now() {
    let house = House::open().await;
    let ann = house.user("ann").await;
    let busy = Sandboxes { changed: true.into(), ..Sandboxes::default() };
    for edge in [busy, Sandboxes::default()] {
        let found = house.export(ann, Some(client(edge))).await.unwrap();
        let memory = found.get(&format!("sandbox/{NEW}.tar.zst"));
        assert_eq!(memory, Some(&format!("memory {NEW} of {ann}")), "{found:?}");
        let all: Value = serde_json::from_str(&found["sandbox/backups.json"]).unwrap();
        assert_eq!(all["backups"].as_array().map(Vec::len), Some(2));
        assert!(found.contains_key("person.json") && found.contains_key("messages.jsonl"));
    }
}

#[tokio::test]
async fn of_somebody_who_was_two_it_has_both() {
    let house = House::open().await;
    let (ann, bob) = (house.user("ann").await, house.user("bob").await);
    house.directory.merge(ann, bob, Actor::Operator, clock::now()).await.unwrap();
    let found = house.export(ann, Some(client(Sandboxes::default()))).await.unwrap();
    assert_eq!(found[&format!("sandbox/{NEW}.tar.zst")], format!("memory {NEW} of {ann}"));
    let his = format!("merged/{bob}/sandbox/{NEW}.tar.zst");
    assert_eq!(found[&his], format!("memory {NEW} of {bob}"));
}

#[tokio::test]
async fn what_cannot_be_read_is_said_to_be_missing() {
    let house = House::open().await;
    let ann = house.user("ann").await;
    let gone = EdgeClient::new(
        Reach::InProcess(Router::new()),
        SigningKey::new("hub", "a secret of the tests, long enough"),
    );
    let shut = Some(client(Sandboxes { shut: true, ..Sandboxes::default() }));
    for edge in [None, Some(gone), shut] {
        let found = house.export(ann, edge).await.unwrap();
        assert!(found["sandbox/MISSING.txt"].contains("could not be read"), "{found:?}");
        assert!(!found.keys().any(|name| name.contains(".zst")), "{found:?}");
        assert!(found.contains_key("person.json"), "and the rest is there");
    }
}

#[tokio::test]
async fn a_part_of_it_is_not_taken_for_the_whole() {
    let house = House::open().await;
    let ann = house.user("ann").await;
    let torn = Some(client(Sandboxes { torn: true, ..Sandboxes::default() }));
    assert!(house.export(ann, torn).await.is_err());
    assert_eq!(house.failed().await, [Some(ann)]);
}

#[tokio::test]
async fn what_nobody_has_read_to_its_end_was_not_delivered() {
    let house = House::open().await;
    let ann = house.user("ann").await;
    house.export(ann, Some(client(Sandboxes::default()))).await.unwrap();
    assert_eq!(house.failed().await, [], "the whole was read");
    let (directory, ledger) = (house.directory.clone(), Arc::clone(&house.ledger));
    let source = Source { directory, ledger, accounts: Arc::default(), edge: None };
    let mut pieces = Box::pin(archive(source, ann, Some(Actor::Operator)));
    pieces.try_next().await.unwrap();
    drop(pieces);
    for _ in 0..500 {
        if house.failed().await == [Some(ann)] {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it is in the record as had");
}

#[tokio::test]
async fn it_is_in_the_language_of_whose_it_is() {
    let house = House::open().await;
    let ann = house.user("ann").await;
    let german = Setting::Lang(Some("de".to_owned()));
    house.directory.set(ann, german).await.unwrap();
    let found = house.export(ann, None).await.unwrap();
    assert!(found["sandbox/MISSING.txt"].contains("konnte nicht gelesen werden"), "{found:?}");
}

#[test]
fn a_browser_is_answered_in_the_first_of_its_languages_that_is_spoken_here() {
    let lang = |asked: &str| {
        preferred(&[(header::ACCEPT_LANGUAGE, asked.parse().unwrap())].into_iter().collect())
    };
    assert_eq!(lang("pt-BR, es-ES;q=0.8, en;q=0.5"), Lang::Es);
    assert_eq!((lang("ja"), preferred(&HeaderMap::new())), (Lang::En, Lang::En));
}
