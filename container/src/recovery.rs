//! What became of a turn while nobody watched, judged from the transcript: pure.
//!
//! Measured with 2026.9.6: the gateway stores what was said as `<key>:user` before anything else.
//! Killed in a turn, it resumes by itself at its next start, under a run id of its own (a UUID) and
//! with a user row `<run>:user` of its own; `hasActiveRun` is true all along. The same key sent
//! again after a restart ends in an error, so it is sent only when the transcript does not have it.
//! Killed some 250 ms into a turn, the gateway has the user row and resumes nothing: such a turn is
//! sent once more under a key of its own.
//!
//! A steered message gets its row when the run takes it in, between two calls of the model; what
//! the model says to it follows as a row of its own. Sent too early it waits for the run's end and
//! is answered by another run. Killed before its row is there, the gateway has lost it, and takes
//! it under another key only.

use std::collections::BTreeSet;

use zaki_envelope::{
    InboundId, TurnId,
    wire::{ErrorCode, TurnEventKind, Usage},
};

use crate::gateway::protocol::{History, Row};

/// Said in place of an answer that failed behind others that did not.
const UNANSWERED: &str = "[The agent failed to answer what was added.]";

/// What the transcript tells of a turn.
#[derive(Debug, PartialEq)]
pub(crate) struct Account {
    pub(crate) verdict: Verdict,
    /// The steered messages it has.
    pub(crate) heard: BTreeSet<InboundId>,
}

/// What to do about the turn.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The gateway never had it: send it.
    Unknown,
    /// It goes on: watch.
    Running {
        /// The run, where it is known.
        run: Option<String>,
        /// What has been answered before it.
        before: String,
        /// Its text so far.
        text: String,
    },
    /// What was heard of it has been answered.
    Ended(TurnEventKind),
    /// It was heard and nothing has come of it: no run, no word, no tool. Soon after a start that
    /// may still change.
    Dropped,
    /// It was begun and nothing goes on. Soon after a start that may still change.
    Idle,
}

/// What the gateway knows a message by, the turn's own or a steered one. Each attempt needs a key
/// of its own once the gateway has died with the one before.
pub(crate) fn key(turn: TurnId, steer: Option<InboundId>, attempt: u32) -> String {
    let steer = steer.map_or_else(String::new, |steer| format!("-{steer}"));
    let attempt = if attempt > 1 { format!("-{attempt}") } else { String::new() };
    format!("{turn}{steer}{attempt}")
}

/// The turn of ours a run belongs to; `None` for the gateway's own runs, whose ids are UUIDs.
pub(crate) fn turn_of(run: &str) -> Option<TurnId> {
    run.split('-').next()?.parse().ok()
}

/// The steered message a key is about.
pub(crate) fn steer_of(key: &str) -> Option<InboundId> {
    key.split('-').nth(1)?.parse().ok()
}

/// Puts what was answered one after the other together, as the gateway does.
pub(crate) fn join(before: &str, text: &str) -> String {
    match (before.trim(), text.trim()) {
        ("", text) => text.to_owned(),
        (before, "") => before.to_owned(),
        (before, text) => format!("{before}\n\n{text}"),
    }
}

/// Judges the turn by its session's history.
pub(crate) fn judge(turn: TurnId, history: &History) -> Account {
    let rows = &history.messages;
    let Some(at) = rows.iter().position(|row| speaker(row) == Some(turn)) else {
        return Account { verdict: Verdict::Unknown, heard: BTreeSet::new() };
    };
    let own = rows.get(at..).unwrap_or_default();
    let is_other = |row: &Row| speaker(row).is_some_and(|other| other != turn);
    let next = own.iter().position(is_other);
    let own = own.get(..next.unwrap_or(own.len())).unwrap_or_default();
    let heard = own.iter().filter_map(|row| steer_of(user_key(row)?)).collect();
    let is_active = next.is_none() && history.is_active();
    Account { verdict: verdict(own, is_active.then_some(history)), heard }
}

fn verdict(own: &[Row], active: Option<&History>) -> Verdict {
    let answers = answers(own);
    if let Some(history) = active {
        let run = history.in_flight_run.as_ref();
        return Verdict::Running {
            run: run.map(|run| run.run_id.clone()),
            before: text_of(&answers),
            text: run.map(|run| run.text.clone()).unwrap_or_default(),
        };
    }
    match answers.last() {
        Some(Answer::None) | None if own.len() == 1 => Verdict::Dropped,
        Some(Answer::None) | None => Verdict::Idle,
        Some(Answer::Failed) if answers.iter().all(Answer::is_silent) => {
            Verdict::Ended(TurnEventKind::Error {
                code: ErrorCode::Agent,
                message: "the agent's run failed while nobody watched".to_owned(),
                usage: usage(own),
            })
        }
        Some(last) => Verdict::Ended(TurnEventKind::Final {
            text: text_of(&answers),
            usage: usage(own),
            aborted: matches!(last, Answer::Said { aborted: true, .. }),
        }),
    }
}

/// The key under which a row was said.
fn user_key(row: &Row) -> Option<&str> {
    row.idempotency_key.as_deref()?.strip_suffix(":user")
}

/// The turn of ours in which a row was said.
fn speaker(row: &Row) -> Option<TurnId> {
    turn_of(user_key(row)?)
}

/// What became of one thing said.
enum Answer {
    Said { text: String, aborted: bool },
    Failed,
    None,
}

impl Answer {
    const fn is_silent(&self) -> bool {
        !matches!(self, Self::Said { .. })
    }
}

/// The answers to everything said in the turn, in order.
fn answers(own: &[Row]) -> Vec<Answer> {
    let begins = |row: &Row| speaker(row).is_some();
    let said: Vec<usize> = (0..own.len()).filter(|at| own.get(*at).is_some_and(begins)).collect();
    let ends = said.iter().skip(1).copied().chain([own.len()]);
    let parts = said.iter().copied().zip(ends);
    parts.map(|(from, to)| answer(own.get(from..to).unwrap_or_default())).collect()
}

fn answer(rows: &[Row]) -> Answer {
    let Some(said) = rows.iter().rfind(|row| row.role == "assistant") else {
        return Answer::None;
    };
    let is_error = |key: &str| key.ends_with(":terminal-error");
    if said.idempotency_key.as_deref().is_some_and(is_error) {
        return Answer::Failed;
    }
    let (text, stop) = (said.content.text(), said.stop_reason.as_deref());
    // After a tool call, or without words, the answer is still to come.
    if text.is_empty() || stop == Some("toolUse") {
        return Answer::None;
    }
    Answer::Said { text, aborted: stop == Some("aborted") }
}

fn text_of(answers: &[Answer]) -> String {
    answers.iter().fold(String::new(), |before, answer| match answer {
        Answer::Said { text, .. } => join(&before, text),
        Answer::Failed => join(&before, UNANSWERED),
        Answer::None => before,
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
