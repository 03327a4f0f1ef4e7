//! Schemas and how they move: expand first, contract a release later, so that releases N and N-1
//! can share a database.

use crate::{Error, Place};

/// The shape of one database, as the ordered steps that lead to it. The number of steps applied is
/// its version.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// What the database is: `ledger`, `identity`. Kept in it, so that one is never taken for the
    /// other. Letters only: on PostgreSQL its tables live in the schema `zaki_<name>`.
    pub name: &'static str,
    /// The release of this program, for the words of a refusal.
    pub release: &'static str,
    /// Append only: a step that has been released never changes.
    pub steps: &'static [Step],
}

/// One change.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Statements, run in one transaction with the version.
    pub sql: &'static str,
    /// The oldest schema version a program may know and still use the database after this step.
    /// An expanding step repeats the one before it; a contracting step raises it.
    pub min_reader: u32,
}

/// What was found where the database should be.
pub(crate) enum Found {
    /// Nothing at all.
    Nothing,
    /// Tables of another program.
    Others,
    /// One of ours.
    Ours(Info),
}

/// What a database says about itself.
pub(crate) struct Info {
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) min_reader: u32,
    pub(crate) release: String,
}

impl Schema {
    /// The version that this program brings about.
    pub(crate) fn known(&self) -> u32 {
        u32::try_from(self.steps.len()).unwrap_or(u32::MAX)
    }

    /// The oldest version that may use what this program leaves.
    pub(crate) fn min_reader(&self) -> u32 {
        self.steps.last().map_or(0, |step| step.min_reader)
    }

    /// The steps that follow `version`.
    pub(crate) fn after(&self, version: u32) -> impl Iterator<Item = &'static Step> + use<> {
        self.steps.iter().skip(usize::try_from(version).unwrap_or(usize::MAX))
    }

    /// The version found, once it is certain that the database is ours and not too new. A database
    /// of a later release that still admits this one is left as it is.
    pub(crate) fn admit(&self, found: Found, place: &Place) -> Result<u32, Error> {
        let place = place.clone();
        let foreign = |found| Error::Foreign { place: place.clone(), found, expected: self.name };
        match found {
            Found::Nothing => Ok(0),
            Found::Others => Err(foreign("another program's tables".into())),
            Found::Ours(info) if info.name != self.name => Err(foreign(info.name)),
            Found::Ours(info) if info.min_reader > self.known() => Err(Error::TooNew {
                place,
                release: info.release,
                min_reader: info.min_reader,
                known: self.known(),
            }),
            Found::Ours(info) => Ok(info.version),
        }
    }
}
