//! A person's rights: to see what is kept of them, and to have it gone. Written once for both
//! engines.

pub(crate) mod dossier;
pub(crate) mod erase;
pub(crate) mod find;
mod kept;
pub(crate) mod recent;
mod who;

pub(crate) use dossier::dossier;
pub use dossier::{Dossier, Mark};
pub use erase::Erased;
pub(crate) use erase::erase;
pub use kept::{Kept, KeptDelivery, KeptIllegible, KeptLetter, KeptMessage, KeptTurn};
pub(crate) use recent::recent;
pub use recent::{By, Said};
pub use who::{Place, SenderKey, Who};
