//! A directory to try, whichever database is behind it.

use tempfile::TempDir;
use zaki_envelope::{
    AccountName, ChannelKind, Conversation, ConversationId, ConversationKind, DedupeKey, Inbound,
    InboundId, InboundKind, Sender, SenderId, SenderScope, Timestamp, Version, ZakiUserId,
};
use zaki_identity::{
    Access, Actor, BindingKey, CodeKey, Confirmed, Directory, DirectoryError, GroupRules, LinkCode,
    Offered, Options, Person, Redeemed, SignUp,
};
use zaki_store::testkit::{Database, database};
use zaki_store::{Keys, PgOptions};

pub(super) const MINUTE: i64 = 60_000;
pub(super) const DAY: i64 = 24 * 60 * MINUTE;

pub(super) struct Town {
    pub(super) directory: Directory,
    ground: Ground,
}

enum Ground {
    File(TempDir),
    Server(Box<Database>),
}

pub(super) const fn now() -> Timestamp {
    Timestamp::from_ms(1_790_000_000_000)
}

pub(super) const fn later(ms: i64) -> Timestamp {
    now().plus_ms(ms)
}

/// A direct message to the bot `main`.
pub(super) fn from(channel: ChannelKind, sender: &str) -> Inbound {
    let account: AccountName = "main".parse().unwrap();
    let dedupe = DedupeKey::new(sender);
    Inbound {
        v: Version,
        id: InboundId::derive(now(), &account, &dedupe),
        channel,
        account,
        dedupe,
        sent_at: None,
        received_at: now(),
        conversation: Conversation::new(ConversationId::new(sender), ConversationKind::Direct),
        sender: Sender::new(SenderScope::new(""), SenderId::new(sender)),
        kind: InboundKind::Message,
        message: None,
        parts: Vec::new(),
        reply_to: None,
        group: None,
        addressed: true,
        trace: None,
    }
}

pub(super) fn key(channel: ChannelKind, sender: &str) -> BindingKey {
    BindingKey::of(channel, &from(channel, sender).sender)
}

impl Ground {
    async fn open(&self, sign_up: SignUp, keys: Keys) -> Result<Directory, DirectoryError> {
        let options = Options {
            access: Access::new(sign_up),
            group: GroupRules::default(),
            code_key: Some(CodeKey::new("a key of tests".into())),
            keys,
            cache: 100,
        };
        match self {
            Self::File(folder) => {
                Directory::sqlite(folder.path().join("identity.db"), options).await
            }
            Self::Server(database) => {
                let (url, pg) = (database.url(), PgOptions::default());
                Directory::postgres(&url, &pg, options).await
            }
        }
    }
}

impl Town {
    pub(super) async fn sqlite() -> Self {
        let ground = Ground::File(tempfile::tempdir().unwrap());
        Self { directory: ground.open(SignUp::Open, Keys::default()).await.unwrap(), ground }
    }

    pub(super) async fn postgres() -> Option<Self> {
        let ground = Ground::Server(Box::new(database().await?));
        Some(Self { directory: ground.open(SignUp::Open, Keys::default()).await.unwrap(), ground })
    }

    /// Another process's view of it.
    pub(super) async fn replica(&self) -> Directory {
        self.ground.open(SignUp::Open, Keys::default()).await.unwrap()
    }

    /// Another process, which has these keys.
    pub(super) async fn with_keys(&self, keys: Keys) -> Directory {
        self.ground.open(SignUp::Open, keys).await.unwrap()
    }

    /// Another process, which lets in nobody new.
    pub(super) async fn closed(&self) -> Directory {
        self.ground.open(SignUp::Closed, Keys::default()).await.unwrap()
    }

    /// Another process, which lets in whoever is approved.
    pub(super) async fn pairing(&self) -> Directory {
        self.ground.open(SignUp::Pairing, Keys::default()).await.unwrap()
    }

    /// Who a sender is; they sign up if they are nobody.
    pub(super) async fn user(&self, channel: ChannelKind, sender: &str) -> ZakiUserId {
        let resolution = self.directory.resolve(&from(channel, sender), now()).await.unwrap();
        resolution.user().unwrap()
    }

