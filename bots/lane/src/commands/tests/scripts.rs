//! Codes in the digits and letters of other scripts, and in each way that platforms write them.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;

/// A sign of a code as some keyboard has it.
fn typed_sign(sign: char, keyboard: u8) -> char {
    let digit = sign.to_digit(10);
    let wide = |sign: char| char::from_u32(u32::from(sign) + 0xfee0).unwrap();
    match (keyboard, digit) {
        (0, Some(digit)) => char::from_u32(0x660 + digit).unwrap(),
        (1, Some(digit)) => char::from_u32(0x6f0 + digit).unwrap(),
        (1 | 2, None) => sign.to_ascii_lowercase(),
        (3, _) => wide(sign),
        (4, _) => wide(sign.to_ascii_lowercase()),
        _ => sign,
    }
}

/// A code with a digit in it, and how somebody typed it.
fn typed_code() -> impl Strategy<Value = (String, String)> {
    let keyboards = prop::collection::vec(0..6u8, 8);
    let dash = prop::sample::select(vec!['-', '\u{2013}', '\u{ff0d}']);
    ("[2-9A-HJ-NP-Z]{7}[2-9]", keyboards, dash).prop_map(|(code, keyboards, dash)| {
        let signs = code.chars().zip(keyboards);
        let mut typed: String = signs.map(|(sign, keyboard)| typed_sign(sign, keyboard)).collect();
        typed.insert(typed.char_indices().nth(4).unwrap().0, dash);
        (code, typed)
    })
}

/// How a request writes a sign, blotted out or not.
type Writing = fn(char, bool) -> String;

/// `text` in a request, before and after `secret`, its end, was blotted out.
fn written(text: &str, secret: &str, how: Writing) -> [String; 2] {
    let head = text.len() - secret.len();
    [false, true].map(|is_blotted| {
        let sign = |(at, sign): (usize, char)| {
            how(sign, is_blotted && at >= head && sign.is_alphanumeric())
        };
        text.char_indices().map(sign).collect()
    })
}

/// JSON as Discord and WhatsApp write it.
fn plainly(sign: char, blotted: bool) -> String {
    match sign {
        _ if blotted => "*".repeat(sign.len_utf8()),
        '"' | '\\' => format!("\\{sign}"),
        _ => sign.to_string(),
    }
}

/// JSON as Slack and Telegram write it.
fn in_ascii(sign: char, blotted: bool) -> String {
    if sign.is_ascii() {
        return plainly(sign, blotted);
    }
    let mut units = [0; 2];
    sign.encode_utf16(&mut units).iter().fold(String::new(), |mut written, unit| {
        let unit = if blotted { u16::from(b'*') } else { *unit };
        write!(written, "\\u{unit:04x}").unwrap();
        written
    })
}

/// A form as Slack writes it.
fn in_a_form(sign: char, blotted: bool) -> String {
    let byte = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        _ if byte.is_ascii_alphanumeric() => char::from(if blotted { b'*' } else { byte }).into(),
        _ => format!("%{:02X}", if blotted { b'*' } else { byte }),
    };
    sign.to_string().bytes().map(byte).collect()
}

