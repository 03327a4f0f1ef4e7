//! An operator with a command line beside the hubs: a process of its own for every act.

use std::fs;

use anyhow::{Context, Result};
use secrecy::SecretString;
use tokio::sync::Semaphore;
use toml::Table;
use zaki_envelope::ZakiUserId;
use zaki_identity::{
    Access, Binding, BindingKind, Directory, GroupRules, Options, PeopleFilter, SignUp,
};
use zaki_store::{Keys, PgOptions};

use super::account::Account;
use crate::World;

/// Looks into the directory, and acts by `zaki users`.
pub struct Operator<'w> {
    /// Where the hubs are.
    pub(super) world: &'w World,
    /// What the hubs read, too.
    pub directory: Directory,
    /// Few at a time: each is a process.
    room: Semaphore,
}

impl<'w> Operator<'w> {
    /// Opens the directory of a world whose hubs have been up.
    pub async fn of(world: &'w World) -> Result<Self> {
        let options = Options {
            access: Access::new(SignUp::Closed),
            group: GroupRules::default(),
            code_key: None,
            keys: Keys::default(),
            cache: 0,
        };
        let config: Table = fs::read_to_string(world.config())?.parse()?;
        let url = config.get("ledger").and_then(|ledger| ledger.get("url")?.as_str());
        let directory = match url {
            Some(url) => {
                let url = SecretString::from(url.to_owned());
                Directory::postgres(&url, &PgOptions::default(), options).await?
            }
            None => Directory::sqlite(world.data().join("hub/identity.db"), options).await?,
        };
        Ok(Self { world, directory, room: Semaphore::new(2) })
    }

    /// Whose an account is, and by which best id.
    pub async fn find(&self, account: &Account) -> Result<Option<(ZakiUserId, Binding)>> {
        let ids = account.ids();
        let mut found = None;
        for id in &ids {
            let text = Some(id.clone());
            let filter = PeopleFilter { after: None, limit: 50, text };
            for person in self.directory.people(filter).await? {
                let is_it = |binding: &&Binding| {
                    binding.channel == account.channel
                        && binding.sender.as_str() == id
                        && account.is_of(binding.scope.as_str())
                };
                let Some(binding) = person.bindings.iter().find(is_it) else { continue };
                // The better id comes last.
                if found.is_none() || binding.kind == BindingKind::Primary {
                    found = Some((person.user, binding.clone()));
                }
            }
        }
        Ok(found)
    }

    /// The place of an account in `/links`, counted from 1.
    pub async fn place(&self, account: &Account) -> Result<Option<usize>> {
        let Some((user, binding)) = self.find(account).await? else { return Ok(None) };
        let person = self.directory.person(user).await?.context("nobody")?;
        let mut shown = person.bindings.iter().filter(|it| it.kind == BindingKind::Primary);
        Ok(shown.position(|it| it.key() == binding.key()).map(|n| n + 1))
    }

    /// `zaki <args> --json`, to its end.
    pub async fn zaki(&self, args: &[&str]) -> Result<String> {
        let _room = self.room.acquire().await?;
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        self.world.zaki(&args).await?.ok()
    }
}
