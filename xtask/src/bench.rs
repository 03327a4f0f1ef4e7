//! `cargo xtask bench`: the benchmarks of `tests/src/bin/bench`, built as images ship it.

use anyhow::Result;

use crate::cache::Cache;
use crate::edge::Local;
use crate::engine::Engine;
use crate::{cargo, install, step};

/// Runs the benchmark with these arguments: `ingest`, `turns`, `memory`, `curve`, `postgres`,
/// `wake`, `edge`.
pub(crate) fn run(cache: &Cache, args: &[String]) -> Result<()> {
    let mut command = cargo();
    // Lives as long as what it serves.
    let mut engine = None;
    match args.first().map(String::as_str) {
        Some("wake") => {
            install::runtime(cache)?;
            command.env("ZAKI_RUNTIME", cache.path().join("runtime"));
        }
        Some("edge") => {
            Local::open(cache, engine.insert(Engine::open(cache)?))?.tell(&mut command);
        }
        _ => {}
    }
    command.args(["run", "--profile", "dist", "--quiet", "--package", "zaki-tests"]);
    step::run(command.args(["--bin", "bench", "--"]).args(args))
}
