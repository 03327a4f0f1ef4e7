//! The hub's signature on every request to the edge, and back.
//!
//! HMAC-SHA256 over `v1\n{timestamp}\n{method}\n{path?query}\n{sha256(body)}`, timestamp in Unix
//! seconds, valid for 300 s either way. A key id allows rotation: the receiver knows several keys.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::Timestamp;

/// Which key signed.
pub const KEY_HEADER: &str = "x-zaki-key";
/// When, in Unix seconds.
pub const TIMESTAMP_HEADER: &str = "x-zaki-timestamp";
/// The signature, in lowercase hex.
pub const SIGNATURE_HEADER: &str = "x-zaki-signature";
/// How far clocks may be apart, in milliseconds.
pub const WINDOW_MS: i64 = 300_000;

/// A shared secret with its name.
#[derive(Clone)]
pub struct SigningKey {
    id: String,
    secret: Vec<u8>,
}

/// The three header values of a signed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// For [`KEY_HEADER`].
    pub key: String,
    /// For [`TIMESTAMP_HEADER`].
    pub timestamp: String,
    /// For [`SIGNATURE_HEADER`].
    pub signature: String,
}

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Upper case.
    pub method: &'a str,
    /// As it stands in the request line.
    pub path_and_query: &'a str,
    /// The raw bytes.
    pub body: &'a [u8],
}

/// Why a request is refused. All of them answer 401 and say no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A header is missing or malformed.
    #[error("the request is not signed")]
    Missing,
    /// No such key.
    #[error("the signing key is not known")]
    UnknownKey,
    /// Outside the window.
    #[error("the signature is older or newer than 300 s; compare the clocks")]
    Stale,
    /// Not the signature of these bytes.
    #[error("the signature does not match")]
    Mismatch,
}

impl SigningKey {
    /// A key; use at least 32 random bytes.
    pub fn new(id: impl Into<String>, secret: impl Into<Vec<u8>>) -> Self {
        Self { id: id.into(), secret: secret.into() }
    }

    /// Signs a message as of `now`.
    pub fn sign(&self, now: Timestamp, message: Message<'_>) -> Signed {
        let timestamp = now.as_secs().to_string();
        let hash = Sha256::digest(message.body).into();
        let mac = self.mac(&timestamp, (message.method, message.path_and_query), hash);
        let signature = hex::encode(mac.finalize().into_bytes());
        Signed { key: self.id.clone(), timestamp, signature }
    }

    fn mac(&self, timestamp: &str, line: (&str, &str), body: [u8; 32]) -> Hmac<Sha256> {
        // Hmac takes a key of any length; the error type is an artefact of its trait.
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.secret).unwrap_or_else(|_| {
            <Hmac<Sha256> as Mac>::new(&hmac::digest::Key::<Hmac<Sha256>>::default())
        });
        let (method, path_and_query) = line;
        for piece in ["v1", timestamp, method, path_and_query] {
            mac.update(piece.as_bytes());
            mac.update(b"\n");
        }
        mac.update(hex::encode(body).as_bytes());
        mac
    }
}

/// The keys a receiver accepts.
#[derive(Clone, Default)]
pub struct Keyring(Vec<SigningKey>);

impl Keyring {
    /// Accepts any of `keys`.
    pub fn new(keys: impl IntoIterator<Item = SigningKey>) -> Self {
        Self(keys.into_iter().collect())
    }

    /// Proves that a holder of one of the keys sent `message` within the window.
    /// `header` looks a header up by its lowercase name.
    pub fn verify<'h>(
        &self,
        header: impl Fn(&str) -> Option<&'h str>,
        message: Message<'_>,
        now: Timestamp,
    ) -> Result<(), SignatureError> {
        let Message { method, path_and_query, body } = message;
        self.verify_hashed(header, (method, path_and_query), Sha256::digest(body).into(), now)
    }

    /// The same before the body is there: `line` is method and path, `body` the hash that the bytes
    /// are to have. Whoever asks checks that they have it.
    pub fn verify_hashed<'h>(
        &self,
        header: impl Fn(&str) -> Option<&'h str>,
        line: (&str, &str),
        body: [u8; 32],
        now: Timestamp,
    ) -> Result<(), SignatureError> {
        let read = |name| header(name).ok_or(SignatureError::Missing);
        let (key_id, timestamp) = (read(KEY_HEADER)?, read(TIMESTAMP_HEADER)?);
        let signature =
            hex::decode(read(SIGNATURE_HEADER)?).map_err(|_| SignatureError::Missing)?;
        let signed_at: i64 = timestamp.parse().map_err(|_| SignatureError::Missing)?;
        let key = self.0.iter().find(|key| key.id == key_id).ok_or(SignatureError::UnknownKey)?;
        if now.since(Timestamp::from_secs(signed_at)).abs() > WINDOW_MS {
            return Err(SignatureError::Stale);
        }
        key.mac(timestamp, line, body)
            .verify_slice(&signature)
            .map_err(|_| SignatureError::Mismatch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: Message<'_> =
        Message { method: "POST", path_and_query: "/v1/users/x/turns?a=1", body: b"{}" };

    fn check(signed: &Signed, message: Message<'_>, now: Timestamp) -> Result<(), SignatureError> {
        let header = |name: &str| match name {
            KEY_HEADER => Some(signed.key.as_str()),
            TIMESTAMP_HEADER => Some(signed.timestamp.as_str()),
            SIGNATURE_HEADER => Some(signed.signature.as_str()),
            _ => None,
        };
        Keyring::new([SigningKey::new("k0", "old"), SigningKey::new("k1", "secret")])
            .verify(header, message, now)
    }

    #[test]
    fn authentic_passes_and_everything_else_is_refused() {
        let now = Timestamp::from_secs(1_700_000_000);
        let signed = SigningKey::new("k1", "secret").sign(now, MESSAGE);
        assert_eq!(check(&signed, MESSAGE, now), Ok(()));
        let tampered = [
            Message { body: b"{} ", ..MESSAGE },
            Message { method: "PUT", ..MESSAGE },
            Message { path_and_query: "/v1/users/y/turns?a=1", ..MESSAGE },
        ];
        for message in tampered {
            assert_eq!(check(&signed, message, now), Err(SignatureError::Mismatch));
        }
        let forged = SigningKey::new("k1", "guess").sign(now, MESSAGE);
        assert_eq!(check(&forged, MESSAGE, now), Err(SignatureError::Mismatch));
        let stranger = SigningKey::new("k2", "secret").sign(now, MESSAGE);
        assert_eq!(check(&stranger, MESSAGE, now), Err(SignatureError::UnknownKey));
    }

    #[test]
    fn the_window_is_300_s_on_both_sides() {
        let now = Timestamp::from_secs(1_700_000_000);
        let signed = SigningKey::new("k1", "secret").sign(now, MESSAGE);
        for (offset, expected) in [
            (300_000, Ok(())),
            (300_001, Err(SignatureError::Stale)),
            (-300_000, Ok(())),
            (-300_001, Err(SignatureError::Stale)),
        ] {
            assert_eq!(check(&signed, MESSAGE, now.plus_ms(offset)), expected, "{offset}");
        }
    }
}
