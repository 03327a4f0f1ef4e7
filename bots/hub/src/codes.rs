//! Codes are taken out of what arrives before it is stored: whoever knows one is somebody.

use std::{collections::HashMap, sync::Arc};

use zaki_channel::Batch;
use zaki_envelope::{ConversationKind, Inbound, InboundId};
use zaki_identity::SignUp;
use zaki_lane::commands::{Secret, blot, redact, redact_bare};

use crate::hub::Hub;

/// The codes of a batch, by the messages they stood in. Neither the envelopes nor the raw request
/// hold them from now on. They are in memory alone, so a crash loses them, and their senders are
/// asked for them again.
pub(crate) async fn take(hub: &Arc<Hub>, batch: &mut Batch) -> HashMap<InboundId, Secret> {
    let mut codes = HashMap::new();
    for arrival in &mut batch.parsed.arrivals {
        let inbound = &mut arrival.inbound;
        let code = match redact(inbound) {
            None if is_at_the_door(hub, inbound).await => redact_bare(inbound),
            code => code,
        };
        if let Some(code) = code {
            blot(&mut batch.raw, &code);
            codes.insert(inbound.id, code);
        }
    }
    codes
}

/// Whether somebody nobody knows writes where an invitation is wanted: they may write nothing but
/// its code. Of everybody else such a message is for their agent.
async fn is_at_the_door(hub: &Hub, inbound: &Inbound) -> bool {
    let policy = hub.access.of(inbound.channel, &inbound.account);
    if policy.sign_up != SignUp::Invite || inbound.conversation.kind != ConversationKind::Direct {
        return false;
    }
    let sender = &inbound.sender;
    let found = hub.directory.find(inbound.channel, &sender.scope, &sender.id).await;
    matches!(found, Ok(None))
}
