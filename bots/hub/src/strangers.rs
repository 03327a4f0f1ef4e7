//! What those are told who are not let in: one polite line, and never so many of them that a crowd
//! makes the bot flood its platform.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use zaki_envelope::{AccountName, ChannelKind, Inbound, Timestamp};
use zaki_identity::{GroupKey, PAIRING_MS, Refusal, Who};
use zaki_lane::minute::{Minutes, Verdict};
use zaki_words::{Access, Groups, Say, Voice};

use crate::{clock, hub::Hub, notice, voice::voice};

/// How many of these lines an account says in a minute.
const PER_MINUTE: u32 = 60;
/// So many accounts are told apart.
const ACCOUNTS: usize = 1_000;

/// Counts the lines.
pub(crate) struct Strangers {
    began: Instant,
    lines: Mutex<Minutes<(ChannelKind, AccountName)>>,
}

impl Default for Strangers {
    fn default() -> Self {
        Self { began: Instant::now(), lines: Mutex::new(Minutes::new(ACCOUNTS)) }
    }
}

impl Strangers {
    pub(crate) fn may_tell(&self, inbound: &Inbound) -> bool {
        let account = (inbound.channel, inbound.account.clone());
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = lines.ask(&account, PER_MINUTE, self.began.elapsed());
        matches!(verdict, Verdict::Pass { .. })
    }
}

/// Tells somebody why nobody answers them.
pub(crate) async fn tell(hub: &Arc<Hub>, inbound: &Inbound, reason: &Refusal) {
    // Of codes there are few, and whoever is not told theirs cannot be let in by it.
    let is_code = matches!(reason, Refusal::PairingWanted { .. });
    if !is_code && !hub.strangers.may_tell(inbound) {
        return tracing::debug!(account = %inbound.account, "a stranger was told nothing");
    }
    if *reason == Refusal::Crowded {
        tracing::warn!(account = %inbound.account, "no more strangers may wait; `zaki pairing`");
    }
    if let Some(said) = say(hub, inbound, reason, clock::now()).await {
        notice::tell(hub, inbound, said).await;
    }
}

async fn say(hub: &Hub, inbound: &Inbound, reason: &Refusal, now: Timestamp) -> Option<String> {
    let voice = voice(None, inbound);
    if *reason != Refusal::NotInGroup {
        return line(reason, voice, now);
    }
    let key = GroupKey::of(inbound);
    let group = hub.persist("read a group", || hub.directory.group(&key)).await?;
    let said = if group.who == Who::Known { Groups::KnownOnly } else { Groups::NotListed };
    Some(said.say(voice))
}

/// What somebody is told whom nobody answers in private; nothing where they are to hear nothing.
pub(crate) fn line(reason: &Refusal, voice: Voice, now: Timestamp) -> Option<String> {
    Some(match reason {
        Refusal::Closed => Access::Closed.say(voice),
        Refusal::NotListed => Access::NotListed.say(voice),
        Refusal::InviteWanted => Access::InviteWanted.say(voice),
        Refusal::PairingWanted { code } => {
            let (code, until) = (code.shown(), now.plus_ms(PAIRING_MS));
            Access::Pairing { code: &code, until, now }.say(voice)
        }
        Refusal::Crowded => Access::Crowded.say(voice),
        Refusal::NotInGroup
        | Refusal::Denied
        | Refusal::GroupOff
        | Refusal::NotAddressed
        | Refusal::Blocked => return None,
    })
}
