//! Calls of the edge that are made until it has answered.

use std::time::Duration;

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
    loop {
        if !hub.may_act().await {
            return None;
        }
        match call().await {
            Err(error @ (EdgeError::Lost(_) | EdgeError::Busy(_))) => {
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
}
