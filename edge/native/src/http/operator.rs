//! What operators have done with sandboxes.

use std::sync::Arc;

use axum::response::Response;
use serde::Serialize;
use zaki_edge_core::{
    front::Refusal,
    http::{Answer, Order},
};
use zaki_envelope::{SandboxName, wire::Outcome};

use super::{memory::slowly, whole};
use crate::{edge::Running, operate};

pub(super) async fn operate(
    edge: &Arc<Running>,
    name: SandboxName,
    order: Order,
) -> Result<Response, Refusal> {
    operate::may(edge, &name, &order).await?;
    let edge = edge.clone();
    Ok(match order {
        Order::Start => outcome(async move { edge.start(&name).await }),
        Order::Stop { now } => outcome(async move { edge.stop(&name, now).await }),
        Order::Freeze => outcome(async move { edge.freeze(&name).await }),
        Order::Restart { now } => outcome(async move { edge.restart(&name, now).await }),
        Order::Upgrade => outcome(async move { edge.upgrade(&name).await }),
        Order::Exec(request) => outcome(async move { edge.exec(&name, request).await }),
        Order::Logs { lines } => whole(Answer::json(&edge.logs(&name, lines).await)),
        Order::Config => outcome(async move { edge.agent_config(&name).await }),
        Order::Patch(request) => outcome(async move { edge.patch_config(&name, request).await }),
    })
}

/// What may take its time, whoever waits for it: it goes on when nobody does.
fn outcome<T: Serialize + Send + 'static>(
    work: impl Future<Output = Result<T, String>> + Send + 'static,
) -> Response {
    slowly(async move { Outcome::from(work.await) }, Outcome::failed)
}
