//! Values that are encrypted where they are kept: XChaCha20-Poly1305, whose nonces are long enough
//! to be drawn at random for ever, under one of a few keys with names.
//!
//! A stored value says itself which key it needs, so keys can be exchanged while it lies there. It
//! is bound to its place: moved to another row or column, it does not open. What was stored before
//! there were keys is read as it is.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Display;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretString};

/// What an encrypted value begins with. The name of its key follows, and a colon.
const MARK: &str = "zaki-sealed:";
const NONCE: usize = 24;

/// Keys for values at rest: the first one encrypts, all of them decrypt. The default has none, and
/// stores values as they are. Clones share them.
#[derive(Clone, Default)]
pub struct Keys(Arc<[Key]>);

#[derive(Clone)]
struct Key {
    id: String,
    cipher: XChaCha20Poly1305,
}

/// Where a value is kept: the column, by a name that never changes, and the row.
#[derive(Clone, Copy)]
pub struct Cell<'a> {
    /// Such as `ledger.inbound.envelope`.
    pub column: &'static str,
    /// The key of its row.
    pub row: &'a dyn Display,
}

/// Why keys are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The name.
    #[error("the id of a key must be 1 to 32 of a-z 0-9 _ -")]
    Id,
    /// Twice the same name.
    #[error("two keys have the id {id:?}")]
    Twice {
        /// The name.
        id: String,
    },
    /// The key.
    #[error("the key {id:?} must be 32 bytes in base64, as `openssl rand -base64 32` makes them")]
    Bytes {
        /// Its name.
        id: String,
    },
}

/// Why a stored value cannot be read, or one not be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Its key is not given.
    #[error("it is encrypted with the key {id:?}, which is not given")]
    Missing {
        /// The name of the key.
        id: String,
    },
    /// The key does not open it.
    #[error("the key {id:?} does not open it: another key of that name, or not what was stored")]
    Wrong {
        /// The name of the key.
        id: String,
    },
    /// Longer than the cipher takes.
    #[error("it is too long to be encrypted")]
    TooLong,
}

impl Keys {
    /// Keys by their names; each is 32 bytes in base64.
    pub fn new<'a>(
        keys: impl IntoIterator<Item = (&'a str, &'a SecretString)>,
    ) -> Result<Self, KeyError> {
        let mut all: Vec<Key> = Vec::new();
        for (id, key) in keys {
            if all.iter().any(|key| key.id == id) {
                return Err(KeyError::Twice { id: id.to_owned() });
            }
            all.push(Key::new(id, key)?);
        }
        Ok(Self(all.into()))
    }

    /// The name of the key that encrypts; `None`: nothing is encrypted.
    pub fn first(&self) -> Option<&str> {
        self.0.first().map(|key| key.id.as_str())
    }

    /// A value as it is to be stored in a column of bytes.
    pub fn seal<'v>(&self, cell: Cell<'_>, value: &'v [u8]) -> Result<Cow<'v, [u8]>, SealError> {
        let Some(key) = self.0.first() else {
            let taken = value.starts_with(MARK.as_bytes());
            let escaped = || [MARK.as_bytes(), b":", value].concat();
            return Ok(if taken { escaped().into() } else { value.into() });
        };
        let body = key.encrypt(cell, value)?;
        Ok([MARK.as_bytes(), key.id.as_bytes(), b":", &body].concat().into())
    }

    /// A value as it is to be stored in a column of text.
    pub fn seal_text(&self, cell: Cell<'_>, value: String) -> Result<String, SealError> {
        let Some(key) = self.0.first() else {
            return Ok(if value.starts_with(MARK) { format!("{MARK}:{value}") } else { value });
        };
        let body = key.encrypt(cell, value.as_bytes())?;
        Ok(format!("{MARK}{}:{}", key.id, STANDARD_NO_PAD.encode(body)))
    }

    /// The value that was stored so in a column of bytes.
    pub fn open(&self, cell: Cell<'_>, stored: Vec<u8>) -> Result<Vec<u8>, SealError> {
        let Some(rest) = stored.strip_prefix(MARK.as_bytes()) else {
            return Ok(stored);
        };
        let end = rest.iter().position(|byte| *byte == b':').unwrap_or(rest.len());
        let (id, body) = rest.split_at(end);
        let body = body.get(1..).unwrap_or_default();
        if id.is_empty() {
            return Ok(body.to_vec());
        }
        self.named(&String::from_utf8_lossy(id))?.decrypt(cell, body)
    }

    /// The value that was stored so in a column of text.
    pub fn open_text(&self, cell: Cell<'_>, stored: String) -> Result<String, SealError> {
        let Some(rest) = stored.strip_prefix(MARK) else {
            return Ok(stored);
        };
        let (id, body) = rest.split_once(':').unwrap_or((rest, ""));
        if id.is_empty() {
            return Ok(body.to_owned());
        }
        let key = self.named(id)?;
        let body = STANDARD_NO_PAD.decode(body).map_err(|_| key.wrong())?;
        String::from_utf8(key.decrypt(cell, &body)?).map_err(|_| key.wrong())
    }

    /// Whether a stored value is as [`seal`](Self::seal) would store it now.
    pub fn is_current(&self, stored: &[u8]) -> bool {
        let rest = stored.strip_prefix(MARK.as_bytes());
        match self.first() {
            Some(id) => rest
                .and_then(|rest| rest.strip_prefix(id.as_bytes()))
                .is_some_and(|rest| rest.starts_with(b":")),
            None => rest.is_none_or(|rest| rest.starts_with(b":")),
        }
    }

    fn named(&self, id: &str) -> Result<&Key, SealError> {
        let key = self.0.iter().find(|key| key.id == id);
        key.ok_or_else(|| SealError::Missing { id: id.to_owned() })
    }
}

