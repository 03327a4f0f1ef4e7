//! Which steered messages of a turn the gateway has been told, under which key: pure.

use std::collections::{BTreeMap, BTreeSet};

use zaki_envelope::{InboundId, wire::SteerRequest};

use crate::turn::Turn;

/// Keys tried for one message before it counts as refused.
const MOST_ATTEMPTS: u32 = 8;

/// What has been told so far.
#[derive(Debug)]
pub(crate) struct Steering {
    attempts: BTreeMap<InboundId, Attempt>,
    /// In the transcript.
    heard: BTreeSet<InboundId>,
    /// How many messages, counted from the first, the turn's end knows of.
    answered: usize,
}

#[derive(Debug)]
struct Attempt {
    /// Of the key, from 1.
    number: u32,
    /// Which gateway was told; `None`: none, or it may not have heard.
    gateway: Option<u64>,
}

impl Steering {
    /// Of a turn that may have been run before: what it has by now may have been told to a gateway
    /// that is dead.
    pub(crate) fn new(turn: &Turn) -> Self {
        let attempt = |said: &SteerRequest| (said.steer, Attempt { number: 2, gateway: None });
        let attempts = turn.steered().iter().map(attempt).collect();
        Self { attempts, heard: BTreeSet::new(), answered: 0 }
    }

    /// These are in the transcript.
    pub(crate) fn heard(&mut self, heard: BTreeSet<InboundId>) {
        self.heard = heard;
    }

    /// Whether all of them are in the transcript.
    pub(crate) fn has_heard(&self, steered: &[SteerRequest]) -> bool {
        steered.iter().all(|said| self.heard.contains(&said.steer))
    }

    /// Those the gateway does not know of yet.
    pub(crate) fn unsaid(&self, steered: &[SteerRequest], gateway: u64) -> Vec<SteerRequest> {
        let told = |steer: InboundId| self.attempts.get(&steer).and_then(|told| told.gateway);
        let is_unsaid = |said: &&SteerRequest| {
            !self.heard.contains(&said.steer) && told(said.steer) != Some(gateway)
        };
        steered.iter().filter(is_unsaid).cloned().collect()
    }

    /// The gateway is about to be told; returns the attempt. `None`: it has been tried enough.
    pub(crate) fn begin(&mut self, steer: InboundId, gateway: u64) -> Option<u32> {
        let first = Attempt { number: 1, gateway: None };
        let attempt = self.attempts.entry(steer).or_insert(first);
        if attempt.gateway.is_some_and(|told| told != gateway) {
            attempt.number += 1;
        }
        attempt.gateway = Some(gateway);
        (attempt.number <= MOST_ATTEMPTS).then_some(attempt.number)
    }

    /// The gateway takes the message under another key only.
    pub(crate) fn key_is_spent(&mut self, steer: InboundId) {
        if let Some(attempt) = self.attempts.get_mut(&steer) {
            attempt.number += 1;
            attempt.gateway = None;
        }
    }

    /// The gateway may not have heard; the same key may be used again.
    pub(crate) fn not_sent(&mut self, steer: InboundId) {
        if let Some(attempt) = self.attempts.get_mut(&steer) {
            attempt.gateway = None;
        }
    }

    /// What is not in the transcript by now has got lost, and needs new keys.
    pub(crate) fn forget_sent(&mut self) {
        for (steer, attempt) in &mut self.attempts {
            if !self.heard.contains(steer) && attempt.gateway.take().is_some() {
                attempt.number += 1;
            }
        }
    }

    /// What has been told, with its attempt.
    pub(crate) fn sent(&self) -> impl Iterator<Item = (InboundId, u32)> {
        let told = self.attempts.iter().filter(|(_, attempt)| attempt.gateway.is_some());
        told.map(|(steer, attempt)| (*steer, attempt.number))
    }

    pub(crate) fn set_answered(&mut self, messages: usize) {
        self.answered = messages;
    }

    pub(crate) const fn answered(&self) -> usize {
        self.answered
    }
}
