//! A person's rights: to see what is kept of them, and to have it gone. Written once for both
//! engines.

pub(crate) mod dossier;
pub(crate) mod erase;
pub(crate) mod find;
pub(crate) mod recent;
mod who;

pub(crate) use dossier::dossier;
pub use dossier::{Dossier, Kept, KeptDelivery, KeptLetter, KeptMessage, KeptTurn, Mark};
pub use erase::Erased;
pub(crate) use erase::erase;
pub(crate) use recent::recent;
pub use recent::{By, Said};
pub use who::{Place, SenderKey, Who};
