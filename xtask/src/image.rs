//! `cargo xtask image`: the images of the `Dockerfile`, built on a machine that may have neither a
//! registry nor a Docker engine.
//!
//! The context is three archives that are the same for the same inputs, so the layers are too. All
//! is kept in the cache; an image whose inputs have not changed is there at once.

mod archive;
mod base;
mod parts;
mod report;
mod trial;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use sha2::{Digest, Sha256};

use crate::cache::Cache;
use crate::engine::Engine;
use crate::step::run;
use crate::{install, root};
use archive::Archive;
use parts::Versions;
pub(crate) use parts::build_static;
use report::Report;

/// Where tests look for the image of a sandbox.
const TOLD: &str = "ZAKI_TEST_IMAGE";

/// What to build.
#[derive(Args)]
pub(crate) struct Options {
    /// Which stage of the Dockerfile.
    #[arg(long, value_enum, default_value_t)]
    stage: Stage,
    /// An image to build on, where there is a registry. Otherwise Debian's packages.
    #[arg(long)]
    base: Option<String>,
    /// How cargo builds our own program.
    #[arg(long, default_value = "dist")]
    profile: String,
    /// Build all of it a second time from nothing (packages, compiled programs), and compare the
    /// layers.
    #[arg(long)]
    again: bool,
    /// Print sizes and layers as JSON, on the last line.
    #[arg(long)]
    json: bool,
    /// A command to run then, with `ZAKI_TEST_DOCKER` and `ZAKI_TEST_IMAGE` set.
    #[arg(last = true)]
    command: Vec<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// What a person's OpenClaw runs in.
    #[default]
    Sandbox,
    /// The hub, for where it runs apart from its edge.
    Hub,
}

impl Stage {
    const fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Hub => "hub",
        }
    }
}

/// An engine with an image of a sandbox in it. Goes with what it was made for.
pub(crate) struct Image {
    engine: Engine,
    name: String,
}

impl Image {
    /// What the tests run: built when an input has changed, quickly rather than small.
    pub(crate) fn open(cache: &Cache) -> Result<Self> {
        let engine = Engine::open(cache)?;
        let inputs = Inputs::gather(cache, Stage::Sandbox, "release", None, false)?;
        let name = inputs.build(&engine, false)?;
        Ok(Self { engine, name })
    }

    /// Tells a command where engine and image are.
    pub(crate) fn tell(&self, command: &mut Command) {
        self.engine.tell(command);
        command.env(TOLD, &self.name);
    }

    /// The same of an OpenClaw that was installed in `runtime`, for `version`; and one like the last
    /// that was made, which says that it has another.
    pub(crate) fn of_version(
        &self,
        cache: &Cache,
        runtime: &Path,
        version: &str,
    ) -> Result<[String; 2]> {
        let dir = cache.dir("image")?;
        let mut inputs = Inputs::gather(cache, Stage::Sandbox, "release", None, false)?;
        version.clone_into(&mut inputs.versions.openclaw);
        for (name, part) in &mut inputs.parts {
            if *name == "runtime.tar" {
                *part = parts::runtime(&dir, runtime, false)?;
            }
        }
        let name = inputs.name()?;
        inputs.build_as(&self.engine, &name, false)?;
        let broken = "zaki-sandbox-broken:latest";
        let mut build = self.engine.docker();
        build.args(["build", "--quiet", "--network=none", "--tag", broken, "--file", "-", "."]);
        build.current_dir(root().join("config"));
        step_with_input(
            &mut build,
            &format!("FROM {}\nLABEL zaki.openclaw=2099.1.1\n", self.name),
        )?;
        Ok([name, broken.to_owned()])
    }

    /// Where the image is.
    pub(crate) const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// For the table.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// Builds, reports, and runs what is asked for.
pub(crate) fn run_all(cache: &Cache, options: &Options) -> Result<()> {
    let engine = Engine::open(cache)?;
    let began = Instant::now();
    let gather = |anew| {
        Inputs::gather(cache, options.stage, &options.profile, options.base.as_deref(), anew)
    };
    let inputs = gather(false)?;
    let name = inputs.build(&engine, false)?;
    let mut report = Report::of(&engine, &name, &inputs.versions, began.elapsed())?;
    if options.again {
        let again = gather(true)?.build(&engine, true)?;
        report.compare(&Report::of(&engine, &again, &inputs.versions, began.elapsed())?);
    }
    println!("{report}");
    if options.stage == Stage::Hub {
        println!("{}", trial::hub(&engine, &name)?);
    }
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    }
    ensure!(!report.differs(), "the second build has other layers");
    let image = Image { engine, name };
    if let Some((program, arguments)) = options.command.split_first() {
        let mut command = Command::new(program);
        image.tell(&mut command);
        command.env("ZAKI_CACHE", cache.path()).env("ZAKI_RUNTIME", cache.path().join("runtime"));
        run(command.args(arguments).current_dir(root()))?;
    }
    Ok(())
}

