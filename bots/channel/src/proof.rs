//! How a webhook request proves where it comes from. Data for the channels, one check for all:
//! over the raw bytes, in constant time, closed on any doubt.

use hmac::{Hmac, Mac};
use http::HeaderMap;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zaki_envelope::Timestamp;

/// What a channel demands of a request.
pub enum Proof<'a> {
    /// A header equals a shared secret (Telegram).
    Secret {
        /// Its name.
        header: &'static str,
        /// The secret; an empty one proves nothing.
        secret: &'a str,
    },
    /// A header holds `prefix` and the hex HMAC-SHA256 of the body (Meta), or of
    /// `<version>:<timestamp>:<body>` (Slack).
    Hmac {
        /// Its name.
        header: &'static str,
        /// What stands before the hex digits.
        prefix: &'static str,
        /// The key; an empty one proves nothing.
        key: &'a str,
        /// The signed time, where the platform signs one.
        time: Option<(Window, &'static str)>,
    },
    /// A public-key signature over timestamp and body (Discord).
    Signature {
        /// Header with the signature.
        header: &'static str,
        /// The signed time.
        time: Window,
        /// `(signature, timestamp, body)` -> whether the key made it.
        check: &'a (dyn Fn(&str, &str, &[u8]) -> bool + Send + Sync),
    },
}

/// A signed time and how far it may be from ours.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Header with the time in Unix seconds.
    pub header: &'static str,
    /// The largest difference, in seconds, that still passes.
    pub secs: i64,
}

/// Why a request is refused. The answer is 401 for all of them; the log says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No proof at all.
    #[error("the request carries no signature")]
    Unsigned,
    /// A wrong one.
    #[error("the signature does not match")]
    Mismatch,
    /// Too old or from the future.
    #[error("the signature is outside its time window")]
    Stale,
    /// We have no secret to check with.
    #[error("the channel has no secret, so nothing can be verified")]
    NoSecret,
}

impl Proof<'_> {
    pub(crate) fn check(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), Refusal> {
        match self {
            Self::Secret { header, secret } => {
                let given = read(headers, header)?;
                non_empty(secret)?;
                pass(bool::from(given.as_bytes().ct_eq(secret.as_bytes())))
            }
            Self::Hmac { header, prefix, key, time } => {
                let given = read(headers, header)?.strip_prefix(prefix).ok_or(Refusal::Mismatch)?;
                let given = hex::decode(given).map_err(|_| Refusal::Mismatch)?;
                let mut mac = keyed(non_empty(key)?)?;
                if let Some((window, version)) = time {
                    let signed_at = window.read(headers, now)?;
                    mac.update(format!("{version}:{signed_at}:").as_bytes());
                }
                mac.update(body);
                pass(mac.verify_slice(&given).is_ok())
            }
            Self::Signature { header, time, check } => {
                let given = read(headers, header)?;
                let signed_at = time.read(headers, now)?;
                pass(check(given, signed_at, body))
            }
        }
    }
}

impl Window {
    fn read<'h>(&self, headers: &'h HeaderMap, now: Timestamp) -> Result<&'h str, Refusal> {
        let text = read(headers, self.header)?;
        let secs: i64 = text.parse().map_err(|_| Refusal::Mismatch)?;
        let apart = now.as_secs().saturating_sub(secs).saturating_abs();
        if apart > self.secs { Err(Refusal::Stale) } else { Ok(text) }
    }
}

/// A header that stands there exactly once: two values would let two readers disagree.
fn read<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| Refusal::Mismatch),
        (None, _) => Err(Refusal::Unsigned),
        (Some(_), Some(_)) => Err(Refusal::Mismatch),
    }
}

fn non_empty(secret: &str) -> Result<&str, Refusal> {
    if secret.is_empty() { Err(Refusal::NoSecret) } else { Ok(secret) }
}

fn keyed(key: &str) -> Result<Hmac<Sha256>, Refusal> {
    Hmac::new_from_slice(key.as_bytes()).map_err(|_| Refusal::NoSecret)
}

fn pass(ok: bool) -> Result<(), Refusal> {
    if ok { Ok(()) } else { Err(Refusal::Mismatch) }
}
