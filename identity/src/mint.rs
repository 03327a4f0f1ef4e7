//! The only place where a `ZakiUserId` is made.

use rand::TryRngCore;
use rand::rngs::OsRng;
use zaki_envelope::{Timestamp, ZakiUserId};

use crate::DirectoryError;

pub(crate) fn mint(now: Timestamp) -> Result<ZakiUserId, DirectoryError> {
    let mut bytes = [0; 16];
    let filled = OsRng.try_fill_bytes(&mut bytes);
    filled.map_err(|_| DirectoryError::NoRandomness)?;
    Ok(ZakiUserId::from_parts(now, u128::from_le_bytes(bytes)))
}
