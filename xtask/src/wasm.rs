//! Whether the crates that run in a Worker compile for it (`wasm32-unknown-unknown`), and the
//! toolchain for that.
//!
//! With rustup's target that is one command. Where it cannot be had, Debian's compiler does it: its
//! packages bring the source of std, which cargo builds for the target along with the crates. To
//! link, which a check does not, see [`sysroot`].

mod sysroot;

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::cache::Cache;
use crate::step::{Outcome, output, run};
use crate::{cargo, install, root};

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// One by one, never as a workspace: native features of shared dependencies would leak in.
const CRATES: [&str; 3] = ["zaki-envelope", "zaki-edge-core", "zaki-edge-worker"];
/// `rustc-web` is Debian's current compiler; plain `rustc` is years old there.
const DEBIAN: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
/// The first minor version that compiles us, as `rust-version` in Cargo.toml says.
const MINOR: u32 = 95;

/// Checks the crates with the first toolchain that can.
pub(crate) fn check(cache: &Cache) -> Result<Outcome> {
    let rustup = has_rustup()?;
    for krate in CRATES {
        let mut check = if rustup { cargo() } else { debian(cache)? };
        run(check.args(["check", "--locked", "--target", TARGET, "--package", krate]))?;
    }
    if rustup {
        // Debian's packages bring no clippy.
        let mut lint = cargo();
        lint.args(["clippy", "--locked", "--target", TARGET, "--package", "zaki-edge-worker"]);
        run(lint.args(["--", "-D", "warnings"]))?;
    }
    Ok(Outcome::Passed(if rustup { "with rustup's std" } else { "with Debian's std" }.into()))
}

/// The directory of a `cargo` that builds and links for the target, to be put first on the path;
/// nothing where the usual one does.
pub(crate) fn toolchain(cache: &Cache) -> Result<Option<std::path::PathBuf>> {
    if has_rustup()? { Ok(None) } else { sysroot::build(cache).map(Some) }
}

/// Whether rustup has the target, or can get it; otherwise Debian's compiler is there after this.
fn has_rustup() -> Result<bool> {
    let rustup = has_target() || (!debian_can() && add_target());
    if !rustup && !debian_can() {
        install::debian(&DEBIAN)?;
    }
    Ok(rustup)
}

fn has_target() -> bool {
    let list = output(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]));
    list.is_some_and(|dir| Path::new(dir.trim()).is_dir())
}

fn add_target() -> bool {
    // Without a network it would try for minutes.
    let mut add = Command::new("timeout");
    add.args(["60", "rustup", "target", "add", TARGET]).env("RUSTUP_MAX_RETRIES", "0");
    run(&mut add).is_ok() && has_target()
}

fn debian_can() -> bool {
    let version = output(Command::new("/usr/bin/rustc").arg("--version"));
    version.as_deref().and_then(minor).is_some_and(|minor| minor >= MINOR)
        && Path::new("/usr/lib/rustlib/src/rust/library/std").is_dir()
}

/// `rustc 1.96.0 (…)` is 96.
fn minor(version: &str) -> Option<u32> {
    version.strip_prefix("rustc 1.")?.split('.').next()?.parse().ok()
}

/// Debian's cargo, which may build std itself; in a target directory of its own, since it is
/// another compiler.
fn debian(cache: &Cache) -> Result<Command> {
    if !debian_can() {
        bail!("{} are installed but too old: 1.{MINOR} is needed", DEBIAN.join(", "));
    }
    let mut cargo = Command::new("/usr/bin/cargo");
    cargo.current_dir(root()).env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1");
    cargo.env("CARGO_TARGET_DIR", cache.dir("target-wasm")?);
    cargo.env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort");
    Ok(cargo)
}

#[cfg(test)]
mod tests {
    use super::minor;

    #[test]
    fn the_minor_version_is_read() {
        assert_eq!(minor("rustc 1.96.0 (ac68faa20 2026-05-25)"), Some(96));
        assert_eq!(minor("rustc 1.85.0"), Some(85));
        assert_eq!(minor("gcc 12"), None);
    }
}
