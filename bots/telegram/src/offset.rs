//! Where polling goes on.

use std::fmt;
use std::str::FromStr;

use zaki_envelope::Timestamp;

/// Telegram keeps an update for a day. Later there is nothing behind an offset to be confirmed,
/// and it may hide what is new: after a week without updates their numbers start anywhere
/// (<https://core.telegram.org/bots/api#update>).
const LIFETIME_MS: i64 = 24 * 60 * 60 * 1000;

/// The number of the next update of one bot. Written as `<bot id>:<next>:<milliseconds>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offset {
    bot: i64,
    next: i64,
    /// When the last update came.
    at: Timestamp,
}

impl Offset {
    /// From the oldest update on that Telegram still has.
    pub(crate) fn oldest(bot: i64) -> Self {
        Self { bot, next: 0, at: Timestamp::default() }
    }

    /// A stored one; that of another bot, or none at all, is as good as [`Offset::oldest`].
    pub(crate) fn read(bot: i64, stored: Option<&str>) -> Self {
        let stored = stored.and_then(|stored| stored.parse().ok());
        stored.filter(|stored: &Self| stored.bot == bot).unwrap_or_else(|| Self::oldest(bot))
    }

    /// Behind the update of this number.
    pub(crate) fn behind(self, update: i64, at: Timestamp) -> Self {
        Self { next: update.saturating_add(1), at, ..self }
    }

    /// What to ask Telegram for.
    pub(crate) fn at(self, now: Timestamp) -> i64 {
        if now.since(self.at) < LIFETIME_MS { self.next } else { 0 }
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.bot, self.next, self.at.as_ms())
    }
}

impl FromStr for Offset {
    type Err = ();

    fn from_str(stored: &str) -> Result<Self, ()> {
        let mut numbers = stored.split(':').map(|number| number.parse().ok());
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Some(bot)), Some(Some(next)), Some(Some(at)), None) => {
                Ok(Self { bot, next, at: Timestamp::from_ms(at) })
            }
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

    #[test]
    fn an_offset_round_trips_and_belongs_to_its_bot() {
        let offset = Offset::oldest(42).behind(7, NOW);
        let stored = offset.to_string();
        assert_eq!(Offset::read(42, Some(&stored)), offset);
        assert_eq!(offset.at(NOW), 8);
        for other in [Some(stored.replace("42:", "43:")), Some("x".into()), Some("8".into()), None]
        {
            assert_eq!(Offset::read(42, other.as_deref()).at(NOW), 0, "{other:?}");
        }
    }

    #[test]
    fn an_offset_is_forgotten_before_telegram_counts_anew() {
        let offset = Offset::oldest(42).behind(7, NOW);
        assert_eq!(offset.at(NOW.plus_ms(LIFETIME_MS - 1)), 8);
        assert_eq!(offset.at(NOW.plus_ms(LIFETIME_MS)), 0);
    }
}
