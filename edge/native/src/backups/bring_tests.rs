//! Who begins anew, and who does not.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use async_trait::async_trait;
use axum::{
    Json, Router,
    body::Bytes,
    response::IntoResponse,
    routing::{post, put},
};
use base64::Engine;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result as Stored, memory::InMemory, path::Path,
};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use zaki_envelope::{Timestamp, wire::RestoreRequest};
use zaki_store::Keys;

use super::super::{
    Wish,
    store::Store,
    tests::{backups, name, summary},
};
use super::*;

/// A sandbox without a state, that cannot read what begins with `newer`.
async fn listen() -> (HttpLink, mpsc::UnboundedReceiver<Value>) {
    let (said, told) = mpsc::unbounded_channel::<Value>();
    let also = said.clone();
    let begin = async move |Json(body): Json<Value>| _ = said.send(body);
    let restore = async move |whole: Bytes| {
        if whole.starts_with(b"newer") {
            let why = json!({"error": "it has format 2"});
            return (StatusCode::UNPROCESSABLE_ENTITY, Json(why)).into_response();
        }
        _ = also.send(Value::String(String::from_utf8_lossy(&whole).into_owned()));
        StatusCode::NO_CONTENT.into_response()
    };
    let router = Router::new().route("/v1/begin", post(begin)).route("/v1/restore", put(restore));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (HttpLink::new(HttpLink::client().unwrap(), address, ""), told)
}

/// What a sandbox hears of which the edge knows no backup, by what the store says, and what operators
/// hear of that.
async fn revived(store: Store) -> (Value, Option<String>) {
    let dir = tempfile::tempdir().unwrap();
    let (backups, (http, mut told)) = (backups(dir.path(), store).await, listen().await);
    let name = name(1);
    backups.revive(&name, &backups.of(&name), &http).await;
    let why = backups.of(&name).now().record.restore_failure.clone();
    (told.recv().await.unwrap(), why)
}

async fn begins(store: Store) -> bool {
    revived(store).await.0["refused"].is_null()
}

/// It does not begin, and both it and operators are told of all of these.
async fn is_refused(store: Store, why: &[&str]) {
    let (told, failure) = revived(store).await;
    let refused = told["refused"].as_str().unwrap_or_else(|| panic!("{told}"));
    assert_eq!(failure.as_deref(), Some(refused));
    assert!(why.iter().all(|it| refused.contains(it)), "{refused}");
}

fn version(ms: i64) -> BackupId {
    BackupId::from_parts(Timestamp::from_ms(ms), 1)
}

/// Stores one.
async fn keep(store: &Store, ms: i64, text: &'static str) -> Backup {
    let pieces = stream::iter([Ok(Bytes::from_static(text.as_bytes()))]).boxed();
    store.put(&name(1), version(ms), summary(), pieces).await.unwrap()
}

fn archive(backup: &Backup) -> Path {
    format!("users/{}/{}/{}/archive.tar.zst", name(1).user(), name(1), backup.id).into()
}

fn memory() -> (Arc<dyn ObjectStore>, Store) {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    (objects.clone(), Store::of(objects))
}

#[tokio::test]
async fn nobody_begins_anew_because_a_note_cannot_be_read() {
    let (objects, store) = memory();
    let (newest, name) = (version(9).to_string(), name(1));
    let note = format!("users/{}/{name}/{newest}/backup.json", name.user());
    let text = PutPayload::from_static(b"{\"of\":\"a newer release\"}");
    objects.put(&note.into(), text).await.unwrap();
    is_refused(store.clone(), &[&newest]).await;
    // An older one is there: it is taken, and not in silence.
    keep(&store, 5, "my memory").await;
    let (told, why) = revived(store).await;
    assert_eq!(told, "my memory");
    assert!(why.as_deref().is_some_and(|why| why.contains(&newest)), "{why:?}");
}

#[tokio::test]
async fn nobody_begins_anew_because_the_store_does_not_answer() {
    let dir = tempfile::tempdir().unwrap();
    let local = object_store::local::LocalFileSystem::new_with_prefix(dir.path()).unwrap();
    let local: Arc<dyn ObjectStore> = Arc::new(local);
    assert!(begins(Store::of(local.clone())).await, "it says that there is none");
    // No directory: whatever would be in it cannot be listed.
    std::fs::write(dir.path().join("users"), "").unwrap();
    assert!(!begins(Store::of(local)).await);
}

#[tokio::test]
async fn nobody_begins_anew_because_a_newer_release_wrote_their_archive() {
    let (objects, store) = memory();
    let newer = keep(&store, 9, "newer: my memory").await;
    is_refused(store.clone(), &[&newer.id.to_string(), "format 2", "Nothing is lost"]).await;
    // What the store has not any more is broken, whatever the sandbox says of it.
    objects.put(&archive(&newer), PutPayload::from_static(b"newer? my memory")).await.unwrap();
    let (told, why) = revived(store.clone()).await;
    assert!(told["refused"].is_null() && told.is_object(), "{told}");
    assert!(why.is_some_and(|why| why.contains("not what was stored")));
    let other = keep(&store, 10, "newer: my memory").await;
    keep(&store, 5, "my memory").await;
    let (told, why) = revived(store).await;
    assert_eq!(told, "my memory");
    assert!(why.is_some_and(|why| why.contains(&other.id.to_string()) && why.contains("format 2")));
}

