//! What the Worker needs to run on this machine with containers: the bundle, workerd, an engine with
//! a bridge, and two images of ours in it that stand for what an image registry has elsewhere.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::build;
use super::tools::Tools;
use crate::cache::Cache;
use crate::engine::Engine;
use crate::image::build_static;
use crate::root;
use crate::step::run;

/// Everything, built. What tests find it by is in `tests/src/workerd.rs`.
pub(crate) struct Local {
    modules: PathBuf,
    docker: String,
    sidecar: String,
    echo: String,
    /// What there is to say about the bundle.
    pub(crate) size: build::Size,
}

impl Local {
    /// Builds what is missing or has changed, in that engine.
    pub(crate) fn open(cache: &Cache, engine: &Engine) -> Result<Self> {
        let size = build::bundle_at_hand(cache)?;
        let (sidecar, echo) = (image(cache, engine, "sidecar")?, image(cache, engine, "box")?);
        let modules = Tools::node(cache)?;
        Ok(Self { modules, docker: engine.host().to_owned(), sidecar, echo, size })
    }

    /// Tells a command where it all is.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.env("ZAKI_TEST_WORKER", &self.modules);
        command.env("ZAKI_TEST_WORKER_DOCKER", &self.docker);
        command.env("ZAKI_TEST_WORKER_BUNDLE", self.size.gzip.to_string());
        command.env("ZAKI_TEST_SIDECAR", &self.sidecar).env("ZAKI_TEST_BOX", &self.echo);
    }
}

/// An image of one static program of `tests/`, named by what is in it.
fn image(cache: &Cache, engine: &Engine, what: &str) -> Result<String> {
    let (dir, package) = (cache.dir("image")?, format!("zaki-{what}"));
    let program = build_static(&dir.join("target"), &package, "release")?;
    let dockerfile = root().join("tests").join(what).join("Dockerfile");
    let mut digest = Sha256::new();
    digest.update(fs::read(&dockerfile)?);
    digest.update(fs::read(&program)?);
    let digest = hex::encode(digest.finalize());
    let name = format!("{package}:{}", digest.get(..12).unwrap_or_default());
    if engine.ask(&["image", "inspect", &name]).is_some() {
        return Ok(name);
    }
    let context = tempfile::Builder::new().prefix(".context-").tempdir_in(&dir)?;
    fs::copy(&program, context.path().join(&package))
        .with_context(|| format!("cannot copy {}", program.display()))?;
    let mut build = engine.docker();
    build.args(["build", "--quiet", "--network=none", "--tag", &name, "--file"]).arg(dockerfile);
    run(build.arg(context.path()))?;
    Ok(name)
}
