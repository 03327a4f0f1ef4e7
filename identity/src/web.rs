//! People who have signed in on the web: the issuer of their token names them, and a verified
//! address may let them in.

use zaki_envelope::{
    AccountName, CallId, ChannelKind, Conversation, ConversationId, ConversationKind, Sender,
    Timestamp,
};
use zaki_store::{Sql, params, transact};

use crate::codes::{Keyed, Redeemer};
use crate::scene::Knock;
use crate::{BindingKey, Directory, DirectoryError, LinkCode, Redeemed, Resolution, seen};

/// Somebody whose token has been checked. No `Debug`: it holds an address.
#[derive(Clone)]
pub struct Visitor {
    /// The issuer as its scope, the subject as its id.
    pub sender: Sender,
    /// An e-mail address that the issuer vouches for. It is judged by, and not kept.
    pub email: Option<String>,
}

impl Knock {
    /// A visit is to the one account of the web, and private.
    fn of_visit(visitor: &Visitor) -> Self {
        let nowhere = ConversationId::new("");
        Self {
            channel: ChannelKind::Web,
            account: AccountName::web(),
            sender: visitor.sender.clone(),
            conversation: Conversation::new(nowhere, ConversationKind::Direct),
            addressed: true,
            email: visitor.email.clone(),
        }
    }
}

impl Directory {
    /// Who has signed in, and whether they are served; a stranger is treated as the policy of
    /// [`AccountName::web`] says. Always read from the store: an unlink elsewhere holds at once.
    pub async fn sign_in(
        &self,
        visitor: &Visitor,
        now: Timestamp,
    ) -> Result<Resolution, DirectoryError> {
        let (resolution, seen_at) = self.settle(Knock::of_visit(visitor), now).await?;
        if resolution.speaker().is_some() && seen::is_due(seen_at, now) {
            self.seen.note(BindingKey::of(ChannelKind::Web, &visitor.sender), now);
        }
        Ok(resolution)
    }

    /// Uses a code for somebody who has signed in, who may be a stranger: ask this before
    /// [`sign_in`](Self::sign_in), which would sign them up. As [`redeem`](Self::redeem), with a
    /// right to sign in from now on; but nobody is asked here whether they want to share somebody's
    /// assistant: the page they type the code on says so, and asks whoever was led there by a link.
    pub async fn redeem_on_web(
        &self,
        visitor: &Visitor,
        code: &LinkCode,
        now: Timestamp,
    ) -> Result<Redeemed, DirectoryError> {
        let account = AccountName::web();
        let redeemer = Redeemer::new(ChannelKind::Web, &account, &visitor.sender, self);
        self.use_code(redeemer, code, now).await
    }

    /// Whether this is the first call by its id, of all replicas: one that comes again, within a day
    /// at least, was recorded by somebody.
    pub async fn is_first(&self, call: CallId, now: Timestamp) -> Result<bool, DirectoryError> {
        let who = self.code_key.digest(Keyed::Attempt, &["call", &call.to_string()]);
        transact!(&self.store, |tx| first(tx, &who, now))
    }
}

const FIRST: &str = "INSERT INTO attempt (who, since, tries) VALUES ($1, $2, 1)
    ON CONFLICT (who) DO NOTHING";

async fn first<S: Sql>(tx: &S, who: &str, now: Timestamp) -> Result<bool, DirectoryError> {
    Ok(tx.execute(FIRST, params![who, now.as_ms()]).await? > 0)
}
