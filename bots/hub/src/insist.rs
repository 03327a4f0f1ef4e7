//! Calls of the edge that are made until it has answered.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::{edge::EdgeError, hub::Hub};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Makes a call until the edge says yes or no to it. `None`: the hub stops.
pub(crate) async fn insist<T, F>(
    hub: &Hub,
    what: &str,
    mut call: impl FnMut() -> F,
) -> Option<Result<T, EdgeError>>
where
    F: Future<Output = Result<T, EdgeError>>,
{
    let mut pause = FIRST_PAUSE;
    while hub.may_act().await {
        match call().await {
            Err(error) if error.is_passing() => {
                tracing::warn!(what, %error, "trying the edge again");
            }
            answer => return Some(answer),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = hub.stop.cancelled() => return None,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    None
}

/// The same for whoever has to hear of it: after so long, the answer is that there is none. What is
/// under way then may still be done.
pub(crate) async fn insist_for<T, F>(
    hub: &Hub,
    patience: Duration,
    what: &str,
    call: impl FnMut() -> F,
) -> Option<Result<T, EdgeError>>
where
    F: Future<Output = Result<T, EdgeError>>,
{
    let until = Instant::now() + patience;
    match timeout_at(until, insist(hub, what, call)).await {
        Ok(answer) => answer,
        Err(late) => Some(Err(EdgeError::Lost(late.into()))),
    }
}
