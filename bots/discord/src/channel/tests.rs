use zaki_envelope::Timestamp;

use super::*;

#[test]
fn nonces_tell_deliveries_apart_within_25_characters() {
    let at = Timestamp::from_ms(1_795_228_321_344);
    let [one, two] = [1, 2].map(|random| DeliveryId::from_parts(at, random));
    assert_eq!(nonce(one), nonce(one));
    assert_ne!(nonce(one), nonce(two));
    assert_eq!(nonce(one).len(), 25);
    assert!(one.to_string().starts_with('0'));
}

#[test]
fn payloads_ping_nobody_and_unfold_nothing() {
    let message = CreateMessage::new()
        .content("@everyone")
        .allowed_mentions(nobody())
        .flags(MessageFlags::SUPPRESS_EMBEDS);
    let json = serde_json::to_value(message).unwrap();
    assert_eq!(json["allowed_mentions"]["parse"], serde_json::json!([]));
    assert_eq!(json["flags"], 4);
}

#[test]
fn a_reply_to_nothing_is_an_error_and_no_panic() {
    for (channel, message) in [("0", "1"), ("1", "0"), ("x", "1"), ("1", "")] {
        assert!(reference(channel, &MessageId::new(message)).is_err());
    }
}
