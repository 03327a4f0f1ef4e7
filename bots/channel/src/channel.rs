//! The sending half of a channel.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use zaki_envelope::{
    Address, ChannelKind, ConversationKind, DeliveryId, MediaKind, MediaRef, MessageId, Outbound,
    Timestamp,
};

use crate::{Capabilities, ChannelError, Evidence, Invitation, Recourse, Retry};

/// One bot on one platform. A channel translates: it never retries, splits, escapes or stores.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Which platform it speaks.
    fn kind(&self) -> ChannelKind;

    /// What it can do in a conversation of this kind. `fit` reads it before anything is sent.
    fn capabilities(&self, conversation: ConversationKind) -> Capabilities;

    /// How a person comes to this bot with a one-use `code` they were given elsewhere. No call is
    /// made: of what the bot has to learn about itself, only what it knows by now is in it.
    fn invitation(&self, _code: &str) -> Option<Invitation> {
        None
    }

    /// Makes exactly one attempt to carry out `outbound`, which [`crate::fit`] has brought within
    /// the capabilities. `key` names the delivery where the platform can tell repeats apart.
    ///
    /// A live `to.handle` is used where the platform has one. Errors say whether the attempt may
    /// be repeated; a platform's rate limit is [`crate::Retry::AfterMs`].
    async fn send(
        &self,
        to: &Address,
        outbound: &Outbound,
        key: DeliveryId,
    ) -> Result<Receipt, ChannelError>;

    /// As [`Channel::send`], of a message that is one file: what its [`Outbound::Post`] names, with
    /// the bytes, which no outbound holds.
    async fn upload(
        &self,
        _to: &Address,
        _file: &File,
        _reply_to: Option<&MessageId>,
        _key: DeliveryId,
    ) -> Result<Receipt, ChannelError> {
        Err(ChannelError::new(self.kind(), Retry::Never, "no files are sent here"))
    }

    /// What can be done when it is not known whether `outbound` arrived at `to`, whose handle is
    /// the one the attempt was made with (or may have been made with).
    fn recourse(&self, to: &Address, outbound: &Outbound) -> Recourse {
        self.capabilities(to.conversation.kind).recourse.of(to, outbound)
    }

    /// Asks the platform whether it has the message of the delivery `key`, whose last attempt began
    /// at `since` (earlier attempts had no effect). One question; it changes nothing, so whatever
    /// the error says, it may be asked again. [`crate::Retry::AfterMs`] also when it is too early
    /// to say that the message is not there. For channels whose [`Recourse`] is
    /// [`Recourse::Prove`].
    async fn prove(
        &self,
        _to: &Address,
        _key: DeliveryId,
        _since: Timestamp,
    ) -> Result<Evidence, ChannelError> {
        Ok(Evidence::CannotTell)
    }

    /// Opens a medium for reading, with the platform's credentials, in the hub.
    async fn fetch(&self, media: &MediaRef) -> Result<MediaBody, ChannelError>;
}

/// What the platform called the thing we sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Its message, where the outbound made one.
    pub message: Option<MessageId>,
}

/// A file on its way out.
#[derive(Clone)]
pub struct File {
    /// What it is for.
    pub kind: MediaKind,
    /// Its type.
    pub mime: String,
    /// Its name, which leads nowhere.
    pub name: String,
    /// All of it.
    pub bytes: Bytes,
}

/// A medium's bytes as they arrive.
pub type MediaBody = BoxStream<'static, Result<Bytes, ChannelError>>;
