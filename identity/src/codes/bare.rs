//! What is nothing but a code, written by somebody who may as well mean something else by it.

use zaki_envelope::{Inbound, Timestamp};
use zaki_store::{Sql, glance, params, transact};

use super::redeem::{Redeemer, shut};
use super::{Keyed, LinkCode};
use crate::{Directory, DirectoryError, SignUp, locks};

impl Directory {
    /// Whether nobody is served where this was written who has not been let in: strangers were told
    /// to send a code.
    pub fn asks_for_codes(&self, inbound: &Inbound) -> bool {
        self.options.access.of(inbound.channel, &inbound.account).sign_up != SignUp::Open
    }

    /// Whether what somebody has written, and nothing else, is to be settled as a code: it is
    /// good, or they have tried so many that it is not looked up. It is not used by this; that it
    /// is none counts as a try, so this finds no code that [`redeem`](Self::redeem) would not.
    pub async fn is_code(
        &self,
        inbound: &Inbound,
        code: &LinkCode,
        now: Timestamp,
    ) -> Result<bool, DirectoryError> {
        if !code.is_well_formed() {
            return Ok(false);
        }
        let (digest, redeemer) =
            (self.code_key.code(Keyed::Code, code), Redeemer::of(inbound, self));
        let looker = redeemer.clone();
        let shut = glance!(&self.store, |tx| shut(tx, &looker, now))?;
        if shut.is_some() {
            return Ok(true);
        }
        transact!(&self.store, |tx| is_code(tx, &redeemer, &digest, now))
    }
}

pub(super) const FIND: &str =
    "SELECT 1 FROM code WHERE digest = $1 AND uses_left > 0 AND expires_at > $2";

async fn is_code<S: Sql>(
    tx: &S,
    redeemer: &Redeemer,
    digest: &str,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    locks::acts(tx).await?;
    if shut(tx, redeemer, now).await?.is_some() {
        return Ok(true);
    }
    if tx.one(FIND, params![digest, now.as_ms()]).await?.is_some() {
        return Ok(true);
    }
    if let Ok(wrong) = redeemer.tries.admit(tx, now).await? {
        wrong.count(tx).await?;
    }
    Ok(false)
}