/// A form whose payload is JSON in ASCII.
fn in_a_payload(sign: char, blotted: bool) -> String {
    // An asterisk for a letter is one in the form, too, and in an escape all but the digits is as
    // it was.
    if blotted && sign.is_ascii() {
        return "*".to_owned();
    }
    in_ascii(sign, blotted).chars().map(|it| in_a_form(it, false)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_code_in_any_script_is_one_and_is_taken_out((code, typed) in typed_code()) {
        for (kind, text) in [
            (MESSAGE, format!("/link {typed}")),
            (MESSAGE, format!("/zaki link {typed}")),
            (MESSAGE, format!("/zaki /link {typed} please, it is mine")),
            (MESSAGE, format!("/zaki erase confirm {typed}")),
            (MESSAGE, format!("/approve {typed} always")),
            (ZAKI, format!("link {typed}")),
            (ZAKI, format!("link `{typed}`, please")),
        ] {
            let mut message = inbound(kind, "direct", &text);
            message.parts.push(zaki_envelope::Part::text(format!("quoted: {typed}; {code}")));
            let secret = redact(&mut message);
            prop_assert!(secret.is_some(), "{}", text);
            let read = secret.unwrap().expose().replace('-', "");
            prop_assert_eq!(read.to_ascii_uppercase(), code.as_str());
            let stored = format!("{message:?}");
            prop_assert!(!stored.contains(&typed) && !stored.contains(&code), "{}", stored);
        }
        let mut bare = inbound(MESSAGE, "direct", &typed);
        prop_assert!(redact_bare(&mut bare).is_some(), "{}", typed);
        let stored = format!("{bare:?}");
        prop_assert!(!stored.contains(&typed), "{}", stored);
    }

    /// All that stands in the place of the code, however the platform writes it; nothing else.
    #[test]
    fn raw_requests_lose_all_that_was_typed(
        (_, typed) in typed_code(),
        slip in "| or was it [A-Z]{4}-[2-9]{4}\\?| \\PC{0,20}",
        head in prop::sample::select(vec!["/link ", "/zaki /link ", "/start "]),
    ) {
        let all = format!("{typed}{slip}");
        let all = all.trim_end();
        let text = format!("{head}{all}");
        let mut message = inbound(MESSAGE, "direct", &text);
        let secret = redact(&mut message).unwrap();
        for (of, before, behind) in [
            (plainly as Writing, r#"{"id":23456789,"text":""#, r#"","date":1}"#),
            (in_ascii, r#"{"id":23456789,"text":""#, r#"","date":1}"#),
            (in_a_form, "user_name=ann&text=", "&team_id=T2"),
            (in_a_payload, "payload=%7B%22text%22%3A%22", "%22%2C%22n%22%3A23456789%7D"),
        ] {
            let [was, left] = written(&text, all, of);
            let mut raw = format!("{before}{was}{behind}").into_bytes();
            blot(&mut raw, &secret);
            let raw = String::from_utf8(raw).unwrap();
            prop_assert_eq!(raw, format!("{before}{left}{behind}"), "{:?}", text);
        }
    }

    #[test]
    fn whatever_the_request_is_it_keeps_its_length(
        (_, typed) in typed_code(),
        before in r#"\PC{0,20}|[{}\[\]":,=&%+\\u0-9A-F]{0,40}"#,
        behind in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let secret = redact(&mut inbound(MESSAGE, "direct", &format!("/link {typed}"))).unwrap();
        let raw = [before.as_bytes(), typed.as_bytes(), &behind].concat();
        let mut once = raw.clone();
        blot(&mut once, &secret);
        prop_assert_eq!(once.len(), raw.len());
        let mut twice = once.clone();
        blot(&mut twice, &secret);
        prop_assert_eq!(twice, once);
    }
}

#[test]
fn what_is_not_the_code_stays() {
    let secret =
        |typed: &str| redact(&mut inbound(MESSAGE, "direct", &format!("/link {typed}"))).unwrap();
    for (raw, typed, left) in [
        // Numbers and names are no text.
        (
            r#"{"n":23456789,"23456789" : "٢٣٤٥٦٧٨٩"}"#,
            "23456789",
            r#"{"n":23456789,"23456789" : "****************"}"#,
        ),
        ("callback_1=a&text=callback+1", "callback 1", "callback_1=a&text=********+*"),
        (r#"{"callback_query":"callback"}"#, "callback", r#"{"callback_query":"********"}"#),
        // What JSON escapes otherwise is no letter; a backslash that is one escapes nothing.
        (
            r#"{"t":"ABCD\n2345 \\u0041BCD2345"}"#,
            "ABCD2345",
            r#"{"t":"****\n**** \\u0041BCD2345"}"#,
        ),
        (r#"{"t":"\u0041BCD\"2345"}"#, "ABCD2345", r#"{"t":"\u002a***\"****"}"#),
        // As Slack writes what HTML would mistake.
        (
            r#"{"t":"ABCD2345 &amp; &lt;WXYZ"}"#,
            "ABCD2345 & <WXYZ",
            r#"{"t":"******** &amp; &lt;****"}"#,
        ),
        // Another code that stands elsewhere than it was typed.
        (
            r#"{"t":["ABCD-2345","ABCD-2354"]}"#,
            "ABCD-2345 or ABCD-2354",
            r#"{"t":["****-****","****-****"]}"#,
        ),
        // Cut short, or none of the forms we know.
        (r#"{"t":"ABCD-2345"#, "ABCD-2345", r#"{"t":"****-****"#),
        ("ABCD-2345 %4", "ABCD-2345", "****-**** %4"),
    ] {
        let mut bytes = raw.as_bytes().to_vec();
        blot(&mut bytes, &secret(typed));
        assert_eq!(String::from_utf8(bytes).unwrap(), left, "{raw}");
    }
}

#[test]
fn wide_and_arabic_signs_mean_the_same_everywhere() {
    for (written, command) in [
        ("/link ＡＢＣＤ　２３４５", Command::Link(Link::Redeem(given("ABCD2345")))),
        ("/zaki link ａｂｃｄ－٢٣٤٥", Command::Link(Link::Redeem(given("abcd-2345")))),
        ("/zaki link ABCD ۲۳۴۵ now", Command::Link(Link::Redeem(given("ABCD2345")))),
        ("/unlink ٢", Command::Unlink(Some(2))),
        ("/session ۳", Command::Session(Session::Switch(3))),
        (
            "/approve ３ｆ２ａ ａｌｗａｙｓ",
            Command::Approve { what: Some(given("3f2a")), how: Decision::Always },
        ),
    ] {
        assert_eq!(said(written), Some(command), "{written}");
    }
    assert_eq!(behind("link ａｂｃｄ ｐａｇｅ"), None, "small wide letters are words");
}
