//! Which suites run with the Worker for their edge.

use std::process::Command;

use crate::cargo;
use crate::step::output;

/// The Worker's own, which have it always.
const OWN: [&str; 2] = ["workerd", "workerd_watch"];
/// Those that make no difference between the edges.
const SHARED: [&str; 9] = [
    "road",
    "lanes",
    "commands",
    "approvals",
    "media",
    "proactive",
    "models",
    "sandbox",
    "openclaw",
];
/// Of those, what has another edge anyway or is about processes, and one test that waits for minutes.
const NOT: [&str; 8] = [
    "replica",
    "the_demos_chat",
    "the_suite_gives",
    "a_question_is_answered",
    "an_answer_that",
    "nobody_answers_for",
    "the_key_of_the_model",
    "a_reminder_fires",
];

/// All of them.
pub(super) fn all(cargo: &mut Command) -> &mut Command {
    run(cargo, &[&OWN[..], &SHARED].concat())
}

/// Those that have another edge elsewhere.
pub(crate) fn shared(command: &mut Command) -> &mut Command {
    run(command.env("ZAKI_EDGE", "workerd"), &SHARED)
}

/// Several at a time, where nextest is there to do it.
fn run<'c>(command: &'c mut Command, suites: &[&str]) -> &'c mut Command {
    if output(cargo().args(["nextest", "--version"])).is_some() {
        let name = |of: &str, all: &[&str]| {
            let each: Vec<_> = all.iter().map(|name| format!("{of}({name})")).collect();
            each.join(" | ")
        };
        let chosen = format!("({}) - ({})", name("binary", suites), name("test", &NOT));
        command.args(["nextest", "run", "--profile", "ci", "--package", "zaki-tests"]);
        return command.args(["--filterset", &chosen]);
    }
    command.args(["test", "--no-fail-fast", "--package", "zaki-tests"]);
    command.args(suites.iter().flat_map(|suite| ["--test", suite])).arg("--");
    command.args(NOT.iter().flat_map(|test| ["--skip", test]))
}
