//! What a hub sends whose lease has run out: nothing. And that no platform silences it for good. The
//! platform here counts what it is asked for.

use std::{
    mem,
    path::Path,
    sync::{Arc, Mutex, OnceLock, Weak},
    time::Duration,
};

use async_trait::async_trait;
use axum::Router;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use zaki_channel::{
    Capabilities, Channel, ChannelError, Dialect, MediaBody, Pace, Receipt, Recourse, Retry, Scope,
    Support, TextLimit, Unit,
};
use zaki_edge_native::Reach;
use zaki_envelope::{
    Address, ChannelKind, Conversation, ConversationId, ConversationKind, DeliveryId, Kept,
    MediaHash, MediaKind, MediaRef, MessageId, Outbound, Part, Presence, SandboxKind, SessionKey,
    Timestamp, ZakiUserId, signature::SigningKey,
};
use zaki_identity::Directory;
use zaki_ledger::{DeliveryKind, NewDelivery, NewTurn, Next, OpenTurn, ReplyPlan, SqliteLedger};

use crate::{
    accounts::Accounts,
    clock, commands, config,
    edge::EdgeClient,
    groups::Groups,
    hub::{Hub, Parts, Settings},
    lease::{Lease, Uptime},
    limits::Allowance,
    outbox, presence,
    relay::Age,
    serve::settings,
};

/// Longer than the sign waits before it shows.
const WHILE: Duration = Duration::from_millis(400);
const SOON: Duration = Duration::from_secs(20);
/// What an agent has made, as the edge has it.
const FILE: &[u8] = b"a picture";

/// What a platform is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Post,
    Upload,
    Typing,
    Done,
}

/// One that keeps a sign until it is told to take it away.
#[derive(Clone, Default)]
struct Platform(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    calls: Vec<Call>,
    /// How long it wants to be left alone, once.
    later: Option<u64>,
}

impl Platform {
    fn note(&self, call: Call) -> Result<Receipt, ChannelError> {
        let mut seen = self.0.lock().unwrap();
        seen.calls.push(call);
        match seen.later.take() {
            None => Ok(Receipt::default()),
            Some(ms) => {
                let error = ChannelError::new(self.kind(), Retry::AfterMs(ms), "later");
                Err(error.of_scope(Scope::Account))
            }
        }
    }

    fn calls(&self) -> Vec<Call> {
        self.0.lock().unwrap().calls.clone()
    }
}

#[async_trait]
impl Channel for Platform {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Slack
    }

    fn capabilities(&self, _: ConversationKind) -> Capabilities {
        Capabilities {
            text: TextLimit { max: 4000, unit: Unit::CodePoints },
            dialect: Dialect::Plain,
            edit: Support::Full,
            retract: Support::Full,
            react: Support::Full,
            reply: Support::Full,
            typing: Support::Fallback,
            typing_refresh: Duration::from_hours(1),
            media: Support::Full,
            files: &[],
            choices: None,
            window: None,
            pace: Pace::default(),
            recourse: Recourse::None,
        }
    }

    async fn send(
        &self,
        _: &Address,
        outbound: &Outbound,
        _: DeliveryId,
    ) -> Result<Receipt, ChannelError> {
        self.note(match outbound {
            Outbound::Presence { presence: Presence::Done, .. } => Call::Done,
            Outbound::Presence { .. } => Call::Typing,
            _ => Call::Post,
        })
    }

    async fn upload(
        &self,
        _: &Address,
        _: &zaki_channel::File,
        _: Option<&MessageId>,
        _: DeliveryId,
    ) -> Result<Receipt, ChannelError> {
        self.note(Call::Upload)
    }

    async fn fetch(&self, _: &MediaRef) -> Result<MediaBody, ChannelError> {
        Err(ChannelError::new(self.kind(), Retry::Never, "nothing is fetched here"))
    }
}

/// A hub before it, and an edge where the lease runs out while a file is asked for the first time.
struct Scene {
    hub: Arc<Hub>,
    platform: Platform,
    _dir: TempDir,
}

impl Scene {
    async fn new(patience: Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let asked: Arc<OnceLock<Weak<Hub>>> = Arc::default();
        let lapsing = Arc::clone(&asked);
        let lapses = Arc::new(Mutex::new(true));
        let edge = Router::new().fallback(move || {
            if mem::take(&mut *lapses.lock().unwrap()) {
                lapsing.get().and_then(Weak::upgrade).unwrap().lease.lapse();
            }
            async { FILE }
        });
        let platform = Platform::default();
        let parts = parts(dir.path(), edge, platform.clone(), patience).await;
        let fence = parts.ledger.enroll("one").await.unwrap();
        let hub = Hub::new(&parts, Lease::new(fence, None, Uptime::now()));
        asked.set(Arc::downgrade(&hub)).unwrap();
        Self { hub, platform, _dir: dir }
    }

    /// Has a delivery sent to this conversation.
    async fn post(&self, conversation: &str, part: Part) {
        let delivery = NewDelivery {
            id: clock::delivery_id(),
            turn: None,
            address: to(conversation),
            outbound: Outbound::Post { parts: vec![part], reply_to: None },
            kind: DeliveryKind::Reply,
            part: 0,
            not_before: Timestamp::default(),
            fleeting: false,
        };
        let posted = self.hub.ledger.post(self.hub.fence, vec![delivery], &[], clock::now()).await;
        let next = posted.unwrap();
        assert!(!matches!(next, Next::None));
        outbox::drive(&self.hub, next);
    }

