//! What the tests need beyond a Rust toolchain, installed into the cache and reused.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::cache::{Cache, is_root};
use crate::step::{Outcome, output, run};
use crate::{cargo, root};

/// The release that `deny.toml` is written for.
const CARGO_DENY: &str = "0.20.2";
/// What the third-party clients are pinned by.
const CLIENTS: &str = "tests/simulators/clients";
const MANIFESTS: [&str; 3] = ["requirements.txt", "package.json", "package-lock.json"];

/// cargo-deny, built from source; unoptimised, because it runs for seconds and builds for minutes.
pub(crate) fn cargo_deny(cache: &Cache) -> Result<Outcome> {
    let tools = cache.dir("tools")?;
    let version = output(Command::new(tools.join("bin/cargo-deny")).arg("--version"));
    if version.is_some_and(|v| v.trim().ends_with(CARGO_DENY)) {
        return Ok(Outcome::Passed(format!("cargo-deny {CARGO_DENY} was there")));
    }
    let mut install = cargo();
    // Its own target directory: ours would keep its 300 crates for nothing.
    install.env_remove("CARGO_TARGET_DIR").args(["install", "--locked", "--debug", "--root"]);
    run(install.arg(tools).arg(format!("cargo-deny@{CARGO_DENY}")))?;
    Ok(Outcome::Passed(format!("installed cargo-deny {CARGO_DENY}")))
}

/// Node and OpenClaw, by the product's own installer.
pub(crate) fn runtime(cache: &Cache) -> Result<Outcome> {
    require("npm", "npm")?;
    let dir = cache.dir("runtime")?;
    let install = "run --quiet --package zaki -- runtime install --dir".split(' ');
    run(cargo().args(install).arg(&dir))?;
    ensure!(fs::read_dir(&dir)?.next().is_some(), "`zaki runtime install` installed nothing");
    Ok(Outcome::passed())
}

/// The third-party clients that validate the simulators: a Python venv and `node_modules`.
pub(crate) fn clients(cache: &Cache) -> Result<Outcome> {
    let (from, to) = (root().join(CLIENTS), cache.dir("clients")?);
    let pinned = manifests(&from)?;
    let stamp = to.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|there| there == pinned) {
        return Ok(Outcome::Passed("were there".into()));
    }
    let _ = fs::remove_file(&stamp);
    python_clients(&from, &to)?;
    node_clients(&from, &to)?;
    fs::write(&stamp, pinned)?;
    Ok(Outcome::Passed("installed".into()))
}

/// PostgreSQL, for servers that the tests make: Debian's package makes and starts one of its own
/// where it is not told otherwise.
pub(crate) fn postgresql() -> Result<Outcome> {
    if has_postgresql() {
        return Ok(Outcome::Passed("was there".into()));
    }
    let told = !Path::new(CREATE_CLUSTER).exists();
    if told && is_root() {
        fs::create_dir_all(CREATE_CLUSTER)?;
        fs::write(Path::new(CREATE_CLUSTER).join("zaki.conf"), "create_main_cluster = false\n")?;
    }
    let installed = debian(&["postgresql"]);
    if told && is_root() {
        fs::remove_dir_all(CREATE_CLUSTER)?;
    }
    installed?;
    ensure!(has_postgresql(), "postgresql is installed but not below {POSTGRESQL}");
    Ok(Outcome::Passed("installed".into()))
}

/// Where Debian puts `<version>/bin`.
const POSTGRESQL: &str = "/usr/lib/postgresql";
/// What Debian's package reads before it makes a server.
const CREATE_CLUSTER: &str = "/etc/postgresql-common/createcluster.d";

fn has_postgresql() -> bool {
    let versions = fs::read_dir(POSTGRESQL).into_iter().flatten().flatten();
    versions.into_iter().any(|version| version.path().join("bin/postgres").is_file())
}

/// What walls sandboxes in that are processes.
pub(crate) fn bubblewrap() -> Result<Outcome> {
    if output(Command::new("bwrap").arg("--version")).is_none() {
        debian(&["bubblewrap"])?;
    }
    Ok(Outcome::passed())
}

/// The library that gives a test a clock of its own.
pub(crate) fn faketime() -> Result<Outcome> {
    if output(Command::new("faketime").arg("--version")).is_none() {
        debian(&["faketime"])?;
    }
    Ok(Outcome::passed())
}

/// The text of all manifests: what is installed is what these say.
fn manifests(from: &Path) -> Result<String> {
    let read = |name: &&str| {
        let path = from.join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {CLIENTS}/{name}"))
    };
    Ok(MANIFESTS.iter().map(read).collect::<Result<Vec<_>>>()?.join("\0"))
}

fn python_clients(from: &Path, to: &Path) -> Result<()> {
    require("python3", "python3")?;
    let venv = to.join("venv");
    let make = || run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
    if make().is_err() {
        debian(&["python3-venv"])?;
        make()?;
    }
    let mut pip = Command::new(venv.join("bin/pip"));
    run(pip.args(["install", "--quiet", "--requirement"]).arg(from.join("requirements.txt")))
}

fn node_clients(from: &Path, to: &Path) -> Result<()> {
    require("npm", "npm")?;
    for name in &MANIFESTS[1..] {
        fs::copy(from.join(name), to.join(name))?;
    }
    run(Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(to))
}

/// Makes sure that a program is on the path, from its Debian package if need be.
pub(crate) fn require(program: &str, package: &str) -> Result<()> {
    let there = || output(Command::new(program).arg("--version")).is_some();
    if there() {
        return Ok(());
    }
    debian(&[package])?;
    if there() { Ok(()) } else { bail!("{program} does not run although {package} is installed") }
}

/// Installs Debian packages where we may; else says what to do.
pub(crate) fn debian(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    let has_apt = output(Command::new("apt-get").arg("--version")).is_some();
    if !has_apt || !is_root() {
        bail!(
            "please install {list} (on Debian as root: `apt-get install {list}`) and run this again"
        );
    }
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
        apt
    };
    run(apt().arg("update"))?;
    run(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}
