//! Pieces of one thing that a platform brings as several messages, with no sign of the last.

use std::time::Duration;

use zaki_envelope::{ChannelKind, Inbound, Part};

/// How long a next piece may take. Telegram's albums arrive within a few milliseconds of each
/// other, its split texts within about a hundred.
const QUIET: Duration = Duration::from_millis(500);
/// How long a lane waits for pieces in all.
const LONGEST: Duration = Duration::from_secs(2);
/// Telegram's clients cut a text at 4,096 UTF-16 units, or at a word's end shortly before.
/// The other platforms' clients refuse what is too long or make a file of it.
const NEARLY_CUT: usize = 4_000;

/// The pieces that have come last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gather {
    first: Duration,
    last: Duration,
}

impl Gather {
    /// Goes on with `message`; none when it needs no next one.
    pub(super) fn with(so_far: Option<Self>, message: &Inbound, now: Duration) -> Option<Self> {
        let first = so_far.map_or(now, |gather| gather.first);
        (message.group.is_some() || is_cut(message)).then_some(Self { first, last: now })
    }

    /// When the wait is over.
    pub(super) fn until(self) -> Duration {
        (self.last + QUIET).min(self.first + LONGEST)
    }
}

/// Whether a text is so long that the rest of it may follow.
fn is_cut(message: &Inbound) -> bool {
    let units = |part: &Part| match part {
        // Bytes are never fewer than units, so short texts are not counted.
        Part::Text { text, .. } if text.len() >= NEARLY_CUT => text.encode_utf16().count(),
        _ => 0,
    };
    let longest = message.parts.iter().map(units).max().unwrap_or_default();
    message.channel == ChannelKind::Telegram && longest >= NEARLY_CUT
}
