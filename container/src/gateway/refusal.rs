//! Exit 78: OpenClaw says so of a configuration that is wrong, and of a state that it could not look
//! through. The second passes: on a machine under load a lease of its own is lost ("state lease
//! heartbeat did not become ready"), and it refuses to migrate anything. Its words are not to be
//! relied on (docs/gateway/embedding.md), so it is asked about the configuration alone.

use std::{io, time::Duration};

use crate::{
    Settings,
    config::{self, RenderError},
    layout::Layout,
};

use super::{supervise::openclaw, validate};

/// Measured: 11 s at rest.
const PATIENCE: Duration = Duration::from_mins(2);

/// What a gateway refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Its configuration. Another start would go no better.
    Config,
    /// Something else, most likely its state.
    State,
}

/// What a gateway that ended so has refused.
pub(super) async fn cause(settings: &Settings, layout: &Layout) -> Result<Cause, RenderError> {
    let config = config::current(settings, layout)?;
    Ok(match validate::validate(settings, layout, &config).await {
        Ok(issues) if !issues.is_empty() => {
            tracing::error!(?issues, "OpenClaw refuses its configuration");
            Cause::Config
        }
        Ok(_) => Cause::State,
        // Too slow to say: then it was most likely too slow for its state, too.
        Err(error) => {
            tracing::warn!(%error, "OpenClaw does not say whether it takes its configuration");
            Cause::State
        }
    })
}

/// Has OpenClaw repair its state, as it advises after this exit.
pub(super) async fn repair(settings: &Settings, layout: &Layout) {
    let mut command = openclaw(settings, layout);
    command.args(["doctor", "--fix", "--yes", "--non-interactive"]);
    // Named in the configuration, and read by nobody.
    command.env("OPENCLAW_GATEWAY_TOKEN", "none").env("ZAKI_MODEL_TOKEN", "none");
    let ended = validate::run(command, PATIENCE).await;
    let done = ended.map(|output| output.status).and_then(|status| {
        if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
    });
    match done {
        Ok(()) => tracing::warn!("OpenClaw has repaired its state"),
        Err(error) => tracing::error!(%error, "OpenClaw does not repair its state"),
    }
}
