//! Strangers who wait to be let in: they are given a code, and somebody who may approves it.

mod news;
mod request;

use serde::Serialize;
use serde_json::json;
use zaki_envelope::{
    AccountName, ChannelKind, ConversationId, SenderId, SenderScope, Timestamp, ZakiUserId,
};
use zaki_store::{Sql, snapshot, transact};

use crate::codes::{CodeKey, LinkCode};
use crate::who::Act;
use crate::{Actor, Directory, DirectoryError, How, allowed, audit, who};

pub use news::{ANNOUNCE_MS, Admission, Announcement, News};
pub(crate) use request::{Asked, ask, asked, is_full, sweep, withdraw};

/// How long a request waits, and how long whoever is turned away hears nothing, in milliseconds.
pub const PAIRING_MS: i64 = 24 * 60 * 60 * 1000;

/// A request.
#[derive(Clone, Debug, Serialize)]
pub struct Pairing {
    /// What the stranger was given, as they were shown it.
    pub code: String,
    /// Where they wrote.
    pub channel: ChannelKind,
    /// To which account.
    pub account: AccountName,
    /// The space their id is unique in.
    pub scope: SenderScope,
    /// Their id.
    pub sender: SenderId,
    /// Further ids of theirs.
    pub aliases: Vec<SenderId>,
    /// Their handle or their name, then.
    pub label: Option<String>,
    /// The language they use their platform in, where it says so.
    pub locale: Option<String>,
    /// Where they can be told.
    pub conversation: ConversationId,
    /// When they wrote first.
    pub asked_at: Timestamp,
    /// When it is too old.
    pub expires_at: Timestamp,
}

impl Pairing {
    /// What to call them: their label, or else their id.
    pub fn who(&self) -> &str {
        self.label.as_deref().unwrap_or(self.sender.as_str())
    }
}

/// What an approval did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Approved {
    /// Who they are.
    pub user: ZakiUserId,
    /// Whether they are new.
    pub created: bool,
    /// Where they wrote.
    pub channel: ChannelKind,
    /// To which account.
    pub account: AccountName,
    /// In which conversation.
    pub conversation: ConversationId,
    /// What to call them.
    pub who: String,
}

/// A stranger who was turned away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Denied {
    /// Where they wrote.
    pub channel: ChannelKind,
    /// What to call them.
    pub who: String,
}

impl Directory {
    /// Whoever waits, the oldest first.
    pub async fn pairings(&self, now: Timestamp) -> Result<Vec<Pairing>, DirectoryError> {
        snapshot!(&self.store, |tx| request::waiting(tx, now))
    }

    /// Lets a stranger in, who is to hear of it: it is among the [`admissions`](Self::admissions).
    /// `None`: there is no such code, or it is too old. [`DirectoryError::NotAllowed`]: not by them.
    pub async fn approve(
        &self,
        code: &LinkCode,
        by: Actor,
        now: Timestamp,
    ) -> Result<Option<Approved>, DirectoryError> {
        let (code, key) = (code.shown(), self.code_key.clone());
        let done = transact!(&self.store, |tx| approve(tx, &key, &code, by, now));
        self.forget_after(&done, Option::is_some);
        done
    }

    /// Turns a stranger away, who hears nothing of it, nor of anything they write for a day. Then
    /// they may ask again. `None`: nobody has this code.
    pub async fn deny(
        &self,
        code: &LinkCode,
        by: Actor,
        now: Timestamp,
    ) -> Result<Option<Denied>, DirectoryError> {
        let code = code.shown();
        transact!(&self.store, |tx| deny(tx, &code, by, now))
    }
}

async fn approve<S: Sql>(
    tx: &S,
    key: &CodeKey,
    code: &str,
    by: Actor,
    now: Timestamp,
) -> Result<Option<Approved>, DirectoryError> {
    let Some(pairing) = request::take(tx, code, by, now).await? else { return Ok(None) };
    let (sender, channel, account) = (pairing.as_sender(), pairing.channel, &pairing.account);
    let known = who::holder(tx, channel, &sender).await?;
    let act = Act { key, how: How::Pairing, by, now };
    let user = match known {
        Some(user) => user,
        None => who::sign_up(tx, channel, &sender, None, act).await?,
    };
    allowed::direct(tx, user, channel, account, How::Pairing, by, now).await?;
    // Nothing can be said to people on the web: they see it when they come again.
    if channel != ChannelKind::Web {
        news::admit(tx, user, &pairing).await?;
    }
    let detail = json!({ "channel": channel, "account": account });
    audit::note(tx, "approved", by, Some(user), detail, now).await?;
    let (created, who) = (known.is_none(), pairing.who().to_owned());
    let Pairing { account, conversation, .. } = pairing;
    Ok(Some(Approved { user, created, channel, account, conversation, who }))
}

async fn deny<S: Sql>(
    tx: &S,
    code: &str,
    by: Actor,
    now: Timestamp,
) -> Result<Option<Denied>, DirectoryError> {
    let Some(pairing) = request::turn_down(tx, code, by, now).await? else { return Ok(None) };
    let detail = json!({ "channel": pairing.channel, "account": pairing.account });
    audit::note(tx, "denied", by, None, detail, now).await?;
    Ok(Some(Denied { channel: pairing.channel, who: pairing.who().to_owned() }))
}
