//! The bundle: `edge/worker/build/{index.js,index_bg.wasm}`.

use std::env;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::tools::Tools;
use super::{Build, home};
use crate::cache::Cache;
use crate::root;
use crate::step::run;

/// What is sent to the platform.
const PARTS: [&str; 2] = ["index.js", "index_bg.wasm"];
/// Ours; the platform's own limit is 3 MB, and 10 on a paid plan.
const MOST: usize = 1_000_000;

const WASM: &str = "wasm32-unknown-unknown";

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
    let target = cache.dir("target-worker")?;
    build.current_dir(home()).env("CARGO_TARGET_DIR", &target);
    let profile = if options.dev { "dev" } else { "worker" };
    // The crate says where its JavaScript lies, and cargo sees no difference between two clones.
    own(&target.join(format!("built-{profile}-by")), root(), || {
        let mut clean = tools.command("cargo")?;
        clean.args(["clean", "--quiet", "--package", "zaki-edge-worker", "--target", WASM]);
        clean.args(["--profile", profile]).current_dir(home()).env("CARGO_TARGET_DIR", &target);
        run(&mut clean)
    })?;
    build.env_remove("RUSTFLAGS").env_remove("CARGO");
    run(&mut build)?;
    let size = measure()?;
    ensure!(options.dev || size.gzip < MOST, "{size}: more than {MOST}");
    Ok(size)
}

/// Cleans away what another clone than `root` has built last, of which `note` tells. Once that is done,
/// and not before, it is `root`.
fn own(note: &Path, root: &Path, clean: impl FnOnce() -> Result<()>) -> Result<()> {
    let root = root.canonicalize()?.display().to_string();
    if fs::read_to_string(note).is_ok_and(|there| there == root) {
        return Ok(());
    }
    clean()?;
    Ok(fs::write(note, root)?)
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

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn what_another_clone_has_built_is_built_anew() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let (note, [one, two]) =
            (dir.path().join("built-by"), ["one", "two"].map(|it| dir.path().join(it)));
        fs::create_dir(&one)?;
        fs::create_dir(&two)?;
        for (root, is_cleaned) in
            [(&one, true), (&one, false), (&two, true), (&two, false), (&one, true)]
        {
            let mut cleaned = false;
            own(&note, root, || {
                cleaned = true;
                Ok(())
            })?;
            assert_eq!(cleaned, is_cleaned, "{root:?}");
        }
        // Cut off before it was cleaned, it is still to be.
        assert!(own(&note, &two, || bail!("killed")).is_err());
        let mut cleaned = false;
        own(&note, &two, || {
            cleaned = true;
            Ok(())
        })?;
        assert!(cleaned);
        assert_eq!(root().canonicalize()?.join("xtask"), Path::new(env!("CARGO_MANIFEST_DIR")));
        Ok(())
    }
}
