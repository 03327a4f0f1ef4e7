//! Which agent a sandbox is started with.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// An agent as a runtime can start it; two that are equal are the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    /// As the agent will say itself; empty: nobody knows beforehand.
    pub(crate) agent: String,
    /// Where it is: OpenClaw's directory, or the id of an image.
    pub(crate) at: String,
    /// Node, where it is not in an image.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) node: String,
}

impl Version {
    /// OpenClaw in that directory, run by that Node.
    pub(crate) fn installed(openclaw: &Path, node: &Path) -> Self {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        Self { agent: agent(openclaw).unwrap_or_default(), at: text(openclaw), node: text(node) }
    }

    /// Whether it is there as it was.
    pub(crate) fn is_installed(&self) -> bool {
        let (openclaw, node) = (Path::new(&self.at), Path::new(&self.node));
        openclaw.is_dir() && node.is_file() && Self::installed(openclaw, node) == *self
    }
}

/// As its package says.
fn agent(openclaw: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Package {
        version: String,
    }
    let text = std::fs::read(openclaw.join("package.json")).ok()?;
    serde_json::from_slice(&text).ok().map(|Package { version }| version)
}

/// What it is, and of an image which: as long as Docker shows it.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let image = self.at.strip_prefix("sha256:").map(|id| id.chars().take(12).collect());
        match (self.agent.as_str(), image) {
            ("", Some::<String>(image)) => f.write_str(&image),
            ("", None) => f.write_str(&self.at),
            (agent, Some(image)) => write!(f, "{agent} ({image})"),
            (agent, None) => f.write_str(agent),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn one_that_was_exchanged_where_it_is_is_another_one() {
        let dir = tempfile::tempdir().unwrap();
        let (openclaw, node) = (dir.path().join("openclaw"), dir.path().join("node"));
        fs::create_dir(&openclaw).unwrap();
        fs::write(&node, "").unwrap();
        let package = |text: &str| fs::write(openclaw.join("package.json"), text).unwrap();
        package(r#"{"name": "openclaw", "version": "1"}"#);
        let one = Version::installed(&openclaw, &node);
        assert!(one.is_installed() && one.to_string() == "1");
        package(r#"{"version": "2"}"#);
        assert!(!one.is_installed() && Version::installed(&openclaw, &node).is_installed());
        fs::remove_file(&node).unwrap();
        assert!(!Version::installed(&openclaw, &node).is_installed());
    }

    #[test]
    fn an_image_is_told_by_its_id() {
        let image = |agent: &str| {
            let at = format!("sha256:{}", "abcdef0123456789".repeat(4));
            Version { agent: agent.to_owned(), at, node: String::new() }.to_string()
        };
        assert_eq!(image("2026.9.6"), "2026.9.6 (abcdef012345)");
        assert_eq!(image(""), "abcdef012345");
    }
}
