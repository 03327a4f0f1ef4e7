//! Telling a turn that runs what its person has added.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use zaki_edge_core::front::Refusal;
use zaki_envelope::wire::SteerRequest;

use crate::{
    runtime::LinkError,
    shared::Shared,
    turn::{Ear, Turn},
};

/// How long to wait for a sandbox that comes up before the hub is asked to come again.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

/// Returns when what was said is durably part of the turn.
pub(crate) async fn steer(
    shared: &Shared,
    turn: &Turn,
    said: &SteerRequest,
) -> Result<(), Refusal> {
    timeout(PATIENCE, tell(shared, turn, said)).await.unwrap_or(Err(Refusal::Unavailable))
}

async fn tell(shared: &Shared, turn: &Turn, said: &SteerRequest) -> Result<(), Refusal> {
    loop {
        let ear = turn.wait(|| match turn.ear(said.steer) {
            Ear::NotYet => None,
            ear => Some(ear),
        });
        let link = match ear.await {
            Ear::Heard => return Ok(()),
            Ear::Open(link) => link,
            Ear::Closed | Ear::NotYet => return Err(Refusal::Ended),
        };
        let told = async {
            shared.media.give(turn.user, &said.parts, &*link).await?;
            link.steer(turn.id(), said).await
        };
        match told.await {
            Ok(()) => return Ok(()),
            Err(LinkError::Refused(409)) => return Err(Refusal::Ended),
            // Not known there: its relay hands it over again in a moment.
            Err(LinkError::Refused(404) | LinkError::Lost(_)) => sleep(PAUSE).await,
            Err(LinkError::Refused(_)) => return Err(Refusal::Unavailable),
        }
    }
}
