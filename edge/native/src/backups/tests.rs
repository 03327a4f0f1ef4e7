//! Backups that are being written while their person is erased.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use async_trait::async_trait;
use axum::{Router, extract::State as Axum, http::HeaderName, routing::post};
use object_store::{
    ObjectMeta, ObjectStore,
    memory::InMemory,
    throttle::{ThrottleConfig, ThrottledStore},
};
use zaki_envelope::SandboxKind;

use super::*;
use crate::runtime::{Container, Life};

/// It never goes away.
struct Ever;

#[async_trait]
impl Life for Ever {
    async fn exited(&self) {
        std::future::pending().await
    }
}

/// Backups in a store that takes its time for everything that is put into it.
struct Yard {
    _dir: tempfile::TempDir,
    objects: Arc<dyn ObjectStore>,
    backups: Arc<Backups>,
    /// How often a sandbox was asked for its memory.
    asked: Arc<AtomicU32>,
}

impl Yard {
    async fn open(wait_put_per_call: Duration) -> Self {
        let slow = ThrottleConfig { wait_put_per_call, ..ThrottleConfig::default() };
        let objects: Arc<dyn ObjectStore> = Arc::new(ThrottledStore::new(InMemory::new(), slow));
        let dir = tempfile::tempdir().unwrap();
        let backups = backups(dir.path(), Store::of(objects.clone())).await;
        Self { _dir: dir, objects, backups: Arc::new(backups), asked: Arc::default() }
    }

    /// A backup of somebody's sandbox that is being made.
    async fn making(&self, name: &SandboxName) -> Making {
        let http = HttpLink::new(HttpLink::client().unwrap(), listen(self.asked.clone()).await, "");
        self.backups.of(name).now().link = Some(Arc::new(Container { http, life: Ever }));
        let before = self.asked.load(SeqCst);
        let (backups, name) = (self.backups.clone(), name.clone());
        let making = tokio::spawn(async move { backups.make(&name).await });
        while self.asked.load(SeqCst) == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        making
    }

    async fn stored(&self) -> Vec<ObjectMeta> {
        self.objects.list(None).try_collect().await.unwrap()
    }
}

type Making = tokio::task::JoinHandle<Result<Backup, BackupError>>;

pub(super) async fn backups(dir: &Path, store: Store) -> Backups {
    let config = BackupConfig::default();
    Backups {
        store,
        state: State::open(&dir.join("edge.db")).await.unwrap(),
        schedule: config.schedule(),
        retention: config.retention(),
        sandboxes: DashMap::new(),
        erased: DashSet::new(),
        at_once: Semaphore::new(AT_ONCE),
        tally: Tally::default(),
        tasks: TaskTracker::new(),
    }
}

/// A sandbox that gives its memory.
async fn listen(asked: Arc<AtomicU32>) -> std::net::SocketAddr {
    let router = Router::new().route("/v1/backup", post(give)).with_state(asked);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn give(Axum(asked): Axum<Arc<AtomicU32>>) -> ([(HeaderName, String); 1], &'static str) {
    asked.fetch_add(1, SeqCst);
    let summary = serde_json::to_string(&summary()).unwrap();
    ([(HeaderName::from_static(BACKUP_HEADER), summary)], "my memory")
}

pub(super) fn summary() -> BackupSummary {
    BackupSummary {
        lineage: "l".to_owned(),
        root: "/data".to_owned(),
        agent: None,
        files: 1,
        bytes: 9,
        databases: 1,
    }
}

pub(super) fn name(n: u128) -> SandboxName {
    let user = ZakiUserId::from_parts(zaki_envelope::Timestamp::from_ms(1), n);
    SandboxName::new(user, &SandboxKind::Personal).unwrap()
}

#[tokio::test]
async fn what_is_being_written_while_somebody_is_erased_goes_with_them() {
    let yard = Yard::open(Duration::from_millis(200)).await;
    let (mine, theirs) = (name(1), name(2));
    yard.making(&theirs).await.await.unwrap().unwrap();
    let all_of_theirs = yard.stored().await;
    assert_eq!(all_of_theirs.len(), 2, "an archive and its note");

    let making = yard.making(&mine).await;
    yard.backups.erase(mine.user()).await.unwrap();
    assert!(making.await.unwrap().is_ok(), "it was whole, and is gone");
    assert_eq!(yard.stored().await, all_of_theirs);

    // Whoever comes later has a way in still, and a sandbox that would answer.
    let http = HttpLink::new(HttpLink::client().unwrap(), listen(yard.asked.clone()).await, "");
    yard.backups.of(&mine).now().link = Some(Arc::new(Container { http, life: Ever }));
    let later = yard.backups.make(&mine).await;
    assert!(matches!(later, Err(BackupError::Erased)), "{later:?}");
    assert_eq!(yard.stored().await, all_of_theirs);
}

#[tokio::test]
async fn an_upload_that_hangs_is_not_waited_for_for_ever() {
    let yard = Yard::open(Duration::from_hours(1)).await;
    let (mine, theirs) = (name(1), name(2));
    let making = yard.making(&mine).await;
    yard.backups.erase(theirs.user()).await.unwrap();
    let patience = Duration::from_millis(50);
    let erased = yard.backups.erase_within(mine.user(), patience).await;
    assert!(matches!(erased, Err(BackupStoreError::UnderWay)), "{erased:?}");
    making.abort();
    yard.backups.erase(mine.user()).await.unwrap();
    assert_eq!(yard.stored().await, []);
}
