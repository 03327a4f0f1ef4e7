//! The server's key, under which codes and tokens are kept: who sees their rows cannot use them. Unless
//! it is configured, it lies in the same store: whoever has a copy of all of it can try what is short.

use std::fmt;
use std::sync::Arc;

use hmac::digest::Key;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::LinkCode;

/// The key of a deployment; all replicas have the same. With another key, codes that are open are
/// lost, and so are blocks of senders that are nobody's (`barred`), and nothing else.
#[derive(Clone)]
pub struct CodeKey(Arc<SecretString>);

/// What a keyed hash is of, so that none serves for another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keyed {
    /// A code that links or invites.
    Code,
    /// The word that confirms an erasure, of one person.
    Erase,
    /// The secret of a download.
    Export,
    /// Who has tried a code.
    Attempt,
    /// Who has used something in a period.
    Carried,
    /// A sender that was somebody's.
    Parted,
    /// A sender that stays blocked.
    Barred,
}

impl Keyed {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Code => b"zaki code\n",
            Self::Erase => b"zaki erase\n",
            Self::Export => b"zaki export\n",
            Self::Attempt => b"zaki attempt\n",
            Self::Carried => b"zaki carried\n",
            Self::Parted => b"zaki parted\n",
            Self::Barred => b"zaki barred\n",
        }
    }
}

impl CodeKey {
    /// From the configured secret; at least 32 random characters.
    pub fn new(secret: SecretString) -> Self {
        Self(Arc::new(secret))
    }

    /// The hash of a code, in hex: what is kept of it, and what it is looked up by. Takes equally
    /// long for every code of the same length, and says nothing about one that is nearly the same.
    pub(crate) fn code(&self, what: Keyed, code: &LinkCode) -> String {
        self.digest(what, &[code.plain()])
    }

    /// The hash of some words, in hex.
    pub(crate) fn digest(&self, what: Keyed, words: &[&str]) -> String {
        let mut mac = self.mac();
        mac.update(what.label());
        for word in words {
            mac.update(&(word.len() as u64).to_be_bytes());
            mac.update(word.as_bytes());
        }
        hex::encode(mac.finalize().into_bytes())
    }

    fn mac(&self) -> Hmac<Sha256> {
        // Hmac takes a key of any length; the error type is an artefact of its trait.
        <Hmac<Sha256> as Mac>::new_from_slice(self.0.expose_secret().as_bytes())
            .unwrap_or_else(|_| <Hmac<Sha256> as Mac>::new(&Key::<Hmac<Sha256>>::default()))
    }
}

impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_one_key_one_purpose_and_one_text() {
        let (key, other) = (CodeKey::new("a".into()), CodeKey::new("b".into()));
        let hash = |key: &CodeKey, what, words: &[&str]| key.digest(what, words);
        let base = hash(&key, Keyed::Code, &["x", "y"]);
        assert_eq!(base.len(), 64);
        assert_eq!(base, hash(&key, Keyed::Code, &["x", "y"]));
        assert_ne!(base, hash(&other, Keyed::Code, &["x", "y"]));
        assert_ne!(base, hash(&key, Keyed::Erase, &["x", "y"]));
        assert_ne!(base, hash(&key, Keyed::Code, &["xy", ""]));
        assert_ne!(base, hash(&key, Keyed::Code, &["xy"]));
        let typed = |text| key.code(Keyed::Code, &LinkCode::typed(text));
        assert_eq!(typed("abcd-2345"), typed("ABCD 2345"));
        assert_ne!(typed("abcd-2345"), typed("abcd-2346"));
    }
}