#[tokio::test]
async fn nobody_begins_anew_because_a_key_is_not_given() {
    let keys = |id: &str, byte: u8| {
        let key = base64::engine::general_purpose::STANDARD.encode([byte; 32]).into();
        Keys::new([(id, &key)]).unwrap()
    };
    let (objects, store) = memory();
    let sealed = store.with(keys("k1", 1));
    let backup = keep(&sealed, 9, "my memory").await;
    let id = backup.id.to_string();
    for (given, said) in [
        (Keys::default(), "not given"),
        (keys("k2", 2), "not given"),
        (keys("k1", 2), "does not open"),
    ] {
        is_refused(sealed.clone().with(given), &[&id, "\"k1\"", said, "backup.keys"]).await;
    }
    assert_eq!(revived(sealed.clone()).await.0, "my memory", "with its key");
    // Damaged, it is lost with its key and without.
    objects.put(&archive(&backup), PutPayload::from_static(b"????")).await.unwrap();
    assert!(begins(sealed.clone()).await);
    assert!(begins(sealed.with(Keys::default())).await);
}

/// A store that breaks off in the middle of so many archives.
#[derive(Debug)]
struct Breaking {
    all: InMemory,
    left: AtomicU32,
}

impl std::fmt::Display for Breaking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a store that breaks off")
    }
}

#[async_trait]
impl ObjectStore for Breaking {
    async fn put_opts(&self, at: &Path, what: PutPayload, how: PutOptions) -> Stored<PutResult> {
        self.all.put_opts(at, what, how).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        how: PutMultipartOptions,
    ) -> Stored<Box<dyn MultipartUpload>> {
        self.all.put_multipart_opts(at, how).await
    }

    async fn get_opts(&self, at: &Path, how: GetOptions) -> Stored<GetResult> {
        let result = self.all.get_opts(at, how.clone()).await?;
        let is_archive = at.filename().is_some_and(|it| it.starts_with("archive"));
        let breaks = |left: u32| left.checked_sub(1);
        if !is_archive || self.left.fetch_update(SeqCst, SeqCst, breaks).is_err() {
            return Ok(result);
        }
        let whole = self.all.get_opts(at, how).await?.bytes().await?;
        let gone = object_store::Error::Generic { store: "breaking", source: "gone".into() };
        let pieces = stream::iter([Ok(whole.slice(..whole.len() / 2)), Err(gone)]).boxed();
        Ok(GetResult { payload: GetResultPayload::Stream(pieces), ..result })
    }

    async fn get_ranges(&self, at: &Path, ranges: &[Range<u64>]) -> Stored<Vec<Bytes>> {
        self.all.get_ranges(at, ranges).await
    }

    fn delete_stream(
        &self,
        all: BoxStream<'static, Stored<Path>>,
    ) -> BoxStream<'static, Stored<Path>> {
        self.all.delete_stream(all)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Stored<ObjectMeta>> {
        self.all.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Stored<ListResult> {
        self.all.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Stored<()> {
        self.all.copy_opts(from, to, how).await
    }
}

#[tokio::test]
async fn nobody_begins_anew_or_with_less_because_the_store_breaks_off() {
    let breaking = Arc::new(Breaking { all: InMemory::new(), left: AtomicU32::new(0) });
    let store = Store::of(breaking.clone());
    keep(&store, 5, "my memory").await;
    keep(&store, 9, "my later memory").await;
    breaking.left.store(u32::MAX, SeqCst);
    is_refused(store.clone(), &["cannot be fetched", "broke off", "try again later"]).await;
    // It is tried again, and nothing older is had instead.
    breaking.left.store(TRIES - 1, SeqCst);
    assert_eq!(revived(store).await, (json!("my later memory"), None));
}

/// What an operator hears who has it begin anew where nothing can be had, and what the sandbox hears.
async fn given_up(store: Store) -> (BackupOutcome, Value, bool) {
    let dir = tempfile::tempdir().unwrap();
    let (backups, (http, mut told)) = (Arc::new(backups(dir.path(), store).await), listen().await);
    let (name, (done, outcome)) = (name(1), oneshot::channel());
    let sandbox = backups.of(&name);
    let what = RestoreRequest { id: None, anew: true };
    sandbox.now().wish = Some(Wish { what, strict: false, done });
    backups.supply(&name, &sandbox, &http, true).await;
    let is_due = sandbox.now().tracker.changed_since().is_some();
    (outcome.await.unwrap(), told.recv().await.unwrap(), is_due)
}

#[tokio::test]
async fn an_operator_may_have_somebody_begin_anew_whose_memory_cannot_be_had() {
    let (_, store) = memory();
    let newer = keep(&store, 9, "newer: my memory").await;
    let (outcome, told, is_due) = given_up(store.clone()).await;
    assert_eq!(outcome, BackupOutcome::Anew);
    assert!(told.is_object() && told["refused"].is_null(), "{told}");
    assert!(is_due, "its next start would be refused again");
    assert_eq!(store.list(&name(1)).await.unwrap().kept, [newer], "it is kept");
    // Not who can have one.
    let older = keep(&store, 5, "my memory").await;
    let (outcome, told, _) = given_up(store).await;
    assert!(matches!(outcome, BackupOutcome::Done { backup, .. } if *backup == older));
    assert_eq!(told, "my memory");
}
