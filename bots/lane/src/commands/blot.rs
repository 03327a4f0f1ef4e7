//! Codes are blotted out of raw requests, sign by sign, each as it is written there, so that a
//! request stays what it was: JSON, or a form, whose `payload` may be JSON.

use std::ops::Range;

use super::{secret::Secret, traces::Traces};

/// A shorter one is no code, and may be part of anything.
const SHORTEST: usize = 6;

/// A byte of what a request says, and where it stands there: as itself, or as `%XX`.
#[derive(Clone, Copy)]
struct Spot {
    byte: u8,
    at: usize,
    is_escaped: bool,
}

/// A sign of a text, and the bytes that it is written as.
struct Sign {
    sign: char,
    bytes: Range<usize>,
}

/// Blots a code, and all that was typed in its place, out of the raw request that it came with.
pub fn blot(raw: &mut [u8], secret: &Secret) {
    let traces = Traces::of(secret, SHORTEST);
    for (spots, is_json) in fields(raw) {
        let bytes: Vec<u8> = spots.iter().map(|spot| spot.byte).collect();
        let signs = signs(&bytes);
        let texts = if is_json { strings(&signs) } else { vec![signs] };
        for text in texts {
            for place in traces.places(text.iter().map(|it| it.sign)) {
                for sign in place.iter().filter_map(|at| text.get(*at)) {
                    cover(raw, spots.get(sign.bytes.clone()).unwrap_or_default());
                }
            }
        }
    }
}

/// A sign becomes `*`; one that JSON escapes, `\u002a`: nothing else of it begins with a backslash.
fn cover(raw: &mut [u8], sign: &[Spot]) {
    let is_escape = sign.first().is_some_and(|spot| spot.byte == b'\\');
    for (spot, star) in sign.iter().zip(b"\\u002a".iter().cycle()) {
        let (at, byte) = (spot.at, if is_escape { *star } else { b'*' });
        let written = format!("%{byte:02X}");
        let written = if spot.is_escaped { written.as_bytes() } else { &[byte] };
        if let Some(there) = raw.get_mut(at..at + written.len()) {
            there.copy_from_slice(written);
        }
    }
}

/// What a request says, and whether it is JSON: all of it, or the values of a form.
fn fields(raw: &[u8]) -> Vec<(Vec<Spot>, bool)> {
    if matches!(raw.trim_ascii_start().first(), Some(b'{' | b'[' | b'"')) {
        let spot = |(at, byte): (usize, &u8)| Spot { byte: *byte, at, is_escaped: false };
        return vec![(raw.iter().enumerate().map(spot).collect(), true)];
    }
    let mut next = 0;
    let field = |field: &[u8]| {
        let name = field.iter().position(|byte| *byte == b'=');
        let value = name.map_or(0, |end| end + 1);
        let spots = unescaped(field, next, value);
        next += field.len() + 1;
        // Slack, "Handling user interaction in your Slack apps": the payload is JSON.
        (spots, field.starts_with(b"payload="))
    };
    raw.split(|byte| *byte == b'&').map(field).collect()
}

/// A `field` of a form that stands at `start`, from `from` on, without its percent encoding.
fn unescaped(field: &[u8], start: usize, from: usize) -> Vec<Spot> {
    let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let mut spots = Vec::with_capacity(field.len());
    let mut next = from;
    while let Some(rest @ [first, ..]) = field.get(next..) {
        let code = match rest {
            [b'%', high, low, ..] => hex(*high).zip(hex(*low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        let byte = code.unwrap_or(if *first == b'+' { b' ' } else { *first });
        spots.push(Spot { byte, at: start + next, is_escaped: code.is_some() });
        next += if code.is_some() { 3 } else { 1 };
    }
    spots
}

/// The signs of a text in UTF-8. What is none stays a sign of no meaning.
fn signs(bytes: &[u8]) -> Vec<Sign> {
    let mut signs = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid().chars().map(|sign| (sign, sign.len_utf8()));
        let broken = chunk.invalid().iter().map(|_| (char::REPLACEMENT_CHARACTER, 1));
        for (sign, length) in valid.chain(broken) {
            signs.push(Sign { sign, bytes: at..at + length });
            at += length;
        }
    }
    signs
}

/// The strings of a text in JSON that are values, whole or cut short; no names, and no numbers: an
/// asterisk would break them.
fn strings(signs: &[Sign]) -> Vec<Vec<Sign>> {
    let mut strings = Vec::new();
    let mut next = 0;
    while let Some(rest @ [first, ..]) = signs.get(next..) {
        next += 1;
        if first.sign != '"' {
            continue;
        }
        let (string, length) = string(rest.get(1..).unwrap_or_default());
        next += length;
        let mut behind = signs.get(next..).into_iter().flatten().map(|it| it.sign);
        if behind.find(|sign| !sign.is_ascii_whitespace()) != Some(':') {
            strings.push(string);
        }
    }
    strings
}

/// The string at the head of `signs`, and how many of them are its, with the quote behind it.
fn string(signs: &[Sign]) -> (Vec<Sign>, usize) {
    let mut string = Vec::new();
    let mut next = 0;
    while let Some(rest @ [first, ..]) = signs.get(next..) {
        if first.sign == '"' {
            return (string, next + 1);
        }
        let (sign, length) = escape(rest).unwrap_or((first.sign, 1));
        let end = rest.get(..length).and_then(<[_]>::last).unwrap_or(first).bytes.end;
        string.push(Sign { sign, bytes: first.bytes.start..end });
        next += length;
    }
    (string, next)
}

/// What the escape at the head of `signs` means, and how many of them it is; none: no escape.
fn escape(signs: &[Sign]) -> Option<(char, usize)> {
    let of = |units: &[u16]| char::decode_utf16(units.iter().copied()).next()?.ok();
    match (signs.first()?.sign, unit(signs)) {
        ('\\', Some(unit)) if (0xd800..0xdc00).contains(&unit) => {
            let other = signs.get(6..).and_then(self::unit);
            let sign = other.and_then(|other| of(&[unit, other]));
            Some(sign.map_or((char::REPLACEMENT_CHARACTER, 6), |sign| (sign, 12)))
        }
        ('\\', Some(unit)) => Some((of(&[unit]).unwrap_or(char::REPLACEMENT_CHARACTER), 6)),
        // Of `\n`, `\"` and the like, none is a letter.
        ('\\', None) => Some((' ', 2)),
        _ => None,
    }
}

/// The `\uXXXX` at the head of `signs`.
fn unit(signs: &[Sign]) -> Option<u16> {
    let signs = signs.get(..6)?;
    let digits: String = signs.iter().map(|it| it.sign).collect();
    let digits =
        digits.strip_prefix("\\u").filter(|it| it.chars().all(|c| c.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}
