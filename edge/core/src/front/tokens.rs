//! The sandboxes' bearer tokens: looked up without comparing secrets where they are remembered,
//! verified where nobody remembers them.

use std::collections::BTreeMap;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zaki_envelope::SandboxName;

use crate::sandbox::Generation;

/// Knows whose token one is.
pub trait Owners {
    /// The sandbox that `token` proves.
    fn owner_of(&self, token: &str) -> Option<SandboxName>;
}

impl Owners for Tokens {
    fn owner_of(&self, token: &str) -> Option<SandboxName> {
        self.owner(token).cloned()
    }
}

/// Makes and verifies tokens without remembering any: `{name}.{generation}.{hmac}`. Whether a
/// generation is the current one is known where the sandbox is.
#[derive(Clone)]
pub struct Seal(Vec<u8>);

impl Seal {
    /// With a secret of 32 random bytes or more.
    pub fn new(secret: impl Into<Vec<u8>>) -> Self {
        Self(secret.into())
    }

    /// The token of one start of a sandbox.
    pub fn token(&self, name: &SandboxName, generation: Generation) -> String {
        let body = format!("{name}.{}", generation.0);
        let mac = hex::encode(self.mac(&body).finalize().into_bytes());
        format!("{body}.{mac}")
    }

    /// Which start of which sandbox `token` proves.
    pub fn verify(&self, token: &str) -> Option<(SandboxName, Generation)> {
        let (body, mac) = token.rsplit_once('.')?;
        self.mac(body).verify_slice(&hex::decode(mac).ok()?).ok()?;
        let (name, generation) = body.split_once('.')?;
        Some((name.parse().ok()?, Generation(generation.parse().ok()?)))
    }

    fn mac(&self, body: &str) -> Hmac<Sha256> {
        // Hmac takes a key of any length; the error type is an artefact of its trait.
        let mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.0);
        let mut mac = mac.unwrap_or_else(|_| {
            <Hmac<Sha256> as Mac>::new(&hmac::digest::Key::<Hmac<Sha256>>::default())
        });
        mac.update(b"zaki sandbox token\n");
        mac.update(body.as_bytes());
        mac
    }
}

impl Owners for Seal {
    fn owner_of(&self, token: &str) -> Option<SandboxName> {
        self.verify(token).map(|(name, _)| name)
    }
}

/// Which token is whose. Holds digests only: a lookup by the digest of what was sent tells an
/// attacker nothing about how close a guess came.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    owners: BTreeMap<[u8; 32], SandboxName>,
}

impl Tokens {
    /// From now on `token` proves `name`, and no earlier token of it does.
    pub fn grant(&mut self, token: &str, name: SandboxName) {
        self.revoke(&name);
        self.owners.insert(digest(token), name);
    }

    /// No token proves `name` any more.
    pub fn revoke(&mut self, name: &SandboxName) {
        self.owners.retain(|_, owner| owner != name);
    }

    /// The sandbox that `token` proves.
    pub fn owner(&self, token: &str) -> Option<&SandboxName> {
        let digest = digest(token);
        let (known, owner) = self.owners.get_key_value(&digest)?;
        bool::from(known.ct_eq(&digest)).then_some(owner)
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use zaki_envelope::{SandboxKind, Timestamp, ZakiUserId};

    use super::*;

    fn name(n: u128) -> SandboxName {
        let user = ZakiUserId::from_parts(Timestamp::from_ms(1), n);
        SandboxName::new(user, &SandboxKind::Personal).unwrap()
    }

    #[test]
    fn a_token_proves_its_sandbox_until_it_is_replaced() {
        let mut tokens = Tokens::default();
        tokens.grant("one", name(1));
        tokens.grant("two", name(2));
        assert_eq!(tokens.owner("one"), Some(&name(1)));
        assert_eq!(tokens.owner("two"), Some(&name(2)));
        for wrong in ["", "on", "one ", "One"] {
            assert_eq!(tokens.owner(wrong), None, "{wrong:?}");
        }
        tokens.grant("three", name(1));
        assert_eq!(tokens.owner("one"), None);
        tokens.revoke(&name(1));
        assert_eq!(tokens.owner("three"), None);
    }

    #[test]
    fn a_sealed_token_proves_one_start_of_one_sandbox() {
        let seal = Seal::new([7; 32]);
        let token = seal.token(&name(1), Generation(3));
        assert_eq!(seal.verify(&token), Some((name(1), Generation(3))));
        assert_eq!(seal.owner_of(&token), Some(name(1)));
        assert_eq!(Seal::new([8; 32]).verify(&token), None, "another secret");
        let other = token.replacen(".3.", ".4.", 1);
        assert_eq!(seal.verify(&other), None, "another start");
        for wrong in ["", ".", "..", &token[1..], &token[..token.len() - 1]] {
            assert_eq!(seal.verify(wrong), None, "{wrong:?}");
        }
    }
}
