//! What the hub itself says to people. One place, so that a catalogue can take it over.

pub(crate) mod loss;

use zaki_envelope::wire::ErrorCode;
use zaki_lane::turns::{Mode, Why};

/// When a turn ended without an answer.
pub(crate) fn failed(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Sandbox => {
            "Your assistant could not be started just now. Please send your message again in a minute."
        }
        ErrorCode::Agent => {
            "Your assistant could not answer this: the model it uses reported a failure. Please try again."
        }
        ErrorCode::Timeout => {
            "This took longer than allowed, so it was stopped. Please try again, or ask for less at once."
        }
        ErrorCode::Gone | ErrorCode::Internal => {
            "Something went wrong on our side and this message was not answered. Please send it again."
        }
    }
}

/// When the agent ended its turn without a word. Whoever addressed it should not wonder.
pub(crate) const NOTHING: &str = "(Your assistant had nothing to say to this.)";

/// After `/stop`, when there was nothing to stop.
pub(crate) const IDLE: &str = "There is nothing to stop: your assistant is waiting for you.";

/// When a turn was stopped, with what there was of the answer. Nothing at all when the person wrote
/// on before there was any: they get the answer to that.
pub(crate) fn aborted(why: Option<Why>, partial: &str) -> Option<String> {
    match why {
        Some(Why::Stopped { cleared }) => Some(stopped(partial, cleared)),
        Some(Why::Interrupted) if partial.is_empty() => None,
        Some(Why::Interrupted) => Some(with(partial, "(Interrupted by your next message.)")),
        Some(Why::Elsewhere) | None => {
            Some(with(partial, "(Your assistant was stopped before it had finished.)"))
        }
    }
}

/// After `/stop`, with what there was of the answer and of messages that waited.
pub(crate) fn stopped(partial: &str, cleared: usize) -> String {
    match cleared {
        0 => with(partial, "(Stopped.)"),
        1 => with(partial, "(Stopped. A message of yours that was waiting was set aside, too.)"),
        n => with(
            partial,
            &format!("(Stopped. {n} messages of yours that were waiting were set aside, too.)"),
        ),
    }
}

fn with(partial: &str, said: &str) -> String {
    if partial.is_empty() { said.to_owned() } else { format!("{partial}\n\n{said}") }
}

/// When a message is not taken because too many wait.
pub(crate) fn full() -> String {
    "Too many of your messages are waiting already, so this one was not taken, nor will those that \
     follow it be until some have been answered. Please send it again then."
        .to_owned()
}

/// After `/mode <mode>`.
pub(crate) fn mode_set(mode: Mode) -> String {
    format!("From now on, {}", mode_meaning(mode))
}

/// After `/mode` without a mode that exists.
pub(crate) fn mode_help(now: Mode) -> String {
    let mut lines = vec![format!("Now, {}", mode_meaning(now)), "You can choose:".to_owned()];
    lines.extend(Mode::ALL.map(|mode| format!("- `/mode {mode}`: {}", mode_meaning(mode))));
    lines.join("\n")
}

const fn mode_meaning(mode: Mode) -> &'static str {
    match mode {
        Mode::Queue => "what you write while your assistant is busy waits until it has finished.",
        Mode::Steer => {
            "what you write while your assistant is busy reaches it at once, and it \
                        answers everything together."
        }
        Mode::Interrupt => "what you write while your assistant is busy interrupts it.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_interrupted_before_it_began_is_not_mentioned() {
        assert_eq!(aborted(Some(Why::Interrupted), ""), None);
        assert!(aborted(Some(Why::Interrupted), "So").is_some_and(|text| text.starts_with("So\n")));
        let stopped = aborted(Some(Why::Stopped { cleared: 2 }), "");
        assert!(stopped.is_some_and(|text| text.contains("2 messages")));
    }

    #[test]
    fn help_names_every_mode() {
        let help = mode_help(Mode::Steer);
        assert!(Mode::ALL.iter().all(|mode| help.contains(&format!("`/mode {mode}`"))), "{help}");
    }
}
