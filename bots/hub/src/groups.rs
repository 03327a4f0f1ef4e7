//! In which groups everything said is for the bot: to be known before a message is stored.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use zaki_envelope::{ConversationKind, Inbound};
use zaki_identity::{Directory, DirectoryError, Group, GroupKey, GroupMode};

/// The groups as they were a moment ago. The directory decides; this only says what need not be
/// brought before it.
pub(crate) struct Groups {
    default: GroupMode,
    known: RwLock<Known>,
}

/// Those that are otherwise than the configuration says.
#[derive(Default)]
struct Known {
    modes: HashMap<GroupKey, GroupMode>,
    /// How much had been done when they were read.
    acts: Option<u64>,
}

impl Groups {
    pub(crate) fn new(default: GroupMode) -> Self {
        Self { default, known: RwLock::default() }
    }

    /// Whether the bot is to take notice of this, as far as the place goes.
    pub(crate) fn hears(&self, inbound: &Inbound) -> bool {
        if inbound.addressed {
            return true;
        }
        if inbound.conversation.kind == ConversationKind::Direct {
            return false;
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if known.modes.is_empty() {
            return self.default == GroupMode::Always;
        }
        let mode = known.modes.get(&GroupKey::of(inbound));
        mode.copied().unwrap_or(self.default) == GroupMode::Always
    }

    /// A group has been changed here.
    pub(crate) fn note(&self, group: &Group) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.modes.insert(group.key.clone(), group.mode);
    }

    /// Reads what others have changed, if anything has been done since.
    pub(crate) async fn refresh(&self, directory: &Directory) -> Result<(), DirectoryError> {
        let acts = directory.acts().await?;
        if self.known.read().unwrap_or_else(PoisonError::into_inner).acts == Some(acts) {
            return Ok(());
        }
        let groups = directory.groups().await?;
        let odd = groups.into_iter().filter(|group| group.mode != self.default);
        let modes = odd.map(|group| (group.key, group.mode)).collect();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *known = Known { modes, acts: Some(acts) };
        Ok(())
    }
}
