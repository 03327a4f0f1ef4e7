//! `cargo xtask bench`: the benchmarks of `tests/src/bin/bench`, in a release build of everything.

use anyhow::Result;

use crate::{cargo, step};

/// Runs the benchmark with these arguments: `ingest`, `turns`, `memory`, `curve`, `postgres`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let bench = ["run", "--release", "--quiet", "--package", "zaki-tests", "--bin", "bench", "--"];
    step::run(cargo().args(bench).args(args))
}
