//! Codes are taken out of what arrives before it is stored: whoever knows one is somebody.

use std::{collections::HashMap, sync::Arc};

use zaki_channel::{Batch, Dead};
use zaki_envelope::{ConversationKind, Inbound, InboundId, Outbound, Part};
use zaki_identity::{Hearer, LinkCode, Spilt};
use zaki_lane::commands::{Secret, bare, blot, redact, redact_bare, redact_stray, strays};
use zaki_words::{Linking, Say};

use crate::{clock, hub::Hub, notice, voice::voice};

/// What was taken out of a batch. In memory alone, so a crash loses it, and whoever sent a command
/// with a code is asked for it again.
#[derive(Default)]
pub(crate) struct Taken {
    /// Codes of commands, and those that were all of a message.
    codes: HashMap<InboundId, Secret>,
    /// Messages with codes among other words: whether one is void by that.
    spilt: HashMap<InboundId, bool>,
}

impl Taken {
    /// The code of a message.
    pub(crate) fn code_of(&mut self, inbound: InboundId) -> Option<Secret> {
        self.codes.remove(&inbound)
    }
}

/// The codes of a batch. Neither the envelopes nor the raw request hold them from now on.
pub(crate) async fn take(hub: &Arc<Hub>, batch: &mut Batch) -> Taken {
    let mut taken = Taken::default();
    let Batch { raw, parsed, .. } = batch;
    for arrival in &mut parsed.arrivals {
        let inbound = &mut arrival.inbound;
        let code = match redact(inbound) {
            Some(code) => Some(code),
            None => alone(hub, inbound).await,
        };
        let strays = spilt(hub, inbound).await;
        for stray in strays.codes {
            redact_stray(inbound, &stray);
            blot_all(raw, &mut parsed.dead, &stray);
        }
        taken.spilt.extend(strays.void.map(|void| (inbound.id, void)));
        if let Some(code) = code {
            blot_all(raw, &mut parsed.dead, &code);
            taken.codes.insert(inbound.id, code);
        }
    }
    taken
}

/// Tells whoever wrote a code among other words that it was taken out, and whether it still works.
/// Nothing where nobody speaks to the bot, nor to whoever hears nothing there; to strangers once a day,
/// and not so many of them that the bot floods its platform.
pub(crate) fn own_up(hub: &Arc<Hub>, inbound: &Inbound, taken: &mut Taken) {
    let Some(void) = taken.spilt.remove(&inbound.id) else { return };
    let (shared, inbound) = (Arc::clone(hub), inbound.clone());
    hub.tasks.spawn(async move {
        let spoken = match shared.directory.hearer(&inbound, clock::now()).await {
            Ok(Hearer::Person(user)) => match shared.profile(user).await {
                Some(Some(person)) => voice(person.lang.as_deref(), &inbound),
                _ => return,
            },
            Ok(Hearer::Stranger) if shared.strangers.may_tell(&inbound) => voice(None, &inbound),
            _ => return,
        };
        notice::remark(&shared, &inbound, Linking::Spilt { void }.say(spoken)).await;
    });
}

/// Blots a code out of all that is kept of a request as it came: the parts of it that nobody could
/// read are kept on their own.
fn blot_all(raw: &mut [u8], dead: &mut [Dead], code: &Secret) {
    blot(raw, code);
    for part in dead {
        blot(&mut part.raw, code);
    }
}

/// A code that is all that was written in private. Whoever is nobody yet where codes are asked for
/// was told to send it, so what may be one is one. Of others it is only if the store says so: else it
/// is for their agent ("hey there" may be one, too).
/// Where it cannot say, nothing that may be a code is kept.
async fn alone(hub: &Hub, inbound: &mut Inbound) -> Option<Secret> {
    if inbound.conversation.kind != ConversationKind::Direct {
        return None;
    }
    let code = LinkCode::typed(bare(inbound)?.expose());
    let (sender, now) = (&inbound.sender, clock::now());
    let known = hub.directory.find(inbound.channel, &sender.scope, &sender.id).await;
    let is_code = match known {
        Ok(None) if hub.directory.asks_for_codes(inbound) => true,
        Ok(_) => hub.directory.is_code(inbound, &code, now).await.unwrap_or(true),
        Err(_) => true,
    };
    if is_code { redact_bare(inbound) } else { None }
}

