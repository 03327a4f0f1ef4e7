//! Runs one turn through the gateway, across its restarts.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Instant, sleep, sleep_until, timeout},
};
use zaki_envelope::wire::{ErrorCode, TurnEventKind, TurnRequest};

use crate::{
    gateway::{
        CallError, Connection, Link,
        protocol::{History, SendAnswer, SessionEvent},
    },
    progress::Progress,
    prompt::prompt,
    recovery::{Verdict, judge, second_key},
    turn::Turn,
};

/// Rows of history to judge by; one turn with many tool calls has many.
const ROWS: u32 = 200;

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Beyond the budget, for the gateway to report its own time-out. Measured: up to 5 s late on
    /// a cold gateway.
    pub(crate) grace: Duration,
    /// For the last word of an aborted run. Measured: 50 ms.
    pub(crate) abort: Duration,
    /// After a start, for the gateway to resume what was interrupted. Measured: what it will
    /// resume is active at once after its hello.
    pub(crate) resume: Duration,
    /// Between two looks meanwhile.
    pub(crate) step: Duration,
    /// Between two looks whether the end of a resumed turn was missed.
    pub(crate) look: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(10),
            abort: Duration::from_secs(3),
            resume: Duration::from_secs(10),
            step: Duration::from_secs(1),
            look: Duration::from_secs(10),
        }
    }
}

/// One turn on its way.
pub(crate) struct Relay {
    link: Arc<Link>,
    turn: Arc<Turn>,
    request: TurnRequest,
    events: UnboundedReceiver<SessionEvent>,
    progress: Progress,
    /// What the gateway knows the turn by.
    key: String,
    patience: Patience,
}

/// What a look at the transcript says to do.
enum Next {
    Send,
    Watch,
    End(TurnEventKind),
}

/// What the gateway made of `chat.send`.
enum Sent {
    Started,
    /// It has the key already, and the run goes on or has ended.
    Known {
        ended: bool,
    },
}

/// Why a step did not succeed.
enum Break {
    /// Not now.
    Later(Duration),
    /// The connection is gone, and with it the knowledge whether the gateway has the turn.
    Lost,
    /// It will not work.
    Never(String),
}

impl From<CallError> for Break {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(refusal) if refusal.is_temporary() => {
                let wait = refusal.retry_after_ms.unwrap_or(500).clamp(50, 5_000);
                Self::Later(Duration::from_millis(wait))
            }
            CallError::Lost => Self::Lost,
            error => Self::Never(error.to_string()),
        }
    }
}

impl Relay {
    pub(crate) fn new(link: Arc<Link>, turn: Arc<Turn>, request: TurnRequest) -> Self {
        let events = link.subscribe(request.session.as_str());
        let progress = Progress::new(turn.id);
        let key = turn.id.to_string();
        Self { link, turn, request, events, progress, key, patience: Patience::default() }
    }

    /// Runs the turn to its end. With `resumed`, the gateway may have it already.
    pub(crate) async fn run(mut self, resumed: bool) {
        let grace = self.patience.grace;
        let budget = Duration::from_millis(self.request.budget.timeout_ms);
        let deadline = Instant::now() + budget;
        tracing::info!(turn = %self.turn.id, resumed, "turn.running");
        let end = tokio::select! {
            end = self.drive(resumed, deadline) => end,
            () = sleep_until(deadline + grace) => None,
        };
        let end = match end {
            Some(end) => end,
            None => self.give_up().await,
        };
        tracing::info!(turn = %self.turn.id, end = end.name(), "turn.ended");
        self.turn.emit(end).await;
    }

    /// Takes the turn through as many connections as it needs. `None`: it was never sent in time.
    async fn drive(&mut self, resumed: bool, deadline: Instant) -> Option<TurnEventKind> {
        let mut may_be_known = resumed;
        loop {
            let connection = tokio::select! {
                ready = self.link.ready() => match ready {
                    Ok(connection) => connection,
                    Err(why) => return Some(error(ErrorCode::Sandbox, why)),
                },
                () = self.turn.abort.cancelled() => return Some(self.progress.stopped()),
            };
            match self.pass(&connection, &mut may_be_known, deadline).await {
                Ok(end) => return Some(end),
                Err(Break::Later(wait)) => sleep(wait).await,
                Err(Break::Lost) => may_be_known = true,
                Err(Break::Never(why)) => return Some(error(ErrorCode::Agent, why)),
            }
            if Instant::now() >= deadline {
                return None;
            }
        }
    }

    /// As far as one connection goes.
    async fn pass(
        &mut self,
        connection: &Connection,
        may_be_known: &mut bool,
        deadline: Instant,
    ) -> Result<TurnEventKind, Break> {
        let has_looked = *may_be_known;
        if has_looked {
            match self.catch_up(connection).await? {
                Next::Send => *may_be_known = false,
                Next::Watch => return self.watch(connection, true).await,
                Next::End(end) => return Ok(end),
            }
        }
        if self.turn.abort.is_cancelled() {
            return Ok(self.progress.stopped());
        }
        match self.send(connection, deadline).await? {
            Sent::Started => self.watch(connection, false).await,
            Sent::Known { ended: true } if has_looked => {
                Err(Break::Never("the gateway kept no answer".to_owned()))
            }
            Sent::Known { .. } => {
                *may_be_known = true;
                Err(Break::Later(Duration::from_millis(200)))
            }
        }
    }

