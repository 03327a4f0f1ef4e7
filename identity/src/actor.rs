//! Who did something, and in which way somebody came to be known: words in a column.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use zaki_envelope::ZakiUserId;

/// A text is none of the words that it should be one of.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not a {0}")]
pub struct WordError(&'static str);

/// An enum that is kept, shown and read as one of a few words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident ($what:literal) { $($(#[$item:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$item])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As it is kept and shown.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::actor::WordError;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                let found = Self::ALL.iter().find(|item| item.as_str() == word);
                found.copied().ok_or($crate::actor::WordError::new($what))
            }
        }
    };
}
pub(crate) use words;

impl WordError {
    pub(crate) const fn new(what: &'static str) -> Self {
        Self(what)
    }
}

/// Whoever does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Somebody, for themselves or as an owner.
    Person(ZakiUserId),
    /// Whoever has the command line or the console.
    Operator,
    /// The hub by itself, by a rule.
    System,
}

impl Actor {
    /// The person, if it is one.
    pub const fn person(self) -> Option<ZakiUserId> {
        if let Self::Person(user) = self { Some(user) } else { None }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(user) => user.fmt(f),
            Self::Operator => f.pad("operator"),
            Self::System => f.pad("system"),
        }
    }
}

impl FromStr for Actor {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match text {
            "operator" => Ok(Self::Operator),
            "system" => Ok(Self::System),
            id => id.parse().map(Self::Person).map_err(|_| WordError::new("name of who did it")),
        }
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

words! {
    /// How a sender became somebody's, or how somebody was let in.
    How("way to become known") {
        /// They wrote, and the policy let them in.
        SignUp = "sign_up",
        /// By an invitation.
        Invite = "invite",
        /// An operator or an owner let them in.
        Pairing = "pairing",
        /// By a code of their own.
        Link = "link",
        /// An operator said so.
        Operator = "operator",
        /// The platform showed this id with one that was known.
        Alias = "alias",
        /// A better id of somebody known.
        Upgrade = "upgrade",
        /// From a signed-in web session.
        Web = "web",
    }
}

#[cfg(test)]
mod tests {
    use zaki_envelope::Timestamp;

    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for how in How::ALL {
            assert_eq!(how.to_string().parse::<How>().unwrap(), *how);
        }
        assert!("by force".parse::<How>().is_err());
        let person = Actor::Person(ZakiUserId::from_parts(Timestamp::from_ms(1), 2));
        for actor in [person, Actor::Operator, Actor::System] {
            assert_eq!(actor.to_string().parse::<Actor>().unwrap(), actor);
        }
        assert!("root".parse::<Actor>().is_err());
    }
}
