//! The sending half of a channel.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use zaki_envelope::{
    Address, ChannelKind, ConversationKind, DeliveryId, MediaRef, MessageId, Outbound,
};

use crate::{Capabilities, ChannelError};

/// One bot on one platform. A channel translates: it never retries, splits, escapes or stores.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Which platform it speaks.
    fn kind(&self) -> ChannelKind;

    /// What it can do in a conversation of this kind. `fit` reads it before anything is sent.
    fn capabilities(&self, conversation: ConversationKind) -> Capabilities;

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

    /// Opens a medium for reading, with the platform's credentials, in the hub.
    async fn fetch(&self, media: &MediaRef) -> Result<MediaBody, ChannelError>;
}

/// What the platform called the thing we sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Its message, where the outbound made one.
    pub message: Option<MessageId>,
}

/// A medium's bytes as they arrive.
pub type MediaBody = BoxStream<'static, Result<Bytes, ChannelError>>;
