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
/// Of those, what has another edge anyway or is about processes: each by its whole name, so that no
/// other test goes with it.
const NOT: [&str; 10] = [
    "one_lane_over_two_replicas_is_one_lane",
    "the_demos_chat_shows_what_the_hub_itself_answers",
    "the_demos_chat_can_be_written_to_while_an_answer_is_awaited",
    "the_suite_gives_every_command_there_is",
    "a_question_is_answered_in_words_on_every_channel",
    "a_question_is_answered_by_a_press_on_every_channel",
    "an_answer_that_waits_for_the_edge_holds_nothing_up",
    "an_answer_that_the_edge_never_takes_is_said_not_to_count_and_may_be_given_again",
    "nobody_answers_for_somebody_else_and_no_group_is_asked",
    "the_key_of_the_model_reaches_the_provider_and_no_sandbox",
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
            let each: Vec<_> = all.iter().map(|name| format!("{of}(={name})")).collect();
            each.join(" | ")
        };
        let chosen = format!("({}) - ({})", name("binary", suites), name("test", &NOT));
        command.args(["nextest", "run", "--profile", "ci", "--package", "zaki-tests"]);
        return command.args(["--filterset", &chosen]);
    }
    command.args(["test", "--no-fail-fast", "--package", "zaki-tests"]);
    command.args(suites.iter().flat_map(|suite| ["--test", suite])).arg("--");
    command.arg("--exact").args(NOT.iter().flat_map(|test| ["--skip", test]))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use anyhow::Result;

    use super::*;
    use crate::root;

    /// A name that no test has leaves nothing out, and nobody would see it.
    #[test]
    fn what_is_left_out_is_there() -> Result<()> {
        let read = |suite| fs::read_to_string(root().join(format!("tests/tests/{suite}.rs")));
        let all = SHARED.iter().map(read).collect::<std::io::Result<String>>()?;
        for test in NOT {
            assert!(all.contains(&format!("fn {test}(")), "{test}");
        }
        Ok(())
    }
}
