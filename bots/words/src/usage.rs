//! `/usage`.

use zaki_envelope::Timestamp;

use crate::{Say, Voice, bullets, number::money, paragraphs, when};

/// How much of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// So far.
    pub used: u64,
    /// At most; 0 for no limit.
    pub limit: u64,
}

/// What was used in a day or a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Messages.
    pub messages: Used,
    /// Tokens, read and written.
    pub tokens: Used,
    /// Millionths of a dollar.
    pub cost_micros: Used,
    /// When it starts over.
    pub resets_at: Timestamp,
}

/// What a person has used, and what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Today, in UTC.
    pub day: Period,
    /// This month, in UTC.
    pub month: Period,
    /// When this is said.
    pub now: Timestamp,
}

impl Say for Usage {
    fn say(&self, voice: Voice) -> String {
        let part = |key, period: &Period| {
            let when = when::reset(period.resets_at, self.now, voice);
            [voice.phrase(key).text("when", when).said(), bullets(amounts(period, voice))]
        };
        let day = part("usage-day", &self.day);
        paragraphs(day.into_iter().chain(part("usage-month", &self.month)))
    }
}

fn amounts(period: &Period, voice: Voice) -> [String; 3] {
    let counted = |key, key_of, Used { used, limit }| match limit {
        0 => voice.phrase(key).number("used", used).said(),
        _ => voice.phrase(key_of).number("used", used).number("limit", limit).said(),
    };
    let Used { used, limit } = period.cost_micros;
    let cost = money(used, voice);
    [
        counted("usage-messages", "usage-messages-of", period.messages),
        counted("usage-tokens", "usage-tokens-of", period.tokens),
        if limit == 0 {
            voice.phrase("usage-cost").text("used", cost).said()
        } else {
            let phrase = voice.phrase("usage-cost-of").text("used", cost);
            phrase.text("limit", money(limit, voice)).said()
        },
    ]
}
