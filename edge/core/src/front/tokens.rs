//! The sandboxes' bearer tokens, looked up without comparing secrets.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zaki_envelope::SandboxName;

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
}
