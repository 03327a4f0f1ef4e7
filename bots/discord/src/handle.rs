//! The right to answer an interaction: made when it arrives, used when an answer leaves.
//! <https://discord.com/developers/docs/interactions/receiving-and-responding#followup-messages>

use zaki_envelope::{ReplyHandle, Timestamp};

/// A token lives 15 minutes; the last seconds are not worth a try.
const LIFETIME_MS: i64 = (15 * 60 - 10) * 1000;
/// Follow-ups that are always allowed, even where the application is installed by a person and
/// not in the server (error 40094 beyond).
const FOLLOW_UPS: u32 = 5;
/// For so long a token may be unknown because our first answer is still on its way.
const SETTLING_MS: i64 = 5000;

/// What a first answer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// It takes the place of "thinking…" (commands, answered with a deferred message).
    FillsIn,
    /// It is a message like those after it (buttons: the original is the message they are on).
    Follows,
}

/// A handle for an interaction of `application` with this `token`.
pub(crate) fn issue(application: &str, token: &str, first: First, now: Timestamp) -> ReplyHandle {
    ReplyHandle {
        secret: format!("{application}/{token}"),
        expires_at: now.plus_ms(LIFETIME_MS),
        uses_left: match first {
            First::FillsIn => 1 + FOLLOW_UPS,
            First::Follows => FOLLOW_UPS,
        },
    }
}

/// A handle, read for use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Live<'a> {
    pub(crate) application: &'a str,
    pub(crate) token: &'a str,
    /// What the answer at hand does.
    pub(crate) first: First,
    /// The platform may not have our acknowledgement yet.
    pub(crate) is_settling: bool,
}

/// `None` when it is used up or expired.
pub(crate) fn live(handle: &ReplyHandle, now: Timestamp) -> Option<Live<'_>> {
    let (application, token) = handle.secret.split_once('/')?;
    let age = LIFETIME_MS - handle.expires_at.since(now);
    let first = if handle.uses_left > FOLLOW_UPS { First::FillsIn } else { First::Follows };
    handle.is_live(now).then_some(Live {
        application,
        token,
        first,
        is_settling: age < SETTLING_MS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_round_trips_and_ends() {
        let now = Timestamp::from_secs(1_795_000_000);
        let mut handle = issue("11", "a/b", First::FillsIn, now);
        let read = live(&handle, now).unwrap();
        assert_eq!((read.application, read.token), ("11", "a/b"));
        assert_eq!((read.first, read.is_settling), (First::FillsIn, true));
        handle.uses_left -= 1;
        let later = live(&handle, now.plus_ms(SETTLING_MS)).unwrap();
        assert_eq!((later.first, later.is_settling), (First::Follows, false));
        assert!(live(&handle, now.plus_ms(15 * 60_000)).is_none());
        handle.uses_left = 0;
        assert!(live(&handle, now).is_none());
    }
}
