//! What the edge keeps of a turn's events: who started it, what was steered into it, what it asks,
//! the text so far, and its end; and how readers follow one that is [under way](Progress).

mod progress;

use serde::{Deserialize, Serialize};
use zaki_envelope::{
    InboundId, Timestamp,
    wire::{ErrorCode, TurnEvent, TurnEventKind, TurnRequest, Usage},
};

pub use progress::{Cursor, Found, Progress, Reason};

use crate::person::Standing;

/// How long a turn's events can be read after its end, in milliseconds: 24 h.
pub const KEPT_MS: i64 = 24 * 3_600_000;
/// How long it is known that there was such a turn, so that it is never run again: 8 days, beyond
/// every platform's retry window.
pub const KNOWN_MS: i64 = 8 * 24 * 3_600_000;

/// Files that go with one answer; further ones stay in the sandbox.
const MOST_MADE: usize = 16;
/// Questions kept of one turn; the oldest of more has long been answered.
const MOST_ASKED: usize = 64;

/// Whether the events of a turn that ended at `ended` can still be read at `now`.
pub const fn is_kept(ended: Timestamp, now: Timestamp) -> bool {
    now.since(ended) < KEPT_MS
}

/// Why a turn may not begin, if so; `offers` says whether the edge has a model of that name.
pub fn bar(
    standing: Standing,
    request: &TurnRequest,
    offers: impl Fn(&str) -> bool,
) -> Option<ErrorCode> {
    let budget = &request.budget;
    standing.refusal().or_else(|| {
        if request.model.as_deref().is_some_and(|model| !offers(model)) {
            Some(ErrorCode::Model)
        } else if budget.tokens == Some(0) || budget.cost_micros == Some(0) {
            Some(ErrorCode::Budget)
        } else {
            None
        }
    })
}

/// Why a turn may not run, in words for the log.
pub const fn why(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Retired => "the person is retired",
        ErrorCode::Erased => "the person is being erased",
        ErrorCode::Budget => "nothing is left of the person's budget",
        ErrorCode::Model => "this edge does not offer the model",
        _ => "the turn may not run",
    }
}

/// The events of one turn, coalesced. The sandbox numbers them from 1 and nobody renumbers; what a
/// later reader misses are deltas whose text the coalesced one holds, and tool events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TurnLog {
    last_seq: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started: Option<TurnEvent>,
    /// The messages that became part of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    steered: Vec<TurnEvent>,
    /// The files the agent has made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    made: Vec<TurnEvent>,
    /// What the agent has asked, until the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    asked: Vec<TurnEvent>,
    /// Number of the last delta in `text`.
    #[serde(default)]
    text_seq: u64,
    #[serde(default)]
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<TurnEvent>,
}

impl TurnLog {
    /// Takes the next event; `false`: it is a repeat or follows the end, and goes to nobody.
    /// Events numbered 0 are the edge's own (waking): passed on, never kept.
    pub fn push(&mut self, event: &TurnEvent) -> bool {
        if self.end.is_some() {
            return false;
        }
        if event.seq == 0 {
            return !event.kind.is_end();
        }
        if event.seq <= self.last_seq {
            return false;
        }
        self.last_seq = event.seq;
        self.keep(event);
        true
    }

    fn keep(&mut self, event: &TurnEvent) {
        match &event.kind {
            TurnEventKind::Started { .. } => self.started = Some(event.clone()),
            TurnEventKind::Delta { text, replace } => {
                if *replace {
                    self.text.clear();
                }
                self.text.push_str(text);
                self.text_seq = event.seq;
            }
            TurnEventKind::Steered { .. } => self.steered.push(event.clone()),
            TurnEventKind::Media { .. } if self.made.len() < MOST_MADE => {
                self.made.push(event.clone());
            }
            TurnEventKind::Approval { .. } => {
                let surplus = (self.asked.len() + 1).saturating_sub(MOST_ASKED);
                self.asked.drain(..surplus);
                self.asked.push(event.clone());
            }
            kind if kind.is_end() => {
                self.text = String::new();
                self.asked.clear();
                self.end = Some(event.clone());
            }
            _ => {}
        }
    }

    /// Ends the turn from outside, as its next event; `None` when it has ended already.
    pub fn fail(&mut self, code: ErrorCode, message: &str, usage: Usage) -> Option<TurnEvent> {
        self.finish(TurnEventKind::Error { code, message: message.to_owned(), usage })
    }

