//! Running things: one command, one step with its time, and the table at the end.

use std::fmt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How a step that did not fail ended.
pub(crate) enum Outcome {
    /// It ran and is good; with what there is to say about it.
    Passed(String),
    /// It did not run. Never counted as passed.
    Skipped(String),
}

impl Outcome {
    /// Good, with nothing to say.
    pub(crate) fn passed() -> Self {
        Self::Passed(String::new())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed(note) if note.is_empty() => f.write_str("passed"),
            Self::Passed(note) => write!(f, "passed: {note}"),
            Self::Skipped(why) => write!(f, "SKIPPED: {why}"),
        }
    }
}

struct Row {
    name: &'static str,
    result: Result<Outcome>,
    took: Duration,
}

/// The steps so far. A failed step does not keep the next from running.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Report {
    /// Runs one step and says so.
    pub(crate) fn step(&mut self, name: &'static str, run: impl FnOnce() -> Result<Outcome>) {
        println!("\n==> {name}");
        let start = Instant::now();
        let result = run();
        let took = start.elapsed();
        match &result {
            Ok(outcome) => println!("<== {name}: {outcome} ({:.1} s)", took.as_secs_f64()),
            Err(error) => println!("<== {name}: FAILED: {error:#} ({:.1} s)", took.as_secs_f64()),
        }
        self.rows.push(Row { name, result, took });
    }

    /// Lines to repeat below the table, such as tests that skipped themselves.
    pub(crate) fn note(&mut self, lines: impl IntoIterator<Item = String>) {
        self.notes.extend(lines);
    }

    /// Prints the table; success only when nothing failed.
    pub(crate) fn close(self) -> ExitCode {
        println!("\n{self}");
        if self.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    fn failed(&self) -> bool {
        self.rows.iter().any(|row| row.result.is_err())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
        for Row { name, result, took } in &self.rows {
            let result = match result {
                Ok(outcome) => outcome.to_string(),
                Err(error) => format!("FAILED: {error:#}"),
            };
            writeln!(f, "{name:width$}  {:>7.1} s  {result}", took.as_secs_f64())?;
        }
        let total: Duration = self.rows.iter().map(|row| row.took).sum();
        writeln!(f, "{:width$}  {:>7.1} s", "in all", total.as_secs_f64())?;
        self.notes.iter().try_for_each(|line| writeln!(f, "skipped by a test: {line}"))
    }
}

/// Runs a command with our output, and says which.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", shown(command));
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot run {program}"))?;
    if !status.success() {
        bail!("`{}`: {status}", shown(command));
    }
    Ok(())
}

/// What a command prints, or nothing when it cannot run or fails.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|o| o.status.success())?;
    String::from_utf8(output.stdout).ok()
}

fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program()).file_name();
    let words = program.into_iter().chain(command.get_args());
    words.map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report that nobody printed: what this test says is not what the tests of Zaki skipped.
    fn report(last: Result<Outcome>) -> Report {
        let row = |name, result| Row { name, result, took: Duration::ZERO };
        let rows = vec![row("one", Ok(Outcome::passed())), row("two", last)];
        Report { rows, notes: Vec::new() }
    }

    #[test]
    fn only_a_failure_fails_and_a_skip_shows() {
        let skipped = report(Ok(Outcome::Skipped("no network".into())));
        assert!(skipped.to_string().contains("SKIPPED: no network"));
        assert!(!skipped.failed());
        let failed = report(Err(anyhow::anyhow!("broken")));
        assert!(failed.to_string().contains("FAILED: broken"));
        assert!(failed.failed());
    }

    #[test]
    fn a_command_that_fails_is_an_error() {
        assert!(run(&mut Command::new("true")).is_ok());
        assert!(run(&mut Command::new("false")).is_err());
        assert!(run(&mut Command::new("no-such-program-here")).is_err());
    }
}
