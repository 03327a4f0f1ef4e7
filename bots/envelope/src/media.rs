//! Media as they travel between hub, edge and sandbox: the bytes apart, their hash in the JSON.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{IdError, MediaRef, ZakiUserId};

/// The largest medium that goes through, in bytes. OpenClaw takes 19,464,192 in a message
/// (`policy.attachments.maxBytes` of 2026.9.6), and Telegram lets bots have files of 20 MB.
pub const LARGEST_MEDIUM: u64 = 19_000_000;

/// How [`Kept`] begins as a reference.
const KEPT: &str = "edge";

/// SHA-256 of a medium's bytes, written as 64 lowercase hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MediaHash([u8; 32]);

impl MediaHash {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The raw hash.
    pub const fn bytes(self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Display for MediaHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for MediaHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MediaHash({self})")
    }
}

impl FromStr for MediaHash {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError { kind: "media hash", rule: "64 lowercase hex digits" };
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| wrong())?;
        // One spelling: it becomes the name of a file.
        if text.bytes().any(|b| b.is_ascii_uppercase()) { Err(wrong()) } else { Ok(Self(bytes)) }
    }
}

impl TryFrom<String> for MediaHash {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<MediaHash> for String {
    fn from(hash: MediaHash) -> Self {
        hash.to_string()
    }
}

/// A medium that the edge keeps for one person. Nobody else can have it, whatever they know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// For whom.
    pub user: ZakiUserId,
    /// Which.
    pub hash: MediaHash,
}

impl Kept {
    /// Reads a reference; `None`: it is one of a platform.
    pub fn of(reference: &MediaRef) -> Option<Self> {
        let (user, hash) =
            reference.as_str().strip_prefix(KEPT)?.strip_prefix('/')?.split_once('/')?;
        Some(Self { user: user.parse().ok()?, hash: hash.parse().ok()? })
    }

    /// As the parts of a turn and of a delivery have it.
    pub fn reference(self) -> MediaRef {
        MediaRef::new(format!("{KEPT}/{}/{}", self.user, self.hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    #[test]
    fn a_reference_says_whose_it_is_and_nothing_else_passes_for_one() {
        let user = ZakiUserId::from_parts(Timestamp::from_ms(1), 1);
        let kept = Kept { user, hash: MediaHash::of(b"a picture") };
        assert_eq!(Kept::of(&kept.reference()), Some(kept));
        let hash = kept.hash.to_string();
        for not in [
            "AgACAgIAAxkBAAIBZ2".to_owned(),
            "attachment/1/2/3".to_owned(),
            "https://files.example/edge/1".to_owned(),
            format!("edge/{user}"),
            format!("edge/{user}/{}", hash.to_uppercase()),
            format!("edge/{user}/{hash}/.."),
            format!("edge/{user}/../{hash}"),
            format!("edge/../{user}/{hash}"),
        ] {
            assert_eq!(Kept::of(&MediaRef::new(not.clone())), None, "{not}");
        }
    }

    #[test]
    fn a_hash_has_one_spelling() {
        let hash = MediaHash::of(b"");
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hash.to_string(), text);
        assert_eq!(text.parse(), Ok(hash));
        for not in ["", "e3", &text.to_uppercase(), &format!("{text}00"), &"/".repeat(64)] {
            assert!(not.parse::<MediaHash>().is_err(), "{not}");
        }
    }
}
