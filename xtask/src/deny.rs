//! cargo-deny over `deny.toml`, and the advisory database as a plain folder, without a network.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::step::{Outcome, run};
use crate::{cargo, root};

/// Where cargo-deny looks for the RustSec database under its `db-path`: the name and a hash of the
/// address, both fixed in our pinned release (`advisories/helpers/db.rs`, `url_to_db_path`).
const DATABASE: &str = "advisory-db-3157b0e258782691";

/// Bans, licences and sources.
pub(crate) fn policy(cache: &Cache) -> Result<Outcome> {
    fetch_crates()?;
    let checks = ["check", "--hide-inclusion-graph"];
    run(cargo_deny(cache).args(checks).args(["bans", "licenses", "sources"]))?;
    Ok(Outcome::passed())
}

/// Known vulnerabilities, against a snapshot of the database with nothing ignored.
pub(crate) fn advisories(cache: &Cache) -> Result<Outcome> {
    let Some(snapshot) = snapshot() else {
        return Ok(Outcome::Skipped("advisories: NOT CHECKED (set ZAKI_ADVISORY_DB)".into()));
    };
    fetch_crates()?;
    let home = lay_out(&snapshot, &cache.dir("advisory-dbs")?)?;
    run(cargo_deny(cache).env("ZAKI_ADVISORY_DBS", home).args(["check", "advisories"]))?;
    Ok(Outcome::Passed(origin(&snapshot)))
}

fn cargo_deny(cache: &Cache) -> Command {
    let mut command = Command::new(cache.path().join("tools/bin/cargo-deny"));
    command.current_dir(root()).args(["--offline", "--log-level", "error"]);
    command
}

/// cargo-deny reads the manifests of every platform's crates, so these must be there.
fn fetch_crates() -> Result<()> {
    run(cargo().args(["fetch", "--locked", "--quiet"]))
}

fn snapshot() -> Option<PathBuf> {
    let path = env::var_os("ZAKI_ADVISORY_DB").map(PathBuf::from);
    let path = path.unwrap_or_else(|| root().join("../shared/advisory-db"));
    path.join("crates").is_dir().then_some(path)
}

/// Gives the snapshot the place and the shape that cargo-deny expects of its own clone: the folder
/// of advisories, and the time of the last fetch, which is when the snapshot was handed to us.
fn lay_out(snapshot: &Path, home: &Path) -> Result<PathBuf> {
    let database = home.join(DATABASE);
    fs::create_dir_all(database.join(".git"))?;
    fs::write(database.join(".git/FETCH_HEAD"), "")?;
    let link = database.join("crates");
    let _ = fs::remove_file(&link);
    symlink(snapshot.join("crates").canonicalize()?, &link)
        .with_context(|| format!("cannot link {}", link.display()))?;
    Ok(home.to_owned())
}

/// Which state of the database it is, as the snapshot itself says.
fn origin(snapshot: &Path) -> String {
    let readme = fs::read_to_string(snapshot.join("README.md")).unwrap_or_default();
    let commit = readme.lines().find(|line| line.starts_with("Commit "));
    let words = commit.map(|line| line.split_whitespace().take(3).collect::<Vec<_>>().join(" "));
    words.unwrap_or_else(|| "a snapshot without a date".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_laid_out_where_cargo_deny_looks() -> Result<()> {
        let (from, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
        fs::create_dir_all(from.path().join("crates/left"))?;
        for _again in 0..2 {
            let home = lay_out(from.path(), to.path())?;
            assert!(home.join(DATABASE).join("crates/left").is_dir());
            assert!(home.join(DATABASE).join(".git/FETCH_HEAD").is_file());
        }
        Ok(())
    }

    #[test]
    fn the_origin_is_read_from_the_snapshot() -> Result<()> {
        let from = tempfile::tempdir()?;
        assert_eq!(origin(from.path()), "a snapshot without a date");
        fs::write(from.path().join("README.md"), "# x\n\nCommit abc (2026-01-02) of y\n")?;
        assert_eq!(origin(from.path()), "Commit abc (2026-01-02)");
        Ok(())
    }
}
