//! What became of a turn while nobody watched, judged from the transcript: pure.
//!
//! Measured with 2026.9.6: the gateway stores what was said as `<turn>:user` before anything else.
//! Killed in a turn, it resumes by itself at its next start, under a run id of its own (a UUID) and
//! with a user row `<run>:user` of its own; `hasActiveRun` is true all along. The same turn sent
//! again after a restart ends in an error, so it is sent only when the transcript does not have it.
//! Killed some 250 ms into a turn, the gateway has the user row and resumes nothing: such a turn is
//! sent once more under a key of its own.

use zaki_envelope::{
    TurnId,
    wire::{ErrorCode, TurnEventKind, Usage},
};

use crate::gateway::protocol::{History, Row};

/// What to do about the turn.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The gateway never had it: send it.
    Unknown,
    /// It goes on: watch. The run, where it is known, and its text so far.
    Running(Option<String>, String),
    /// It has ended.
    Ended(TurnEventKind),
    /// It was heard and nothing has come of it: no run, no word, no tool. Soon after a start that
    /// may still change.
    Dropped,
    /// It was begun and nothing goes on. Soon after a start that may still change.
    Idle,
}

/// What a turn is sent under the second time, when the first try is in the transcript and dead.
pub(crate) fn second_key(turn: TurnId) -> String {
    format!("{turn}{SECOND}")
}

/// The turn of ours a run belongs to; `None` for the gateway's own runs, whose ids are UUIDs.
pub(crate) fn turn_of(run: &str) -> Option<TurnId> {
    run.strip_suffix(SECOND).unwrap_or(run).parse().ok()
}

const SECOND: &str = "-2";

/// Judges the turn by its session's history.
pub(crate) fn judge(turn: TurnId, history: &History) -> Verdict {
    let rows = &history.messages;
    let Some(at) = rows.iter().position(|row| speaker(row) == Some(turn)) else {
        return Verdict::Unknown;
    };
    let own = rows.get(at..).unwrap_or_default();
    let is_other = |row: &Row| speaker(row).is_some_and(|other| other != turn);
    let next = own.iter().position(is_other);
    let own = own.get(..next.unwrap_or(own.len())).unwrap_or_default();
    if next.is_none() && history.is_active() {
        let run = history.in_flight_run.as_ref();
        return Verdict::Running(
            run.map(|run| run.run_id.clone()),
            run.map(|run| run.text.clone()).unwrap_or_default(),
        );
    }
    match (ended(own), own.len()) {
        (Some(end), _) => Verdict::Ended(end),
        (None, 1) => Verdict::Dropped,
        (None, _) => Verdict::Idle,
    }
}

/// The turn of ours in which a row was said.
fn speaker(row: &Row) -> Option<TurnId> {
    turn_of(row.idempotency_key.as_deref()?.strip_suffix(":user")?)
}

fn ended(rows: &[Row]) -> Option<TurnEventKind> {
    let said = rows.iter().rfind(|row| row.role == "assistant")?;
    let is_error = |key: &str| key.ends_with(":terminal-error");
    if said.idempotency_key.as_deref().is_some_and(is_error) {
        return Some(TurnEventKind::Error {
            code: ErrorCode::Agent,
            message: "the agent's run failed while nobody watched".to_owned(),
        });
    }
    let text = said.content.text();
    let stop = said.stop_reason.as_deref();
    // After a tool call, or without words, the answer is still to come.
    let is_answer = !text.is_empty() && stop != Some("toolUse");
    is_answer.then(|| TurnEventKind::Final {
        text,
        usage: usage(rows),
        aborted: stop == Some("aborted"),
    })
}

fn usage(rows: &[Row]) -> Usage {
    let mut sum = Usage::default();
    for usage in rows.iter().filter_map(|row| row.usage) {
        sum.input_tokens += usage.input;
        sum.output_tokens += usage.output;
    }
    sum
}

#[cfg(test)]
#[path = "recovery_tests.rs"]
mod tests;
