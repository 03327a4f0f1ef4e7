//! The part of a relay that minds what was steered in: telling the gateway, and not ending the turn
//! before all of it has been answered.

use serde_json::json;
use tokio::time::{Instant, sleep, timeout};
use zaki_envelope::wire::{SteerRequest, TurnEventKind};

use super::{Break, Relay};
use crate::{
    gateway::{CallError, Connection, protocol::SendAnswer},
    recovery::{Verdict, key},
};

impl Relay {
    /// Whether the end of a run is the end of the turn: everything that was steered in has been
    /// heard and answered, as the transcript shows. `None`: it goes on.
    pub(super) async fn conclude(
        &mut self,
        connection: &Connection,
        end: TurnEventKind,
    ) -> Result<Option<TurnEventKind>, Break> {
        if self.turn.steered().is_empty() || self.turn.abort.is_cancelled() {
            return Ok(Some(end));
        }
        let patience = Instant::now() + self.patience.resume;
        loop {
            let steered = self.turn.steered();
            match self.look(connection).await? {
                Verdict::Running { run, before, text } => {
                    self.go_on(run.as_deref(), &before, &text).await;
                    return Ok(None);
                }
                Verdict::Ended(end) if self.steering.has_heard(&steered) => {
                    self.steering.set_answered(steered.len());
                    return Ok(Some(end));
                }
                verdict if !self.steering.unsaid(&steered, self.link.gateway()).is_empty() => {
                    let before = match verdict {
                        Verdict::Ended(TurnEventKind::Final { text, .. }) => text,
                        _ => String::new(),
                    };
                    self.go_on(None, &before, "").await;
                    self.say_more().await?;
                    return Ok(None);
                }
                _ if self.turn.abort.is_cancelled() => return Ok(Some(self.progress.stopped())),
                _ if Instant::now() < patience => sleep(self.patience.settle).await,
                _ if self.steering.has_heard(&steered) => {
                    self.steering.set_answered(steered.len());
                    return Ok(Some(end));
                }
                // Said and nowhere to be found: it has to be said anew.
                _ => self.steering.forget_sent(),
            }
        }
    }

    /// Tells the gateway what has been steered in and not told it yet.
    pub(super) async fn say_more(&mut self) -> Result<(), Break> {
        let gateway = self.link.gateway();
        for said in self.steering.unsaid(&self.turn.steered(), gateway) {
            while !self.say(&said, gateway).await? {}
        }
        Ok(())
    }

    /// `false`: the key is spent, and another may do.
    async fn say(&mut self, said: &SteerRequest, gateway: u64) -> Result<bool, Break> {
        let never = || Break::Never("the gateway does not take what was steered in".to_owned());
        let attempt = self.steering.begin(said.steer, gateway).ok_or_else(never)?;
        let (message, attachments) = self.message(&said.parts).await;
        let mut params = json!({
            "sessionKey": self.request.session,
            "message": message,
            "idempotencyKey": key(self.turn.id, Some(said.steer), attempt),
            "queueMode": "steer",
            "timeoutMs": self.request.budget.timeout_ms.max(1_000),
            "suppressCommandInterpretation": true,
        });
        if !attachments.is_empty() {
            params["attachments"] = attachments.into();
        }
        match self.owner()?.call::<SendAnswer>("chat.send", &params).await {
            Ok(_) => {
                tracing::info!(turn = %self.turn.id, attempt, "turn.steered");
                Ok(true)
            }
            Err(CallError::Refused(refusal)) if refusal.may_mean_the_key() => {
                self.steering.key_is_spent(said.steer);
                Ok(false)
            }
            Err(error) => {
                self.steering.not_sent(said.steer);
                Err(error.into())
            }
        }
    }

    /// Aborts the run and waits for its last word. What was steered in and waits goes first, or it
    /// would begin a run of its own then.
    pub(super) async fn stop(&mut self, connection: &Connection) -> TurnEventKind {
        let session = &self.request.session;
        let owner = self.link.owner();
        let connection = owner.as_deref().unwrap_or(connection);
        for (steer, attempt) in self.steering.sent() {
            let run = key(self.turn.id, Some(steer), attempt);
            connection.cast("chat.abort", &json!({"sessionKey": session, "runId": run}));
        }
        let mut params = json!({"sessionKey": session});
        if let Some(run) = self.progress.run() {
            params["runId"] = run.into();
        }
        connection.cast("chat.abort", &params);
        let end = timeout(self.patience.abort, async {
            while let Some(event) = self.events.recv().await {
                let is_it = self.progress.run().is_none_or(|run| run == event.run());
                if let Some(end) = self.take(&event).filter(TurnEventKind::is_end)
                    && is_it
                {
                    return Some(end);
                }
            }
            None
        });
        end.await.ok().flatten().unwrap_or_else(|| self.progress.stopped())
    }
}
