//! The name of a sandbox, made only from a [`ZakiUserId`].

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{IdError, ZakiUserId};

/// What a sandbox is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SandboxKind {
    /// The person's own OpenClaw.
    #[default]
    Personal,
    /// One of their projects.
    Project {
        /// `[a-z0-9]{1,24}`.
        id: String,
    },
    /// Bare runtime.
    Runtime,
    /// Anything an operator adds.
    Custom {
        /// `[a-z0-9]{1,24}`.
        name: String,
    },
}

/// `openclaw-{userId}`, `project-{id}-{userId}`, `runtime-{userId}`, `custom-{name}-{userId}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SandboxName {
    text: String,
    user: ZakiUserId,
}

impl SandboxName {
    /// Names the sandbox of `kind` that belongs to `user`.
    pub fn new(user: ZakiUserId, kind: &SandboxKind) -> Result<Self, IdError> {
        let text = match kind {
            SandboxKind::Personal => format!("openclaw-{user}"),
            SandboxKind::Project { id } => format!("project-{}-{user}", free_part(id)?),
            SandboxKind::Runtime => format!("runtime-{user}"),
            SandboxKind::Custom { name } => format!("custom-{}-{user}", free_part(name)?),
        };
        Ok(Self { text, user })
    }

    /// Whose it is.
    pub const fn user(&self) -> ZakiUserId {
        self.user
    }

    /// The name, safe as a file or container name.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn free_part(text: &str) -> Result<&str, IdError> {
    let fits = (1..=24).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if fits {
        Ok(text)
    } else {
        Err(IdError { kind: "sandbox name part", rule: "1 to 24 of a-z and 0-9" })
    }
}

impl fmt::Display for SandboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for SandboxName {
    type Err = IdError;

    /// Reads a stored name back; anything [`SandboxName::new`] could not have made is refused.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError { kind: "sandbox name", rule: "kind-[part-]userId" };
        let (prefix, user) = text.rsplit_once('-').ok_or_else(|| error.clone())?;
        let user: ZakiUserId = user.parse()?;
        let kind = match prefix.split_once('-') {
            None if prefix == "openclaw" => SandboxKind::Personal,
            None if prefix == "runtime" => SandboxKind::Runtime,
            Some(("project", id)) => SandboxKind::Project { id: id.to_owned() },
            Some(("custom", name)) => SandboxKind::Custom { name: name.to_owned() },
            _ => return Err(error),
        };
        Self::new(user, &kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    #[test]
    fn names_round_trip_and_nothing_else_parses() {
        let user = ZakiUserId::from_parts(Timestamp::from_ms(1), 7);
        let kinds = [
            SandboxKind::Personal,
            SandboxKind::Project { id: "p1".into() },
            SandboxKind::Runtime,
            SandboxKind::Custom { name: "gpu".into() },
        ];
        for kind in kinds {
            let name = SandboxName::new(user, &kind).unwrap();
            assert_eq!((name.as_str().parse(), name.user()), (Ok(name.clone()), user));
        }
        assert!(SandboxName::new(user, &SandboxKind::Project { id: "../x".into() }).is_err());
        assert!("openclaw-..".parse::<SandboxName>().is_err());
        assert!(format!("other-{user}").parse::<SandboxName>().is_err());
    }
}
