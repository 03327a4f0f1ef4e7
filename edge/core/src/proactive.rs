//! What becomes of what an agent has said without being asked, once a hub was told of it.

use zaki_envelope::{Timestamp, wire::proactive::Taken};

/// While nobody may write to somebody, in milliseconds. They may as soon as they write.
const LATER_MS: i64 = 5 * 60_000;
/// After a hub has refused to hear it, in milliseconds: it may be of an older release.
const REFUSED_MS: i64 = 60_000;
/// So old it is of no use to anybody, in milliseconds.
const STALE_MS: i64 = 7 * 86_400_000;

/// What the hub said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// What becomes of it there.
    Taken(Taken),
    /// It does not take such a call.
    Refused,
    /// Nothing, or that it is busy; so often in a row.
    Nothing(u32),
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It need not be held any longer.
    Over,
    /// It is told again then.
    Again(Timestamp),
}

/// Decides about one that is held since `kept_at`.
pub fn fate(heard: Heard, kept_at: Timestamp, now: Timestamp) -> Fate {
    let is_stale = now.since(kept_at) > STALE_MS;
    match heard {
        Heard::Taken(Taken::Kept | Taken::Refused) => Fate::Over,
        Heard::Taken(Taken::Later) | Heard::Refused if is_stale => Fate::Over,
        Heard::Taken(Taken::Later) => Fate::Again(now.plus_ms(LATER_MS)),
        Heard::Refused => Fate::Again(now.plus_ms(REFUSED_MS)),
        Heard::Nothing(times) => Fate::Again(now.plus_ms(1_000 << times.min(5))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_held_until_a_hub_has_it_or_nobody_wants_it() {
        let (now, old) = (Timestamp::from_ms(STALE_MS + 10), Timestamp::from_ms(1));
        for taken in [Taken::Kept, Taken::Refused] {
            assert_eq!(fate(Heard::Taken(taken), now, now), Fate::Over);
        }
        for heard in [Heard::Taken(Taken::Later), Heard::Refused] {
            assert!(matches!(fate(heard, now, now), Fate::Again(at) if at > now));
            assert_eq!(fate(heard, old, now), Fate::Over);
        }
        let silent = |times| fate(Heard::Nothing(times), old, now);
        assert_eq!(silent(0), Fate::Again(now.plus_ms(1_000)), "a hub that is away loses nothing");
        assert_eq!(silent(99), Fate::Again(now.plus_ms(32_000)));
    }
}
