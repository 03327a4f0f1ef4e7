//! What a code looks like: made to be read aloud and typed on a phone.

use std::fmt;

use rand::TryRngCore;
use rand::rngs::OsRng;
use secrecy::{ExposeSecret, SecretString};

use crate::DirectoryError;

/// 32 signs, so that a random byte picks each equally often. No 0 and O, no 1 and I.
const SIGNS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Signs in a code: 40 bits.
const LENGTH: usize = 8;
/// How many codes there are.
pub const CODES: u64 = 1 << 40;
/// More of what somebody typed cannot matter.
const LONGEST: usize = 64;

/// A code that joins, invites or confirms: one that was made here, or what somebody typed in place
/// of one. A secret while it lives, so nothing prints it but [`shown`](Self::shown).
#[derive(Clone)]
pub struct LinkCode(SecretString);

impl LinkCode {
    /// A new one.
    pub(crate) fn mint() -> Result<Self, DirectoryError> {
        let bytes: [u8; LENGTH] = random()?;
        let sign = |byte: &u8| SIGNS.get(usize::from(byte % 32)).copied().map(char::from);
        Ok(Self(bytes.iter().filter_map(sign).collect::<String>().into()))
    }

    /// What somebody typed where a code belongs, whatever it is: case, dashes and spaces do not
    /// count, and digits may be those of another script. That it cannot be a code is for the
    /// look-up to find, as with any wrong one.
    pub fn typed(text: &str) -> Self {
        let signs = text.chars().map(western).filter(|sign| sign.is_alphanumeric()).take(LONGEST);
        Self(signs.map(|sign| sign.to_ascii_uppercase()).collect::<String>().into())
    }

    /// Whether it could be one that was made here.
    pub fn is_well_formed(&self) -> bool {
        let text = self.0.expose_secret();
        text.len() == LENGTH && text.bytes().all(|sign| SIGNS.contains(&sign))
    }

    /// For the eyes of the one it is made for: `XXXX-XXXX`.
    pub fn shown(&self) -> String {
        let text = self.0.expose_secret();
        match text.split_at_checked(LENGTH / 2) {
            Some((left, right)) if text.len() == LENGTH => format!("{left}-{right}"),
            _ => text.to_owned(),
        }
    }

    /// As it is hashed and, where it is no secret to who reads the store, kept.
    pub(crate) fn plain(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Not in constant time: no code is accepted by comparing.
impl PartialEq for LinkCode {
    fn eq(&self, other: &Self) -> bool {
        self.plain() == other.plain()
    }
}

impl Eq for LinkCode {}

/// Arabic and Persian keyboards have digits of their own, and Chinese ones wide signs.
fn western(sign: char) -> char {
    let digit = [0x660, 0x6F0, 0xFF10].into_iter().find_map(|zero| {
        let value = u32::from(sign).checked_sub(zero).filter(|value| *value < 10)?;
        char::from_digit(value, 10)
    });
    digit.unwrap_or(sign)
}

impl fmt::Debug for LinkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkCode(..)")
    }
}

/// Bytes nobody can guess.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], DirectoryError> {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes).map_err(|_| DirectoryError::NoRandomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_of_the_alphabet_and_differ() {
        let codes: Vec<_> = (0..500).map(|_| LinkCode::mint().unwrap()).collect();
        assert!(codes.iter().all(LinkCode::is_well_formed));
        let texts: HashSet<_> = codes.iter().map(LinkCode::shown).collect();
        assert_eq!(texts.len(), 500);
        assert!(texts.iter().all(|text| text.len() == 9 && text.as_bytes()[4] == b'-'));
        let signs: HashSet<_> = texts.iter().flat_map(|text| text.bytes()).collect();
        assert_eq!(signs.len(), 33, "every sign occurs, and the dash");
        assert_eq!(SIGNS.iter().collect::<HashSet<_>>().len(), 32);
        assert_eq!(CODES, 32_u64.pow(u32::try_from(LENGTH).unwrap()));
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        for typed in ["ABCD-2345", "abcd2345", " aBcD 23 45\n", "abcd\u{2014}2345", "a-b-c-d-2345"]
        {
            assert_eq!(LinkCode::typed(typed).shown(), "ABCD-2345", "{typed:?}");
        }
        for other in ["", "ABCD-234", "ABCD-23456", "ABCD-0345", "ABCD-I345", "ابتثجحخد"] {
            assert!(!LinkCode::typed(other).is_well_formed(), "{other:?}");
        }
        assert_eq!(LinkCode::typed(&"x".repeat(1_000_000)).plain().len(), LONGEST);
    }

    #[test]
    fn nothing_prints_a_code() {
        let code = LinkCode::typed("ABCD-2345");
        assert_eq!(format!("{code:?}"), "LinkCode(..)");
    }
}
