//! The base of the images: Debian's essential packages from the machine's own mirror, or a given
//! image where there is a registry.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::archive::Archive;
use crate::cache::is_root;
use crate::engine::Engine;
use crate::install;
use crate::step::{output, run};

/// What Node needs beyond the essential packages.
const PACKAGES: &str = "libstdc++6";
/// Read by nobody in a sandbox. Licences stay.
const LEFT_OUT: [&str; 5] = [
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
];
/// What an installation leaves of its own machine and hour, and what only an administrator needs.
const REMOVED: [&str; 8] = [
    "etc/apt",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    "etc/hostname",
    "etc/resolv.conf",
    "var/cache",
    "var/lib/apt",
    "var/lib/dpkg/lock",
    "var/log",
];
/// What the hub and the sandboxes are compiled for.
const SUITE: &str = "bookworm";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Makes the archive of the base, or finds the one made before.
pub(super) fn archive(dir: &Path, anew: bool) -> Result<Archive> {
    let path = dir.join(format!("base-{SUITE}.tar"));
    if anew { Archive::make(path, fill) } else { Archive::cached(path, fill) }
}

/// Makes it an image of the engine, named by its digest.
pub(super) fn import(engine: &Engine, base: &Archive) -> Result<String> {
    let name = format!("zaki-base:{}", base.digest.get(..12).unwrap_or_default());
    if engine.ask(&["image", "inspect", &name]).is_none() {
        run(engine.docker().arg("import").arg(&base.path).arg(&name))?;
    }
    Ok(name)
}

fn fill(stage: &Path) -> Result<()> {
    ensure!(is_root(), "the base is made by root: give one of a registry with --base instead");
    install::require("mmdebstrap", "mmdebstrap")?;
    // Not `root`, which is one of its directories.
    let root = stage.join(".base");
    let mut make = Command::new("mmdebstrap");
    // The moment that its own files are of.
    make.env("SOURCE_DATE_EPOCH", "0");
    make.args(["--quiet", "--mode=root", "--variant=essential", "--format=directory"]);
    make.arg(format!("--include={PACKAGES}")).arg(format!("--keyring={KEYRING}"));
    // Without it `usrmerge` comes in, and with that 45 MB of Perl.
    make.arg("--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr");
    make.args(LEFT_OUT.map(|option| format!("--dpkgopt={option}")));
    run(make.arg(SUITE).arg(&root).args(sources()?))?;
    for name in REMOVED {
        remove(&root.join(name))?;
    }
    for entry in fs::read_dir(&root)? {
        let entry = entry?;
        fs::rename(entry.path(), stage.join(entry.file_name()))?;
    }
    fs::remove_dir(&root)?;
    // It was made for us alone.
    Ok(fs::set_permissions(stage, fs::Permissions::from_mode(0o755))?)
}

fn remove(path: &Path) -> Result<()> {
    let Ok(found) = path.symlink_metadata() else { return Ok(()) };
    let removed = if found.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.with_context(|| format!("cannot remove {}", path.display()))
}

/// The machine's own lines for the suite, security updates included.
fn sources() -> Result<Vec<String>> {
    let format = "$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)";
    let mut apt = Command::new("apt-get");
    let said = output(apt.args(["indextargets", "--format", format, "Created-By: Packages"]));
    let lines = lines(&said.context("apt-get does not tell where its packages are from")?);
    ensure!(!lines.is_empty(), "no package source for {SUITE}: run `apt-get update`");
    Ok(lines)
}

fn lines(targets: &str) -> Vec<String> {
    let ours = targets.lines().filter_map(|line| {
        let [uri, suite, component, "Debian"] = *line.split(' ').collect::<Vec<_>>() else {
            return None;
        };
        let known = suite == SUITE || suite.starts_with(&format!("{SUITE}-"));
        known.then(|| format!("deb {uri} {suite} {component}"))
    });
    let lines: std::collections::BTreeSet<_> = ours.collect();
    lines.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn only_debians_own_packages_of_the_suite_are_taken() {
        let targets = "http://m/debian-security/ bookworm-security main Debian\n\
                       http://m/debian/ bookworm main Debian\n\
                       http://m/debian/ bookworm main Debian\n\
                       http://else/ bookworm main Somebody\n\
                       http://m/debian/ trixie main Debian\nx\n";
        let expected = [
            "deb http://m/debian-security/ bookworm-security main",
            "deb http://m/debian/ bookworm main",
        ];
        assert_eq!(lines(targets), expected);
    }
}