    /// Ends it as aborted, with the text so far; `None` when it has ended already.
    pub fn abort(&mut self, usage: Usage) -> Option<TurnEvent> {
        let text = self.text.clone();
        self.finish(TurnEventKind::Final { text, usage, aborted: true })
    }

    fn finish(&mut self, kind: TurnEventKind) -> Option<TurnEvent> {
        let seq = self.last_seq.saturating_add(1);
        let event = TurnEvent { seq, kind };
        self.push(&event).then_some(event)
    }

    /// What a reader who has everything up to `seq` still needs, in order.
    pub fn after(&self, seq: u64) -> Vec<TurnEvent> {
        let text = (self.text_seq > 0 && self.end.is_none()).then(|| TurnEvent {
            seq: self.text_seq,
            kind: TurnEventKind::Delta { text: self.text.clone(), replace: true },
        });
        let told = self.steered.iter().chain(&self.made).chain(&self.asked).cloned();
        let kept = self.started.clone().into_iter().chain(told).chain(text);
        let mut kept: Vec<_> =
            kept.chain(self.end.clone()).filter(|event| event.seq > seq).collect();
        kept.sort_by_key(|event| event.seq);
        kept
    }

    /// Whether the message has become part of the turn.
    pub fn has(&self, steer: InboundId) -> bool {
        let is_it = |event: &TurnEvent| event.kind == TurnEventKind::Steered { steer };
        self.steered.iter().any(is_it)
    }

    /// Whether the agent waits for an answer to this.
    pub fn has_asked(&self, approval: &str) -> bool {
        self.asked.iter().any(|event| asks(event, approval))
    }

    /// The agent has its answer to this.
    pub fn answered(&mut self, approval: &str) {
        self.asked.retain(|event| !asks(event, approval));
    }

    /// Number of the last event taken; 0: none.
    pub const fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// `Final` or `Error`, once it has come.
    pub const fn end(&self) -> Option<&TurnEvent> {
        self.end.as_ref()
    }
}

/// Whether the event asks this.
pub fn asks(event: &TurnEvent, approval: &str) -> bool {
    matches!(&event.kind, TurnEventKind::Approval { id, .. } if id == approval)
}

