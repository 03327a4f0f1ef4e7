//! The common message: what every channel turns its payloads into, every typed id, and the wire
//! between hub, edge and sandbox with its signature.
//!
//! Pure data: no I/O, no clock, no randomness, no panics; compiles for `wasm32-unknown-unknown`.
//! Not for behaviour: what is done with a message lives in the hub, the ledger and the edge.

mod address;
mod conversation;
mod ids;
mod inbound;
mod media;
mod outbound;
mod part;
mod sandbox;
mod schema;
mod sender;
mod session;
mod shape;
pub mod signature;
mod time;
mod trace;
pub mod wire;

pub use address::{Address, ReplyHandle};
pub use conversation::{Conversation, ConversationKind};
pub use ids::{
    AccountName, BackupId, CallId, ChannelKind, ConversationId, DedupeKey, DeliveryId, GroupId,
    IdError, InboundId, MediaRef, MessageId, PlaceId, ProactiveId, SenderId, SenderScope, SpaceId,
    ThreadId, TraceContext, TurnId, ZakiUserId,
};
pub use inbound::{EnvelopeError, Inbound, InboundKind, StatusKind, Version};
pub use media::{Kept, LARGEST_MEDIUM, MediaHash};
pub use outbound::{Outbound, Presence};
pub use part::{Choice, MediaKind, Mention, Part, plain_text};
pub use sandbox::{SandboxKind, SandboxName};
pub use schema::inbound_schema;
pub use sender::Sender;
pub use session::SessionKey;
pub use shape::is_business_scoped;
pub use time::Timestamp;
