//! Platform ids as the record has them: the same id of one person has the same mark, and nobody
//! can tell whose it was once the person's salt is gone.

use hmac::digest::Key;
use hmac::{Hmac, Mac};
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::Sha256;
use zaki_envelope::{ChannelKind, SenderId, SenderScope, ZakiUserId};
use zaki_store::{Sql, Text, params};

use crate::DirectoryError;

/// A new salt, in hex.
pub(crate) fn salt() -> Result<String, DirectoryError> {
    let mut bytes = [0; 32];
    OsRng.try_fill_bytes(&mut bytes).map_err(|_| DirectoryError::NoRandomness)?;
    Ok(hex::encode(bytes))
}

/// The mark of a sender of somebody's.
pub(crate) async fn mark<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    channel: ChannelKind,
    scope: &SenderScope,
    sender: &SenderId,
) -> Result<String, DirectoryError> {
    let salt = salt_of(tx, user).await?;
    Ok(hashed(&salt, &[channel.as_str(), scope.as_str(), sender.as_str()]))
}

/// People of earlier releases get theirs when it is first needed.
async fn salt_of<S: Sql>(tx: &S, user: ZakiUserId) -> Result<String, DirectoryError> {
    let sql = "SELECT salt FROM person WHERE id = $1";
    let row = tx.one(sql, params![Text(user)]).await?;
    let found = row.ok_or(DirectoryError::UnknownPerson(user))?.get::<Option<String>>(0)?;
    if let Some(salt) = found {
        return Ok(salt);
    }
    let salt = salt()?;
    tx.execute("UPDATE person SET salt = $2 WHERE id = $1", params![Text(user), &salt]).await?;
    Ok(salt)
}

fn hashed(salt: &str, words: &[&str]) -> String {
    // Hmac takes a key of any length; the error type is an artefact of its trait.
    let mac = <Hmac<Sha256> as Mac>::new_from_slice(salt.as_bytes());
    let mut mac =
        mac.unwrap_or_else(|_| <Hmac<Sha256> as Mac>::new(&Key::<Hmac<Sha256>>::default()));
    for word in words {
        mac.update(&(word.len() as u64).to_be_bytes());
        mac.update(word.as_bytes());
    }
    // Half of it tells the few senders of one person apart.
    hex::encode(mac.finalize().into_bytes()).chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_of_one_salt_and_one_sender() {
        let (one, other) = (salt().unwrap(), salt().unwrap());
        let mark = hashed(&one, &["slack", "T1", "U1"]);
        assert_eq!(mark.len(), 32);
        assert_eq!(mark, hashed(&one, &["slack", "T1", "U1"]));
        assert_ne!(mark, hashed(&other, &["slack", "T1", "U1"]));
        assert_ne!(mark, hashed(&one, &["slack", "T1U", "1"]));
    }
}
