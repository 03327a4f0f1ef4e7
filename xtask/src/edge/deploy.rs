//! Sending the Worker to the platform, by the pinned wrangler. `docs/cloudflare.md` has the steps of
//! a gradual rollout and of the way back.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};

use super::tools::Tools;
use super::{Build, build, home};
use crate::cache::Cache;
use crate::step::run;

/// What its code asks for by name, secrets and variables aside.
const BINDINGS: [&str; 7] =
    ["SANDBOX_1", "SANDBOX_2", "SANDBOX_3", "RATE_LIMIT", "REGISTRY", "BACKUPS", "METRICS"];

/// Of what it always warns, and `docs/cloudflare.md` does: the image is rolled out by itself.
const KNOWN: &str = "Your Worker has Containers configured";

/// Where to, and how much of it.
#[derive(Args)]
pub(crate) struct Deploy {
    /// Which environment of `wrangler.jsonc`.
    #[arg(value_enum)]
    to: Environment,
    /// Upload it as a version that gets no requests yet; `wrangler versions deploy` gives it some.
    #[arg(long)]
    version: bool,
    /// Prepare and check everything, and send nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Environment {
    /// Where a release is tried.
    Staging,
    /// Where people are.
    Production,
}

impl Environment {
    const fn name(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

/// Builds and sends it.
pub(crate) fn send(cache: &Cache, options: &Deploy) -> Result<()> {
    println!("{}", build::bundle(cache, Build::default())?);
    let tools = Tools::open(cache)?;
    if options.dry_run {
        return prepare(&tools, options);
    }
    if std::env::var_os("CLOUDFLARE_API_TOKEN").is_none() {
        bail!("set CLOUDFLARE_API_TOKEN, or see first what would be sent: --dry-run");
    }
    run(&mut wrangler(&tools, options)?)
}

/// All but the sending, everywhere, of what is built already. Asks no account and no network.
pub(crate) fn rehearse(cache: &Cache) -> Result<()> {
    let tools = Tools::open(cache)?;
    for to in Environment::value_variants() {
        for version in [false, true] {
            prepare(&tools, &Deploy { to: *to, version, dry_run: true })?;
        }
    }
    Ok(())
}

fn wrangler(tools: &Tools, options: &Deploy) -> Result<Command> {
    let mut wrangler = tools.command("wrangler")?;
    wrangler.args(if options.version { ["versions", "upload"].as_slice() } else { &["deploy"] });
    wrangler.args(["--env", options.to.name(), "--config", "wrangler.jsonc"]);
    // What is built is built: it must not build again what somebody else changes meanwhile.
    wrangler.env(build::BUILT, "1").current_dir(home());
    Ok(wrangler)
}

/// Has wrangler do everything but send, and looks at what it would have sent.
fn prepare(tools: &Tools, options: &Deploy) -> Result<()> {
    let dir = tempfile::Builder::new().prefix("zaki-deploy-").tempdir()?;
    let mut wrangler = wrangler(tools, options)?;
    wrangler.args(["--dry-run", "--outdir"]).arg(dir.path());
    // Nobody's: what it takes no account for, it asks none.
    wrangler.env_remove("CLOUDFLARE_API_TOKEN").env("CI", "1").env("NO_COLOR", "1");
    let done = wrangler.output().context("cannot run wrangler")?;
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    println!("{said}");
    ensure!(done.status.success(), "wrangler: {}", done.status);
    let sent = fs::read_dir(dir.path())?;
    let sent: std::io::Result<Vec<_>> = sent.map(|it| Ok(it?.file_name())).collect();
    let sent: Vec<String> = sent?.iter().map(|it| it.to_string_lossy().into_owned()).collect();
    flaws(&said, &sent)
        .map_or(Ok(()), |flaw| bail!("{} cannot be deployed: {flaw}", options.to.name()))
}

/// What is wrong with what wrangler said and would have sent: what it does not know in the
/// configuration it only warns of, and leaves out.
fn flaws(said: &str, sent: &[String]) -> Option<String> {
    let warns = |line: &&str| line.contains("WARNING") || line.contains("ERROR");
    let is_known = |line: &&str| line.contains(KNOWN);
    if let Some(line) = said.lines().filter(warns).find(|line| !is_known(line)) {
        return Some(line.trim().to_owned());
    }
    let main = sent.iter().any(|name| name == "entry.js");
    let wasm = sent.iter().any(|name| name.ends_with("index_bg.wasm"));
    let bound = BINDINGS.iter().find(|name| !said.contains(&format!("env.{name} ")));
    match (main && wasm, bound) {
        (false, _) => Some(format!("src/entry.js and the bundle are not in it: {sent:?}")),
        (true, Some(name)) => Some(format!("it is not bound to {name}")),
        (true, None) => None,
    }
}

/// Serves it here and builds it again whenever it changes.
pub(crate) fn dev(cache: &Cache) -> Result<()> {
    let tools = Tools::open(cache)?;
    let mut wrangler = tools.command("wrangler")?;
    wrangler.args(["dev", "--env", "staging", "--local", "--ip", "127.0.0.1", "--test-scheduled"]);
    wrangler.args(["--enable-containers=false", "--show-interactive-dev-session=false"]);
    run(wrangler.current_dir(home()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_only_warned_of_is_a_flaw() {
        let said = |left_out: &str| {
            let bound = BINDINGS.iter().filter(|name| **name != left_out);
            bound.map(|name| format!("env.{name} (of something)")).collect::<Vec<_>>().join("\n")
        };
        let sent = ["entry.js", "0f-index_bg.wasm"].map(str::to_owned);
        let (whole, none) = (said(""), said("METRICS"));
        assert_eq!(flaws(&whole, &sent), None);
        assert_eq!(flaws(&format!("[WARNING] {KNOWN}.\n{whole}"), &sent), None);
        assert_eq!(flaws(&none, &sent), Some("it is not bound to METRICS".to_owned()));
        for part in &sent {
            assert!(flaws(&whole, std::slice::from_ref(part)).is_some(), "{part} alone");
        }
        let warned = whole + "\n[WARNING] Processing wrangler.jsonc configuration:";
        assert!(flaws(&warned, &sent).is_some_and(|flaw| flaw.contains("Processing")));
    }
}
