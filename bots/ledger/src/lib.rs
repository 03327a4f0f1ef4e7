//! The durable memory of the hub: what came in, which turn answers it, what leaves. One trait of
//! domain operations, each of them one commit; SQLite or PostgreSQL behind it.
//!
//! Not for who is who (identity), nor for the agent's conversation (that is OpenClaw's).

mod delivery;
mod desk;
mod encode;
mod error;
mod fence;
mod inbound;
mod keys;
mod ledger;
mod overdue;
mod postgres;
mod privacy;
mod retention;
mod sealed;
mod sqlite;
#[cfg(feature = "testkit")]
pub mod testkit;
mod turn;

pub use delivery::{
    Claimed, Delivery, DeliveryEnd, DeliveryFilter, DeliveryKind, DeliveryState, Lost, NewDelivery,
    Next, Settled,
};
pub use error::Error;
pub use fence::{Fence, Pulse};
pub use inbound::{
    Accepted, Batch, CursorUpdate, DeadLetter, DeadRecord, InboundFilter, InboundRecord,
    InboundState, Line, Listed, NewInbound, SettleReason,
};
pub use ledger::{Counts, Ledger, Recovery, Retention};
pub use postgres::PgLedger;
pub use privacy::{
    By, Dossier, Erased, Kept, KeptDelivery, KeptIllegible, KeptLetter, KeptMessage, KeptTurn,
    Mark, Place, Said, SenderKey, Who,
};
pub use sqlite::SqliteLedger;
pub use turn::{Begin, Earlier, Finish, NewTurn, OpenTurn, ReplyPlan, TurnEnd};
