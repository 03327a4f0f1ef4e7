//! What is read and written inside one transaction about one sender.

use rusqlite::params;
use zaki_envelope::{ChannelKind, Sender, Timestamp, ZakiUserId};
use zaki_store::{Text, Tx};

use super::{rows, sql};
use crate::mint::mint;
use crate::rules::{Change, Facts, ids};
use crate::{DirectoryError, Linked, Policy, Resolution};

/// One sender, at one moment, in one transaction.
pub(super) struct Desk<'t, 'c> {
    pub(super) tx: &'t Tx<'c>,
    pub(super) channel: ChannelKind,
    pub(super) sender: &'t Sender,
    pub(super) now: Timestamp,
}

impl Desk<'_, '_> {
    pub(super) fn facts(&self) -> Result<Facts<'_>, DirectoryError> {
        let mut found = Vec::new();
        for id in ids(self.sender) {
            let key = params![self.channel.as_str(), self.sender.scope.as_str(), id.as_str()];
            if let Some(owner) = self.tx.one(sql::FIND, key, rows::owner)? {
                found.push((id.clone(), owner));
            }
        }
        Ok(Facts::new(self.sender, found))
    }

    /// Who it is, and whether finding that out has taken an id from somebody else.
    pub(super) fn resolve(&self, policy: Policy) -> Result<(Resolution, bool), DirectoryError> {
        let verdict = self.facts()?.resolve(policy, || mint(self.now))?;
        self.keep(&verdict.changes)?;
        Ok((verdict.answer, verdict.moved))
    }

    pub(super) fn link(&self, user: ZakiUserId) -> Result<Linked, DirectoryError> {
        super::known(self.tx, user)?;
        let verdict = self.facts()?.link(user);
        self.keep(&verdict.changes)?;
        match verdict.answer {
            Linked::Moved { from, .. } => Ok(Linked::Moved { from, left: self.left(from)? }),
            answer => Ok(answer),
        }
    }

    fn left(&self, user: ZakiUserId) -> Result<usize, DirectoryError> {
        let count = |row: &rusqlite::Row<'_>| row.get(0);
        let left: Option<u32> = self.tx.one(sql::COUNT, params![Text(user)], count)?;
        Ok(left.unwrap_or_default() as usize)
    }

    fn keep(&self, changes: &[Change]) -> Result<(), DirectoryError> {
        let (channel, scope) = (self.channel.as_str(), self.sender.scope.as_str());
        let now = self.now.as_ms();
        for change in changes {
            match change {
                Change::SignUp(user) => {
                    self.tx.execute(sql::ADD_PERSON, params![Text(user), now])?;
                }
                Change::Bind(id, (user, kind)) => {
                    let row = params![channel, scope, id.as_str(), Text(user), kind, now];
                    self.tx.execute(sql::BIND, row)?;
                }
                Change::Audit { change, id, user, was } => {
                    let row = params![now, change, channel, scope, id.as_str(), Text(user), was];
                    self.tx.execute(sql::AUDIT, row)?;
                }
            }
        }
        Ok(())
    }
}
