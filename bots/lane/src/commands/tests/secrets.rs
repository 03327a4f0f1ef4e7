//! Codes are taken out of everything that is kept.

use zaki_envelope::{Mention, Part};

use super::*;

const CODE: &str = "ABCD-2345";

fn texts(inbound: &Inbound) -> String {
    zaki_envelope::plain_text(&inbound.parts)
}

fn redacted(text: &str) -> (String, Option<Secret>) {
    let mut message = inbound(MESSAGE, "direct", text);
    let secret = redact(&mut message);
    (texts(&message), secret)
}

#[test]
fn a_code_and_what_may_be_left_of_it_are_covered() {
    for (text, left) in [
        ("/link ABCD-2345", "/link [redacted]"),
        ("  /LINK@bot  abcd 2345  ", "  /LINK@bot  [redacted]  "),
        ("/link ABCD-2345 or was it ABCD-2354?", "/link [redacted]"),
        ("/link\nABC", "/link\n[redacted]"),
        ("/link link", "/link [redacted]"),
        ("/deny ABCD-2345 ABCD-2345", "/deny [redacted] [redacted]"),
        ("/start ABCD-2345", "/start [redacted]"),
        ("/zaki link ABCD-2345", "/zaki link [redacted]"),
        ("/approve ABCD-2345 always", "/approve [redacted] always"),
        ("/erase confirm ABCD-2345", "/erase confirm [redacted]"),
    ] {
        let (stored, secret) = redacted(text);
        assert_eq!(stored, left);
        assert!(secret.is_some(), "{text}");
    }
    for text in [
        "/link",
        "/link confirm",
        "/link [redacted]",
        "/approve 3f2a",
        "/new ABCD-2345",
        "my code is ABCD-2345",
        "/zaki link this page",
        "/weather ABCD-2345",
    ] {
        assert_eq!(redacted(text), (text.to_owned(), None));
    }
}

#[test]
fn debug_shows_no_code() {
    let command = said("/link ABCD-2345").unwrap();
    let shown = format!("{command:?} {:#?}", redacted("/start ABCD-2345").1);
    assert!(!shown.contains("2345") && shown.contains('…'), "{shown}");
    assert_eq!(command.spoken(), "/link ABCD-2345");
}

#[test]
fn corrections_and_groups_are_covered_too() {
    for kind in [r#"{"type":"edit","target":"1"}"#, r#"{"type":"other","name":"x"}"#] {
        let mut message = inbound(kind, "group", "/link ABCD-2345");
        assert!(redact(&mut message).is_some(), "{kind}");
        assert_eq!(texts(&message), "/link [redacted]");
    }
}

#[test]
fn what_repeats_a_code_is_covered_with_it() {
    let mut message = inbound(MESSAGE, "direct", "@Zaki /link @ABCD-2345 thanks");
    let mention = |text: &str| Mention { text: text.into(), sender: None };
    let Part::Text { mentions, .. } = &mut message.parts[0] else { panic!() };
    *mentions = vec![mention("@Zaki"), mention("@ABCD-2345")];
    message.parts.push(Part::text("quoted: ABCD-2345"));
    let secret = redact(&mut message).unwrap();
    assert_eq!(secret.expose(), CODE);
    let Part::Text { mentions, .. } = &message.parts[0] else { panic!() };
    assert_eq!(*mentions, [mention("@Zaki")], "an entity keeps the code");
    assert_eq!(texts(&message), "@Zaki /link [redacted]\nquoted: [redacted]");
    assert_eq!(Command::of(&message), Some(Command::Link(Link::Redeem(Code::Redacted))));
}

#[test]
fn a_button_forgets_its_code() {
    let kind = r#"{"type":"button","data":"zaki:/approve ABCD-2345 always"}"#;
    let mut message = inbound(kind, "direct", "zaki:/approve ABCD-2345 always");
    assert!(redact(&mut message).is_some());
    assert!(!format!("{message:?}").contains("2345"), "{message:?}");
    let what = Some(Code::Redacted);
    assert_eq!(Command::of(&message), Some(Command::Approve { what, how: Decision::Always }));
}

