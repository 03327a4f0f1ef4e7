//! Payloads that nobody here wrote, where they are at hand.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// `ZAKI_CORPUS`, or `../shared/corpus` beside the repository. `None` where neither is; says so.
pub fn find() -> Option<PathBuf> {
    let given = std::env::var_os("ZAKI_CORPUS").map(PathBuf::from);
    let dir =
        given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"));
    if dir.is_dir() {
        return Some(dir);
    }
    println!("SKIPPED: there is no corpus at {}; set ZAKI_CORPUS", dir.display());
    None
}

/// The `.json` files of one source, sorted.
pub fn files(corpus: &Path, source: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(corpus.join(source))?;
    let mut files: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}
