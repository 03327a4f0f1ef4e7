//! What the hub itself says to people. One place, so that a catalogue can take it over.

use zaki_envelope::wire::ErrorCode;

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

/// When a turn was stopped, with what there was of the answer.
pub(crate) fn interrupted(partial: &str) -> String {
    const SAID: &str = "(Your assistant was stopped before it had finished. Please ask again.)";
    if partial.is_empty() { SAID.to_owned() } else { format!("{partial}\n\n{SAID}") }
}
