//! `GET /v1/health`: how the sandbox is, at once; or, with `?after=STATE`, when it is no longer so.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Query, State},
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use zaki_envelope::wire::{AgentInfo, GatewayState};

use crate::{api::App, gate::Door, gateway};

/// Whoever waits is answered after so long at the latest: their own patience is 10 s.
const LONGEST: Duration = Duration::from_secs(5);

/// How it is.
#[derive(Serialize)]
pub(crate) struct Health {
    state: &'static str,
    agent: Option<AgentInfo>,
    running: usize,
    error: Option<String>,
    /// For operators; of one that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<GatewayState>,
}

/// What whoever asks knows.
#[derive(Deserialize)]
pub(crate) struct Known {
    /// The state it was in. Absent: they want to know now.
    after: Option<String>,
}

pub(crate) async fn health(
    State(app): State<Arc<App>>,
    Query(Known { after }): Query<Known>,
) -> Json<Health> {
    if let Some(known) = after {
        // Then it is still so.
        let _ = timeout(LONGEST, changed(&app, &known)).await;
    }
    Json(look(&app))
}

async fn changed(app: &App, known: &str) {
    let (mut door, mut gateway) = (app.gate.watch(), app.link.watch());
    loop {
        door.mark_unchanged();
        gateway.mark_unchanged();
        if look(app).state != known {
            return;
        }
        // Their senders live as long as the app.
        tokio::select! {
            _ = door.changed() => {}
            _ = gateway.changed() => {}
        }
    }
}

fn look(app: &App) -> Health {
    let (state, agent, error) = match (app.gate.door(), app.link.state()) {
        (Door::Empty, _) => ("empty", None, None),
        (Door::Refused(why), _) | (_, gateway::State::Failed(why)) => ("failed", None, Some(why)),
        (_, gateway::State::Starting) => ("starting", None, None),
        (_, gateway::State::Ready(connection)) => ("ready", Some(connection.agent()), None),
    };
    let (running, gateway) = (app.turns.running().len(), app.link.vitals());
    Health { state, agent, running, error, gateway }
}
