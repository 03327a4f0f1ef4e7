//! What is decided inside one transaction about one sender.

use rand::TryRngCore;
use rand::rngs::OsRng;
use rusqlite::params;
use zaki_envelope::{ChannelKind, Sender, SenderId, Timestamp, ZakiUserId};
use zaki_store::{Text, Tx};

use super::{rows, sql};
use crate::{BindingKind, DirectoryError, Linked, Policy, Refusal, Resolution};

/// One sender, at one moment, in one transaction.
pub(super) struct Desk<'t, 'c> {
    pub(super) tx: &'t Tx<'c>,
    pub(super) channel: ChannelKind,
    pub(super) sender: &'t Sender,
    pub(super) now: Timestamp,
}

type Found = Option<(ZakiUserId, BindingKind)>;

impl Desk<'_, '_> {
    /// The person that the sender's best id is bound to.
    pub(super) fn owner(&self) -> Result<Option<ZakiUserId>, DirectoryError> {
        Ok(self.find(&self.sender.id)?.map(|(user, _)| user))
    }

    /// The person, if all there is to know about this sender is known.
    pub(super) fn settled(&self) -> Result<Option<ZakiUserId>, DirectoryError> {
        let Some(user) = self.owner()? else {
            return Ok(None);
        };
        for alias in self.aliases() {
            if self.find(alias)? != Some((user, BindingKind::Alias)) {
                return Ok(None);
            }
        }
        Ok(Some(user))
    }

    /// Who it is, and whether finding that out has taken an id from somebody else.
    pub(super) fn resolve(&self, policy: Policy) -> Result<(Resolution, bool), DirectoryError> {
        let resolution = self.identify(policy)?;
        let moved = match resolution.user() {
            Some(user) => self.adopt_aliases(user)?,
            None => false,
        };
        Ok((resolution, moved))
    }

    fn identify(&self, policy: Policy) -> Result<Resolution, DirectoryError> {
        if let Some(user) = self.owner()? {
            return Ok(Resolution::Known { user });
        }
        if let Some(user) = self.upgrade()? {
            return Ok(Resolution::Known { user });
        }
        match policy {
            Policy::Open => Ok(Resolution::Created { user: self.sign_up()? }),
            Policy::Closed => Ok(Resolution::Refused { reason: Refusal::Closed }),
        }
    }

    /// Finds a stranger by an id that was the best one so far. An id that has become an alias does
    /// not count: its person is known by something better, so this is somebody else (a phone
    /// number with a new owner).
    fn upgrade(&self) -> Result<Option<ZakiUserId>, DirectoryError> {
        for alias in self.aliases() {
            if let Some((user, BindingKind::Primary)) = self.find(alias)? {
                self.bind(&self.sender.id, user, BindingKind::Primary)?;
                self.audit("upgraded", &self.sender.id, user, Some(alias.as_str()))?;
                return Ok(Some(user));
            }
        }
        Ok(None)
    }

    fn sign_up(&self) -> Result<ZakiUserId, DirectoryError> {
        let user = mint(self.now)?;
        let row = params![Text(user), self.now.as_ms()];
        self.tx.execute(sql::ADD_PERSON, row)?;
        self.bind(&self.sender.id, user, BindingKind::Primary)?;
        self.audit("bound", &self.sender.id, user, None)?;
        Ok(user)
    }

    /// The platform shows these ids together now, which outweighs whatever was known of them.
    /// Returns whether one was somebody else's.
    fn adopt_aliases(&self, user: ZakiUserId) -> Result<bool, DirectoryError> {
        let mut moved = false;
        for alias in self.aliases() {
            let found = self.find(alias)?;
            if found == Some((user, BindingKind::Alias)) {
                continue;
            }
            self.bind(alias, user, BindingKind::Alias)?;
            self.audit_change(alias, user, found)?;
            moved |= found.is_some_and(|(owner, _)| owner != user);
        }
        Ok(moved)
    }

    pub(super) fn link(&self, user: ZakiUserId) -> Result<Linked, DirectoryError> {
        let known = self.tx.one(sql::HAS_PERSON, params![Text(user)], |_| Ok(()))?;
        known.ok_or(DirectoryError::UnknownPerson(user))?;
        let found = self.find(&self.sender.id)?;
        if found.is_none_or(|(owner, _)| owner != user) {
            let kind = found.map_or(BindingKind::Primary, |(_, kind)| kind);
            self.bind(&self.sender.id, user, kind)?;
            self.audit_change(&self.sender.id, user, found)?;
        }
        self.adopt_aliases(user)?;
        match found {
            None => Ok(Linked::Bound),
            Some((owner, _)) if owner == user => Ok(Linked::Already),
            Some((from, _)) => Ok(Linked::Moved { from, left: self.left(from)? }),
        }
    }

    fn left(&self, user: ZakiUserId) -> Result<usize, DirectoryError> {
        let count = |row: &rusqlite::Row<'_>| row.get(0);
        let left: Option<u32> = self.tx.one(sql::COUNT, params![Text(user)], count)?;
        Ok(left.unwrap_or_default() as usize)
    }

    /// Aliases that are not the id itself.
    fn aliases(&self) -> impl Iterator<Item = &SenderId> {
        let sender = self.sender;
        sender.aliases.iter().filter(|alias| **alias != sender.id)
    }

    fn find(&self, id: &SenderId) -> Result<Found, DirectoryError> {
        let key = params![self.channel.as_str(), self.sender.scope.as_str(), id.as_str()];
        Ok(self.tx.one(sql::FIND, key, rows::found)?)
    }

    fn bind(
        &self,
        id: &SenderId,
        user: ZakiUserId,
        kind: BindingKind,
    ) -> Result<(), DirectoryError> {
        let row = params![
            self.channel.as_str(),
            self.sender.scope.as_str(),
            id.as_str(),
            Text(user),
            kind,
            self.now.as_ms()
        ];
        self.tx.execute(sql::BIND, row)?;
        Ok(())
    }

    /// An entry for an id that is `user`'s from now on; none when only its kind has changed.
    fn audit_change(
        &self,
        id: &SenderId,
        user: ZakiUserId,
        before: Found,
    ) -> Result<(), DirectoryError> {
        match before {
            None => self.audit("bound", id, user, None),
            Some((owner, _)) if owner == user => Ok(()),
            Some((owner, _)) => self.audit("moved", id, user, Some(&owner.to_string())),
        }
    }

    fn audit(
        &self,
        change: &str,
        id: &SenderId,
        user: ZakiUserId,
        was: Option<&str>,
    ) -> Result<(), DirectoryError> {
        let row = params![
            self.now.as_ms(),
            change,
            self.channel.as_str(),
            self.sender.scope.as_str(),
            id.as_str(),
            Text(user),
            was
        ];
        self.tx.execute(sql::AUDIT, row)?;
        Ok(())
    }
}

fn mint(now: Timestamp) -> Result<ZakiUserId, DirectoryError> {
    let mut bytes = [0; 16];
    let filled = OsRng.try_fill_bytes(&mut bytes);
    filled.map_err(|_| DirectoryError::NoRandomness)?;
    Ok(ZakiUserId::from_parts(now, u128::from_le_bytes(bytes)))
}
