//! Runs one turn through the gateway, across its restarts.

mod files;
mod patience;
mod steered;

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{
    sync::mpsc::UnboundedReceiver,
    task::spawn_blocking,
    time::{Instant, sleep, sleep_until, timeout},
};
use zaki_envelope::{
    Part, TraceContext,
    wire::{ErrorCode, TurnEventKind, TurnRequest, Usage},
};

use crate::{
    choices::Choices,
    config::reference,
    gateway::{
        CallError, Connection, Link,
        protocol::{History, SendAnswer, SessionEvent},
    },
    media::{Attached, Media},
    progress::Progress,
    prompt::prompt,
    recovery::{Account, Verdict, judge, key},
    reminders::Reminders,
    steering::Steering,
    turn::Turn,
};

pub(crate) use patience::Patience;

/// Rows of history to judge by, and when the turn is not among them; one turn with many tool calls
/// has many.
const ROWS: usize = 200;
const MORE_ROWS: usize = 1000;

/// One turn on its way.
pub(crate) struct Relay {
    link: Arc<Link>,
    choices: Arc<Choices>,
    reminders: Arc<Reminders>,
    turn: Arc<Turn>,
    request: TurnRequest,
    events: UnboundedReceiver<SessionEvent>,
    progress: Progress,
    /// How often the turn's own message has been tried anew; its key is counted on.
    attempt: u32,
    steering: Steering,
    patience: Patience,
    /// Where the media of turns lie; none: they bring none.
    media: Option<Media>,
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
    /// The gateway does not offer the model.
    Model,
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
    pub(crate) fn new(
        link: Arc<Link>,
        choices: Arc<Choices>,
        reminders: Arc<Reminders>,
        turn: Arc<Turn>,
        request: TurnRequest,
    ) -> Self {
        let events = link.subscribe(request.session.as_str());
        let progress = Progress::new(turn.id);
        let steering = Steering::new(&turn);
        let patience = Patience::default();
        Self {
            link,
            choices,
            reminders,
            turn,
            request,
            events,
            progress,
            attempt: 1,
            steering,
            patience,
            media: None,
        }
    }

    /// The same with the media that lie there.
    pub(crate) fn with(self, media: Media) -> Self {
        Self { media: Some(media), ..self }
    }

    /// What goes with a message, as `chat.send` takes it.
    async fn message(&self, parts: &[Part]) -> (String, Vec<Value>) {
        let mut message = prompt(parts);
        let Some(media) = self.media.clone() else { return (message, Vec::new()) };
        let parts = parts.to_owned();
        let attached = spawn_blocking(move || media.attach(&parts)).await.unwrap_or_default();
        let Attached { attachments, missing } = attached;
        for line in missing {
            message.push('\n');
            message.push_str(&line);
        }
        (message, attachments)
    }

    /// Runs the turn to its end. With `resumed`, the gateway may have it already.
    pub(crate) async fn run(mut self, resumed: bool) {
        let grace = self.patience.grace;
        let budget = Duration::from_millis(self.request.budget.timeout_ms);
        let deadline = Instant::now() + budget;
        let trace = self.request.trace.clone();
        let trace = trace.as_ref().and_then(TraceContext::id);
        tracing::info!(turn = %self.turn.id, trace, resumed, "turn.running");
        let in_time = tokio::select! {
            ended = self.drive(resumed, deadline) => ended,
            () = sleep_until(deadline + grace) => false,
        };
        if !in_time {
            let end = self.give_up().await;
            self.end(end).await;
        }
        if self.turn.has_started() {
            self.reminders.behind_turn();
        }
        let end = self.turn.end();
        let end = end.map(|end| end.kind.name());
        tracing::info!(turn = %self.turn.id, trace, end, "turn.ended");
    }

