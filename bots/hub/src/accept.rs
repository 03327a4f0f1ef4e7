//! What becomes of a request on its way into the ledger: what is for an agent, and what has been
//! dealt with as soon as it is stored.

use std::sync::Arc;

use async_trait::async_trait;
use zaki_channel::{Batch, ChannelError, Inbox, InboxError};
use zaki_envelope::{AccountName, ChannelKind, Inbound, InboundKind};
use zaki_lane::commands::Command;
use zaki_ledger::{Line, SettleReason};

use crate::{accounts::Account, clock, groups::Groups, hub::Hub, notice, troubles::Doing};

/// Why a message is not for the agent, if it is not.
pub(crate) fn no_turn(groups: &Groups, inbound: &Inbound) -> Option<SettleReason> {
    let says = matches!(
        inbound.kind,
        InboundKind::Message | InboundKind::Command { .. } | InboundKind::Button { .. }
    );
    match inbound {
        _ if !says => Some(SettleReason::Event),
        _ if inbound.sender.is_bot => Some(SettleReason::Bot),
        _ if !groups.hears(inbound) => Some(SettleReason::NotAddressed),
        _ if inbound.parts.is_empty() && Command::of(inbound).is_none() => {
            Some(SettleReason::Empty)
        }
        _ => None,
    }
}

/// Why a message has been dealt with as soon as it is stored, if it has. A report on a delivery has
/// not: it may prove that the delivery arrived. Nor has what its platform shows as under way.
fn at_once(groups: &Groups, inbound: &Inbound) -> Option<SettleReason> {
    let is_report = matches!(inbound.kind, InboundKind::Status { delivery: Some(_), .. });
    if is_report || notice::is_shown(inbound) { None } else { no_turn(groups, inbound) }
}

/// The place among others of a message that is for the agent: a command of ours has none.
fn line(groups: &Groups, inbound: &Inbound) -> Option<Line> {
    let is_ours = no_turn(groups, inbound).is_some() || Command::of(inbound).is_some();
    (!is_ours).then(|| Line::of(inbound))
}

/// Why a message was not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcceptError {
    #[error(transparent)]
    Ledger(#[from] zaki_ledger::Error),
    #[error("too many messages wait for their person to be found")]
    Full,
}

/// A request as the ledger takes it.
pub(crate) fn to_ledger(groups: &Groups, account: &Account, batch: Batch) -> zaki_ledger::Batch {
    let Batch { raw, received_at, mut parsed, cursor } = batch;
    // By this the lanes know who came first.
    let received_at = clock::received(received_at);
    for arrival in &mut parsed.arrivals {
        arrival.inbound.received_at = received_at;
    }
    let items = parsed.arrivals.into_iter();
    let dead = parsed.dead.into_iter();
    zaki_ledger::Batch {
        channel: account.kind,
        account: account.name.clone(),
        received_at,
        raw,
        items: items
            .map(|arrival| zaki_ledger::NewInbound {
                settled: at_once(groups, &arrival.inbound),
                line: line(groups, &arrival.inbound),
                inbound: arrival.inbound,
                handle: arrival.handle,
            })
            .collect(),
        dead: dead
            .map(|dead| zaki_ledger::DeadLetter { reason: dead.reason, raw: dead.raw })
            .collect(),
        cursor: cursor
            .map(|value| zaki_ledger::CursorUpdate { name: account.label().to_owned(), value }),
    }
}

/// The inbox of one account's socket.
pub(crate) struct AccountInbox {
    pub hub: Arc<Hub>,
    pub kind: ChannelKind,
    pub name: AccountName,
}

#[async_trait]
impl Inbox for AccountInbox {
    async fn accept(&self, batch: Batch) -> Result<(), InboxError> {
        let account = self.account()?;
        self.hub.accept(account, batch).await.map_err(|error| InboxError(error.into()))
    }

    async fn cursor(&self) -> Result<Option<String>, InboxError> {
        let name = self.account()?.label();
        self.hub.ledger.cursor(name).await.map_err(|error| InboxError(error.into()))
    }

    fn reached(&self, attempt: Result<(), &ChannelError>) {
        if let Ok(account) = self.account() {
            self.hub.troubles.heard(account.label(), Doing::Receiving, attempt);
        }
    }
}

impl AccountInbox {
    fn account(&self) -> Result<&Account, InboxError> {
        let found = self.hub.accounts.get(self.kind, &self.name);
        found.ok_or_else(|| InboxError("the account is no longer configured".into()))
    }
}
