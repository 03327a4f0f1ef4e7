//! The README's two commands in a fresh clone with fresh directories, as a new user would run them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::root;
use crate::step::run;

/// As they stand in the README.
const COMMANDS: [&str; 2] = ["cargo run --release -- demo --once", "cargo xtask test"];

/// Clones what is committed, then runs both; the first failure ends it.
pub(crate) fn run_readme() -> Result<()> {
    let room = tempfile::Builder::new().prefix("zaki-clean-room-").tempdir()?;
    // Sandboxes run as other users and must be able to walk in.
    fs::set_permissions(room.path(), fs::Permissions::from_mode(0o755))?;
    let clone = room.path().join("zaki");
    run(Command::new("git").args(["clone", "--quiet"]).arg(root()).arg(&clone))?;
    let readme =
        fs::read_to_string(clone.join("README.md")).context("no README.md is committed")?;
    for command in COMMANDS {
        ensure!(readme.lines().any(|line| line.trim() == command), "the README lacks `{command}`");
        run(&mut fresh(command, &clone, room.path()))?;
    }
    Ok(())
}

/// A command line in the clone, with nothing of this machine's caches and settings for Zaki.
fn fresh(line: &str, clone: &Path, room: &Path) -> Command {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).current_dir(clone);
    let ours = |(name, _): &(std::ffi::OsString, _)| name.to_string_lossy().starts_with("ZAKI_");
    for (name, _) in std::env::vars_os().filter(ours) {
        command.env_remove(name);
    }
    // Set by the cargo that runs us; the clone has its own.
    command.env_remove("CARGO").env_remove("CARGO_TARGET_DIR").env_remove("CARGO_MANIFEST_DIR");
    command.env("ZAKI_CACHE", room.join("cache"));
    command.env("XDG_DATA_HOME", room.join("data")).env("XDG_CACHE_HOME", room.join("cache"));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_command_sees_none_of_our_directories() {
        let command = fresh(COMMANDS[1], Path::new("/clone"), Path::new("/room"));
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["xtask", "test"]);
        let envs: Vec<_> = command.get_envs().collect();
        assert!(envs.contains(&("CARGO_TARGET_DIR".as_ref(), None)));
        assert!(envs.contains(&("ZAKI_CACHE".as_ref(), Some("/room/cache".as_ref()))));
    }
}
