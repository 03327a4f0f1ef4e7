//! Codes that link one more sender to a person, and codes that invite strangers.
//!
//! They share one table and one look-up: the keyed hash of what was typed, in one statement that
//! finds a code that is still good and uses it. Whatever is wrong with one (never made, mistyped,
//! expired, used up) is the same to that statement, and answered the same. Nothing is compared.

mod alphabet;
mod attempts;
mod bare;
mod invites;
mod key;
mod propose;
mod redeem;
mod spill;

use zaki_envelope::{Timestamp, ZakiUserId};
use zaki_store::{Sql, Text, params, transact};

use crate::{Actor, Directory, DirectoryError, locks, people};

pub use alphabet::{CODES, LinkCode};
pub use attempts::{FIRST_WRONG, MORE_WRONG, OFFERS, PER_SENDER, Rule, most_wrong_in};
pub use invites::{Invite, Invited, NewInvite};
pub use key::CodeKey;
pub use propose::Proposal;
pub use redeem::Redeemed;
pub use spill::{Hearer, Spilt};

pub(crate) use alphabet::random;
pub(crate) use attempts::admit;
pub(crate) use key::Keyed;
pub(crate) use redeem::{Bot, Redeemer, sender_mark};

/// How long a code that links is good, in milliseconds.
pub(crate) const LIFE_MS: i64 = 10 * 60_000;
/// Codes of one person that are good at the same time.
const OPEN: u32 = 5;

/// What became of asking for a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offered {
    /// A new one. The oldest of the person's others has been taken back, were there too many.
    Code {
        /// To be typed elsewhere.
        code: LinkCode,
        /// From then on it is void.
        expires_at: Timestamp,
    },
    /// They have asked too often.
    TooMany {
        /// When to come again.
        until: Timestamp,
    },
}

/// What is kept of a new code.
struct Fresh {
    digest: String,
    /// To speak of it without knowing it.
    id: String,
}

impl Fresh {
    fn of(code: &LinkCode, key: &CodeKey) -> Result<Self, DirectoryError> {
        Ok(Self { digest: key.code(Keyed::Code, code), id: hex::encode(random::<6>()?) })
    }
}

impl Directory {
    /// Makes a code that links whoever redeems it to this person: one use, ten minutes.
    pub async fn offer(&self, user: ZakiUserId, now: Timestamp) -> Result<Offered, DirectoryError> {
        let key = &self.code_key;
        let code = LinkCode::mint()?;
        let fresh = Fresh::of(&code, key)?;
        let asker = key.digest(Keyed::Attempt, &["offer", &user.to_string()]);
        let kept = transact!(&self.store, |tx| offer(tx, user, &asker, &fresh, now))?;
        Ok(match kept {
            Ok(expires_at) => Offered::Code { code, expires_at },
            Err(until) => Offered::TooMany { until },
        })
    }
}

/// Those that are good no more, and those for which there would be no room beside a new one.
const CLEAR: &str = "DELETE FROM code WHERE kind = 'link' AND user_id = $1
    AND (expires_at <= $2 OR uses_left = 0 OR digest IN (
        SELECT digest FROM code
        WHERE kind = 'link' AND user_id = $1 AND expires_at > $2 AND uses_left > 0
        ORDER BY made_at DESC, digest LIMIT 1000 OFFSET $3
    ))";

const ADD: &str = "INSERT INTO code
    (digest, id, kind, user_id, uses, uses_left, tier, note, made_by, made_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, $10)";

/// When the new code expires, or when to ask again.
async fn offer<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    asker: &str,
    fresh: &Fresh,
    now: Timestamp,
) -> Result<Result<Timestamp, Timestamp>, DirectoryError> {
    locks::acts(tx).await?;
    people::known(tx, user).await?;
    if let Some(until) = admit(tx, (asker, OFFERS), now).await? {
        return Ok(Err(until));
    }
    tx.execute(CLEAR, params![Text(user), now.as_ms(), OPEN - 1]).await?;
    let expires_at = now.plus_ms(LIFE_MS);
    let nothing = None::<&str>;
    let row = params![
        &fresh.digest,
        &fresh.id,
        "link",
        Text(user),
        1,
        nothing,
        nothing,
        Text(Actor::Person(user)),
        now.as_ms(),
        expires_at.as_ms(),
    ];
    tx.execute(ADD, row).await?;
    Ok(Ok(expires_at))
}
