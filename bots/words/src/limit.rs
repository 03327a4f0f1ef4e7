//! Near a limit, and at it.

use zaki_envelope::Timestamp;

use crate::{Say, Voice, number::money, when};

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Messages in a minute.
    MessagesPerMinute,
    /// Messages in a day.
    MessagesPerDay,
    /// Tokens in a day.
    TokensPerDay,
    /// Tokens in a month.
    TokensPerMonth,
    /// Millionths of a dollar in a day.
    CostPerDay,
    /// Millionths of a dollar in a month.
    CostPerMonth,
}

/// What is said of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// It is not far.
    Near {
        /// Of what.
        what: What,
        /// How much is left, in the unit of `what`.
        left: u64,
        /// When it starts over.
        resets_at: Timestamp,
        /// When this is said.
        now: Timestamp,
    },
    /// It is reached, so a message is not taken.
    Over {
        /// Of what.
        what: What,
        /// When it starts over.
        resets_at: Timestamp,
        /// When this is said.
        now: Timestamp,
    },
    /// More commands than are carried out in a minute.
    Commands {
        /// When the next one is.
        resets_at: Timestamp,
        /// When this is said.
        now: Timestamp,
    },
    /// A limit of whoever lends a group their assistant is reached, which is for nobody else to
    /// know more about.
    Host {
        /// When it starts over.
        resets_at: Timestamp,
        /// When this is said.
        now: Timestamp,
    },
}

impl Say for Limit {
    fn say(&self, voice: Voice) -> String {
        match *self {
            Self::Near { what, left, resets_at, now } => {
                let when = when::reset(resets_at, now, voice);
                near(what, left, when, voice)
            }
            Self::Over { what, resets_at, now } => until(over(what), resets_at, now, voice),
            Self::Commands { resets_at, now } => {
                until("over-commands-minute", resets_at, now, voice)
            }
            Self::Host { resets_at, now } => until("over-host", resets_at, now, voice),
        }
    }
}

fn until(key: &'static str, resets_at: Timestamp, now: Timestamp, voice: Voice) -> String {
    voice.phrase(key).text("when", when::reset(resets_at, now, voice)).said()
}

fn near(what: What, left: u64, when: String, voice: Voice) -> String {
    let counted = |key| voice.phrase(key).number("left", left);
    let paid = |key| voice.phrase(key).text("left", money(left, voice));
    let phrase = match what {
        What::MessagesPerMinute => return voice.text("near-messages-minute"),
        What::MessagesPerDay => counted("near-messages-day"),
        What::TokensPerDay => counted("near-tokens-day"),
        What::TokensPerMonth => counted("near-tokens-month"),
        What::CostPerDay => paid("near-cost-day"),
        What::CostPerMonth => paid("near-cost-month"),
    };
    phrase.text("when", when).said()
}

const fn over(what: What) -> &'static str {
    match what {
        What::MessagesPerMinute => "over-messages-minute",
        What::MessagesPerDay => "over-messages-day",
        What::TokensPerDay => "over-tokens-day",
        What::TokensPerMonth => "over-tokens-month",
        What::CostPerDay => "over-cost-day",
        What::CostPerMonth => "over-cost-month",
    }
}
