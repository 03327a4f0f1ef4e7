//! What became of a turn while nobody watched, judged from the transcript: pure.
//!
//! Measured with 2026.9.6: the gateway stores what was said as `<turn>:user` before anything else.
//! Killed in a turn, it resumes by itself at its next start, under a run id of its own (a UUID) and
//! with a user row `<run>:user` of its own; `hasActiveRun` is true all along. The same turn sent
//! again after a restart ends in an error, so it is sent only when the transcript does not have it.

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
    /// It was taken and nothing happens. At once after a start that may still change.
    Idle,
}

/// Judges the turn by its session's history.
pub(crate) fn judge(turn: TurnId, history: &History) -> Verdict {
    let rows = &history.messages;
    let key = format!("{turn}:user");
    let is_own = |row: &Row| row.idempotency_key.as_deref() == Some(key.as_str());
    let Some(at) = rows.iter().position(is_own) else {
        return Verdict::Unknown;
    };
    let after = rows.get(at + 1..).unwrap_or_default();
    let next = after.iter().position(begins_turn);
    let (answer, is_last) = match next {
        Some(next) => (after.get(..next).unwrap_or_default(), false),
        None => (after, true),
    };
    if is_last && history.is_active() {
        let run = history.in_flight_run.as_ref();
        return Verdict::Running(
            run.map(|run| run.run_id.clone()),
            run.map(|run| run.text.clone()).unwrap_or_default(),
        );
    }
    ended(answer).map_or(Verdict::Idle, Verdict::Ended)
}

/// Whether a row is what somebody said, in another turn of ours. The gateway's own rows carry
/// UUIDs, ours ULIDs.
fn begins_turn(row: &Row) -> bool {
    let key = row.idempotency_key.as_deref();
    let turn = key.and_then(|key| key.strip_suffix(":user"));
    turn.is_some_and(|turn| turn.parse::<TurnId>().is_ok())
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
