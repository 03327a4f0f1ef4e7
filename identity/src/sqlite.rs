//! The directory in one SQLite file, with a cache in front.

mod desk;
mod rows;
mod sql;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::params;
use zaki_envelope::{ChannelKind, Sender, Timestamp, ZakiUserId};
use zaki_store::{Schema, Sqlite, Step, Text, Tx};

use crate::cache::{Cache, Key};
use crate::{Binding, Directory, DirectoryError, Linked, Person, Policy, Resolution};
use desk::Desk;

const SCHEMA: Schema = Schema {
    name: "identity",
    release: env!("CARGO_PKG_VERSION"),
    steps: &[
        Step { sql: include_str!("sqlite/schema.sql"), min_reader: 1 },
        Step { sql: "ALTER TABLE person ADD COLUMN mode TEXT;", min_reader: 1 },
    ],
};

/// The directory of one hub. Clones share the file and the cache.
#[derive(Clone)]
pub struct SqliteDirectory {
    store: Sqlite,
    cache: Arc<Cache>,
    policy: Policy,
}

impl SqliteDirectory {
    /// Opens the directory at `path`, making or migrating it as needed; remembers up to `capacity`
    /// senders.
    pub async fn open(
        path: impl AsRef<Path>,
        policy: Policy,
        capacity: usize,
    ) -> Result<Self, DirectoryError> {
        Ok(Self {
            store: Sqlite::open(path, &SCHEMA).await?,
            cache: Arc::new(Cache::new(capacity)),
            policy,
        })
    }

    /// Finishes the waiting writes; later calls fail as closed.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// Lets the store decide about a sender.
    async fn tell<T: Send + 'static>(
        &self,
        channel: ChannelKind,
        sender: &Sender,
        now: Timestamp,
        decision: impl FnOnce(&Desk<'_, '_>) -> Result<T, DirectoryError> + Send + 'static,
    ) -> Result<T, DirectoryError> {
        let sender = sender.clone();
        let write = move |tx: &Tx<'_>| decision(&desk(tx, channel, &sender, now));
        self.store.write(write).await
    }
}

const fn desk<'t, 'c>(
    tx: &'t Tx<'c>,
    channel: ChannelKind,
    sender: &'t Sender,
    now: Timestamp,
) -> Desk<'t, 'c> {
    Desk { tx, channel, sender, now }
}

#[async_trait]
impl Directory for SqliteDirectory {
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
        let policy = self.policy;
        let person = sender.clone();
        let read = move |tx: &Tx<'_>| {
            Ok::<_, DirectoryError>(desk(tx, channel, &person, now).facts()?.settled())
        };
        if let Some(user) = self.store.glance(read).await? {
            self.cache.remember(epoch, key, user);
            return Ok(Resolution::Known { user });
        }
        let decision = move |desk: &Desk<'_, '_>| desk.resolve(policy);
        let (resolution, moved) = self.tell(channel, sender, now, decision).await?;
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
        let sender = sender.clone();
        let read = move |tx: &Tx<'_>| {
            let desk = desk(tx, channel, &sender, Timestamp::default());
            Ok::<_, DirectoryError>(desk.facts()?.owner())
        };
        let owner = self.store.glance(read).await?;
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
        let linked = self.tell(channel, sender, now, move |desk| desk.link(user)).await;
        self.cache.forget();
        linked
    }

    async fn link_people(
        &self,
        into: ZakiUserId,
        from: ZakiUserId,
        now: Timestamp,
    ) -> Result<usize, DirectoryError> {
        let write = move |tx: &Tx<'_>| link_people(tx, into, from, now);
        let moved = self.store.write(write).await;
        self.cache.forget();
        moved
    }

    async fn list(&self) -> Result<Vec<Person>, DirectoryError> {
        self.store.read(list).await
    }

    async fn bindings(&self, user: ZakiUserId) -> Result<Vec<Binding>, DirectoryError> {
        self.store.read(move |tx| bindings(tx, user)).await
    }

    async fn mode(&self, user: ZakiUserId) -> Result<Option<String>, DirectoryError> {
        let read = move |tx: &Tx<'_>| tx.one(sql::MODE, params![Text(user)], |row| row.get(0));
        Ok(self.store.glance(read).await?.flatten())
    }

    async fn set_mode(&self, user: ZakiUserId, mode: Option<&str>) -> Result<(), DirectoryError> {
        let mode = mode.map(str::to_owned);
        let write = move |tx: &Tx<'_>| tx.execute(sql::SET_MODE, params![Text(user), mode]);
        match self.store.write(write).await? {
            0 => Err(DirectoryError::UnknownPerson(user)),
            _ => Ok(()),
        }
    }
}

fn link_people(
    tx: &Tx<'_>,
    into: ZakiUserId,
    from: ZakiUserId,
    now: Timestamp,
) -> Result<usize, DirectoryError> {
    if into == from {
        return Err(DirectoryError::SamePerson(into));
    }
    for person in [into, from] {
        known(tx, person)?;
    }
    let row = params![Text(into), Text(from), now.as_ms()];
    tx.execute(sql::AUDIT_ALL, row)?;
    Ok(tx.execute(sql::MOVE_ALL, row)?)
}

fn known(tx: &Tx<'_>, person: ZakiUserId) -> Result<(), DirectoryError> {
    let found = tx.one(sql::HAS_PERSON, params![Text(person)], |_| Ok(()))?;
    found.ok_or(DirectoryError::UnknownPerson(person))
}

fn list(tx: &Tx<'_>) -> Result<Vec<Person>, DirectoryError> {
    let mut people = tx.all(sql::PEOPLE, [], rows::person)?;
    for person in &mut people {
        person.bindings = bindings(tx, person.user)?;
    }
    Ok(people)
}

fn bindings(tx: &Tx<'_>, user: ZakiUserId) -> Result<Vec<Binding>, DirectoryError> {
    Ok(tx.all(sql::BINDINGS, params![Text(user)], rows::binding)?)
}
