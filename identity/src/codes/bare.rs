//! What is nothing but a code, written by somebody who may as well mean something else by it.

use zaki_envelope::{Inbound, Timestamp};
use zaki_store::{Sql, glance, params, transact};

use super::redeem::{Redeemer, VOID, shut};
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

impl Directory {
    /// What becomes of these, that stood among other words. Those that link are void from then on: so
    /// nobody finds one by this, and it counts as no try, since words may look like codes. Where others
    /// read along, `shared`, an invitation of one use is, too, as by [`void`](Self::void); in private
    /// its sender may send it again, alone.
    pub async fn spill(
        &self,
        codes: &[LinkCode],
        shared: bool,
        now: Timestamp,
    ) -> Result<Vec<Spilt>, DirectoryError> {
        let digest = |code: &LinkCode| self.code_key.code(Keyed::Code, code);
        let digests: Vec<_> = codes.iter().map(digest).collect();
        let asked = digests.clone();
        let good = glance!(&self.store, |tx| good(tx, &asked, now))?;
        let mut spilt = Vec::with_capacity(good.len());
        for (digest, good) in digests.into_iter().zip(good) {
            spilt.push(if good {
                transact!(&self.store, |tx| spill(tx, &digest, shared, now))?
            } else {
                Spilt::None
            });
        }
        Ok(spilt)
    }
}

/// What became of something that stood among other words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spilt {
    /// It is no code, or none that is good.
    None,
    /// It is one that is good.
    Good,
    /// It was, and is void.
    Void,
}

const VOID_LINK: &str = "DELETE FROM code WHERE digest = $1 AND uses_left > 0 AND expires_at > $2
    AND kind = 'link'";

async fn spill<S: Sql>(
    tx: &S,
    digest: &str,
    shared: bool,
    now: Timestamp,
) -> Result<Spilt, DirectoryError> {
    locks::acts(tx).await?;
    let row = params![digest, now.as_ms()];
    tx.execute(if shared { VOID } else { VOID_LINK }, row).await?;
    let stays = tx.one(FIND, row).await?.is_some();
    Ok(if stays { Spilt::Good } else { Spilt::Void })
}

async fn good<S: Sql>(
    tx: &S,
    digests: &[String],
    now: Timestamp,
) -> Result<Vec<bool>, DirectoryError> {
    let mut good = Vec::with_capacity(digests.len());
    for digest in digests {
        good.push(tx.one(FIND, params![digest, now.as_ms()]).await?.is_some());
    }
    Ok(good)
}

const FIND: &str = "SELECT 1 FROM code WHERE digest = $1 AND uses_left > 0 AND expires_at > $2";

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
