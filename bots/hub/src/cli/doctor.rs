//! `zaki doctor`: what is configured, what is missing, what to do about it.

use std::{net::TcpListener, path::Path, process::ExitCode};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use zaki_envelope::ChannelKind;

use super::Source;
use crate::config::{self, Config, Isolation, Provider, Runtime};

/// Exits with 0 when `zaki up` would start and at least one bot is configured.
#[derive(Args)]
pub(crate) struct Doctor {
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: Source,
}

/// How a check came out.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    /// Works, but should be known.
    Note,
    /// Does not work.
    Missing,
}

#[derive(Serialize)]
struct Finding {
    verdict: Verdict,
    what: String,
    /// What was found and, where something is missing, what to do.
    says: String,
}

impl Doctor {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let config = self.source.load()?;
        let mut findings = vec![data_dir(&config), listen("hub.listen", config.hub.listen)];
        findings.extend(edge(&config));
        findings.push(model(&config));
        findings.push(reachable(&config));
        findings.extend(accounts(&config));
        let missing = findings.iter().any(|finding| finding.verdict == Verdict::Missing);
        for finding in &findings {
            self.print(finding)?;
        }
        Ok(if missing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn print(&self, finding: &Finding) -> Result<()> {
        if self.json {
            outln!("{}", serde_json::to_string(finding)?);
            return Ok(());
        }
        let mark = match finding.verdict {
            Verdict::Ok => "ok     ",
            Verdict::Note => "note   ",
            Verdict::Missing => "MISSING",
        };
        outln!("{mark}  {:<16} {}", finding.what, finding.says);
        Ok(())
    }
}

fn finding(verdict: Verdict, what: impl Into<String>, says: impl Into<String>) -> Finding {
    Finding { verdict, what: what.into(), says: says.into() }
}

fn data_dir(config: &Config) -> Finding {
    let dir = config.data_dir();
    let probe = std::fs::create_dir_all(&dir).and_then(|()| tempfile_in(&dir));
    match probe {
        Ok(()) => finding(Verdict::Ok, "data", dir.display().to_string()),
        Err(error) => finding(
            Verdict::Missing,
            "data",
            format!("{} cannot be written ({error}): set hub.data_dir", dir.display()),
        ),
    }
}

fn tempfile_in(dir: &Path) -> std::io::Result<()> {
    let probe = dir.join(".doctor");
    std::fs::write(&probe, b"")?;
    std::fs::remove_file(probe)
}

fn listen(key: &str, address: std::net::SocketAddr) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => finding(Verdict::Ok, key, format!("{address} is free")),
        Err(error) => finding(
            Verdict::Note,
            key,
            format!(
                "{address} is taken ({error}); right if zaki is up, otherwise set another {key}"
            ),
        ),
    }
}

fn edge(config: &Config) -> Vec<Finding> {
    if let Some(url) = &config.edge.url {
        return vec![finding(Verdict::Ok, "edge", format!("at {url}"))];
    }
    let mut findings = vec![listen("edge.listen", config.edge.listen)];
    if config.sandbox.runtime == Runtime::Echo {
        findings.push(finding(
            Verdict::Note,
            "sandboxes",
            "runtime \"echo\" repeats what it is told",
        ));
        return findings;
    }
    findings.push(runtime(config));
    findings.push(isolation(config));
    findings
}

fn runtime(config: &Config) -> Finding {
    let dir = config.runtime_dir();
    let paths = zaki_edge_native::RuntimePaths::in_dir(&dir);
    if paths.node.is_file() && paths.openclaw.join("openclaw.mjs").is_file() {
        return finding(Verdict::Ok, "openclaw", format!("installed in {}", dir.display()));
    }
    match std::process::Command::new("npm").arg("--version").output() {
        Ok(out) if out.status.success() => finding(
            Verdict::Note,
            "openclaw",
            format!("will be installed into {} at the first start (about 1 GB)", dir.display()),
        ),
        _ => finding(
            Verdict::Missing,
            "openclaw",
            "is not installed and npm is not there to do it: install npm (Debian: apt install npm)",
        ),
    }
}

fn isolation(config: &Config) -> Finding {
    match (config.sandbox.isolation, config::is_root()) {
        (Isolation::Auto, true) => {
            finding(Verdict::Ok, "isolation", "every sandbox runs under a user id of its own")
        }
        (Isolation::None, _) => finding(
            Verdict::Note,
            "isolation",
            "off by sandbox.isolation = \"none\": sandboxes can read what zaki can; exec stays denied",
        ),
        (Isolation::Auto, false) => finding(
            Verdict::Note,
            "isolation",
            "none, since zaki does not run as root: exec stays denied in all sandboxes",
        ),
    }
}

fn model(config: &Config) -> Finding {
    match config.model.provider {
        Provider::Offline => finding(
            Verdict::Note,
            "model",
            "the offline stand-in answers; for a real one set model.provider, base_url, name, api_key",
        ),
        Provider::OpenAi => match crate::local_edge::model(config) {
            Ok(_) => finding(Verdict::Ok, "model", config.model.name.clone()),
            Err(error) => finding(Verdict::Missing, "model", error.to_string()),
        },
    }
}

fn reachable(config: &Config) -> Finding {
    match &config.hub.public_url {
        Some(url) => finding(
            Verdict::Ok,
            "public_url",
            format!(
                "platforms call {}/webhooks/<channel>/<account>",
                url.as_str().trim_end_matches('/')
            ),
        ),
        None => finding(
            Verdict::Note,
            "public_url",
            "not set: Telegram is polled, Discord comes over its gateway; Slack and WhatsApp need it",
        ),
    }
}

fn accounts(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for channel in ChannelKind::ALL {
        for name in config.accounts(channel) {
            let what = format!("{channel}/{name}");
            findings.push(match crate::accounts::build(config, channel, name) {
                Ok(_) => finding(Verdict::Ok, what, "configured"),
                Err(error) => finding(Verdict::Missing, what, format!("{error:#}")),
            });
        }
    }
    if findings.is_empty() {
        let says = "none yet: add a table such as [telegram.main] with its token (see config/default.toml)";
        findings.push(finding(Verdict::Missing, "bots", says));
    }
    findings
}
