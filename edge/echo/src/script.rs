//! What a turn is told to do.

use std::time::Duration;

use zaki_envelope::plain_text;
use zaki_envelope::wire::{ErrorCode, TurnEventKind, TurnRequest, Usage};

use crate::{Echo, echo, slow_words, status};

/// One turn's.
pub(crate) struct Script {
    text: String,
    /// Who it says it is.
    pub(crate) who: Option<String>,
    pub(crate) words: Vec<String>,
    pub(crate) pause: Duration,
    /// What it asks for first, and under which id.
    pub(crate) asks: Option<(String, String)>,
    /// The files it makes.
    pub(crate) back: Vec<TurnEventKind>,
    pub(crate) usage: Usage,
}

impl Script {
    pub(crate) fn read(request: &TurnRequest, echo: &Echo) -> Self {
        let text = plain_text(&request.parts);
        let says = |it: &str| text.split_whitespace().any(|word| word == it);
        let who = says("WHO").then(|| echo.who(request));
        let back = if says("BACK") { echo.back(request) } else { Vec::new() };
        let (words, pause) = slow_words(&text).unwrap_or_default();
        let asks = text.split_once("ASK:").map(|(_, command)| {
            let command = command.lines().next().unwrap_or_default();
            (format!("echo-{}", request.turn), command.trim().to_owned())
        });
        let usage = usage(&text).unwrap_or_default();
        Self { text, who, words, pause, asks, back, usage }
    }

    /// It is over at once.
    pub(crate) fn is_quick(&self) -> bool {
        self.words.is_empty() && self.asks.is_none()
    }

    /// The end of a turn that does nothing else.
    pub(crate) fn end(&self) -> TurnEventKind {
        if status(&self.text).is_some() {
            let (code, message) = (ErrorCode::Agent, "told to fail".to_owned());
            return TurnEventKind::Error { code, message, usage: self.usage };
        }
        let text = echo(&self.text) + self.who.as_deref().unwrap_or_default();
        TurnEventKind::Final { text, usage: self.usage, aborted: false }
    }
}

fn usage(text: &str) -> Option<Usage> {
    let (_, numbers) = text.split_once("USE:")?;
    let mut numbers = numbers.split_whitespace().next()?.split('x').map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some(Usage { input_tokens: next()?, output_tokens: next()?, cost_micros: next()? })
}