    fn renew(&self) {
        self.hub.lease.renew(Uptime::now(), 1);
    }

    /// Nothing more than that is asked of the platform.
    async fn only(&self, calls: &[Call]) {
        sleep(WHILE).await;
        assert_eq!(self.platform.calls(), calls);
    }

    async fn until(&self, calls: &[Call]) {
        let come = async {
            while self.platform.calls() != calls {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let come = timeout(SOON, come).await;
        assert!(come.is_ok(), "{:?} instead of {calls:?}", self.platform.calls());
    }
}

async fn parts(dir: &Path, edge: Router, platform: Platform, patience: Duration) -> Parts {
    let config = config::load_table(toml::Table::new()).unwrap();
    let ledger = SqliteLedger::open(dir.join("ledger.db")).await.unwrap();
    let key = SigningKey::new("hub", "a secret of the tests, long enough");
    Parts {
        accounts: Arc::new(Accounts::one(&"main".parse().unwrap(), platform)),
        ledger: Arc::new(ledger),
        directory: Directory::sqlite(dir.join("identity.db"), config.people()).await.unwrap(),
        edge: EdgeClient::new(Reach::InProcess(edge), key),
        settings: Settings { patience, ..settings(&config) },
        public_url: None,
        models: Arc::default(),
        groups: Arc::new(Groups::new(config.people().group.mode)),
        allowance: Arc::new(Allowance::new(config.limits(), "standard-1".to_owned(), false)),
        strangers: Arc::default(),
        counters: Arc::default(),
        troubles: Arc::default(),
        stages: Arc::default(),
        tongues: Arc::default(),
        approvals: Arc::default(),
        pace: Arc::new(commands::Pace::new(0)),
        places: Arc::default(),
        closing: CancellationToken::new(),
    }
}

fn to(conversation: &str) -> Address {
    Address {
        channel: ChannelKind::Slack,
        account: "main".parse().unwrap(),
        conversation: Conversation::new(
            ConversationId::new(conversation),
            ConversationKind::Direct,
        ),
        handle: None,
    }
}

fn turn() -> OpenTurn {
    let turn = NewTurn {
        id: clock::turn_id(),
        user: ZakiUserId::from_parts(clock::now(), 1),
        session: SessionKey::direct(1),
        sandbox: SandboxKind::Personal,
        inbounds: Vec::new(),
        reply: ReplyPlan { address: to("D1"), reply_to: None },
        at: clock::now(),
    };
    OpenTurn { turn, inbounds: Vec::new(), steered: Vec::new() }
}

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn words_wait_for_the_lease() {
    let scene = Scene::new(DAY).await;
    scene.hub.lease.lapse();
    scene.post("D1", Part::text("hello")).await;
    scene.only(&[]).await;
    scene.renew();
    scene.until(&[Call::Post]).await;
}

#[tokio::test]
async fn a_file_that_took_longer_than_the_lease_is_not_sent() {
    let scene = Scene::new(DAY).await;
    let user = ZakiUserId::from_parts(clock::now(), 1);
    let reference = Kept { user, hash: MediaHash::of(FILE) }.reference();
    let (mime, name) = (Some("image/png".to_owned()), Some("a.png".to_owned()));
    let size = None;
    let kind = MediaKind::Image;
    scene.post("D1", Part::Media { kind, reference, mime, name, size }).await;
    scene.only(&[]).await;
    assert!(!scene.hub.lease.is_live(), "it was asked for");
    scene.renew();
    scene.until(&[Call::Upload]).await;
}

#[tokio::test]
async fn no_sign_shows_without_a_lease() {
    let scene = Scene::new(DAY).await;
    scene.hub.lease.lapse();
    let typing = presence::show(&scene.hub, &turn(), Age::New);
    scene.only(&[]).await;
    drop(typing);
    scene.renew();
    let _typing = presence::show(&scene.hub, &turn(), Age::New);
    // Of the first one there is nothing to take away.
    scene.until(&[Call::Typing]).await;
    scene.only(&[Call::Typing]).await;
}

#[tokio::test]
async fn a_sign_that_an_earlier_run_has_shown_goes_whenever_the_answer_comes() {
    let scene = Scene::new(DAY).await;
    drop(presence::show(&scene.hub, &turn(), Age::New));
    scene.only(&[]).await;
    drop(presence::show(&scene.hub, &turn(), Age::Old));
    scene.until(&[Call::Done]).await;
}

#[tokio::test]
async fn a_platform_that_asks_for_ages_is_asked_again() {
    let scene = Scene::new(Duration::from_secs(5)).await;
    scene.platform.0.lock().unwrap().later = Some(u64::MAX);
    scene.post("D1", Part::text("hello")).await;
    scene.until(&[Call::Post]).await;
    // The whole account waits, as long as an answer is tried for, and is heard of again.
    scene.post("D2", Part::text("you too")).await;
    scene.only(&[Call::Post]).await;
    scene.until(&[Call::Post; 2]).await;
}