/// Codes among other words.
#[derive(Default)]
struct Strays {
    codes: Vec<Secret>,
    /// Whether one is void by that; none: nobody knows of one that is good.
    void: Option<bool>,
}

/// Codes of ours among other words: nobody uses them by that, and no agent is to read them. Where the
/// store cannot say, nothing that may be a code is kept.
async fn spilt(hub: &Hub, inbound: &Inbound) -> Strays {
    let read = |stray: Secret| (LinkCode::typed(stray.expose()), stray);
    let mut strays: Vec<_> = strays(inbound).into_iter().map(read).collect();
    strays.retain(|(code, _)| code.is_well_formed());
    if strays.is_empty() {
        return Strays::default();
    }
    // Of a stranger, not all are looked up: those first that are likely.
    strays.sort_by_key(|(code, _)| !is_as_shown(inbound, code));
    let codes: Vec<LinkCode> = strays.iter().map(|(code, _)| code.clone()).collect();
    let Ok(found) = hub.directory.spill(inbound, &codes, clock::now()).await else {
        return Strays { codes: strays.into_iter().map(|(_, stray)| stray).collect(), void: None };
    };
    let any = found.iter().any(|it| matches!(it, Spilt::Good | Spilt::Void));
    let void = any.then(|| found.contains(&Spilt::Void));
    // What nobody has looked up was written by somebody who is asked for codes, and read by no agent.
    let kept_out = found.into_iter().zip(strays).filter(|(it, _)| *it != Spilt::None);
    Strays { codes: kept_out.map(|(_, (_, stray))| stray).collect(), void }
}

/// Whether it stands there just as codes are shown.
fn is_as_shown(inbound: &Inbound, code: &LinkCode) -> bool {
    let shown = code.shown();
    let has = |part: &Part| matches!(part, Part::Text { text, .. } if text.contains(&shown));
    inbound.parts.iter().any(has)
}

/// Whether whoever reads this can do something by it: whether a code of ours or the address of a
/// download stands in it, in its text, a link or a button. Better one too many.
pub(crate) fn are_shown_by(outbound: &Outbound) -> bool {
    let Ok(text) = serde_json::to_string(outbound) else { return true };
    let signs: Vec<char> = text.chars().collect();
    let is_sign = |sign: &char| sign.is_ascii_digit() || sign.is_ascii_uppercase();
    let shown = |window: &[char]| match window.split_at(4) {
        (left, ['-', right @ ..]) => left.iter().chain(right).all(is_sign),
        _ => false,
    };
    signs.windows(9).any(shown) || text.contains("/export/") || text.contains("?start=")
}

#[cfg(test)]
mod tests {
    use zaki_envelope::{Choice, InboundKind, Timestamp};

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
    fn what_shows_a_code_is_known_from_what_does_not() {
        let shows = |text: &str| are_shown_by(&Outbound::post(text.to_owned()));
        for code in [
            "Your code is `ABCD-2345`.",
            "https://wa.me/1?text=%2Flink%20ABCD-2345",
            "https://t.me/bot?start=ABCD2345",
            "https://bot.example/export/00ff",
        ] {
            assert!(shows(code), "{code}");
        }
        let choice = Choice { label: "Let in".into(), data: "/approve ABCD-2345".into() };
        let parts = vec![Part::Choices { choices: vec![choice] }];
        assert!(are_shown_by(&Outbound::Post { parts, reply_to: None }));
        for other in ["", "You can continue in 5 minutes.", "well-known words", "ABCD-234", "2-3"] {
            assert!(!shows(other), "{other}");
        }
    }

    #[test]
    fn what_is_as_codes_are_shown_is_told_from_what_is_as_long() {
        let code = LinkCode::typed("ABCD-2345");
        for (said, expected) in [
            ("it is ABCD-2345, thanks", true),
            ("(ABCD-2345)", true),
            ("commit abcd2345", false),
            ("0f3e-abcd-2345-77", false),
        ] {
            assert_eq!(is_as_shown(&inbound(said), &code), expected, "{said}");
        }
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
