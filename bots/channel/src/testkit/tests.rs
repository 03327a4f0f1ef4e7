//! The testkit itself: it lets a sound channel pass, and catches every flaw it is there for.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hmac::{Hmac, Mac};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use sha2::Sha256;
use zaki_envelope::{
    AccountName, ChannelKind, Conversation, ConversationId, ConversationKind, DedupeKey, Inbound,
    InboundId, InboundKind, MessageId, Part, Sender, SenderId, SenderScope, Timestamp, Version,
};

use super::{Body, Key, Mixed, Sample, webhook};
use crate::{Dead, Parse, ParseError, Parsed, Proof, Verified, Webhook, Window};

const WINDOW: Window = Window { header: "x-toy-time", secs: 60 };

/// What is wrong with a toy channel.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    None,
    AcceptsAnySignature,
    AcceptsWithoutSecret,
    IgnoresTheBody,
    IgnoresTheTime,
    AnswersItself,
    KeyHoldsTheTime,
    IdIsNotDerived,
    LosesTheBatch,
    BlamesTheBatch,
    DropsTheDead,
    Panics,
}

/// A channel whose bodies are lists of `{"id", "from", "text"}`.
#[derive(Clone, Copy)]
struct Toy(Flaw);

type Check = dyn Fn(&str, &str, &[u8]) -> bool + Send + Sync;

struct ToyHook {
    flaw: Flaw,
    check: Box<Check>,
}

fn key(key: Key) -> &'static str {
    match key {
        Key::Ours => "ours",
        Key::Other => "other",
        Key::Empty => "",
    }
}

fn sign(key: &str, time: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(format!("v0:{time}:").as_bytes());
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

/// What the signature says about the time.
fn covered(flaw: Flaw, time: &str) -> &str {
    if flaw == Flaw::IgnoresTheTime { "" } else { time }
}

impl Sample for Toy {
    fn account(&self) -> AccountName {
        "main".parse().unwrap()
    }

    fn hook(&self, key: Key) -> Box<dyn Webhook> {
        let (flaw, key) = (self.0, self::key(key));
        let check = move |signature: &str, time: &str, body: &[u8]| match flaw {
            Flaw::AcceptsWithoutSecret if key.is_empty() => true,
            Flaw::AcceptsAnySignature => true,
            Flaw::IgnoresTheBody => signature.len() == 64 && !key.is_empty(),
            _ => !key.is_empty() && signature == sign(key, covered(flaw, time), body),
        };
        let check = Box::new(check);
        Box::new(ToyHook { flaw, check })
    }

    fn sign(&self, key: Key, body: &[u8], at: Timestamp) -> HeaderMap {
        let time = at.as_secs().to_string();
        let signature = sign(self::key(key), covered(self.0, &time), body);
        HeaderMap::from_iter([
            ("x-toy-time".parse().unwrap(), HeaderValue::from_str(&time).unwrap()),
            ("x-toy".parse().unwrap(), HeaderValue::from_str(&signature).unwrap()),
        ])
    }

    fn message(&self) -> Body {
        Body::new(json!([{"id": "1", "from": "ann", "text": "hi"}]).to_string())
    }

    fn own(&self) -> Vec<Body> {
        vec![Body::new(json!([{"id": "2", "from": "bot", "text": "hi"}]).to_string())]
    }

    fn mixed(&self) -> Option<Mixed> {
        let body = json!([{"id": "1", "from": "ann", "text": "a"}, {"id": 7},
            {"id": "3", "from": "ann", "text": "c"}]);
        Some(Mixed { body: Body::new(body.to_string()), live: 2, dead: 1 })
    }
}

impl ToyHook {
    fn inbound(&self, item: &Value, received_at: Timestamp) -> Option<Inbound> {
        let field = |name: &str| item.get(name)?.as_str().filter(|text| !text.is_empty());
        let (id, from, text) = (field("id")?, field("from")?, field("text")?);
        let time = received_at.as_ms();
        let dedupe = DedupeKey::new(match self.flaw {
            Flaw::KeyHoldsTheTime => format!("discord:{id}:{time}"),
            _ => format!("discord:{id}"),
        });
        let derived_at = match self.flaw {
            Flaw::IdIsNotDerived => Timestamp::from_ms(1),
            _ => received_at,
        };
        Some(Inbound {
            v: Version,
            id: InboundId::derive(derived_at, &Toy(self.flaw).account(), &dedupe),
            channel: ChannelKind::Discord,
            account: Toy(self.flaw).account(),
            dedupe,
            sent_at: None,
            received_at,
            conversation: Conversation::new(ConversationId::new(from), ConversationKind::Direct),
            sender: Sender::new(SenderScope::new(""), SenderId::new(from)),
            kind: InboundKind::Message,
            message: Some(MessageId::new(id)),
            parts: vec![Part::text(text)],
            reply_to: None,
            group: None,
            addressed: true,
            trace: None,
        })
    }
}

impl Parse for ToyHook {
    fn parse(&self, bytes: Verified<'_>, received_at: Timestamp) -> Result<Parsed, ParseError> {
        let wrong = |reason: &str| ParseError { what: "toy", reason: reason.to_owned() };
        let items = serde_json::from_slice::<Vec<Value>>(bytes.body());
        let items = items.map_err(|_| wrong("no list"))?;
        let mut parsed = Parsed::default();
        for item in &items {
            match self.inbound(item, received_at) {
                Some(inbound) if inbound.sender.id.as_str() != "bot" => {
                    parsed.arrivals.push(inbound.into());
                }
                Some(inbound) if self.flaw == Flaw::AnswersItself => {
                    parsed.arrivals.push(inbound.into());
                }
                Some(_) => {}
                None if self.flaw == Flaw::Panics => panic!("what is this?"),
                None if self.flaw == Flaw::LosesTheBatch => return Err(wrong("one is broken")),
                None if self.flaw == Flaw::DropsTheDead => {}
                None => parsed.dead.push(Dead {
                    reason: "no message".to_owned(),
                    raw: match self.flaw {
                        Flaw::BlamesTheBatch => bytes.body().to_vec(),
                        _ => item.to_string().into_bytes(),
                    },
                }),
            }
        }
        Ok(parsed)
    }
}

impl Webhook for ToyHook {
    fn proof(&self) -> Proof<'_> {
        Proof::Signature { header: "x-toy", time: WINDOW, check: &*self.check }
    }
}

fn passes(flaw: Flaw) -> bool {
    catch_unwind(AssertUnwindSafe(|| webhook(&Toy(flaw)))).is_ok()
}

#[test]
fn a_sound_channel_passes() {
    webhook(&Toy(Flaw::None));
}

#[test]
fn every_flaw_is_caught() {
    for flaw in [
        Flaw::AcceptsAnySignature,
        Flaw::AcceptsWithoutSecret,
        Flaw::IgnoresTheBody,
        Flaw::IgnoresTheTime,
        Flaw::AnswersItself,
        Flaw::KeyHoldsTheTime,
        Flaw::IdIsNotDerived,
        Flaw::LosesTheBatch,
        Flaw::BlamesTheBatch,
        Flaw::DropsTheDead,
        Flaw::Panics,
    ] {
        assert!(!passes(flaw), "{flaw:?} goes unnoticed");
    }
}