    /// Takes the turn through as many connections as it needs. `false`: it did not end in time.
    async fn drive(&mut self, resumed: bool, deadline: Instant) -> bool {
        let mut may_be_known = resumed;
        loop {
            let connection = tokio::select! {
                ready = self.link.ready() => match ready {
                    Ok(connection) => connection,
                    Err(why) => return self.end(error(ErrorCode::Sandbox, why)).await,
                },
                () = self.turn.abort.cancelled() => return self.end(self.progress.stopped()).await,
            };
            match self.pass(&connection, &mut may_be_known, deadline).await {
                Ok(end) => {
                    self.bring_files(&connection, &end).await;
                    if self.end(end).await {
                        return true;
                    }
                    // Something was steered in at the last moment.
                    may_be_known = true;
                }
                Err(Break::Lost) => may_be_known = true,
                Err(Break::Later(wait)) => sleep(wait).await,
                Err(Break::Model) => {
                    let why = "the agent does not take the model";
                    return self.end(error(ErrorCode::Model, why)).await;
                }
                Err(Break::Never(why)) => return self.end(error(ErrorCode::Agent, why)).await,
            }
            if Instant::now() >= deadline {
                return false;
            }
        }
    }

    async fn end(&self, end: TurnEventKind) -> bool {
        self.turn.finish(end, self.steering.answered()).await
    }

    /// As far as one connection goes.
    async fn pass(
        &mut self,
        connection: &Connection,
        may_be_known: &mut bool,
        deadline: Instant,
    ) -> Result<TurnEventKind, Break> {
        let has_looked = *may_be_known;
        let next = if has_looked { self.catch_up(connection).await? } else { Next::Send };
        if let Next::End(end) = next {
            return Ok(end);
        }
        if matches!(next, Next::Send) {
            if self.turn.abort.is_cancelled() {
                return Ok(self.progress.stopped());
            }
            self.begin(connection, may_be_known, has_looked, deadline).await?;
        }
        loop {
            let end = self.watch(connection).await?;
            if let Some(end) = self.conclude(connection, end).await? {
                return Ok(end);
            }
        }
    }

    /// Has the gateway take the turn.
    async fn begin(
        &mut self,
        connection: &Connection,
        may_be_known: &mut bool,
        has_looked: bool,
        deadline: Instant,
    ) -> Result<(), Break> {
        self.choose(connection).await?;
        if let Some(place) = self.request.origin.place {
            self.reminders.enter(self.request.session.as_str(), place);
        }
        let sent = self.send(connection, may_be_known, has_looked, deadline).await?;
        *may_be_known = true;
        match sent {
            Sent::Started => Ok(()),
            Sent::Known { ended: true } if has_looked => {
                Err(Break::Never("the gateway kept no answer".to_owned()))
            }
            Sent::Known { .. } => Err(Break::Later(Duration::from_millis(200))),
        }
    }

    /// Sets the session's model to the turn's, where it may be another.
    async fn choose(&self, connection: &Connection) -> Result<(), Break> {
        let (session, model) = (self.request.session.as_str(), self.request.model.as_deref());
        if !self.choices.is_open(session, model) {
            return Ok(());
        }
        let disk = |error: std::io::Error| Break::Never(format!("the choice is not kept: {error}"));
        self.choices.begin(session, model).map_err(disk)?;
        let params = json!({"key": session, "model": model.map(reference)});
        match connection.call::<Value>("sessions.patch", &params).await {
            Ok(_) => self.choices.done(session, model).map_err(disk),
            Err(CallError::Refused(refusal)) if !refusal.is_temporary() => Err(Break::Model),
            Err(error) => Err(error.into()),
        }
    }

