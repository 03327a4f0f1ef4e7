//! The bundle: `edge/worker/build/{index.js,index_bg.wasm}`.

use std::env;
use std::fmt;
use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::tools::Tools;
use super::{Build, home};
use crate::cache::Cache;
use crate::step::run;

/// What is sent to the platform.
const PARTS: [&str; 2] = ["index.js", "index_bg.wasm"];
/// Ours; the platform's own limit is 3 MB, and 10 on a paid plan.
const MOST: usize = 1_000_000;

/// How big it is, in bytes.
pub(crate) struct Size {
    plain: usize,
    pub(super) gzip: usize,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bundle: {} bytes, {} by gzip", self.plain, self.gzip)
    }
}

/// What is built is built, to whoever says so by this.
pub(super) const BUILT: &str = "ZAKI_EDGE_BUILT";

/// The bundle as it is, if somebody has said that it is there; built otherwise.
pub(super) fn bundle_at_hand(cache: &Cache) -> Result<Size> {
    if env::var_os(BUILT).is_some() { measure() } else { bundle(cache, Build::default()) }
}

/// Builds it; one for release that is too big is an error.
pub(crate) fn bundle(cache: &Cache, options: Build) -> Result<Size> {
    let tools = Tools::open(cache)?;
    let mut build = tools.command("worker-build")?;
    build.args(if options.dev { ["--dev"].as_slice() } else { &["--profile", "worker"] });
    build.args(["--", "--locked"]);
    // One of its own: another compiler may be at work, and nobody waits for it.
    build.current_dir(home()).env("CARGO_TARGET_DIR", cache.dir("target-worker")?);
    build.env_remove("RUSTFLAGS").env_remove("CARGO");
    run(&mut build)?;
    let size = measure()?;
    ensure!(options.dev || size.gzip < MOST, "{size}: more than {MOST}");
    Ok(size)
}

fn measure() -> Result<Size> {
    let mut size = Size { plain: 0, gzip: 0 };
    for part in PARTS {
        let path = home().join("build").join(part);
        let length = fs::metadata(&path).with_context(|| format!("no {}", path.display()))?.len();
        size.plain += usize::try_from(length)?;
        let mut gzip = Command::new("gzip");
        let packed = gzip.args(["-9", "-c"]).arg(&path).stderr(Stdio::inherit()).output()?;
        ensure!(packed.status.success(), "gzip: {}", packed.status);
        size.gzip += packed.stdout.len();
    }
    Ok(size)
}
