//! One turn's way through its sandbox: events in, a lost connection taken up again, the end kept
//! before the sandbox may forget it.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::time::{sleep, timeout};
use zaki_envelope::wire::ErrorCode;

use crate::{
    clock,
    runtime::{Link, LinkError},
    shared::Shared,
    turns::Turn,
};

/// How much longer than the turn's budget the edge waits: the sandbox ends late turns itself.
const GRACE: Duration = Duration::from_mins(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Between tries to keep a turn's end on a disk that refuses.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// Carries the turn to its end.
pub(crate) async fn relay(turn: &Turn, link: &dyn Link) {
    let limit = Duration::from_millis(turn.request.budget.timeout_ms).saturating_add(GRACE);
    if timeout(limit, follow(turn, link)).await.is_err() {
        turn.fail(ErrorCode::Timeout, "the sandbox did not end the turn in time");
        let _ = link.abort(turn.id()).await;
    }
}

async fn follow(turn: &Turn, link: &dyn Link) {
    let mut pause = FIRST_PAUSE;
    loop {
        match link.open(&turn.request, turn.last_seq()).await {
            Ok(mut events) => {
                while let Some(Ok(event)) = events.next().await {
                    pause = FIRST_PAUSE;
                    turn.push(event);
                }
            }
            Err(LinkError::Refused(410)) => {
                turn.fail(ErrorCode::Gone, "the sandbox no longer has it");
            }
            Err(error @ LinkError::Refused(_)) => {
                turn.fail(ErrorCode::Internal, &error.to_string());
            }
            Err(LinkError::Lost(_)) => {}
        }
        if turn.has_ended() {
            return;
        }
        tracing::debug!(turn = %turn.id(), seq = turn.last_seq(), "turn.resuming");
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Keeps the end of the turn, then lets the sandbox forget it. No commit stands before the answer:
/// until this one is done the sandbox's journal has the turn, so that a crash loses nothing.
pub(crate) async fn settle(shared: &Shared, turn: &Turn, link: Option<Arc<dyn Link>>) {
    let log = turn.log();
    let seq = log.last_seq();
    loop {
        let (sandbox, log) = (turn.sandbox.clone(), log.clone());
        let kept = shared.state.turn_ended(turn.user, turn.id(), sandbox, log, clock::now());
        match kept.await {
            Ok(()) => break,
            Err(zaki_store::Error::Closed { .. }) => return,
            Err(error) => tracing::error!(turn = %turn.id(), %error, "turn.not_kept"),
        }
        sleep(STORE_PAUSE).await;
    }
    shared.turns.close(turn);
    if let Some(link) = link
        && let Err(error) = link.ack(turn.id(), seq).await
    {
        // Its journal ends by age then.
        tracing::debug!(turn = %turn.id(), %error, "turn.not_acked");
    }
}
