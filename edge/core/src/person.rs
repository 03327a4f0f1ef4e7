//! Whether a person may have turns: they may, unless they are retired for a time, being erased, or
//! were erased a moment ago.

use zaki_envelope::{Timestamp, wire::ErrorCode};

/// How long it is known that somebody was erased, in milliseconds: what was on its way to them
/// must not make them anew. Ids are never given twice, so nobody else is meant.
const REMEMBERED_MS: i64 = 3_600_000;

/// Where a person stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// As everybody.
    #[default]
    Active,
    /// Everything of theirs is stopped and kept.
    Retired {
        /// Until then; afterwards they are erased.
        until: Timestamp,
    },
    /// Everything of theirs is being removed. There is no way back.
    Erasing,
    /// Nothing is left of them. Known in memory alone, and not for long.
    Erased {
        /// Since then.
        at: Timestamp,
    },
}

impl Standing {
    /// Why they may have no turn, if so.
    pub const fn refusal(self) -> Option<ErrorCode> {
        match self {
            Self::Active => None,
            Self::Retired { .. } => Some(ErrorCode::Retired),
            Self::Erasing | Self::Erased { .. } => Some(ErrorCode::Erased),
        }
    }

    /// After a retirement until then; `None`: too late.
    pub const fn retired(self, until: Timestamp) -> Option<Self> {
        match self {
            Self::Active | Self::Retired { .. } => Some(Self::Retired { until }),
            Self::Erasing | Self::Erased { .. } => None,
        }
    }

    /// After a reinstatement; `None`: too late.
    pub const fn reinstated(self) -> Option<Self> {
        match self {
            Self::Active | Self::Retired { .. } => Some(Self::Active),
            Self::Erasing | Self::Erased { .. } => None,
        }
    }

    /// Whether everything of theirs has to go, now or still.
    pub fn is_due(self, now: Timestamp) -> bool {
        match self {
            Self::Active | Self::Erased { .. } => false,
            Self::Retired { until } => until <= now,
            Self::Erasing => true,
        }
    }

    /// Whether it need not be remembered any more.
    pub fn is_over(self, now: Timestamp) -> bool {
        matches!(self, Self::Erased { at } if now.since(at) >= REMEMBERED_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_retired_comes_back_in_time_and_who_is_being_erased_never() {
        let until = Timestamp::from_ms(5);
        let retired = Standing::Active.retired(until).unwrap();
        assert_eq!(retired.refusal(), Some(ErrorCode::Retired));
        assert_eq!(retired.reinstated(), Some(Standing::Active));
        assert!(!retired.is_due(Timestamp::from_ms(4)) && retired.is_due(until));
        let longer = Standing::Retired { until: Timestamp::from_ms(9) };
        assert_eq!(retired.retired(Timestamp::from_ms(9)), Some(longer));

        assert_eq!(Standing::Active.refusal(), None);
        assert!(!Standing::Active.is_due(until));
        assert_eq!(Standing::Erasing.refusal(), Some(ErrorCode::Erased));
        assert_eq!(
            (Standing::Erasing.retired(until), Standing::Erasing.reinstated()),
            (None, None)
        );
        assert!(Standing::Erasing.is_due(Timestamp::from_ms(i64::MIN)));
        assert!(!Standing::Erasing.is_over(Timestamp::from_ms(i64::MAX)));
    }

    #[test]
    fn who_was_erased_is_not_made_anew_by_what_was_on_its_way() {
        let at = Timestamp::from_ms(5);
        let erased = Standing::Erased { at };
        assert_eq!(erased.refusal(), Some(ErrorCode::Erased));
        assert_eq!((erased.retired(at), erased.reinstated()), (None, None));
        assert!(!erased.is_due(at.plus_ms(REMEMBERED_MS)));
        assert!(!erased.is_over(at.plus_ms(REMEMBERED_MS - 1)));
        assert!(erased.is_over(at.plus_ms(REMEMBERED_MS)));
    }
}
