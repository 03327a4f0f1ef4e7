//! The programs under test, built once, as they are shipped. Left to themselves the suites build them
//! in their first tests, again and apart from the workspace's, whose features are more; on a busy
//! machine that is a minute or two of one test.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::step::run;
use crate::{cargo, root};

/// Package and program, and the variable by which tests are told where it is.
const ALL: [(&str, &str); 2] = [("zaki", "ZAKI_BIN"), ("zaki-container", "ZAKI_CONTAINER")];

/// Where they are, and out of the way of later builds.
pub(crate) struct Programs(Vec<(&'static str, PathBuf)>);

impl Programs {
    /// Builds what nobody has given.
    pub(crate) fn build() -> Result<Self> {
        let dir = target().join("programs");
        fs::create_dir_all(&dir)?;
        let missing = ALL.into_iter().filter(|(_, variable)| env::var_os(variable).is_none());
        let build = |(name, variable): (&str, &'static str)| {
            run(cargo().args(["build", "--package", name]))?;
            let (built, kept) = (target().join("debug").join(name), dir.join(name));
            fs::copy(&built, &kept).with_context(|| built.display().to_string())?;
            Ok((variable, kept))
        };
        missing.map(build).collect::<Result<_>>().map(Self)
    }

    /// Tells a command where they are.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.envs(self.0.iter().map(|(variable, path)| (variable, path)));
    }
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