impl Key {
    fn new(id: &str, key: &SecretString) -> Result<Self, KeyError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
        if id.is_empty() || id.len() > 32 || !id.chars().all(allowed) {
            return Err(KeyError::Id);
        }
        let bytes = STANDARD.decode(key.expose_secret().trim()).ok();
        let cipher = bytes.and_then(|bytes| XChaCha20Poly1305::new_from_slice(&bytes).ok());
        let cipher = cipher.ok_or_else(|| KeyError::Bytes { id: id.to_owned() })?;
        Ok(Self { id: id.to_owned(), cipher })
    }

    fn encrypt(&self, cell: Cell<'_>, value: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce: [u8; NONCE] = rand::random();
        let payload = Payload { msg: value, aad: &cell.bound() };
        let body = self.cipher.encrypt(&XNonce::from(nonce), payload);
        let body = body.map_err(|_| SealError::TooLong)?;
        Ok([nonce.as_slice(), &body].concat())
    }

    fn decrypt(&self, cell: Cell<'_>, stored: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, body) = stored.split_first_chunk::<NONCE>().ok_or_else(|| self.wrong())?;
        let payload = Payload { msg: body, aad: &cell.bound() };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| self.wrong())
    }

    fn wrong(&self) -> SealError {
        SealError::Wrong { id: self.id.clone() }
    }
}

impl Cell<'_> {
    /// What is authenticated with the value.
    fn bound(&self) -> Vec<u8> {
        format!("{}\n{}", self.column, self.row).into_bytes()
    }
}