/// The end of a turn as its readers are told it: with what was metered, where something was, and
/// with the edge's own reason, where it has one.
#[must_use]
pub fn settled(
    end: TurnEventKind,
    used: Usage,
    reason: Option<(ErrorCode, &str)>,
) -> TurnEventKind {
    let metered = |told: Usage| if used.is_nothing() { told } else { used };
    match (end, reason) {
        (TurnEventKind::Final { usage, .. } | TurnEventKind::Error { usage, .. }, Some(reason)) => {
            let (code, message) = (reason.0, reason.1.to_owned());
            TurnEventKind::Error { code, message, usage: metered(usage) }
        }
        (TurnEventKind::Final { text, usage, aborted }, None) => {
            TurnEventKind::Final { text, usage: metered(usage), aborted }
        }
        (TurnEventKind::Error { code, message, usage }, None) => {
            TurnEventKind::Error { code, message, usage: metered(usage) }
        }
        (other, _) => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zaki_envelope::wire::{AgentInfo, Budget, Decision, Origin, WakeStage};
    use zaki_envelope::{ChannelKind, ConversationKind, Part, SandboxKind, SessionKey, TurnId};

    use super::*;

    fn event(seq: u64, kind: TurnEventKind) -> TurnEvent {
        TurnEvent { seq, kind }
    }

    fn started(seq: u64) -> TurnEvent {
        let agent = AgentInfo { name: "openclaw".into(), version: "1".into() };
        event(seq, TurnEventKind::Started { agent })
    }

    fn delta(seq: u64, text: &str, replace: bool) -> TurnEvent {
        let text = text.to_owned();
        event(seq, TurnEventKind::Delta { text, replace })
    }

    fn done(seq: u64, text: &str) -> TurnEvent {
        let kind =
            TurnEventKind::Final { text: text.into(), usage: Usage::default(), aborted: false };
        event(seq, kind)
    }

    fn log(events: &[TurnEvent]) -> TurnLog {
        let mut log = TurnLog::default();
        for event in events {
            log.push(event);
        }
        log
    }

    #[test]
    fn a_late_reader_gets_the_text_at_once() {
        let tool = event(3, TurnEventKind::Tool { name: "x".into(), phase: "start".into() });
        let log = log(&[started(1), delta(2, "a", false), tool, delta(4, "b", false)]);
        assert_eq!(log.after(0), [started(1), delta(4, "ab", true)]);
        assert_eq!(log.after(2), [delta(4, "ab", true)]);
        assert_eq!(log.after(4), []);
        assert_eq!(log.last_seq(), 4);
    }

    #[test]
    fn a_replacing_delta_voids_the_text_before_it() {
        let log = log(&[delta(1, "wrong", false), delta(2, "r", true), delta(3, "ight", false)]);
        assert_eq!(log.after(0), [delta(3, "right", true)]);
    }

    #[test]
    fn after_the_end_only_start_and_end_are_kept() {
        let mut log = log(&[started(1), delta(2, "a", false), done(3, "ab")]);
        assert_eq!(log.after(0), [started(1), done(3, "ab")]);
        assert_eq!(log.end(), Some(&done(3, "ab")));
        assert!(!log.push(&delta(4, "late", false)));
        assert_eq!(log.fail(ErrorCode::Timeout, "late", Usage::default()), None);
        assert_eq!(log.abort(Usage::default()), None);
        assert_eq!(log.after(3), []);
    }

    #[test]
    fn an_end_made_here_takes_the_next_number() {
        let mut failed = log(&[started(1), delta(2, "a", false)]);
        let end = failed.fail(ErrorCode::Sandbox, "it went away", Usage::default()).unwrap();
        assert_eq!(end.seq, 3);
        let mut never = TurnLog::default();
        assert_eq!(never.fail(ErrorCode::Sandbox, "x", Usage::default()).unwrap().seq, 1);
        let mut stopped = log(&[delta(1, "half", false)]);
        let end = stopped.abort(Usage::default()).unwrap();
        assert!(
            matches!(end.kind, TurnEventKind::Final { ref text, aborted: true, .. } if text == "half")
        );
    }

    #[test]
    fn what_was_steered_in_is_kept_in_its_place() {
        let steer = InboundId::from_parts(Timestamp::from_ms(1), 1);
        let steered = event(3, TurnEventKind::Steered { steer });
        let mut log = log(&[started(1), delta(2, "a", false), steered.clone()]);
        assert_eq!(log.after(0), [started(1), delta(2, "a", true), steered.clone()]);
        log.push(&delta(4, "b", false));
        assert_eq!(log.after(1), [steered.clone(), delta(4, "ab", true)]);
        log.push(&done(5, "ab"));
        assert_eq!(log.after(0), [started(1), steered, done(5, "ab")]);
        assert!(log.has(steer) && !log.has(InboundId::from_parts(Timestamp::from_ms(1), 2)));
    }

    #[test]
    fn files_stay_with_the_answer_as_long_as_it_is_kept() {
        let file = |seq: u64| {
            let (sha256, mime, name) = (format!("{seq:064}"), "image/png".into(), "p.png".into());
            event(seq, TurnEventKind::Media { sha256, mime, name, size: Some(3) })
        };
        let log = log(&[started(1), file(2), delta(3, "a", false), file(4), done(5, "a")]);
        assert_eq!(log.after(0), [started(1), file(2), file(4), done(5, "a")]);
        assert_eq!(log.after(2), [file(4), done(5, "a")]);
    }

    fn question(seq: u64) -> TurnEvent {
        let decisions = vec![Decision::AllowOnce, Decision::Deny];
        let (id, command) = (format!("a{seq}"), "ls".to_owned());
        event(seq, TurnEventKind::Approval { id, command, decisions, expires_at: None })
    }

    #[test]
    fn what_the_agent_asks_is_kept_until_the_end() {
        let mut log = log(&[started(1), question(2), delta(3, "a", false)]);
        assert_eq!(log.after(1), [question(2), delta(3, "a", true)]);
        assert!(log.has_asked("a2") && !log.has_asked("a"));
        for seq in 4..100 {
            log.push(&question(seq));
        }
        assert!(!log.has_asked("a2") && log.has_asked("a99"));
        log.answered("a98");
        assert!(!log.has_asked("a98") && log.has_asked("a97") && log.has_asked("a99"));
        log.push(&done(100, "a"));
        assert!(!log.has_asked("a99"));
        assert_eq!(log.after(1), [done(100, "a")]);
    }

    #[test]
    fn an_end_tells_what_was_metered_and_the_edges_own_reason() {
        let used = Usage { input_tokens: 5, output_tokens: 7, cost_micros: 9 };
        let told = Usage { output_tokens: 3, ..Usage::default() };
        let end = |usage| TurnEventKind::Final { text: "x".into(), usage, aborted: false };
        assert_eq!(settled(end(told), used, None), end(used));
        assert_eq!(settled(end(told), Usage::default(), None), end(told), "nothing was metered");
        let (code, message) = (ErrorCode::Budget, "spent".to_owned());
        let spent = TurnEventKind::Error { code, message, usage: used };
        assert_eq!(settled(end(told), used, Some((code, "spent"))), spent);
        let failed = |usage| {
            let (code, message) = (ErrorCode::Agent, "m".to_owned());
            TurnEventKind::Error { code, message, usage }
        };
        assert_eq!(settled(failed(told), used, None), failed(used));
        assert_eq!(settled(failed(told), used, Some((code, "spent"))), spent);
        let piece = delta(1, "a", false).kind;
        assert_eq!(settled(piece.clone(), used, Some((code, "spent"))), piece);
    }

    #[test]
    fn who_left_what_is_not_offered_and_what_is_spent_bars_a_turn() {
        let request = TurnRequest {
            turn: TurnId::from_parts(Timestamp::from_ms(1), 1),
            sandbox: SandboxKind::Personal,
            session: SessionKey::direct(1),
            parts: vec![Part::text("x")],
            origin: Origin::new(ChannelKind::Slack, ConversationKind::Direct),
            budget: Budget::default(),
            model: None,
            trace: None,
        };
        let bar = |standing, request: &TurnRequest| super::bar(standing, request, |m| m == "dear");
        assert_eq!(bar(Standing::Active, &request), None);
        let dear = TurnRequest { model: Some("dear".into()), ..request.clone() };
        assert_eq!(bar(Standing::Active, &dear), None);
        let unknown = TurnRequest { model: Some("other".into()), ..request.clone() };
        assert_eq!(bar(Standing::Active, &unknown), Some(ErrorCode::Model));
        for (tokens, cost_micros) in [(Some(0), None), (Some(5), Some(0))] {
            let budget = Budget { tokens, cost_micros, ..Budget::default() };
            let spent = TurnRequest { budget, ..request.clone() };
            assert_eq!(bar(Standing::Active, &spent), Some(ErrorCode::Budget));
        }
        let left = Budget { tokens: Some(1), cost_micros: Some(1), ..Budget::default() };
        assert_eq!(bar(Standing::Active, &TurnRequest { budget: left, ..request.clone() }), None);
        assert_eq!(bar(Standing::Erasing, &unknown), Some(ErrorCode::Erased));
    }

    #[test]
    fn waking_is_passed_on_and_not_kept() {
        let mut log = TurnLog::default();
        let waking = event(0, TurnEventKind::Waking { stage: WakeStage::Queued, ahead: None });
        assert!(log.push(&waking) && log.push(&waking));
        assert_eq!(log.after(0), []);
        assert!(!log.push(&done(0, "an end needs a number")));
        assert!(log.end().is_none());
    }

    #[test]
    fn events_are_kept_for_a_day() {
        let ended = Timestamp::from_ms(5);
        assert!(is_kept(ended, ended.plus_ms(KEPT_MS - 1)));
        assert!(!is_kept(ended, ended.plus_ms(KEPT_MS)));
    }

    proptest! {
        /// Reading live, and losing the stream at any point and resuming, end in the same text.
        #[test]
        fn resuming_anywhere_shows_the_same_text(
            pieces in prop::collection::vec(("[a-c]{0,3}", any::<bool>()), 0..8),
            cut in 0_usize..10,
        ) {
            let mut events = vec![started(1)];
            for (n, (text, replace)) in pieces.iter().enumerate() {
                events.push(delta(n as u64 + 2, text, *replace));
            }
            let cut = cut.min(events.len());
            let mut log = TurnLog::default();
            let mut reader = TurnLog::default();
            for (n, event) in events.iter().enumerate() {
                prop_assert!(log.push(event));
                prop_assert!(!log.push(event), "a repeat goes to nobody");
                if n < cut {
                    reader.push(event);
                }
            }
            for event in log.after(reader.last_seq()) {
                prop_assert!(reader.push(&event));
            }
            prop_assert_eq!(reader.text, log.text.clone());
            let stored = serde_json::to_string(&log).unwrap();
            prop_assert_eq!(serde_json::from_str::<TurnLog>(&stored).unwrap(), log);
        }
    }
}
