//! What is said about a message that may have arrived is true: it never leads to a second one.

use std::time::Duration;

use async_trait::async_trait;
use zaki_envelope::{
    Address, DeliveryId, Inbound, InboundKind, Outbound, ReplyHandle, StatusKind, Timestamp,
};

use crate::{Channel, Evidence, Receipt, Recourse, Retry, now};

/// A platform with one conversation, which can be told to fail.
#[async_trait]
pub trait Platform: Send + Sync {
    /// The conversation, without a handle.
    fn address(&self) -> Address;

    /// The next message is taken, and the connection closes without an answer.
    fn lose_answer(&self);

    /// The next message is not taken, and the connection closes without an answer.
    fn drop_call(&self);

    /// How often `text` stands in the conversation.
    fn shown(&self, text: &str) -> usize;

    /// What the platform reports by itself of the delivery, once it does; for
    /// [`Recourse::Callback`].
    async fn report(&self, _key: DeliveryId) -> Option<Inbound> {
        None
    }
}

/// Asserts that an answer that was lost counts as unknown, and that the channel's [`Recourse`]
/// holds whether the message was taken or not.
///
/// # Panics
///
/// Where the channel breaks its word.
pub async fn recourse(channel: &dyn Channel, platform: &dyn Platform) {
    let post = Outbound::post("x");
    let mut to = platform.address();
    let declared = channel.capabilities(to.conversation.kind).recourse;
    assert_eq!(channel.recourse(&to, &post), declared, "it holds for an ordinary message");
    to.handle = Some(handle());
    let by_handle = channel.recourse(&to, &post);
    assert_eq!(by_handle, Recourse::None, "an answer by a handle is not known again");
    let bench = Bench { channel, platform, to: platform.address() };
    for (number, taken) in [(1, true), (2, false)] {
        bench.doubt(number, taken).await;
    }
    if let Recourse::Repeat { within } = declared {
        assert!(within >= Duration::from_secs(1), "there is time to repeat");
        bench.other_keys_are_other_messages().await;
    }
}

fn handle() -> ReplyHandle {
    let expires_at = now().plus_ms(60_000);
    ReplyHandle { secret: "s".to_owned(), expires_at, uses_left: 1 }
}

fn key(number: u128) -> DeliveryId {
    DeliveryId::from_parts(now(), number)
}

struct Bench<'a> {
    channel: &'a dyn Channel,
    platform: &'a dyn Platform,
    to: Address,
}

