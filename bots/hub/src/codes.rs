//! Codes are taken out of what arrives before it is stored: whoever knows one is somebody.

use std::{collections::HashMap, sync::Arc};

use zaki_channel::{Batch, Dead};
use zaki_envelope::{ConversationKind, Inbound, InboundId};
use zaki_identity::SignUp;
use zaki_lane::commands::{Secret, blot, redact, redact_bare};

use crate::hub::Hub;

/// The codes of a batch, by the messages they stood in. Neither the envelopes nor the raw request
/// hold them from now on. They are in memory alone, so a crash loses them, and their senders are
/// asked for them again.
pub(crate) async fn take(hub: &Arc<Hub>, batch: &mut Batch) -> HashMap<InboundId, Secret> {
    let mut codes = HashMap::new();
    let Batch { raw, parsed, .. } = batch;
    for arrival in &mut parsed.arrivals {
        let inbound = &mut arrival.inbound;
        let code = match redact(inbound) {
            None if is_at_the_door(hub, inbound).await => redact_bare(inbound),
            code => code,
        };
        if let Some(code) = code {
            blot_all(raw, &mut parsed.dead, &code);
            codes.insert(inbound.id, code);
        }
    }
    codes
}

/// Blots a code out of all that is kept of a request as it came: the parts of it that nobody could
/// read are kept on their own.
fn blot_all(raw: &mut [u8], dead: &mut [Dead], code: &Secret) {
    blot(raw, code);
    for part in dead {
        blot(&mut part.raw, code);
    }
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

#[cfg(test)]
mod tests {
    use zaki_envelope::{InboundKind, Part, Timestamp};

    use super::*;

    fn inbound(text: &str) -> Inbound {
        let json = serde_json::json!({
            "v": 1, "id": crate::clock::inbound_id(), "channel": "telegram", "account": "main",
            "dedupe": "d", "received_at": Timestamp::default(), "addressed": true,
            "conversation": {"id": "7", "kind": "direct"},
            "sender": {"scope": "", "id": "7"},
            "kind": InboundKind::Message,
            "parts": [Part::text(text)],
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_code_stays_nowhere_in_a_request() {
        let code = redact(&mut inbound("/link ABCD-EFGH")).unwrap();
        let part = |text: &str| format!(r#"{{"text":"{text}"}}"#).into_bytes();
        let mut raw = part("/link ABCD-EFGH");
        let dead = |text| Dead { reason: "it has no sender".to_owned(), raw: part(text) };
        let mut dead = [dead("/link ABCD-EFGH"), dead("something else")];
        blot_all(&mut raw, &mut dead, &code);
        for kept in [&raw, &dead[0].raw] {
            assert!(!String::from_utf8_lossy(kept).contains("EFGH"));
        }
        assert_eq!(dead[1].raw, part("something else"));
    }
}
