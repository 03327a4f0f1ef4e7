//! The signatures the platforms put on their webhooks. Signing only: verifying is Zaki's part.

use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Slack v0: `v0=` + hex HMAC-SHA256(signing secret, `v0:<timestamp>:<raw body>`).
/// <https://docs.slack.dev/authentication/verifying-requests-from-slack>
pub fn slack(secret: &str, timestamp: u64, body: &[u8]) -> String {
    let prefix = format!("v0:{timestamp}:");
    format!("v0={}", hmac_hex(secret, &[prefix.as_bytes(), body]))
}

/// Meta: `sha256=` + hex HMAC-SHA256(app secret, raw body).
/// <https://developers.facebook.com/docs/graph-api/webhooks/getting-started>
pub fn meta(app_secret: &str, body: &[u8]) -> String {
    format!("sha256={}", hmac_hex(app_secret, &[body]))
}

/// Discord: hex Ed25519 over the timestamp's characters followed by the raw body.
/// <https://discord.com/developers/docs/interactions/overview>
pub fn discord(seed: &[u8; 32], timestamp: &str, body: &[u8]) -> String {
    let message = [timestamp.as_bytes(), body].concat();
    hex::encode(SigningKey::from_bytes(seed).sign(&message).to_bytes())
}

/// The public key, in hex, that belongs to a Discord signing seed.
pub fn discord_public_key(seed: &[u8; 32]) -> String {
    hex::encode(SigningKey::from_bytes(seed).verifying_key().to_bytes())
}

fn hmac_hex(secret: &str, parts: &[&[u8]]) -> String {
    // HMAC takes keys of every length, so this cannot fail; an empty answer verifies nowhere.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    for part in parts {
        mac.update(part);
    }
    hex::encode(mac.finalize().into_bytes())
}
