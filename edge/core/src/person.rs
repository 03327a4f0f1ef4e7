//! Whether a person may have turns: they may, unless they are retired for a time or being erased.

use zaki_envelope::{Timestamp, wire::ErrorCode};

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
}

impl Standing {
    /// Why they may have no turn, if so.
    pub const fn refusal(self) -> Option<ErrorCode> {
        match self {
            Self::Active => None,
            Self::Retired { .. } => Some(ErrorCode::Retired),
            Self::Erasing => Some(ErrorCode::Erased),
        }
    }

    /// After a retirement until then; `None`: too late.
    pub const fn retired(self, until: Timestamp) -> Option<Self> {
        match self {
            Self::Active | Self::Retired { .. } => Some(Self::Retired { until }),
            Self::Erasing => None,
        }
    }

    /// After a reinstatement; `None`: too late.
    pub const fn reinstated(self) -> Option<Self> {
        match self {
            Self::Active | Self::Retired { .. } => Some(Self::Active),
            Self::Erasing => None,
        }
    }

    /// Whether everything of theirs has to go, now or still.
    pub fn is_due(self, now: Timestamp) -> bool {
        match self {
            Self::Active => false,
            Self::Retired { until } => until <= now,
            Self::Erasing => true,
        }
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
    }
}
