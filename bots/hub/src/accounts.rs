//! The configured bots, each with what its platform needs: a sender, a webhook half, a socket half.

use std::{collections::HashMap, sync::Arc};

use zaki_channel::{Channel, Source, Webhook};
use zaki_envelope::{AccountName, ChannelKind};

use crate::config::Config;

/// One bot on one platform.
pub(crate) struct Account {
    pub kind: ChannelKind,
    pub name: AccountName,
    pub channel: Arc<dyn Channel>,
    pub webhook: Option<Box<dyn Webhook>>,
    pub source: Option<Arc<dyn Source>>,
    label: String,
}

impl Account {
    fn new(
        kind: ChannelKind,
        name: &AccountName,
        channel: Arc<dyn Channel>,
        webhook: Option<Box<dyn Webhook>>,
        source: Option<Arc<dyn Source>>,
    ) -> Self {
        let label = format!("{kind}/{name}");
        Self { kind, name: name.clone(), channel, webhook, source, label }
    }

    /// `telegram/main`: for logs, counters and cursors.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }
}

/// All of them.
#[derive(Default)]
pub(crate) struct Accounts(HashMap<(ChannelKind, AccountName), Account>);

impl Accounts {
    /// The account `name` of `kind`, as both stand in a webhook's address.
    pub(crate) fn find(&self, kind: ChannelKind, name: &str) -> Option<&Account> {
        self.get(kind, &name.parse().ok()?)
    }

    pub(crate) fn get(&self, kind: ChannelKind, name: &AccountName) -> Option<&Account> {
        self.0.get(&(kind, name.clone()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Account> {
        self.0.values()
    }

    fn add(&mut self, account: Account) {
        self.0.insert((account.kind, account.name.clone()), account);
    }
}
