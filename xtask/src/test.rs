//! `cargo xtask test`: on a fresh machine, everything from nothing to the last test.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::cache::Cache;
use crate::step::{Outcome, Report, output, run};
use crate::{cargo, deny, install, root, wasm};

/// A test that cannot run here prints a line with one of these, and why.
const SKIPPING: [&str; 2] = ["SKIPPED", "NOT CHECKED"];

type Lines = BTreeSet<String>;

/// Installs, checks and tests, and ends with the table of what happened.
pub(crate) fn run_all(cache: &Cache) -> ExitCode {
    println!("Tools are kept in {} and used again next time.", cache.path().display());
    let mut report = Report::default();
    report.step("fmt", || passed(cargo().args(["fmt", "--all", "--check"])));
    report.step("install cargo-deny", || install::cargo_deny(cache));
    report.step("install clients", || install::clients(cache));
    report.step("clippy", || passed(cargo().args(CLIPPY)));
    report.step("wasm", || wasm::check(cache));
    report.step("deny", || deny::policy(cache));
    report.step("advisories", || deny::advisories(cache));
    report.step("doc", || passed(cargo().args(DOC).env("RUSTDOCFLAGS", "-D warnings")));
    report.step("install runtime", || install::runtime(cache));
    report.step("doc tests", || passed(tests(cache).args(["test", "--workspace", "--doc"])));
    let mut skipped = Lines::new();
    report.step("tests", || suites(cache, &mut skipped));
    report.note(skipped);
    report.close()
}

const CLIPPY: [&str; 6] = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
const DOC: [&str; 3] = ["doc", "--workspace", "--no-deps"];

fn passed(command: &mut Command) -> Result<Outcome> {
    run(command)?;
    Ok(Outcome::passed())
}

/// Cargo with what the tests look for in their environment.
fn tests(cache: &Cache) -> Command {
    let mut cargo = cargo();
    cargo.env("ZAKI_CACHE", cache.path());
    cargo.env("ZAKI_RUNTIME", cache.path().join("runtime"));
    cargo.env("ZAKI_CLIENTS", cache.path().join("clients"));
    if env::var_os("ZAKI_CORPUS").is_none()
        && let Ok(corpus) = root().join("../shared/corpus").canonicalize()
    {
        cargo.env("ZAKI_CORPUS", corpus);
    }
    cargo
}

/// Every test of the workspace. Those that skip themselves are collected in `skipped`.
fn suites(cache: &Cache, skipped: &mut Lines) -> Result<Outcome> {
    let has_nextest = output(cargo().args(["nextest", "--version"])).is_some();
    if has_nextest {
        nextest(cache, skipped)?;
    } else {
        libtest(cache, skipped)?;
    }
    Ok(match skipped.len() {
        0 => Outcome::passed(),
        n => Outcome::Passed(format!("{n} tests skipped themselves, see below")),
    })
}

/// nextest hides what passing tests print; its report (`.config/nextest.toml`) keeps it.
fn nextest(cache: &Cache, skipped: &mut Lines) -> Result<()> {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let report = target.join("nextest/ci/junit.xml");
    match fs::remove_file(&report) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let ran = run(tests(cache).args(["nextest", "run", "--workspace", "--profile", "ci"]));
    let said = fs::read_to_string(&report).unwrap_or_default();
    skipped.extend(said.lines().filter_map(skip_line));
    ran
}

/// The same with what comes with cargo.
fn libtest(cache: &Cache, skipped: &mut Lines) -> Result<()> {
    let args = ["test", "--workspace", "--all-targets", "--no-fail-fast", "--", "--show-output"];
    let mut command = tests(cache);
    println!("$ cargo {}", args.join(" "));
    let mut child = command.args(args).stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().context("no output of cargo test")?;
    let mut quiet = false;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        skipped.extend(skip_line(&line));
        quiet = hides(&line).unwrap_or(quiet);
        if !quiet {
            println!("{line}");
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`cargo test`: {status}");
    }
    Ok(())
}

/// Whether this line begins or ends what passing tests said.
fn hides(line: &str) -> Option<bool> {
    match line {
        "successes:" => Some(true),
        "failures:" => Some(false),
        _ => line.starts_with("test result:").then_some(false),
    }
}

fn skip_line(line: &str) -> Option<String> {
    let says = SKIPPING.iter().any(|mark| line.contains(mark));
    says.then(|| {
        line.trim().trim_start_matches("<system-out>").trim_end_matches("</system-out>").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::{hides, skip_line};

    #[test]
    fn what_skipped_tests_say_is_found() {
        assert_eq!(skip_line("  SKIPPED: no corpus").as_deref(), Some("SKIPPED: no corpus"));
        let xml = "<system-out>advisories: NOT CHECKED</system-out>";
        assert_eq!(skip_line(xml).as_deref(), Some("advisories: NOT CHECKED"));
        assert_eq!(skip_line("test a_skipped_one ... ok"), None);
    }

    #[test]
    fn only_passing_output_is_hidden() {
        assert_eq!(hides("successes:"), Some(true));
        assert_eq!(hides("failures:"), Some(false));
        assert_eq!(hides("test result: ok. 3 passed"), Some(false));
        assert_eq!(hides("test a ... ok"), None);
    }
}
