//! The bodies of calls, read once it is known who makes them.

use zaki_envelope::{
    SandboxName, ZakiUserId,
    wire::{ApprovalAnswer, RestoreRequest, RetireRequest, SteerRequest, TurnRequest},
};

use super::Refusal;

/// The longest id of an approval, in bytes.
const LONGEST_APPROVAL: usize = 128;

/// Reads the body of [`super::Call::Turn`] and names the sandbox it is for.
pub fn parse_turn(user: ZakiUserId, body: &[u8]) -> Result<(SandboxName, TurnRequest), Refusal> {
    let request: TurnRequest = serde_json::from_slice(body)
        .map_err(|_| Refusal::Malformed("the body is not a turn request"))?;
    let sandbox = SandboxName::new(user, &request.sandbox)
        .map_err(|_| Refusal::Malformed("the sandbox has no valid name"))?;
    if request.parts.is_empty() {
        return Err(Refusal::Malformed("the turn has no parts"));
    }
    Ok((sandbox, request))
}

/// Reads the body of [`super::Call::Approve`].
pub fn parse_answer(body: &[u8]) -> Result<ApprovalAnswer, Refusal> {
    let malformed = Refusal::Malformed("the body is not an answer to an approval");
    serde_json::from_slice(body).map_err(|_| malformed)
}

/// Reads the body of [`super::Call::Retire`].
pub fn parse_retire(body: &[u8]) -> Result<RetireRequest, Refusal> {
    let malformed = Refusal::Malformed("the body does not say until when");
    serde_json::from_slice(body).map_err(|_| malformed)
}

/// Reads the body of [`super::Call::Restore`]; none asks for the newest.
pub fn parse_restore(body: &[u8]) -> Result<RestoreRequest, Refusal> {
    let malformed = Refusal::Malformed("the body does not say which backup");
    if body.is_empty() {
        Ok(RestoreRequest::default())
    } else {
        serde_json::from_slice(body).map_err(|_| malformed)
    }
}

/// Reads the body of [`super::Call::Steer`].
pub fn parse_steer(body: &[u8]) -> Result<SteerRequest, Refusal> {
    let request: SteerRequest = serde_json::from_slice(body)
        .map_err(|_| Refusal::Malformed("the body is not a steer request"))?;
    if request.parts.is_empty() {
        return Err(Refusal::Malformed("the steer request has no parts"));
    }
    Ok(request)
}

/// An id as sandboxes give them, which is safe in a path and in a log.
pub(super) fn approval(id: &str) -> Option<String> {
    let fits = (1..=LONGEST_APPROVAL).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
        // Those would lead elsewhere in a path.
        && id.bytes().any(|b| b != b'.');
    fits.then(|| id.to_owned())
}