impl Bench<'_> {
    async fn send(&self, text: &str, key: DeliveryId) -> Result<Receipt, Retry> {
        let sent = self.channel.send(&self.to, &Outbound::post(text), key).await;
        sent.map_err(|error| error.retry)
    }

    /// Sends without getting an answer, and does what the recourse allows.
    async fn doubt(&self, number: u128, taken: bool) {
        let (text, key) = (format!("number {number}"), key(number));
        if taken {
            self.platform.lose_answer()
        } else {
            self.platform.drop_call()
        }
        let lost = self.send(&text, key).await;
        assert_eq!(lost, Err(Retry::Unknown), "a lost answer says nothing");
        assert_eq!(self.platform.shown(&text), usize::from(taken), "the platform plays its part");
        let evidence = self.prove(key).await;
        let recourse = self.channel.recourse(&self.to, &Outbound::post(&text));
        match recourse {
            Recourse::Repeat { .. } => {
                let again = self.send(&text, key).await.expect("the repeat is taken");
                assert!(again.message.is_some(), "the repeat is answered with a message");
                assert_eq!(self.platform.shown(&text), 1, "the same key makes one message");
            }
            Recourse::Prove if taken => {
                let is_sent =
                    |it: &Evidence| matches!(it, Evidence::Sent(Receipt { message: Some(_) }));
                assert!(is_sent(&evidence), "what arrived is proven, not {evidence:?}");
            }
            Recourse::Prove => assert_eq!(evidence, Evidence::NotSent, "what is not there"),
            Recourse::Callback { .. } if taken => self.reported(key).await,
            Recourse::None | Recourse::Callback { .. } => {}
        }
        if recourse != Recourse::Prove {
            assert_eq!(evidence, Evidence::CannotTell, "who proves says so");
        }
    }

    /// Of an attempt long enough ago for the platform to be done with it.
    async fn prove(&self, key: DeliveryId) -> Evidence {
        let since: Timestamp = now().plus_ms(-60_000);
        self.channel.prove(&self.to, key, since).await.expect("the platform says what it knows")
    }

    async fn reported(&self, key: DeliveryId) {
        let report = self.platform.report(key).await.expect("what arrived is reported");
        let InboundKind::Status { status, delivery, .. } = report.kind else {
            unreachable!("a report is a status");
        };
        assert_eq!(delivery, Some(key), "a report names the delivery");
        assert_ne!(status, StatusKind::Failed, "and that it arrived");
    }

    async fn other_keys_are_other_messages(&self) {
        for number in [3, 4] {
            self.send("the same words", key(number)).await.expect("a message is taken");
        }
        assert_eq!(self.platform.shown("the same words"), 2, "another key is another message");
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;
    use std::sync::Mutex;

    use futures::FutureExt;
    use zaki_envelope::{
        ChannelKind, Conversation, ConversationId, ConversationKind, MediaRef, MessageId,
    };

    use super::*;
    use crate::{Capabilities, ChannelError, Dialect, MediaBody, Pace, Support, TextLimit, Unit};

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Flaw {
        None,
        ForgetsKeys,
        KeysAreAllOne,
        ClaimsToBeRefused,
        ProvesTooLittle,
        ProvesTooMuch,
        HandleIsLikeAny,
    }

    /// A platform and its channel in one.
    struct Toy {
        flaw: Flaw,
        recourse: Recourse,
        fault: Mutex<Option<bool>>,
        messages: Mutex<Vec<(DeliveryId, String)>>,
    }

    impl Toy {
        fn take(&self, key: DeliveryId, text: String) -> usize {
            let mut messages = self.messages.lock().unwrap();
            let repeats = matches!(self.recourse, Recourse::Repeat { .. });
            let known = match self.flaw {
                Flaw::ForgetsKeys => None,
                Flaw::KeysAreAllOne if !messages.is_empty() => Some(0),
                _ => messages.iter().position(|(known, _)| *known == key),
            };
            known.filter(|_| repeats).unwrap_or_else(|| {
                messages.push((key, text));
                messages.len() - 1
            })
        }
    }

    #[async_trait]
    impl Channel for Toy {
        fn kind(&self) -> ChannelKind {
            ChannelKind::Discord
        }

        fn capabilities(&self, _: ConversationKind) -> Capabilities {
            Capabilities {
                text: TextLimit { max: 1000, unit: Unit::Bytes },
                dialect: Dialect::Plain,
                edit: Support::Full,
                retract: Support::Full,
                react: Support::Full,
                reply: Support::Full,
                typing: Support::Full,
                typing_refresh: Duration::from_secs(4),
                media: Support::Full,
                files: &[],
                choices: None,
                window: None,
                pace: Pace::default(),
                recourse: self.recourse,
            }
        }

        fn recourse(&self, to: &Address, _: &Outbound) -> Recourse {
            match &to.handle {
                Some(_) if self.flaw != Flaw::HandleIsLikeAny => Recourse::None,
                _ => self.recourse,
            }
        }

        async fn send(
            &self,
            _: &Address,
            outbound: &Outbound,
            key: DeliveryId,
        ) -> Result<Receipt, ChannelError> {
            let Outbound::Post { parts, .. } = outbound else { unreachable!("only posts") };
            let fault = self.fault.lock().unwrap().take();
            let claims = self.flaw == Flaw::ClaimsToBeRefused;
            let retry = if claims { Retry::AfterMs(1) } else { Retry::Unknown };
            let lost = ChannelError::new(ChannelKind::Discord, retry, "lost");
            if fault == Some(false) {
                return Err(lost);
            }
            let number = self.take(key, zaki_envelope::plain_text(parts));
            match fault {
                Some(_) => Err(lost),
                None => Ok(Receipt { message: Some(MessageId::new(number.to_string())) }),
            }
        }

        async fn prove(
            &self,
            _: &Address,
            key: DeliveryId,
            _: Timestamp,
        ) -> Result<Evidence, ChannelError> {
            if self.recourse != Recourse::Prove {
                return Ok(Evidence::CannotTell);
            }
            let known = self.messages.lock().unwrap().iter().any(|(known, _)| *known == key);
            let message = Some(MessageId::new("1"));
            Ok(match self.flaw {
                Flaw::ProvesTooLittle => Evidence::NotSent,
                Flaw::ProvesTooMuch => Evidence::Sent(Receipt { message }),
                _ if known => Evidence::Sent(Receipt { message }),
                _ => Evidence::NotSent,
            })
        }

        async fn fetch(&self, _: &MediaRef) -> Result<MediaBody, ChannelError> {
            unreachable!("nothing is fetched")
        }
    }

    impl Platform for Toy {
        fn address(&self) -> Address {
            let id = ConversationId::new("1");
            Address {
                channel: ChannelKind::Discord,
                account: "main".parse().unwrap(),
                conversation: Conversation::new(id, ConversationKind::Direct),
                handle: None,
            }
        }

        fn lose_answer(&self) {
            *self.fault.lock().unwrap() = Some(true);
        }

        fn drop_call(&self) {
            *self.fault.lock().unwrap() = Some(false);
        }

        fn shown(&self, text: &str) -> usize {
            self.messages.lock().unwrap().iter().filter(|(_, shown)| shown == text).count()
        }
    }

    async fn passes(flaw: Flaw, declared: Recourse) -> bool {
        let (fault, messages) = (Mutex::default(), Mutex::default());
        let toy = Toy { flaw, recourse: declared, fault, messages };
        AssertUnwindSafe(recourse(&toy, &toy)).catch_unwind().await.is_ok()
    }

    #[tokio::test]
    async fn a_true_recourse_passes_and_every_flaw_is_caught() {
        let repeat = Recourse::Repeat { within: Duration::from_mins(1) };
        let callback = Recourse::Callback { within: Duration::from_mins(1) };
        for declared in [Recourse::None, Recourse::Prove, repeat] {
            assert!(passes(Flaw::None, declared).await, "{declared:?}");
            assert!(!passes(Flaw::ClaimsToBeRefused, declared).await, "{declared:?}");
        }
        assert!(!passes(Flaw::None, callback).await, "no report ever comes");
        assert!(!passes(Flaw::ForgetsKeys, repeat).await);
        assert!(!passes(Flaw::KeysAreAllOne, repeat).await);
        assert!(!passes(Flaw::ProvesTooLittle, Recourse::Prove).await);
        assert!(!passes(Flaw::ProvesTooMuch, Recourse::Prove).await);
        assert!(!passes(Flaw::HandleIsLikeAny, Recourse::Prove).await);
    }
}
