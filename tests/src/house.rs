//! What an operator decides about the people of a hub that runs: straight in its directory, as the
//! command line does.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use reqwest::Method;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use zaki_envelope::{ConversationId, SenderId, SenderScope, Timestamp, ZakiUserId};
use zaki_identity::{
    Access, Actor, Directory, GroupChange, GroupKey, GroupRules, LinkCode, NewInvite, Options,
    Role, SignUp, Who,
};
use zaki_simulators::telegram::Chat;
use zaki_store::Keys;

use crate::caller::Caller;
use crate::{ChannelKind, Person, World, post};

/// An operator of a world whose hub keeps files.
pub struct House<'w> {
    world: &'w World,
    /// What the hub reads, too.
    pub directory: Directory,
}

/// Now.
pub fn now() -> Timestamp {
    Timestamp::from_ms(i64::try_from(post::now() * 1000).unwrap_or(i64::MAX))
}

impl<'w> House<'w> {
    /// Opens the directory of a hub that has been up.
    pub async fn of(world: &'w World) -> Result<Self> {
        let options = Options {
            access: Access::new(SignUp::Closed),
            group: GroupRules { who: Who::Everyone, ..GroupRules::default() },
            code_key: None,
            keys: Keys::default(),
            cache: 0,
        };
        let file = world.data().join("hub/identity.db");
        Ok(Self { world, directory: Directory::sqlite(file, options).await? })
    }

    /// The person a sender is, if they are one.
    pub async fn find(&self, channel: ChannelKind, who: Person) -> Result<Option<ZakiUserId>> {
        let (scope, sender) = who.sender(self.world, channel);
        let (scope, sender) = (SenderScope::new(scope), SenderId::new(sender));
        Ok(self.directory.find(channel, &scope, &sender).await?)
    }

    /// The person a sender is.
    pub async fn user(&self, channel: ChannelKind, who: Person) -> Result<ZakiUserId> {
        self.find(channel, who).await?.with_context(|| format!("{who:?} is nobody on {channel}"))
    }

    /// Makes somebody an owner.
    pub async fn make_owner(&self, user: ZakiUserId) -> Result<()> {
        Ok(self.directory.set_role(user, Role::Owner, Actor::Operator, now()).await?)
    }

    /// Gives somebody another tier.
    pub async fn set_tier(&self, user: ZakiUserId, tier: &str) -> Result<()> {
        Ok(self.directory.set_tier(user, Some(tier), Actor::Operator, now()).await?)
    }

    /// A code that lets one person in.
    pub async fn invite(&self) -> Result<String> {
        let new = NewInvite { uses: 1, expires_at: None, tier: None, note: None };
        Ok(self.directory.invite(new, Actor::Operator, now()).await?.code.shown())
    }

    /// Lets in whoever was given this code.
    pub async fn approve(&self, code: &str) -> Result<bool> {
        let code = LinkCode::typed(code);
        Ok(self.directory.approve(&code, Actor::Operator, now()).await?.is_some())
    }

    /// Changes a group on Telegram.
    pub async fn set_group(&self, group: &Chat, change: GroupChange) -> Result<()> {
        let set = self.directory.set_group(&key(group), change, Actor::Operator, now()).await;
        set.map(drop).map_err(Into::into)
    }

    /// Lets somebody in in a group on Telegram.
    pub async fn allow_in_group(&self, group: &Chat, user: ZakiUserId) -> Result<bool> {
        let key = key(group);
        Ok(self.directory.allow_in_group(&key, user, Actor::Operator, now()).await?)
    }
}

fn key(group: &Chat) -> GroupKey {
    GroupKey {
        channel: ChannelKind::Telegram,
        scope: SenderScope::new(""),
        conversation: ConversationId::new(group.id.to_string()),
    }
}

/// Whose sandbox each message had, by its turn, as the hub's ledger says.
pub fn turns(world: &World) -> Result<BTreeMap<String, String>> {
    let ledger = read_only(&world.data().join("hub/ledger.db"))?;
    let mut rows = ledger.prepare("SELECT id, user FROM turn")?;
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// For whom the edge has ever run or kept anything.
pub async fn known_to_edge(world: &World) -> Result<Vec<String>> {
    if let Ok(worker) = world.worker() {
        let hub = Caller::new(worker.address())?;
        let all = hub.call(Method::GET, "/v1/sandboxes", &Value::Null).await?;
        let all = all.as_array().context("no list of sandboxes")?;
        let names = all.iter().filter_map(|it| it["sandbox"].as_str());
        return Ok(names.map(str::to_owned).collect());
    }
    let edge = read_only(&world.data().join("private/edge.db"))?;
    let everybody = "SELECT name FROM sandboxes UNION SELECT user FROM turns
        UNION SELECT user FROM people UNION SELECT user FROM metered
        UNION SELECT user FROM unasked";
    let mut rows = edge.prepare(everybody)?;
    let rows = rows.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn read_only(file: &std::path::Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    Connection::open_with_flags(file, flags).with_context(|| format!("{}", file.display()))
}
