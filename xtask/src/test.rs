//! `cargo xtask test`: on a fresh machine, everything from nothing to the last test.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::cache::{Cache, is_root};
use crate::edge::{Local, deploy, suites};
use crate::image::Image;
use crate::postgres::{self, Server};
use crate::programs::{self, Programs};
use crate::skips::Skips;
use crate::step::{Outcome, Report, output, run};
use crate::{cargo, deny, install, root, wasm};

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
    report.step("install faketime", install::faketime);
    report.step("install bubblewrap", install::bubblewrap);
    let mut server = Server::default();
    report.step("postgresql", || start_server(&mut server));
    let mut image = None;
    report.step("image", || open_image(cache, &mut image));
    let mut worker = None;
    report.step("edge", || open_worker(cache, image.as_ref(), &mut worker));
    let mut programs = None;
    report.step("programs", || {
        programs = Some(Programs::build()?);
        Ok(Outcome::passed())
    });
    let rig = Rig { cache, server, image, worker, programs };
    report.step("doc tests", || passed(rig.cargo().args(["test", "--workspace", "--doc"])));
    let mut skips = Skips::default();
    report.step("tests", || rig.suites(&mut skips));
    report.step("tests on workerd", || rig.on_workerd());
    report.note(skips.into_lines());
    report.close()
}

/// One server for all tests; a given one is left as it is. Tests that stop a server start one of
/// their own all the same.
fn start_server(server: &mut Server) -> Result<Outcome> {
    let installed = install::postgresql()?;
    if postgres::is_given() {
        return Ok(Outcome::Passed("given".into()));
    }
    *server = Server::start()?;
    Ok(installed)
}

/// The image that tests run sandboxes in, and an engine for as long as they run. Where nothing can
/// be installed it may be missing; in CI never.
fn open_image(cache: &Cache, image: &mut Option<Image>) -> Result<Outcome> {
    match Image::open(cache) {
        Ok(opened) => {
            let name = opened.name().to_owned();
            *image = Some(opened);
            Ok(Outcome::Passed(name))
        }
        Err(error) if !is_root() && env::var_os("CI").is_none() => {
            Ok(Outcome::Skipped(format!("{error:#}")))
        }
        Err(error) => Err(error),
    }
}

/// The Worker, for tests that run it in workerd beside containers of that engine; and whether it could
/// be deployed.
fn open_worker(
    cache: &Cache,
    image: Option<&Image>,
    worker: &mut Option<Local>,
) -> Result<Outcome> {
    let Some(image) = image else { return Ok(Outcome::Skipped("there is no engine".into())) };
    let local = Local::open(cache, image.engine())?;
    deploy::rehearse(cache)?;
    let size = local.size.to_string();
    *worker = Some(local);
    Ok(Outcome::Passed(size))
}

const CLIPPY: [&str; 6] = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
const DOC: [&str; 3] = ["doc", "--workspace", "--no-deps"];

fn passed(command: &mut Command) -> Result<Outcome> {
    run(command)?;
    Ok(Outcome::passed())
}

/// What the tests need around them.
struct Rig<'a> {
    cache: &'a Cache,
    server: Server,
    image: Option<Image>,
    worker: Option<Local>,
    programs: Option<Programs>,
}

impl Rig<'_> {
    /// Cargo with what the tests look for in their environment.
    fn cargo(&self) -> Command {
        let (mut cargo, cache) = (cargo(), self.cache.path());
        cargo.env("ZAKI_CACHE", cache);
        cargo.env("ZAKI_RUNTIME", cache.join("runtime"));
        cargo.env("ZAKI_CLIENTS", cache.join("clients"));
        self.server.tell(&mut cargo);
        if let Some(image) = &self.image {
            image.tell(&mut cargo);
        }
        if let Some(worker) = &self.worker {
            worker.tell(&mut cargo);
        }
        if let Some(programs) = &self.programs {
            programs.tell(&mut cargo);
        }
        if let Some(corpus) = corpus() {
            cargo.env("ZAKI_CORPUS", corpus);
        }
        cargo
    }

    /// Every test of the workspace. One that skips itself without an excuse has failed, since
    /// everything that can be installed has been.
    fn suites(&self, skips: &mut Skips) -> Result<Outcome> {
        let has_nextest = output(cargo().args(["nextest", "--version"])).is_some();
        if has_nextest {
            self.nextest(skips)?;
        } else {
            self.libtest(skips)?;
        }
        let inexcusable = skips.inexcusable(corpus().is_some(), self.image.is_some());
        ensure!(inexcusable.is_empty(), "tests skipped themselves: {}", inexcusable.join("; "));
        Ok(match skips.len() {
            0 => Outcome::passed(),
            n => Outcome::Passed(format!("{n} tests skipped themselves, see below")),
        })
    }

    /// The suites that make no difference between the edges, with the Worker for theirs.
    fn on_workerd(&self) -> Result<Outcome> {
        if self.worker.is_none() {
            return Ok(Outcome::Skipped("there is no engine".into()));
        }
        passed(suites::shared(&mut self.cargo()))
    }

    /// nextest hides what passing tests print; its report (`.config/nextest.toml`) keeps it.
    fn nextest(&self, skips: &mut Skips) -> Result<()> {
        let report = programs::target().join("nextest/ci/junit.xml");
        match fs::remove_file(&report) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let ran = run(self.cargo().args(["nextest", "run", "--workspace", "--profile", "ci"]));
        let said = fs::read_to_string(&report).unwrap_or_default();
        said.lines().for_each(|line| skips.read(line));
        ran
    }

    /// The same with what comes with cargo.
    fn libtest(&self, skips: &mut Skips) -> Result<()> {
        let args =
            ["test", "--workspace", "--all-targets", "--no-fail-fast", "--", "--show-output"];
        let mut command = self.cargo();
        println!("$ cargo {}", args.join(" "));
        let mut child = command.args(args).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("no output of cargo test")?;
        let mut quiet = false;
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            skips.read(&line);
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
}

/// Real payloads, which are not ours to publish.
fn corpus() -> Option<PathBuf> {
    let beside = || root().join("../shared/corpus").canonicalize().ok();
    env::var_os("ZAKI_CORPUS").map(PathBuf::from).or_else(beside)
}

/// Whether this line begins or ends what passing tests said.
fn hides(line: &str) -> Option<bool> {
    match line {
        "successes:" => Some(true),
        "failures:" => Some(false),
        _ => line.starts_with("test result:").then_some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::hides;

    #[test]
    fn only_passing_output_is_hidden() {
        assert_eq!(hides("successes:"), Some(true));
        assert_eq!(hides("failures:"), Some(false));
        assert_eq!(hides("test result: ok. 3 passed"), Some(false));
        assert_eq!(hides("test a ... ok"), None);
    }
}
