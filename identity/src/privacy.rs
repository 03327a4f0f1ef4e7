//! A person's right to all that is kept of them, and to have it gone.

mod dossier;
mod erase;
mod export;

pub use erase::{AskedErase, Erased};
pub(crate) use erase::{erase_digest, family, void_word};
pub use export::{EXPORT_MS, ExportToken};