    async fn send(
        &mut self,
        connection: &Connection,
        may_be_known: &mut bool,
        has_looked: bool,
        deadline: Instant,
    ) -> Result<Sent, Break> {
        let left = deadline.saturating_duration_since(Instant::now());
        let (message, attachments) = self.message(&self.request.parts).await;
        let mut params = json!({
            "sessionKey": self.request.session,
            "message": message,
            "idempotencyKey": key(self.turn.id, None, self.attempt),
            "timeoutMs": u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1_000),
            // What somebody writes is for the agent to read, and nothing else does what it says.
            "suppressCommandInterpretation": true,
        });
        if !attachments.is_empty() {
            params["attachments"] = attachments.into();
        }
        let sent = self.owner()?.call::<SendAnswer>("chat.send", &params).await;
        if let Err(CallError::Refused(refusal)) = &sent {
            tracing::info!(turn = %self.turn.id, code = refusal.code, "turn.refused");
            if refusal.may_mean_the_key() {
                // What is refused under it once is refused under it for good. Another one is taken
                // only when the transcript does not have the turn.
                *may_be_known = true;
                if has_looked {
                    self.next_attempt();
                }
            }
        }
        let sent = sent?;
        if sent.status != "started" {
            return Ok(Sent::Known { ended: sent.status == "ok" });
        }
        self.started(connection).await;
        Ok(Sent::Started)
    }

    /// Who hands things over.
    fn owner(&self) -> Result<Arc<Connection>, Break> {
        self.link.owner().ok_or(Break::Lost)
    }

    fn next_attempt(&mut self) {
        self.attempt += 1;
        let key = key(self.turn.id, None, self.attempt);
        self.progress.resume(Some(&key), "", "");
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
            match self.look(connection).await? {
                Verdict::Idle | Verdict::Dropped if self.turn.abort.is_cancelled() => {
                    return Ok(Next::End(self.progress.stopped()));
                }
                Verdict::Dropped if Instant::now() > patience => {
                    self.next_attempt();
                    return Ok(Next::Send);
                }
                Verdict::Unknown => return Ok(Next::Send),
                Verdict::Ended(end) => {
                    self.started(connection).await;
                    let end = self.conclude(connection, end).await?;
                    return Ok(end.map_or(Next::Watch, Next::End));
                }
                Verdict::Running { run, before, text } => {
                    self.started(connection).await;
                    self.go_on(run.as_deref(), &before, &text).await;
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

    async fn go_on(&mut self, run: Option<&str>, before: &str, text: &str) {
        if let Some(event) = self.progress.resume(run, before, text) {
            self.turn.emit(event).await;
        }
    }

    /// What the transcript says.
    async fn look(&mut self, connection: &Connection) -> Result<Verdict, Break> {
        let mut history = self.history(connection, ROWS).await?;
        let mut account = judge(self.turn.id, &history);
        if account.verdict == Verdict::Unknown && history.messages.len() >= ROWS {
            history = self.history(connection, MORE_ROWS).await?;
            account = judge(self.turn.id, &history);
        }
        let Account { verdict, heard } = account;
        self.steering.heard(heard);
        Ok(verdict)
    }

    async fn history(&self, connection: &Connection, rows: usize) -> Result<History, Break> {
        let params = json!({"sessionKey": self.request.session, "limit": rows});
        Ok(connection.call("chat.history", &params).await?)
    }

    /// Passes the gateway's events on until a run of the turn ends or the connection does.
    async fn watch(&mut self, connection: &Connection) -> Result<TurnEventKind, Break> {
        loop {
            if self.progress.is_streaming() {
                self.say_more().await?;
            }
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => {
                    if let Some(kind) = self.take(&event) {
                        if kind.is_end() {
                            return Ok(kind);
                        }
                        self.turn.emit(kind).await;
                    }
                }
                () = self.turn.abort.cancelled() => return Ok(self.stop(connection).await),
                () = connection.closed.cancelled() => return Err(Break::Lost),
                () = self.turn.added.notified() => {}
                // An end that was missed is not missed for long.
                () = sleep(self.patience.look) => {
                    if let Ok(Verdict::Ended(end)) = self.look(connection).await {
                        return Ok(end);
                    }
                }
            }
        }
    }

    fn take(&mut self, event: &SessionEvent) -> Option<TurnEventKind> {
        let kind = self.progress.take(event)?;
        let is_old = matches!(&kind, TurnEventKind::Approval { id, .. } if self.turn.has_asked(id));
        (!is_old).then_some(kind)
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
    TurnEventKind::Error { code, message: message.into(), usage: Usage::default() }
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
