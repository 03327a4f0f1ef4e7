//! One turn's way through its sandbox: events in, a lost connection taken up again.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::time::{Instant, sleep, timeout};
use zaki_envelope::{TraceContext, wire::ErrorCode};

use crate::{
    runtime::{Events, Link, LinkError},
    shared::Shared,
    turn::Turn,
};

/// How much longer than the turn's budget the edge waits: the sandbox ends late turns itself.
const GRACE: Duration = Duration::from_mins(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Carries the turn to its end.
pub(crate) async fn relay(shared: &Shared, turn: &Turn, link: &Arc<dyn Link>) {
    let limit = Duration::from_millis(turn.request.budget.timeout_ms).saturating_add(GRACE);
    let began = Instant::now();
    if timeout(limit, follow(shared, turn, link)).await.is_err() {
        turn.fail(ErrorCode::Timeout, "the sandbox did not end the turn in time");
        let _ = link.abort(turn.id()).await;
    }
    let (took, end) = (began.elapsed(), turn.outcome());
    shared.figures.turned(end, took);
    let trace = turn.request.trace.as_ref().and_then(TraceContext::id);
    let took = took.as_millis();
    tracing::info!(sandbox = %turn.sandbox, turn = %turn.id(), trace, end, took, "turn.ended");
}

/// While there is one, what is steered into the turn goes to its link.
struct Attached<'t>(&'t Turn);

impl<'t> Attached<'t> {
    fn new(turn: &'t Turn, link: &Arc<dyn Link>) -> Self {
        turn.attach(Some(link.clone()));
        Self(turn)
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        self.0.attach(None);
    }
}

/// Has the sandbox take the turn, or go on with it; what it is about to see comes first.
async fn open(shared: &Shared, turn: &Turn, link: &Arc<dyn Link>) -> Result<Events, LinkError> {
    let seen = turn.last_seq();
    if seen == 0 {
        shared.media.give(turn.user, &turn.request.parts, &**link).await?;
    }
    link.open(&turn.request, seen).await
}

async fn follow(shared: &Shared, turn: &Turn, link: &Arc<dyn Link>) {
    let mut pause = FIRST_PAUSE;
    loop {
        match open(shared, turn, link).await {
            Ok(mut events) => {
                let _attached = Attached::new(turn, link);
                while let Some(Ok(event)) = events.next().await {
                    pause = FIRST_PAUSE;
                    // Told once the bytes are here: whoever hears of a file can have it.
                    if shared.media.take(turn.user, &event, &**link).await.is_err() {
                        break;
                    }
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