/// By their names alone.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELL: Cell<'_> = Cell { column: "things.thing.text", row: &1 };

    /// A key of this byte.
    fn secret(byte: u8) -> SecretString {
        STANDARD.encode([byte; 32]).into()
    }

    fn keys(all: &[(&str, u8)]) -> Keys {
        let all: Vec<_> = all.iter().map(|(id, byte)| (*id, secret(*byte))).collect();
        Keys::new(all.iter().map(|(id, key)| (*id, key))).unwrap()
    }

    #[test]
    fn what_is_sealed_shows_nothing_and_opens_again() {
        let keys = keys(&[("k1", 1)]);
        let text = keys.seal_text(CELL, "a secret".into()).unwrap();
        let bytes = keys.seal(CELL, b"a secret").unwrap().into_owned();
        assert!(text.starts_with("zaki-sealed:k1:") && !text.contains("secret"));
        assert!(!bytes.windows(6).any(|part| part == b"secret"));
        assert_ne!(text, keys.seal_text(CELL, "a secret".into()).unwrap(), "another nonce");
        assert_eq!(keys.open_text(CELL, text).unwrap(), "a secret");
        assert_eq!(keys.open(CELL, bytes).unwrap(), b"a secret");
    }

    #[test]
    fn a_value_belongs_to_its_place() {
        let keys = keys(&[("k1", 1)]);
        let stored = keys.seal_text(CELL, "a secret".into()).unwrap();
        let wrong = Err(SealError::Wrong { id: "k1".into() });
        let elsewhere = [Cell { row: &2, ..CELL }, Cell { column: "things.thing.note", ..CELL }];
        for cell in elsewhere {
            assert_eq!(keys.open_text(cell, stored.clone()), wrong);
        }
        let mut changed = stored.clone();
        let last = changed.pop();
        changed.push(if last == Some('A') { 'B' } else { 'A' });
        for broken in [changed, stored[..20].to_owned(), "zaki-sealed:k1".to_owned()] {
            assert_eq!(keys.open_text(CELL, broken), wrong);
        }
    }

    #[test]
    fn keys_are_exchanged_while_values_lie() {
        let old = keys(&[("k1", 1)]).seal_text(CELL, "old".into()).unwrap();
        let both = keys(&[("k2", 2), ("k1", 1)]);
        assert_eq!(both.open_text(CELL, old.clone()).unwrap(), "old");
        assert!(!both.is_current(old.as_bytes()));
        let new = both.seal_text(CELL, "new".into()).unwrap();
        assert!(both.is_current(new.as_bytes()) && !both.is_current(b"plain"));
        let alone = keys(&[("k2", 2)]);
        assert_eq!(alone.open_text(CELL, new).unwrap(), "new");
        assert_eq!(alone.open_text(CELL, old.clone()), Err(SealError::Missing { id: "k1".into() }));
        let other = keys(&[("k1", 9)]).open_text(CELL, old);
        assert_eq!(other, Err(SealError::Wrong { id: "k1".into() }));
    }

    #[test]
    fn without_keys_everything_is_kept_as_it_is() {
        let (none, some) = (Keys::default(), keys(&[("k1", 1)]));
        for value in ["", "{}", "zaki-sealed:", "zaki-sealed:k1:abc", "zaki-sealed::"] {
            let text = none.seal_text(CELL, value.into()).unwrap();
            let bytes = none.seal(CELL, value.as_bytes()).unwrap().into_owned();
            assert!(none.is_current(&bytes));
            for keys in [&none, &some] {
                assert_eq!(keys.open_text(CELL, text.clone()).unwrap(), value);
                assert_eq!(keys.open(CELL, bytes.clone()).unwrap(), value.as_bytes());
            }
        }
        assert_eq!(none.seal(CELL, b"plain").unwrap(), Cow::Borrowed(b"plain"));
    }

    #[test]
    fn keys_are_32_bytes_with_a_name_each() {
        let refused = |id: &str, key: &str| Keys::new([(id, &key.into())]).unwrap_err();
        let good = STANDARD.encode([1; 32]);
        for id in ["", "K1", "a:b", &"a".repeat(33)] {
            assert_eq!(refused(id, &good), KeyError::Id);
        }
        for key in ["", "password", &STANDARD.encode([1; 31])] {
            assert_eq!(refused("k1", key), KeyError::Bytes { id: "k1".into() });
        }
        let key = secret(1);
        let twice = Keys::new([("k1", &key), ("k1", &key)]).unwrap_err();
        assert_eq!(twice, KeyError::Twice { id: "k1".into() });
        assert_eq!(format!("{:?}", keys(&[("k2", 2), ("k1", 1)])), r#"["k2", "k1"]"#);
    }
}