#[test]
fn nothing_but_a_code_is_one_and_words_are_not() {
    let bare = |text: &str| {
        let mut message = inbound(MESSAGE, "direct", text);
        let seen = super::super::bare(&message);
        let secret = redact_bare(&mut message);
        assert_eq!(seen, secret);
        let secret = secret?;
        assert_eq!(texts(&message), "[redacted]");
        let left = Command::of(&message);
        assert_eq!(left, Some(Command::Link(Link::Redeem(Code::Redacted))), "and not for an agent");
        Some(secret.expose().to_owned())
    };
    for (text, code) in [
        ("ABCD-2345", "ABCD-2345"),
        (" abcd-2345\n", "abcd-2345"),
        ("abcd2345", "abcd2345"),
        ("ABCD 2345", "ABCD2345"),
        ("ABCD-EFGH", "ABCD-EFGH"),
        ("abcd-efgh", "abcd-efgh"),
        ("ABCDEFGH", "ABCDEFGH"),
        ("\u{2068}ABCD-2345\u{2069}", "ABCD-2345"),
    ] {
        assert_eq!(bare(text).as_deref(), Some(code), "{text:?}");
    }
    for text in ["elephant", "this page", "ABCD-2345 ok", "12345", "", "well done!", "half-a-year"]
    {
        assert_eq!(bare(text), None, "{text:?}");
    }
}

#[test]
fn what_is_left_of_a_code_is_a_command_in_private_alone() {
    assert_eq!(in_group("[redacted]"), None);
    for talk in ["[redacted] ok", "redacted", "[redacted]?"] {
        assert_eq!(said(talk), None, "{talk:?}");
    }
}

#[test]
fn raw_requests_lose_it_and_stay_what_they_were() {
    let secret = |code: &str| redacted(&format!("/link {code}")).1.unwrap();
    let blotted = |raw: &str, code: &str| {
        let mut raw = raw.as_bytes().to_vec();
        blot(&mut raw, &secret(code));
        String::from_utf8(raw).unwrap()
    };
    for (raw, code, left) in [
        (r#"{"text":"/link ABCD-2345"}"#, CODE, r#"{"text":"/link ****-****"}"#),
        (r#"{"a":"ABCD-2345","b":["ABCD2345"]}"#, CODE, r#"{"a":"****-****","b":["********"]}"#),
        ("command=%2Fzaki&text=link+ABCD+2345", "ABCD 2345", "command=%2Fzaki&text=link+****+****"),
        ("text=link%20ABCD%2D2345&x=1", CODE, "text=link%20****%2D****&x=1"),
        (
            r#"{"t":"/link \u2068ABCD\u20132345\u2069"}"#,
            CODE,
            r#"{"t":"/link \u2068****\u2013****\u2069"}"#,
        ),
        (r#"{"t":"ABCD","u":"2345"}"#, CODE, r#"{"t":"ABCD","u":"2345"}"#),
        (r#"{"username":"username"}"#, "username", r#"{"username":"********"}"#),
        (r#"{"text":"/link text"}"#, "text", r#"{"text":"/link text"}"#),
        (r#"{"text":"/link ABCD-234"#, CODE, r#"{"text":"/link ABCD-234"#),
    ] {
        assert_eq!(blotted(raw, code), left);
    }
}

#[test]
fn a_code_among_other_words_is_found_and_taken_out() {
    for (said, left) in [
        ("my code is ABCD-2345, thanks", "my code is [redacted], thanks"),
        ("abcd\u{2013}2345 is my code", "[redacted] is my code"),
        ("link ABCD2345", "link [redacted]"),
        (
            "wa.me/1?text=%2Flink%20ABCD-2345 or t.me/b?start=ABCD2345",
            "wa.me/1?text=%2Flink%20[redacted] or t.me/b?start=[redacted]",
        ),
        ("/links ABCD-2345", "/links [redacted]"),
    ] {
        let mut inbound = inbound(MESSAGE, "direct", said);
        let found = strays(&inbound);
        assert_eq!(found.len(), 1, "{said}: {found:?}");
        assert_eq!(found[0].expose(), "ABCD2345");
        redact_stray(&mut inbound, &found[0]);
        assert_eq!(inbound.parts, [zaki_envelope::Part::text(left)], "{said}");
    }
    for said in ["elephant and computer", "2026-11-22", "well-known words", "A-B"] {
        let inbound = inbound(MESSAGE, "direct", said);
        assert!(strays(&inbound).is_empty(), "{said}");
    }
    let many: Vec<_> = (0..100).map(|n| format!("A{n:03}-2345")).collect();
    assert_eq!(strays(&inbound(MESSAGE, "direct", &many.join(" "))).len(), 32);
}