    async fn send(&self, connection: &Connection, deadline: Instant) -> Result<Sent, Break> {
        let left = deadline.saturating_duration_since(Instant::now());
        let params = json!({
            "sessionKey": self.request.session,
            "message": prompt(&self.request.parts),
            "idempotencyKey": self.key,
            "timeoutMs": u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1_000),
        });
        let sent: SendAnswer = connection.call("chat.send", &params).await?;
        if sent.status != "started" {
            return Ok(Sent::Known { ended: sent.status == "ok" });
        }
        self.started(connection).await;
        Ok(Sent::Started)
    }

    async fn started(&self, connection: &Connection) {
        if !self.turn.has_started() {
            let agent = connection.agent();
            self.turn.emit(TurnEventKind::Started { agent }).await;
        }
    }

    /// Finds out what the gateway has made of the turn.
    async fn catch_up(&mut self, connection: &Connection) -> Result<Next, Break> {
        let patience = Instant::now() + self.patience.resume;
        loop {
            match self.judge(connection).await? {
                Verdict::Idle | Verdict::Dropped if self.turn.abort.is_cancelled() => {
                    return Ok(Next::End(self.progress.stopped()));
                }
                Verdict::Dropped if Instant::now() > patience => {
                    self.key = second_key(self.turn.id);
                    self.progress.resume(Some(&self.key), "");
                    return Ok(Next::Send);
                }
                Verdict::Unknown => return Ok(Next::Send),
                Verdict::Ended(end) => {
                    self.started(connection).await;
                    return Ok(Next::End(end));
                }
                Verdict::Running(run, text) => {
                    self.started(connection).await;
                    if let Some(event) = self.progress.resume(run.as_deref(), &text) {
                        self.turn.emit(event).await;
                    }
                    return Ok(Next::Watch);
                }
                Verdict::Idle if Instant::now() > patience => {
                    let why = "the agent was interrupted and did not take the turn up again";
                    return Err(Break::Never(why.to_owned()));
                }
                Verdict::Idle | Verdict::Dropped => sleep(self.patience.step).await,
            }
        }
    }

    async fn judge(&self, connection: &Connection) -> Result<Verdict, Break> {
        let params = json!({"sessionKey": self.request.session, "limit": ROWS});
        let history: History = connection.call("chat.history", &params).await?;
        Ok(judge(self.turn.id, &history))
    }

    /// Passes the gateway's events on until the turn ends or the connection does.
    async fn watch(
        &mut self,
        connection: &Connection,
        resumed: bool,
    ) -> Result<TurnEventKind, Break> {
        loop {
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => {
                    if let Some(kind) = self.take(connection, &event) {
                        if kind.is_end() {
                            return Ok(kind);
                        }
                        self.turn.emit(kind).await;
                    }
                }
                () = self.turn.abort.cancelled() => return Ok(self.stop(connection).await),
                () = connection.closed.cancelled() => return Err(Break::Lost),
                () = sleep(self.patience.look), if resumed => {
                    if let Verdict::Ended(end) = self.judge(connection).await? {
                        return Ok(end);
                    }
                }
            }
        }
    }

    fn take(&mut self, connection: &Connection, event: &SessionEvent) -> Option<TurnEventKind> {
        let kind = self.progress.take(event)?;
        if let TurnEventKind::Approval { id, .. } = &kind {
            connection.cast("exec.approval.resolve", &json!({"id": id, "decision": "deny"}));
        }
        Some(kind)
    }

    /// Aborts the run and waits for its last word.
    async fn stop(&mut self, connection: &Connection) -> TurnEventKind {
        let mut params = json!({"sessionKey": self.request.session});
        if let Some(run) = self.progress.run() {
            params["runId"] = run.into();
        }
        connection.cast("chat.abort", &params);
        let end = timeout(self.patience.abort, async {
            while let Some(event) = self.events.recv().await {
                if let Some(end) = self.take(connection, &event).filter(TurnEventKind::is_end) {
                    return Some(end);
                }
            }
            None
        });
        end.await.ok().flatten().unwrap_or_else(|| self.progress.stopped())
    }

    /// The watchdog's end: nothing keeps running, nobody keeps waiting.
    async fn give_up(&mut self) -> TurnEventKind {
        if let Ok(Ok(connection)) = timeout(Duration::ZERO, self.link.ready()).await {
            self.stop(&connection).await;
        }
        if self.turn.has_started() {
            error(ErrorCode::Timeout, "the turn took longer than its budget")
        } else {
            let why = "the agent was not ready within the turn's budget";
            error(ErrorCode::Sandbox, why)
        }
    }
}

fn error(code: ErrorCode, message: impl Into<String>) -> TurnEventKind {
    TurnEventKind::Error { code, message: message.into() }
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
