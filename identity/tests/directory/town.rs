//! A directory to try, whichever database is behind it.

use tempfile::TempDir;
use zaki_envelope::{
    ChannelKind, Conversation, ConversationId, ConversationKind, DedupeKey, Inbound, InboundId,
    InboundKind, Sender, SenderId, SenderScope, Timestamp, Version, ZakiUserId,
};
use zaki_identity::{
    Access, Actor, CodeKey, Directory, Entry, GroupRules, How, Linked, Options, Resolution, SignUp,
    Who,
};
use zaki_store::testkit::{Database, database};
use zaki_store::{Keys, PgOptions};

pub(super) struct Town {
    pub(super) directory: Directory,
    pub(super) ground: Ground,
}

pub(super) enum Ground {
    File(TempDir),
    Server(Box<Database>),
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_ms(1_790_000_000_000)
}

/// What a town is opened with; all its doors have one key.
pub(super) fn options(access: impl Into<Access>) -> Options {
    let code_key = Some(CodeKey::new("a key that is long enough for a test".into()));
    let group = GroupRules { who: Who::Everyone, ..GroupRules::default() };
    Options { access: access.into(), group, code_key, keys: Keys::default(), cache: 100 }
}

impl Ground {
    async fn open(&self, options: Options) -> Directory {
        match self {
            Self::File(folder) => {
                Directory::sqlite(folder.path().join("identity.db"), options).await.unwrap()
            }
            Self::Server(database) => {
                let pg = PgOptions::default();
                Directory::postgres(&database.url(), &pg, options).await.unwrap()
            }
        }
    }
}

impl Town {
    pub(super) async fn sqlite(sign_up: SignUp) -> Self {
        let ground = Ground::File(tempfile::tempdir().unwrap());
        Self { directory: ground.open(options(sign_up)).await, ground }
    }

    pub(super) async fn postgres(sign_up: SignUp) -> Option<Self> {
        let ground = Ground::Server(Box::new(database().await?));
        Some(Self { directory: ground.open(options(sign_up)).await, ground })
    }

    /// Another process's view of it.
    pub(super) async fn open(&self, access: impl Into<Access>) -> Directory {
        self.open_as(options(access)).await
    }

    pub(super) async fn open_as(&self, options: Options) -> Directory {
        self.ground.open(options).await
    }

    pub(super) async fn resolve(&self, channel: ChannelKind, sender: &Sender) -> Resolution {
        self.hear(&direct(channel, sender)).await
    }

    pub(super) async fn hear(&self, inbound: &Inbound) -> Resolution {
        self.directory.resolve(inbound, now()).await.unwrap()
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
        let (by, how) = (Actor::Operator, How::Operator);
        self.directory.link(user, channel, sender, by, how, now()).await.unwrap()
    }

    pub(super) async fn entries(&self) -> Vec<Entry> {
        self.directory.audit(0, 1000).await.unwrap()
    }

    /// What was done, in order.
    pub(super) async fn acts(&self) -> Vec<String> {
        self.entries().await.into_iter().map(|entry| entry.act).collect()
    }

    /// Statements past the directory, as whoever holds the database may run them.
    pub(super) async fn run(&self, sql: &str) {
        match &self.ground {
            Ground::File(folder) => {
                let conn = rusqlite::Connection::open(folder.path().join("identity.db")).unwrap();
                conn.execute_batch(sql).unwrap();
            }
            Ground::Server(database) => {
                let sql = format!("SET search_path = zaki_identity; {sql}");
                database.run(&[&sql]).await;
            }
        }
    }
}

/// A sender with ids that are unique everywhere.
pub(super) fn sender(id: &str) -> Sender {
    Sender::new(SenderScope::new(""), SenderId::new(id))
}

/// The same, with further ids.
pub(super) fn also(id: &str, aliases: &[&str]) -> Sender {
    Sender { aliases: aliases.iter().map(|id| SenderId::new(*id)).collect(), ..sender(id) }
}

/// Something they write to the bot alone.
pub(super) fn direct(channel: ChannelKind, sender: &Sender) -> Inbound {
    let id = ConversationId::new(format!("chat of {}", sender.id));
    message(channel, sender, Conversation::new(id, ConversationKind::Direct))
}

/// Something they say to the bot in a group.
pub(super) fn in_group(channel: ChannelKind, sender: &Sender, group: &str) -> Inbound {
    let id = ConversationId::new(group);
    message(channel, sender, Conversation::new(id, ConversationKind::Group))
}

fn message(channel: ChannelKind, sender: &Sender, conversation: Conversation) -> Inbound {
    let (account, dedupe) = ("main".parse().unwrap(), DedupeKey::new("1"));
    Inbound {
        v: Version,
        id: InboundId::derive(now(), &account, &dedupe),
        channel,
        account,
        dedupe,
        sent_at: None,
        received_at: now(),
        conversation,
        sender: sender.clone(),
        kind: InboundKind::Message,
        message: None,
        parts: Vec::new(),
        reply_to: None,
        group: None,
        addressed: true,
        trace: None,
    }
}
