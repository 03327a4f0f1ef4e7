//! A directory to try, whichever database is behind it.

use std::sync::Arc;

use tempfile::TempDir;
use zaki_envelope::{ChannelKind, Sender, Timestamp, ZakiUserId};
use zaki_identity::{Directory, Linked, PgDirectory, Policy, Resolution, SqliteDirectory};
use zaki_store::PgOptions;
use zaki_store::testkit::{Database, database};

pub(super) struct Town {
    pub(super) directory: Arc<dyn Directory>,
    ground: Ground,
}

enum Ground {
    File(TempDir),
    Server(Box<Database>),
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_ms(1_790_000_000_000)
}

impl Ground {
    async fn open(&self, policy: Policy) -> Arc<dyn Directory> {
        match self {
            Self::File(folder) => {
                let path = folder.path().join("identity.db");
                Arc::new(SqliteDirectory::open(path, policy, 100).await.unwrap())
            }
            Self::Server(database) => {
                let (url, options) = (database.url(), PgOptions::default());
                Arc::new(PgDirectory::connect(&url, &options, policy, 100).await.unwrap())
            }
        }
    }
}

impl Town {
    pub(super) async fn sqlite(policy: Policy) -> Self {
        let ground = Ground::File(tempfile::tempdir().unwrap());
        Self { directory: ground.open(policy).await, ground }
    }

    pub(super) async fn postgres(policy: Policy) -> Option<Self> {
        let ground = Ground::Server(Box::new(database().await?));
        Some(Self { directory: ground.open(policy).await, ground })
    }

    /// Another process's view of it.
    pub(super) async fn open(&self, policy: Policy) -> Arc<dyn Directory> {
        self.ground.open(policy).await
    }

    pub(super) async fn resolve(&self, channel: ChannelKind, sender: &Sender) -> Resolution {
        self.directory.resolve(channel, sender, now()).await.unwrap()
    }

    pub(super) async fn user(&self, channel: ChannelKind, sender: &Sender) -> ZakiUserId {
        self.resolve(channel, sender).await.user().unwrap()
    }

    pub(super) async fn link(
        &self,
        user: ZakiUserId,
        channel: ChannelKind,
        sender: &Sender,
    ) -> Linked {
        self.directory.link(user, channel, sender, now()).await.unwrap()
    }

    /// `change sender` of each entry.
    pub(super) async fn audit(&self) -> Vec<String> {
        match &self.ground {
            Ground::File(folder) => {
                let conn = rusqlite::Connection::open(folder.path().join("identity.db")).unwrap();
                let mut rows =
                    conn.prepare("SELECT change || ' ' || sender FROM audit ORDER BY id").unwrap();
                let rows = rows.query_map([], |row| row.get(0)).unwrap();
                rows.map(Result::unwrap).collect()
            }
            Ground::Server(database) => {
                let sql = "SELECT change || ' ' || sender FROM zaki_identity.audit ORDER BY id";
                database.text(sql).await
            }
        }
    }
}
