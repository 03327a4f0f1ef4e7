//! Proofs, own messages, ids, batches.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use zaki_envelope::{Inbound, InboundId, InboundKind, Timestamp};

use super::{Body, Key, Sample, garbage::garbage};
use crate::{ParseError, Parsed, Proof, Refusal, Request, Webhook, Window};

/// The moment at which everything is signed.
const SIGNED_AT: Timestamp = Timestamp::from_secs(1_795_000_000);

/// Asserts everything the hub relies on in the webhook half of a channel.
pub fn webhook(sample: &dyn Sample) {
    let hook = sample.hook(Key::Ours);
    authentic(sample, &*hook);
    forged(sample, &*hook);
    windowed(sample, &*hook);
    fails_closed(sample);
    ignores_own(sample, &*hook);
    keeps_the_sound_of_a_batch(sample, &*hook);
    garbage(sample, &*hook);
}

/// Verifies and parses `body`, as the hub does.
pub(super) fn receive(
    hook: &dyn Webhook,
    body: &Body,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Result<Parsed, ParseError>, Refusal> {
    let request =
        Request { method: &Method::POST, route: body.route, query: "", headers, body: &body.bytes };
    let verified = request.verify(&hook.proof(), now)?;
    Ok(hook.parse(verified, now))
}

/// Parses a body signed with our own key.
pub(super) fn signed(
    sample: &dyn Sample,
    hook: &dyn Webhook,
    body: &Body,
) -> Result<Parsed, ParseError> {
    let headers = sample.sign(Key::Ours, &body.bytes, SIGNED_AT);
    receive(hook, body, &headers, SIGNED_AT).expect("an authentic request passes")
}

fn authentic(sample: &dyn Sample, hook: &dyn Webhook) {
    let parsed = signed(sample, hook, &sample.message()).expect("an authentic message parses");
    assert_eq!(parsed.arrivals.len(), 1, "one message makes one arrival");
    assert_eq!(parsed.dead, [], "a sound message leaves nothing dead");
    let inbound = &parsed.arrivals[0].inbound;
    assert!(wants_turn(inbound), "a person's message to the bot wants a turn: {:?}", inbound.kind);
    for body in sample.others().into_iter().chain([sample.message()]) {
        let first = signed(sample, hook, &body).expect("an authentic body parses");
        let again = signed(sample, hook, &body).expect("it parses again");
        assert_eq!(first, again, "parsing is a function of the bytes");
        sound(sample, hook, &body, &first);
    }
}

/// What holds for every arrival, however odd the bytes it came from.
pub(super) fn sound(sample: &dyn Sample, hook: &dyn Webhook, body: &Body, parsed: &Parsed) {
    for arrival in &parsed.arrivals {
        round_trips(sample, &arrival.inbound);
    }
    let later = Timestamp::from_ms(SIGNED_AT.as_ms() + 86_400_000);
    let headers = sample.sign(Key::Ours, &body.bytes, later);
    let again = receive(hook, body, &headers, later).expect("authentic a day later as well");
    let keys = |parsed: &Parsed| -> Vec<_> {
        let inbounds = parsed.arrivals.iter().map(|arrival| &arrival.inbound);
        inbounds.map(|inbound| inbound.dedupe.clone()).collect()
    };
    assert_eq!(
        again.as_ref().map(keys).ok(),
        Some(keys(parsed)),
        "the dedupe key of a message is the same whenever it is read"
    );
}

/// Whether a person says something to the bot.
fn wants_turn(inbound: &Inbound) -> bool {
    let says = matches!(
        inbound.kind,
        InboundKind::Message | InboundKind::Command { .. } | InboundKind::Button { .. }
    );
    says && inbound.addressed && !inbound.sender.is_bot && !inbound.parts.is_empty()
}

fn round_trips(sample: &dyn Sample, inbound: &Inbound) {
    let json = serde_json::to_string(inbound).expect("an envelope is JSON");
    let back = Inbound::from_json(&json).expect("an envelope reads back");
    assert_eq!(*inbound, back, "an envelope survives being stored");
    assert_eq!(
        inbound.id,
        InboundId::derive(inbound.received_at, &inbound.account, &inbound.dedupe),
        "the id is derived from time of arrival and dedupe key"
    );
    assert_eq!(inbound.account, sample.account(), "the bot is named");
    let key = inbound.dedupe.as_str();
    let channel = inbound.channel.as_str();
    assert!(
        key.strip_prefix(channel).is_some_and(|rest| rest.len() > 1 && rest.starts_with(':')),
        "the dedupe key starts with its channel: {key}"
    );
    if wants_turn(inbound) {
        let ids = [inbound.sender.id.as_str(), inbound.conversation.id.as_str()];
        assert!(ids.iter().all(|id| !id.is_empty()), "nobody nowhere cannot be answered: {ids:?}");
    }
}

fn forged(sample: &dyn Sample, hook: &dyn Webhook) {
    let body = sample.message();
    let headers = sample.sign(Key::Ours, &body.bytes, SIGNED_AT);
    let refuse = |body: &Body, headers: &HeaderMap, what: &str| {
        let passed = receive(hook, body, headers, SIGNED_AT).is_ok();
        assert!(!passed, "{what} must be refused");
    };
    refuse(&body, &HeaderMap::new(), "an unsigned request");
    let others = sample.sign(Key::Other, &body.bytes, SIGNED_AT);
    refuse(&body, &others, "a request signed with another secret");
    let proof = hook.proof();
    let header = HeaderName::from_static(signature_header(&proof));
    let value = headers.get(&header).expect("sign sets the header").clone();
    let with = |value: &[u8]| {
        let mut headers = headers.clone();
        let value = HeaderValue::from_bytes(value).expect("a header value");
        headers.insert(header.clone(), value);
        headers
    };
    let mut flipped = value.as_bytes().to_vec();
    if let Some(last) = flipped.last_mut() {
        *last = if *last == b'0' { b'1' } else { b'0' };
    }
    refuse(&body, &with(&flipped), "a changed signature");
    refuse(&body, &with(&flipped[..4]), "a truncated signature");
    refuse(&body, &with(b""), "an empty signature");
    refuse(&body, &with(b"\xff\xfe"), "a signature that is not text");
    let mut twice = headers.clone();
    twice.append(header.clone(), value);
    refuse(&body, &twice, "a duplicated signature header");
    if covers_body(&proof) {
        for (tampered, what) in tampered(&body) {
            refuse(&tampered, &headers, what);
        }
    }
}

fn tampered(body: &Body) -> [(Body, &'static str); 3] {
    let changed = |change: fn(&mut Vec<u8>)| {
        let mut body = body.clone();
        change(&mut body.bytes);
        body
    };
    [
        (changed(|bytes| bytes.push(b'\n')), "an appended byte"),
        (changed(|bytes| bytes[0] ^= 1), "a flipped bit"),
        (changed(|bytes| bytes.truncate(bytes.len() - 1)), "a missing byte"),
    ]
}

fn windowed(sample: &dyn Sample, hook: &dyn Webhook) {
    let Some(window) = window(&hook.proof()) else {
        return;
    };
    let body = sample.message();
    let headers = sample.sign(Key::Ours, &body.bytes, SIGNED_AT);
    for (apart, passes) in [
        (window.secs, true),
        (window.secs + 1, false),
        (-window.secs, true),
        (-window.secs - 1, false),
    ] {
        let now = Timestamp::from_secs(SIGNED_AT.as_secs() + apart);
        let passed = receive(hook, &body, &headers, now).is_ok();
        assert_eq!(passed, passes, "a request signed {apart} s before now");
    }
    let mut later = headers.clone();
    let moved = (SIGNED_AT.as_secs() + 1).to_string();
    let moved = HeaderValue::from_str(&moved).expect("a header value");
    later.insert(HeaderName::from_static(window.header), moved);
    assert!(
        receive(hook, &body, &later, SIGNED_AT).is_err(),
        "the time must be covered by the signature"
    );
}

fn fails_closed(sample: &dyn Sample) {
    let hook = sample.hook(Key::Empty);
    let body = sample.message();
    for key in [Key::Empty, Key::Ours, Key::Other] {
        let headers = sample.sign(key, &body.bytes, SIGNED_AT);
        assert!(
            receive(&*hook, &body, &headers, SIGNED_AT).is_err(),
            "a hook without a secret must refuse what {key:?} signed"
        );
    }
}

fn ignores_own(sample: &dyn Sample, hook: &dyn Webhook) {
    for body in sample.own() {
        let parsed = signed(sample, hook, &body).expect("the bot's own message parses");
        let text = String::from_utf8_lossy(&body.bytes);
        assert_eq!(parsed.arrivals, [], "the bot answers itself: {text}");
        assert_eq!(parsed.dead, [], "the bot's own message is no fault: {text}");
    }
}

fn keeps_the_sound_of_a_batch(sample: &dyn Sample, hook: &dyn Webhook) {
    let Some(mixed) = sample.mixed() else { return };
    let parsed = signed(sample, hook, &mixed.body).expect("a batch with a broken item parses");
    assert_eq!(parsed.arrivals.len(), mixed.live, "a broken item takes no other with it");
    assert_eq!(parsed.dead.len(), mixed.dead, "a broken item is kept");
    for dead in &parsed.dead {
        assert!(!dead.raw.is_empty(), "a dead item keeps its bytes");
        assert!(
            dead.raw.len() < mixed.body.bytes.len(),
            "a dead item keeps its own bytes, not its neighbours'"
        );
    }
    sound(sample, hook, &mixed.body, &parsed);
}

fn signature_header(proof: &Proof<'_>) -> &'static str {
    match proof {
        Proof::Secret { header, .. }
        | Proof::Hmac { header, .. }
        | Proof::Signature { header, .. } => header,
    }
}

fn covers_body(proof: &Proof<'_>) -> bool {
    !matches!(proof, Proof::Secret { .. })
}

fn window(proof: &Proof<'_>) -> Option<Window> {
    match proof {
        Proof::Secret { .. } => None,
        Proof::Hmac { time, .. } => time.map(|(window, _)| window),
        Proof::Signature { time, .. } => Some(*time),
    }
}
