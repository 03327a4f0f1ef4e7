//! OpenClaw's own word on a configuration, before a gateway is started with it.

use std::{
    fs, io,
    process::{Output, Stdio},
    time::Duration,
};

use serde::Deserialize;
use tokio::{process::Command, time::timeout};

use crate::{Settings, guard::Guard, layout::Layout};

/// Measured: 2 s at rest.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Deserialize)]
struct Verdict {
    valid: bool,
    #[serde(default)]
    issues: Vec<Issue>,
}

#[derive(Deserialize)]
struct Issue {
    #[serde(default)]
    path: String,
    #[serde(default)]
    message: String,
}

/// What is wrong with it; nothing: OpenClaw takes it.
pub(crate) async fn validate(
    settings: &Settings,
    layout: &Layout,
    config: &str,
) -> io::Result<Vec<String>> {
    let draft = layout.tmp().join("openclaw-draft.json");
    fs::write(&draft, config)?;
    let mut command = super::supervise::openclaw(settings, layout);
    command.args(["config", "validate", "--json"]).env("OPENCLAW_CONFIG_PATH", &draft);
    // Named there, and read by nobody.
    command.env("OPENCLAW_GATEWAY_TOKEN", "none").env("ZAKI_MODEL_TOKEN", "none");
    let said = run(command, PATIENCE).await;
    let _ = fs::remove_file(draft);
    Ok(issues(&said?.stdout))
}

/// Runs a command of OpenClaw's to its end, and ends what it leaves behind.
pub(super) async fn run(mut command: Command, patience: Duration) -> io::Result<Output> {
    let mut guard = Guard::start()?;
    command.stdin(Stdio::null()).process_group(guard.group()).kill_on_drop(true);
    let ended = timeout(patience, command.output()).await;
    guard.sweep().await;
    ended.map_err(io::Error::from)?
}

fn issues(said: &[u8]) -> Vec<String> {
    match serde_json::from_slice(said) {
        Ok(Verdict { valid: true, .. }) => Vec::new(),
        Ok(Verdict { issues, .. }) if !issues.is_empty() => {
            let told = |Issue { path, message }| format!("{path}: {message}");
            issues.into_iter().map(told).collect()
        }
        _ => vec!["OpenClaw does not say that it takes it".to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_yes_is_one() {
        assert!(issues(br#"{"valid":true,"path":"x","warnings":[]}"#).is_empty());
        let no = br#"{"ok":false,"valid":false,"issues":[{"path":"ui","message":"no"}]}"#;
        assert_eq!(issues(no), ["ui: no"]);
        for nothing in [&b""[..], b"{}", br#"{"valid":false}"#] {
            assert_eq!(issues(nothing).len(), 1);
        }
    }
}
