//! `zaki doctor`: what is configured, what is missing, what to do about it.

mod backups;
mod counts;
mod machine;
mod model;
mod running;
mod versions;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use zaki_envelope::ChannelKind;
use zaki_ledger::Counts;

use super::{Source, users::follow::line};
use crate::{config::Config, local_edge, stores::Stores};

/// Exits with 0 when `zaki up` would start, or runs, with at least one bot and everything it needs.
/// What only the platforms know, whether they take a token, is not asked; of a hub that runs here it
/// is told what its calls have met.
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
    pub(crate) async fn run(self) -> Result<ExitCode> {
        // As for `zaki up`: the one TLS provider of this process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = self.source.load()?;
        let mut findings = machine::check(&config);
        findings.push(ledger(&config).await);
        findings.extend(open(&config).await);
        findings.extend(edge(&config).await);
        let counts = counts::Counts::ask(&config).await;
        findings.extend(backups::check(&config, counts.as_ref()));
        findings.extend(counts.iter().flat_map(model::check));
        findings.extend(counts.iter().flat_map(versions::check));
        findings.extend(reachable(&config));
        findings.extend(archives(&config));
        findings.extend(web(&config));
        findings.extend(accounts(&config));
        findings.extend(running::check(&config).await);
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

/// What was found; an error, which says what to do, is what is missing.
fn finding_of(what: &str, looked: Result<String>) -> Finding {
    match looked {
        Ok(says) => finding(Verdict::Ok, what, says),
        Err(error) => finding(Verdict::Missing, what, crate::sentence(&error)),
    }
}

/// What is still to be done: by an operator about answers that did not arrive, and by Zaki after
/// erasures and merges.
async fn open(config: &Config) -> Vec<Finding> {
    const MOST: u32 = 20;
    let Ok(stores) = Stores::open_existing(config).await else { return Vec::new() };
    let due = stores.directory.errands(None, MOST).await.unwrap_or_default();
    let counts = stores.ledger.counts().await.unwrap_or_default();
    stores.close().await;
    let mut findings: Vec<Finding> = lost(&counts).into_iter().collect();
    // Whoever was erased a moment ago is looked for once more, as ever.
    let due = due.iter().filter(|errand| errand.tries > 0 || !errand.task.is_last_look());
    findings.extend(due.map(|errand| finding(Verdict::Note, "still due", line(errand))));
    findings
}

/// Deliveries of which nobody knows, or everybody, that they did not arrive.
fn lost(counts: &Counts) -> Option<Finding> {
    let Counts { unknown, dead, .. } = *counts;
    let says = format!(
        "{dead} given up, {unknown} that may not have arrived: `zaki deliveries list --state dead`, \
         `--state unknown`; `zaki deliveries retry` sends them after all"
    );
    (dead + unknown > 0).then(|| finding(Verdict::Note, "deliveries", says))
}

async fn ledger(config: &Config) -> Finding {
    finding_of("ledger", Stores::look(config).await)
}

/// The edge elsewhere, if it is elsewhere; and the key for it.
async fn edge(config: &Config) -> Vec<Finding> {
    let key =
        local_edge::key(config).map(|_| "long enough; edge and hubs need the same".to_owned());
    let mut findings = Vec::new();
    if key.is_err() || config.edge.url.is_some() {
        findings.push(finding_of("edge.key", key));
    }
    if let Some(url) = &config.edge.url {
        let answers = local_edge::ask(url).await;
        findings.push(finding_of("edge", answers.map(|()| format!("answers at {url}"))));
    }
    findings
}

/// Who needs an address that platforms can call. Telegram is told it by us, the others in their
/// consoles.
fn reachable(config: &Config) -> Option<Finding> {
    let what = "public_url";
    if let Some(url) = &config.hub.public_url {
        let url = url.as_str().trim_end_matches('/');
        let says = format!("platforms call {url}/webhooks/<channel>/<account>");
        return Some(finding(Verdict::Ok, what, says));
    }
    let telegram = config.telegram.values();
    let called = telegram.filter(|bot| bot.receive == zaki_telegram::Receive::Webhook).count();
    if called > 0 {
        let says = "not set: Telegram with receive = \"webhook\" needs it";
        return Some(finding(Verdict::Missing, what, says));
    }
    let told = [("Slack", config.slack.len()), ("WhatsApp", config.whatsapp.len())];
    let told: Vec<&str> =
        told.iter().filter(|(_, bots)| *bots > 0).map(|(name, _)| *name).collect();
    if !told.is_empty() {
        let says = format!(
            "not set, and no bot here needs it; but give {} in the console an HTTPS address that \
             leads to hub.listen",
            told.join(" and ")
        );
        return Some(finding(Verdict::Note, what, says));
    }
    let polled = !(config.telegram.is_empty() && config.discord.is_empty());
    let says = "not needed: Telegram is polled, Discord comes over its gateway";
    polled.then(|| finding(Verdict::Ok, what, says))
}

/// What people get by `/export`.
fn archives(config: &Config) -> Option<Finding> {
    let says = "hub.public_url is not set, so nobody can load what is kept about them; who asks is \
                told to turn to you: `zaki users export USER --out FILE`";
    config.hub.public_url.is_none().then(|| finding(Verdict::Note, "/export", says))
}

/// Whether the edge can ask about people on the web, where it is to.
fn web(config: &Config) -> Option<Finding> {
    let checked = crate::web::check(config).transpose()?;
    let issuers = config.web.issuers.join(", ");
    let says = |listen| format!("the edge asks at {listen} about whom these name: {issuers}");
    Some(finding_of("web", checked.map(says)))
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
