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
    /// What a trouble with it is about.
    fn label(self, account: &str) -> String {
        let word = match self {
            Self::SetUp => "set-up",
            Self::Receiving => "receiving",
            Self::Sending => "sending",
        };
        format!("{account} ({word})")
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
        let label = doing.label(account);
        match call.err().filter(|error| doing.is_troubled_by(error)) {
            Some(error) => self.hold_against(&label, error),
            None if self.works_again(&label) && self.has(&label) => {
                self.clear(&label);
                tracing::info!(account = label, "it works again");
            }
            None => {}
        }
    }

    /// It is refused, until somebody has mended it; it is tried again after long pauses. Shows until a
    /// call gets through. Of what an account does once, only a token that is not taken silences it.
    pub(crate) fn refused(&self, account: &str, doing: Doing, error: &ChannelError) {
        let (label, said) = (doing.label(account), error.to_string());
        tracing::error!(account = label, said, "this does not work");
        self.failed_again(&label);
        let is_silent = matches!(doing, Doing::Receiving) || error.is_refused_token();
        let silences = is_silent.then(|| account.to_owned());
        self.add(&label, Trouble { said, passes: false, silences });
    }

    fn hold_against(&self, label: &str, error: &ChannelError) {
        let times = self.failed_again(label);
        let is_refused = error.is_refused_token();
        if times < IN_A_ROW && !is_refused {
            return;
        }
        let what = &error.what;
        let mend = if is_refused { "" } else { "; it is tried again by itself" };
        let trouble = Trouble { said: format!("{what}{mend}"), passes: true, silences: None };
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
        let account = ["slack/main".to_owned()];
        assert_eq!(troubles.all_silent(&account).now_or_never(), None, "it ends no hub");
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

    #[test]
    fn who_is_refused_is_silent_until_a_call_gets_through() {
        let troubles = Troubles::default();
        let silent = |accounts: &[&str]| {
            let accounts: Vec<_> = accounts.iter().map(|&account| account.to_owned()).collect();
            troubles.all_silent(&accounts).now_or_never()
        };
        let token = error(Retry::Never, Scope::Account);
        troubles.refused("slack/main", Doing::SetUp, &error(Retry::Never, Scope::Conversation));
        assert_eq!(silent(&["slack/main"]), None, "it works without");
        troubles.refused("slack/main", Doing::SetUp, &token);
        let why = format!("slack/main: {token}");
        assert_eq!(silent(&["slack/main"]), Some(why.clone()));
        assert_eq!(silent(&["slack/main", "telegram/main"]), None, "another bot is served");
        assert_eq!(silent(&[]), None, "without a bot there is a page to come to");
        troubles.refused("telegram/main", Doing::Receiving, &token);
        let both = format!("telegram/main: {token}; {why}");
        assert_eq!(silent(&["telegram/main", "slack/main"]), Some(both));
        troubles.heard("telegram/main", Doing::SetUp, Ok(()));
        assert_eq!(shown(&troubles).len(), 2, "it is not of the set-up");
        troubles.heard("telegram/main", Doing::Receiving, Ok(()));
        troubles.heard("slack/main", Doing::SetUp, Ok(()));
        assert!(shown(&troubles).is_empty());
    }
}
