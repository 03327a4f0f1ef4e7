//! What a person's patch changes of the agent's configuration, and what it cannot touch.
//!
//! The template is the operator's. A patch is a JSON merge patch (RFC 7396) over it, of which only
//! [`OPEN`] paths are taken: whatever OpenClaw may learn to configure stays the operator's until it
//! is named here. In particular nothing that runs programs, reads files, opens ports, holds secrets
//! or says which model is asked where.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::layout::Layout;

/// What a patch may touch, each with all below it; `*`: any name.
pub(crate) const OPEN: [&str; 20] = [
    "agents.defaults.bootstrapMaxChars",
    "agents.defaults.bootstrapTotalMaxChars",
    "agents.defaults.compaction",
    "agents.defaults.contextLimits",
    "agents.defaults.contextPruning",
    "agents.defaults.humanDelay",
    "agents.defaults.imageMaxDimensionPx",
    "agents.defaults.imageQuality",
    "agents.defaults.reasoningDefault",
    "agents.defaults.thinkingDefault",
    "agents.defaults.userTimezone",
    "agents.defaults.verboseDefault",
    "agents.entries.main.description",
    "agents.entries.main.identity",
    "agents.entries.main.name",
    "agents.entries.main.thinkingDefault",
    "messages.responsePrefix",
    "session.maintenance",
    "tools.loopDetection",
    "ui.prefs",
];

/// The most a patch may hold, in bytes.
pub(crate) const MOST: usize = 64 * 1024;

/// Lays `patch` over `target` (RFC 7396): objects merge, null removes, all else replaces.
pub(crate) fn merge(target: Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else { return patch.clone() };
    let mut fields = match target {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    for (key, change) in changes {
        if change.is_null() {
            fields.remove(key);
        } else {
            let old = fields.remove(key).unwrap_or(Value::Null);
            fields.insert(key.clone(), merge(old, change));
        }
    }
    Value::Object(fields)
}

/// The first path of `patch` that is the operator's; `None`: all of it may be patched.
pub(crate) fn stray(patch: &Value) -> Option<String> {
    match patch {
        Value::Object(fields) => stray_in(fields, &mut Vec::new()),
        _ => Some("(all of it)".to_owned()),
    }
}

fn stray_in<'p>(fields: &'p Map<String, Value>, path: &mut Vec<&'p str>) -> Option<String> {
    for (key, value) in fields {
        path.push(key);
        if !is_open(path) {
            // What leads to something open may be an object, and nothing else.
            match value {
                Value::Object(below) if leads_on(path) => {
                    if let Some(found) = stray_in(below, path) {
                        return Some(found);
                    }
                }
                _ => return Some(path.join(".")),
            }
        }
        path.pop();
    }
    None
}

fn is_open(path: &[&str]) -> bool {
    OPEN.iter().any(|open| {
        let mut pieces = path.iter();
        open.split('.').all(|name| pieces.next().is_some_and(|piece| *piece == name))
    })
}

fn leads_on(path: &[&str]) -> bool {
    OPEN.iter().any(|open| {
        let mut names = open.split('.');
        path.iter().all(|piece| names.next() == Some(*piece))
    })
}

/// What changes with a configuration, and with nothing else.
pub(crate) fn etag(config: &str) -> String {
    hex::encode(Sha256::digest(config))
}

/// The patch of this sandbox, and the one before while the gateway has not said hello to the new.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    path: PathBuf,
}

impl Kept {
    pub(crate) fn new(layout: &Layout) -> Self {
        Self { path: layout.patch() }
    }

    /// The patch; nothing where there is none, or one that is not ours.
    pub(crate) fn read(&self) -> Value {
        let nothing = || Value::Object(Map::new());
        let patch = match fs::read(&self.path) {
            Ok(text) if text.len() <= MOST => serde_json::from_slice(&text).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return nothing(),
            _ => None,
        };
        // Whoever works in here may write here, and the operator's paths stay the operator's.
        patch.filter(|patch| stray(patch).is_none()).unwrap_or_else(|| {
            tracing::warn!("the patch of the configuration is not one, and left out");
            nothing()
        })
    }

