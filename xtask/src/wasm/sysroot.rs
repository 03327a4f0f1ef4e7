//! A toolchain that links for the target where rustup cannot bring it: Debian's compiler with a
//! `std` that it built itself, in a directory of the cache. No system folder is touched.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::TARGET;
use crate::cache::Cache;
use crate::step::{output, run};

const HOST: &str = if cfg!(target_arch = "aarch64") {
    "aarch64-unknown-linux-gnu"
} else {
    "x86_64-unknown-linux-gnu"
};
/// An empty crate: `-Z build-std` compiles std for the target as its dependency.
const EMPTY: &str = "[package]\nname = \"stdbuild\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
                     [lib]\ncrate-type = [\"rlib\"]\n[workspace]\n";

/// Makes it, unless it is there for this compiler; answers with the directory of its `cargo`.
pub(super) fn build(cache: &Cache) -> Result<PathBuf> {
    let dir = cache.dir("wasm-toolchain")?;
    let version = output(Command::new("/usr/bin/rustc").arg("--version")).unwrap_or_default();
    let (seal, programs) = (dir.join("built-for"), dir.join("bin"));
    if fs::read_to_string(&seal).is_ok_and(|built| built == version) {
        return Ok(programs);
    }
    let _ = fs::remove_file(&seal);
    link_host(&dir.join("lib/rustlib"))?;
    build_std(&dir)?;
    wrap(&programs, &dir)?;
    fs::write(seal, version)?;
    Ok(programs)
}

/// Procedural macros and build scripts still run here.
fn link_host(rustlib: &Path) -> Result<()> {
    fs::create_dir_all(rustlib)?;
    for name in [HOST, "src", "etc"] {
        let (from, to) = (Path::new("/usr/lib/rustlib").join(name), rustlib.join(name));
        let _ = fs::remove_file(&to);
        if from.exists() {
            symlink(from, to)?;
        }
    }
    Ok(())
}

fn build_std(dir: &Path) -> Result<()> {
    let krate = tempfile::Builder::new().prefix("stdbuild-").tempdir_in(dir)?;
    fs::create_dir(krate.path().join("src"))?;
    fs::write(krate.path().join("src/lib.rs"), "")?;
    fs::write(krate.path().join("Cargo.toml"), EMPTY)?;
    let mut compile = Command::new("/usr/bin/cargo");
    compile.current_dir(krate.path()).env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1");
    compile.env_remove("CARGO_TARGET_DIR");
    // Without it a link that optimises finds no section `.llvmbc` in std.
    compile.env("RUSTFLAGS", "-C embed-bitcode=yes");
    run(compile.args([
        "build",
        "--release",
        "-Z",
        "build-std=std,panic_abort",
        "--target",
        TARGET,
    ]))?;
    let built = krate.path().join("target").join(TARGET).join("release/deps");
    let lib = dir.join("lib/rustlib").join(TARGET).join("lib");
    let _ = fs::remove_dir_all(&lib);
    fs::create_dir_all(&lib)?;
    for entry in fs::read_dir(built)? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        let is_ours = name.to_string_lossy().starts_with("libstdbuild");
        if path.extension().is_some_and(|ending| ending == "rlib") && !is_ours {
            fs::copy(path, lib.join(name))?;
        }
    }
    Ok(())
}

/// A `rustc` with that sysroot, and a `cargo` that uses it. Debian ships no linker for wasm; that of
/// any rustup toolchain does.
fn wrap(programs: &Path, sysroot: &Path) -> Result<()> {
    fs::create_dir_all(programs)?;
    let linker = linker().context("no rust-lld: any toolchain of rustup has one")?;
    let (programs_at, sysroot) = (programs.display(), sysroot.display());
    let rustc = format!("exec /usr/bin/rustc --sysroot '{sysroot}' \"$@\"\n");
    let cargo = format!(
        "export RUSTC='{programs_at}/rustc'\n\
         export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER='{}'\nexec /usr/bin/cargo \"$@\"\n",
        linker.display()
    );
    for (name, script) in [("rustc", rustc), ("cargo", cargo)] {
        let path = programs.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}"))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn linker() -> Option<PathBuf> {
    let home = std::env::var_os("RUSTUP_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".rustup")))?;
    let toolchains = fs::read_dir(home.join("toolchains")).ok()?.flatten();
    let linker = |toolchain: fs::DirEntry| {
        toolchain.path().join("lib/rustlib").join(HOST).join("bin/rust-lld")
    };
    toolchains.map(linker).find(|path| path.is_file())
}
