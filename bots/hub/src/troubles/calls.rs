//! What the calls to platforms say of the accounts they are made for.

use zaki_channel::ChannelError;

use super::{Trouble, Troubles};

/// One call that was lost says nothing; so many in a row do.
const IN_A_ROW: u32 = 2;

/// What a call was for.
#[derive(Clone, Copy)]
pub(crate) enum Doing {
    SetUp,
    Receiving,
    Sending,
}

impl Doing {
    const fn word(self) -> &'static str {
        match self {
            Self::SetUp => "set-up",
            Self::Receiving => "receiving",
            Self::Sending => "sending",
        }
    }

    /// Whether this failure is the account's. What is sent may be refused for what it is.
    fn is_troubled_by(self, error: &ChannelError) -> bool {
        match self {
            Self::SetUp | Self::Receiving => true,
            Self::Sending => error.is_of_account(),
        }
    }
}

impl Troubles {
    /// How a call for an account went. What is wrong with it shows until a call gets through; that
    /// passes, so it ends nothing.
    pub(crate) fn heard(&self, account: &str, doing: Doing, call: Result<(), &ChannelError>) {
        if call.is_ok() && !self.has_failures() {
            return;
        }
        let label = format!("{account} ({})", doing.word());
        match call.err().filter(|error| doing.is_troubled_by(error)) {
            Some(error) => self.hold_against(&label, error),
            None if self.works_again(&label) && self.has(&label) => {
                self.clear(&label);
                tracing::info!(account = label, "it works again");
            }
            None => {}
        }
    }

    /// It will never work by itself, which somebody else tells: that it is tried again is not true any
    /// more.
    pub(crate) fn given_up(&self, account: &str, doing: Doing) {
        let label = format!("{account} ({})", doing.word());
        self.works_again(&label);
        self.clear(&label);
    }

    fn hold_against(&self, label: &str, error: &ChannelError) {
        let times = self.failed_again(label);
        let is_refused = error.is_refused_token();
        if times < IN_A_ROW && !is_refused {
            return;
        }
        let what = &error.what;
        let mend = if is_refused { "" } else { "; it is tried again by itself" };
        let trouble = Trouble { said: format!("{what}{mend}"), passes: true };
        if self.known.borrow().get(label) != Some(&trouble) {
            tracing::warn!(account = label, said = trouble.said, "this does not work now");
            self.add(label, trouble);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use zaki_channel::{Retry, Scope};
    use zaki_envelope::ChannelKind;

    use super::*;

    fn error(retry: Retry, scope: Scope) -> ChannelError {
        ChannelError::new(ChannelKind::Slack, retry, "no answer").of_scope(scope)
    }

    fn shown(troubles: &Troubles) -> Vec<String> {
        troubles.told().into_iter().map(|told| format!("{}: {}", told.what, told.why)).collect()
    }

    #[test]
    fn two_lost_calls_in_a_row_are_told_until_one_gets_through() {
        let troubles = Troubles::default();
        let lost = error(Retry::Unknown, Scope::Conversation);
        let send = |call| troubles.heard("slack/main", Doing::Sending, call);
        for call in [Err(&lost), Ok(()), Err(&lost)] {
            send(call);
            assert!(shown(&troubles).is_empty());
        }
        send(Err(&lost));
        let said = "slack/main (sending): no answer; it is tried again by itself";
        assert_eq!(shown(&troubles), [said]);
        let label = "slack/main (sending)".to_owned();
        assert_eq!(troubles.all(&[label]).now_or_never(), None, "it ends no hub");
        send(Ok(()));
        assert!(shown(&troubles).is_empty());
    }

    #[test]
    fn a_token_is_refused_at_once_and_a_message_is_no_account() {
        let troubles = Troubles::default();
        let one = error(Retry::Never, Scope::Conversation);
        let limit = error(Retry::AfterMs(1), Scope::Account);
        for _ in 0..3 {
            troubles.heard("slack/main", Doing::Sending, Err(&one));
            troubles.heard("slack/main", Doing::Sending, Err(&limit));
        }
        assert!(shown(&troubles).is_empty());
        let token = error(Retry::Never, Scope::Account);
        troubles.heard("slack/main", Doing::Sending, Err(&token));
        assert_eq!(shown(&troubles), ["slack/main (sending): no answer"]);
        // That the platform answers shows that it is reached, and takes the token.
        troubles.heard("slack/main", Doing::Sending, Err(&one));
        assert!(shown(&troubles).is_empty());
    }

    #[test]
    fn whatever_keeps_us_from_receiving_is_told() {
        let troubles = Troubles::default();
        let conflict = error(Retry::Never, Scope::Conversation);
        for _ in 0..2 {
            troubles.heard("telegram/main", Doing::Receiving, Err(&conflict));
        }
        assert_eq!(shown(&troubles).len(), 1);
    }
}