    /// Keeps a new one, to be settled or reverted.
    pub(crate) fn propose(&self, patch: &Value) -> io::Result<()> {
        let before = serde_json::to_vec(&self.read())?;
        write(&self.before(), &before)?;
        write(&self.path, &serde_json::to_vec(patch)?)
    }

    /// The gateway has taken it.
    pub(crate) fn settle(&self) {
        let _ = fs::remove_file(self.before());
    }

    /// The gateway does not take it; `false`: it has taken it long ago.
    pub(crate) fn revert(&self) -> bool {
        let reverted = fs::rename(self.before(), &self.path).is_ok();
        if reverted {
            tracing::warn!("OpenClaw does not take the patch of its configuration: it is undone");
        }
        reverted
    }

    fn before(&self) -> PathBuf {
        self.path.with_extension("before")
    }
}

/// Beside, and renamed: a crash leaves the old or the new.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    fs::write(&part, bytes)?;
    fs::File::open(&part)?.sync_all()?;
    fs::rename(part, path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The examples of RFC 7396, appendix A.
    #[test]
    fn patches_merge_as_the_standard_says() {
        for (target, patch, merged) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            assert_eq!(merge(target.clone(), &patch), merged, "{target} {patch}");
        }
    }

    #[test]
    fn what_is_not_open_is_the_operators() {
        for patch in [
            json!({}),
            json!({"messages": {"responsePrefix": "> "}}),
            json!({"agents": {"defaults": {"thinkingDefault": "low", "compaction": {"x": [1]}}}}),
            json!({"agents": {"entries": {"main": {"identity": {"name": "Sol"}}}}}),
        ] {
            assert_eq!(stray(&patch), None, "{patch}");
        }
        for (patch, path) in [
            (json!({"gateway": {"bind": "lan"}}), "gateway"),
            (json!({"tools": {"exec": {"mode": "full"}}}), "tools.exec"),
            (json!({"tools": {"loopDetection": {}, "elevated": {}}}), "tools.elevated"),
            (json!({"agents": {"defaults": {"model": {}}}}), "agents.defaults.model"),
            (json!({"agents": {"entries": {"group": {}}}}), "agents.entries.group"),
            (json!({"agents": {"entries": {"main": {"tools": {}}}}}), "agents.entries.main.tools"),
            (json!({"mcp": {"servers": {"x": {"command": "sh"}}}}), "mcp"),
            (json!({"agents": null}), "agents"),
            (json!({"agents": {"defaults": []}}), "agents.defaults"),
            (json!({"agents.defaults.compaction": 1}), "agents.defaults.compaction"),
            (json!([]), "(all of it)"),
        ] {
            assert_eq!(stray(&patch).as_deref(), Some(path), "{patch}");
        }
    }

    #[test]
    fn a_patch_that_is_not_taken_is_undone_and_one_that_is_stays() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::new(&Layout::create(dir.path()).unwrap());
        let patch = |text: &str| json!({"messages": {"responsePrefix": text}});
        assert_eq!((kept.read(), kept.revert()), (json!({}), false));
        kept.propose(&patch("a")).unwrap();
        assert!(kept.revert());
        assert_eq!(kept.read(), json!({}));
        kept.propose(&patch("a")).unwrap();
        kept.settle();
        kept.propose(&patch("b")).unwrap();
        assert_eq!(kept.read(), patch("b"));
        assert!(kept.revert() && !kept.revert());
        assert_eq!(kept.read(), patch("a"));
    }

    #[test]
    fn whoever_works_in_the_sandbox_cannot_write_what_a_patch_cannot_say() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::create(dir.path()).unwrap();
        let kept = Kept::new(&layout);
        for text in [r#"{"tools":{"exec":{"mode":"full"}}}"#, "[", "[]"] {
            fs::write(layout.patch(), text).unwrap();
            assert_eq!(kept.read(), json!({}), "{text}");
        }
    }
}
