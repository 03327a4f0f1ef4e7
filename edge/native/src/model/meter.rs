//! What one model call uses, counted as its answer passes.
//!
//! In memory it counts before the sandbox has the bytes that tell it, so that the end of a turn
//! finds it; in the store once the call is over.

use std::sync::Arc;

use zaki_edge_core::meter::{Price, Reader, Tokens};
use zaki_envelope::{SandboxName, ZakiUserId, wire::Usage};

use super::Seat;
use crate::{clock, shared::Shared, turn::Turn};

/// The meter of one call. What it has when it is dropped is counted for good.
pub(super) struct Meter {
    shared: Arc<Shared>,
    sandbox: SandboxName,
    turn: Option<Arc<Turn>>,
    /// Of the request, in bytes.
    size: usize,
    price: Price,
    stage: Stage,
    /// As much of it is in the accounts.
    counted: Usage,
    /// As much of it no turn tells.
    unasked: Usage,
    /// As long as it goes on.
    _seat: Option<Seat>,
}

/// How far the call has come.
enum Stage {
    /// Nobody does it.
    Idle,
    /// A provider has it. Whoever leaves now has it paid for all the same.
    Asked,
    /// Its answer passes.
    Answered(Reader),
}

impl Meter {
    pub(super) fn new(
        shared: Arc<Shared>,
        sandbox: SandboxName,
        turn: Option<Arc<Turn>>,
        size: usize,
        seat: Option<Seat>,
    ) -> Self {
        Self {
            shared,
            sandbox,
            turn,
            size,
            price: Price::default(),
            stage: Stage::Idle,
            counted: Usage::default(),
            unasked: Usage::default(),
            _seat: seat,
        }
    }

    /// Whose calls they are.
    pub(super) fn user(&self) -> ZakiUserId {
        self.sandbox.user()
    }

    /// A provider is asked, whose price is this.
    pub(super) fn asks(&mut self, price: Price) {
        self.price = price;
        self.stage = Stage::Asked;
    }

    /// It does not do it.
    pub(super) fn is_let_down(&mut self) {
        self.stage = Stage::Idle;
    }

    /// It does it. What passes tells what it uses.
    pub(super) fn is_answered(&mut self) {
        self.stage = Stage::Answered(Reader::default());
    }

    /// The call uses this, at this price.
    pub(super) fn used(&mut self, tokens: Tokens, price: Price) {
        self.price = price;
        self.told(tokens);
    }

    fn told(&mut self, tokens: Tokens) {
        let all = tokens.usage(&self.price);
        let more = Usage {
            input_tokens: all.input_tokens.saturating_sub(self.counted.input_tokens),
            output_tokens: all.output_tokens.saturating_sub(self.counted.output_tokens),
            cost_micros: all.cost_micros.saturating_sub(self.counted.cost_micros),
        };
        self.counted += more;
        self.shared.accounts.spend(self.sandbox.user(), more);
        if !self.turn.as_ref().is_some_and(|turn| turn.spend(more)) {
            self.unasked += more;
        }
    }

    /// A piece of the answer is about to pass.
    pub(super) fn passed(&mut self, bytes: &[u8]) {
        if let Stage::Answered(reader) = &mut self.stage
            && let Some(tokens) = reader.passed(bytes)
        {
            self.told(tokens);
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        match &self.stage {
            Stage::Idle => {}
            Stage::Asked => self.told(Reader::default().ended(self.size)),
            Stage::Answered(reader) => self.told(reader.ended(self.size)),
        }
        let (state, sandbox) = (self.shared.state.clone(), self.sandbox.clone());
        let turn = self.turn.as_ref().map(|turn| turn.id());
        let (used, unasked) = (self.counted, self.unasked);
        self.shared.tasks.spawn(async move {
            if let Err(error) = state.count(sandbox, turn, used, unasked, clock::now()).await {
                tracing::warn!(%error, "usage.not_counted");
            }
        });
    }
}