    /// Who a sender is, if anybody.
    pub(super) async fn holder(&self, channel: ChannelKind, sender: &str) -> Option<ZakiUserId> {
        let (scope, sender) = (SenderScope::new(""), SenderId::new(sender));
        self.directory.find(channel, &scope, &sender).await.unwrap()
    }

    pub(super) async fn person(&self, user: ZakiUserId) -> Person {
        self.directory.person(user).await.unwrap().unwrap()
    }

    pub(super) async fn offer(&self, user: ZakiUserId, now: Timestamp) -> LinkCode {
        match self.directory.offer(user, now).await.unwrap() {
            Offered::Code { code, .. } => code,
            Offered::TooMany { .. } => panic!("too many"),
        }
    }

    /// What comes of a code for somebody who says yes when they are asked.
    pub(super) async fn redeem(
        &self,
        channel: ChannelKind,
        sender: &str,
        code: &LinkCode,
        now: Timestamp,
    ) -> Redeemed {
        join(&self.directory, &from(channel, sender), code, now).await
    }

    pub(super) async fn confirm(&self, user: ZakiUserId, now: Timestamp) -> Confirmed {
        self.directory.confirm(user, now).await.unwrap()
    }

    pub(super) async fn merge(&self, into: ZakiUserId, from: ZakiUserId, now: Timestamp) {
        self.directory.merge(into, from, Actor::Operator, now).await.unwrap();
    }

    /// The acts that were recorded about somebody, and that the record is whole.
    pub(super) async fn acts(&self, user: ZakiUserId) -> Vec<String> {
        assert_eq!(self.directory.verify_audit().await.unwrap().broken_at, None);
        let entries = self.directory.audit(0, 1_000).await.unwrap();
        let about = entries.into_iter().filter(|entry| entry.about == Some(user));
        about.map(|entry| entry.act).collect()
    }

    /// Whether `trace` is anywhere in the files, where there are files.
    pub(super) fn is_in_files(&self, trace: &str) -> bool {
        let Ground::File(folder) = &self.ground else { return false };
        std::fs::read_dir(folder.path()).unwrap().any(|file| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            bytes.windows(trace.len()).any(|window| window == trace.as_bytes())
        })
    }

    /// Every row of every table, as text after the table's name.
    pub(super) async fn rows(&self) -> Vec<(String, String)> {
        match &self.ground {
            Ground::File(folder) => rows_of_file(&folder.path().join("identity.db")),
            Ground::Server(database) => rows_of_server(database).await,
        }
    }
}

fn rows_of_file(path: &std::path::Path) -> Vec<(String, String)> {
    let conn = rusqlite::Connection::open(path).unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'";
    let mut tables = conn.prepare(sql).unwrap();
    let tables: Vec<String> =
        tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut found = Vec::new();
    for table in tables {
        let mut all = conn.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = all.column_count();
        let mut rows = all.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<rusqlite::types::Value> =
                (0..columns).map(|column| row.get(column).unwrap()).collect();
            found.push((table.clone(), format!("{values:?}")));
        }
    }
    found
}

async fn rows_of_server(database: &Database) -> Vec<(String, String)> {
    let sql = "SELECT table_name::text FROM information_schema.tables
        WHERE table_schema = 'zaki_identity' AND table_name <> 'store_commits'";
    let mut found = Vec::new();
    for table in database.text(sql).await {
        let sql = format!("SELECT t::text FROM zaki_identity.{table} AS t");
        found.extend(database.text(&sql).await.into_iter().map(|row| (table.clone(), row)));
    }
    found
}

/// What comes of a code for whoever says yes when they are asked; refused, if that is too late.
pub(super) async fn join(
    at: &Directory,
    by: &Inbound,
    code: &LinkCode,
    now: Timestamp,
) -> Redeemed {
    match at.redeem(by, code, now).await.unwrap() {
        Redeemed::Asked { .. } => {
            at.accept(by, None, now).await.unwrap().unwrap_or(Redeemed::Refused)
        }
        redeemed => redeemed,
    }
}
