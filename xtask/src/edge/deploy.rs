//! Sending the Worker to the platform, by the pinned wrangler. `docs/cloudflare.md` has the steps of
//! a gradual rollout and of the way back.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use super::tools::Tools;
use super::{Build, build, home};
use crate::cache::Cache;
use crate::step::run;

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
    let mut wrangler = tools.command("wrangler")?;
    wrangler.args(if options.version { ["versions", "upload"].as_slice() } else { &["deploy"] });
    wrangler.args(["--env", options.to.name()]).args(options.dry_run.then_some("--dry-run"));
    // What is built is built: it must not build again what somebody else changes meanwhile.
    wrangler.args(["--config", "wrangler.jsonc"]).env(build::BUILT, "1");
    if !options.dry_run && std::env::var_os("CLOUDFLARE_API_TOKEN").is_none() {
        bail!("set CLOUDFLARE_API_TOKEN, or see first what would be sent: --dry-run");
    }
    run(wrangler.current_dir(home()))
}

/// Serves it here and builds it again whenever it changes.
pub(crate) fn dev(cache: &Cache) -> Result<()> {
    let tools = Tools::open(cache)?;
    let mut wrangler = tools.command("wrangler")?;
    wrangler.args(["dev", "--env", "staging", "--local", "--ip", "127.0.0.1", "--test-scheduled"]);
    wrangler.args(["--enable-containers=false", "--show-interactive-dev-session=false"]);
    run(wrangler.current_dir(home()))
}