/// Everything an image is made of.
struct Inputs {
    stage: Stage,
    dir: PathBuf,
    /// An archive of our own, or an image by name.
    base: Result<Archive, String>,
    parts: Vec<(&'static str, Archive)>,
    versions: Versions,
}

impl Inputs {
    fn gather(
        cache: &Cache,
        stage: Stage,
        profile: &str,
        base: Option<&str>,
        anew: bool,
    ) -> Result<Self> {
        let dir = cache.dir("image")?;
        let installed = cache.path().join("runtime");
        // The installer is part of the hub, which takes minutes to build.
        let versions = Versions::read(&installed).or_else(|_| {
            install::runtime(cache)?;
            Versions::read(&installed)
        })?;
        let base = match base {
            Some(given) => Err(given.to_owned()),
            None => Ok(base::archive(&dir, anew)?),
        };
        let mut parts = vec![
            ("runtime.tar", parts::runtime(&dir, &installed, anew)?),
            ("program.tar", parts::program(&dir, profile, anew)?),
        ];
        if stage == Stage::Hub {
            parts.push(("hub.tar", parts::hub(&dir, profile, anew)?));
        }
        Ok(Self { stage, dir, base, parts, versions })
    }

    /// The image's name, from a digest of all that it is made of.
    fn name(&self) -> Result<String> {
        let mut digest = Sha256::new();
        digest.update(fs::read(dockerfile())?);
        digest.update(self.base.as_ref().map_or_else(String::as_str, |base| &base.digest));
        for (name, part) in &self.parts {
            digest.update(name);
            digest.update(&part.digest);
        }
        let digest = hex::encode(digest.finalize());
        Ok(format!("zaki-{}:{}", self.stage.name(), digest.get(..12).unwrap_or_default()))
    }

    /// Builds it, unless the engine has it.
    fn build(&self, engine: &Engine, anew: bool) -> Result<String> {
        let name = self.name()?;
        self.build_as(engine, &name, anew)?;
        // How the hub's configuration knows it.
        let usual = format!("zaki-{}:latest", self.stage.name());
        run(engine.docker().args(["image", "tag", &name, &usual]))?;
        if engine.is_own() {
            forget_others(engine, &[&name, &usual]);
        }
        Ok(name)
    }

    fn build_as(&self, engine: &Engine, name: &str, anew: bool) -> Result<()> {
        if !anew && engine.ask(&["image", "inspect", name]).is_some() {
            return Ok(());
        }
        let base = match &self.base {
            Ok(archive) => base::import(engine, archive)?,
            Err(given) => given.clone(),
        };
        let context = self.context()?;
        let mut build = engine.docker();
        build.args(["build", "--quiet", "--rm", "--force-rm", "--network=none"]);
        build.args(["--target", self.stage.name(), "--tag", name]);
        build.args(anew.then_some("--no-cache"));
        for (argument, value) in [
            ("BASE_IMAGE", &base),
            ("NODE_VERSION", &self.versions.node),
            ("OPENCLAW_VERSION", &self.versions.openclaw),
        ] {
            build.args(["--build-arg", &format!("{argument}={value}")]);
        }
        run(build.arg("--file").arg(dockerfile()).arg(context.path()))
    }

    /// A directory with the archives, by the names that the Dockerfile knows.
    fn context(&self) -> Result<tempfile::TempDir> {
        let context = tempfile::Builder::new().prefix(".context-").tempdir_in(&self.dir)?;
        for (name, part) in &self.parts {
            fs::hard_link(&part.path, context.path().join(name))
                .with_context(|| format!("cannot link {}", part.path.display()))?;
        }
        Ok(context)
    }
}

/// Images of the same stage from other inputs, and what only they needed. One in use stays.
fn forget_others(engine: &Engine, kept: &[&str; 2]) {
    let repository = kept[0].split(':').next().unwrap_or_default();
    let all = ["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", repository];
    let all = engine.ask(&all).unwrap_or_default();
    for other in all.lines().filter(|other| !kept.contains(other)) {
        let _ = engine.ask(&["image", "rm", other]);
    }
    let _ = engine.ask(&["image", "prune", "--force"]);
}

/// Runs it with these words to read.
fn step_with_input(command: &mut Command, words: &str) -> Result<()> {
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().context("it reads nothing")?;
    input.write_all(words.as_bytes())?;
    drop(input);
    let status = child.wait()?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

fn dockerfile() -> PathBuf {
    Path::new(root()).join("Dockerfile")
}
