//! The directory in PostgreSQL, shared by all replicas, with a cache in front of each.

mod desk;
mod rows;
mod sql;

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use zaki_envelope::{ChannelKind, Sender, Timestamp, ZakiUserId};
use zaki_store::{PgOptions, PgTx, Postgres, Schema, Step, Text};

use crate::cache::{Cache, Key};
use crate::{Binding, Directory, DirectoryError, Linked, Person, Policy, Resolution};
use desk::{Desk, facts};

const SCHEMA: Schema = Schema {
    name: "identity",
    release: env!("CARGO_PKG_VERSION"),
    steps: &[Step { sql: include_str!("postgres/schema.sql"), min_reader: 1 }],
};

/// The directory of many hubs. Clones share the connections and the cache.
#[derive(Clone)]
pub struct PgDirectory {
    store: Postgres,
    cache: Arc<Cache>,
    policy: Policy,
}

impl PgDirectory {
    /// Opens the directory in the database at `url`, making or migrating its tables as needed;
    /// remembers up to `capacity` senders.
    pub async fn connect(
        url: &SecretString,
        options: &PgOptions,
        policy: Policy,
        capacity: usize,
    ) -> Result<Self, DirectoryError> {
        Ok(Self {
            store: Postgres::connect(url, options, &SCHEMA).await?,
            cache: Arc::new(Cache::new(capacity)),
            policy,
        })
    }

    /// Closes the connections; later calls fail as closed.
    pub fn close(&self) {
        self.store.close();
    }
}

#[async_trait]
impl Directory for PgDirectory {
    async fn resolve(
        &self,
        channel: ChannelKind,
        sender: &Sender,
        now: Timestamp,
    ) -> Result<Resolution, DirectoryError> {
        let key = Key::of(channel, sender);
        if let Some(user) = self.cache.get(&key) {
            return Ok(Resolution::Known { user });
        }
        let epoch = self.cache.epoch();
        if let Some(user) = facts(&self.store, channel, sender).await?.settled() {
            self.cache.remember(epoch, key, user);
            return Ok(Resolution::Known { user });
        }
        let desk = Desk::open(&self.store, channel, sender, now).await?;
        let (resolution, moved) = desk.resolve(self.policy).await?;
        if moved {
            self.cache.forget();
        } else if let Some(user) = resolution.user() {
            self.cache.remember(epoch, key, user);
        }
        Ok(resolution)
    }

    async fn verify(
        &self,
        user: ZakiUserId,
        channel: ChannelKind,
        sender: &Sender,
    ) -> Result<bool, DirectoryError> {
        let owner = facts(&self.store, channel, sender).await?.owner();
        if owner != Some(user) {
            self.cache.forget();
        }
        Ok(owner == Some(user))
    }

    async fn link(
        &self,
        user: ZakiUserId,
        channel: ChannelKind,
        sender: &Sender,
        now: Timestamp,
    ) -> Result<Linked, DirectoryError> {
        let desk = Desk::open(&self.store, channel, sender, now).await?;
        let linked = desk.link(user).await;
        self.cache.forget();
        linked
    }

    async fn link_people(
        &self,
        into: ZakiUserId,
        from: ZakiUserId,
        now: Timestamp,
    ) -> Result<usize, DirectoryError> {
        let moved = link_people(&self.store, into, from, now).await;
        self.cache.forget();
        moved
    }

    async fn list(&self) -> Result<Vec<Person>, DirectoryError> {
        let mut people = self.store.all(sql::PEOPLE, &[], rows::person).await?;
        for person in &mut people {
            person.bindings = self.bindings(person.user).await?;
        }
        Ok(people)
    }

    async fn bindings(&self, user: ZakiUserId) -> Result<Vec<Binding>, DirectoryError> {
        Ok(self.store.all(sql::BINDINGS, &[&Text(user)], rows::binding).await?)
    }

    async fn mode(&self, user: ZakiUserId) -> Result<Option<String>, DirectoryError> {
        let mode = self.store.one(sql::MODE, &[&Text(user)], |row| row.try_get(0)).await?;
        Ok(mode.flatten())
    }

    async fn set_mode(&self, user: ZakiUserId, mode: Option<&str>) -> Result<(), DirectoryError> {
        match self.store.execute(sql::SET_MODE, &[&Text(user), &mode]).await? {
            0 => Err(DirectoryError::UnknownPerson(user)),
            _ => Ok(()),
        }
    }
}

async fn link_people(
    store: &Postgres,
    into: ZakiUserId,
    from: ZakiUserId,
    now: Timestamp,
) -> Result<usize, DirectoryError> {
    if into == from {
        return Err(DirectoryError::SamePerson(into));
    }
    let tx = store.begin().await?;
    tx.one(sql::LOCK_PEOPLE, &[], |_| Ok(())).await?;
    for person in [into, from] {
        known(&tx, person).await?;
    }
    let (into, from, now) = (Text(into), Text(from), now.as_ms());
    tx.execute(sql::AUDIT_ALL, &[&into, &from, &now]).await?;
    let moved = tx.execute(sql::MOVE_ALL, &[&into, &from, &now]).await?;
    tx.commit().await?;
    Ok(usize::try_from(moved).unwrap_or(usize::MAX))
}

async fn known(tx: &PgTx, person: ZakiUserId) -> Result<(), DirectoryError> {
    let found = tx.one(sql::HAS_PERSON, &[&Text(person)], |_| Ok(())).await?;
    found.ok_or(DirectoryError::UnknownPerson(person))
}
