//! Codes: whoever knows one is somebody. They are taken out of a message before it is stored.

use std::{fmt, mem, ops::Range};

use secrecy::{ExposeSecret, SecretString};
use zaki_envelope::{Inbound, InboundKind, Part};

use super::{args::is_invisible, find::find_anywhere};

/// What stands where a code stood.
const MARK: &str = "[redacted]";
/// How many letters and digits a code has.
const LENGTH: usize = 8;

/// A code as somebody typed it, but for blanks, quotes and marks that nobody sees. Never logged.
#[derive(Clone)]
pub struct Secret(SecretString);

/// A code, or the id of something, in a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// As somebody typed it.
    Given(Secret),
    /// It was taken out before the message was stored, and is lost if nobody has kept it.
    Redacted,
}

impl Secret {
    pub(super) fn new(text: String) -> Self {
        Self(text.into())
    }

    /// The code. Not for logs, errors, models or anything that is stored.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Code {
    /// None: there is nothing in it.
    pub(super) fn read(typed: &str) -> Option<Self> {
        if typed.contains(MARK) {
            return Some(Self::Redacted);
        }
        let code = clean(typed);
        (!code.is_empty()).then(|| Self::Given(Secret::new(code)))
    }

    /// What stands in the text for it.
    pub(super) fn spoken(&self) -> &str {
        match self {
            Self::Given(secret) => secret.expose(),
            Self::Redacted => MARK,
        }
    }
}

/// Takes the code of a command out of `inbound`, which stays that command. Whatever kind it is of:
/// somebody may correct what they wrote, or give a command where it does not belong.
pub fn redact(inbound: &mut Inbound) -> Option<Secret> {
    let found = find_anywhere(inbound)?;
    let span = found.secret?;
    let Some(Code::Given(secret)) = found.command.code().cloned() else { return None };
    cover(inbound, span, &secret);
    Some(secret)
}

/// The same for a message that is nothing but a code. "half-year" could be one, too: only for
/// strangers who are to bring one, and for as long as it is not known whether they are.
pub fn redact_bare(inbound: &mut Inbound) -> Option<Secret> {
    let is_said = matches!(inbound.kind, InboundKind::Message | InboundKind::Edit { .. });
    let [Part::Text { text, .. }] = inbound.parts.as_mut_slice() else { return None };
    if !is_said || !is_alone(text.trim()) {
        return None;
    }
    let typed = mem::replace(text, MARK.to_owned());
    Some(Secret::new(clean(&typed)))
}

/// Covers what stands at `span` of the text that a command was found in, and the same words
/// wherever else they stand; the command itself stays.
fn cover(inbound: &mut Inbound, span: Range<usize>, secret: &Secret) {
    let mut texts: Vec<&mut String> = inbound
        .parts
        .iter_mut()
        .filter_map(|part| match part {
            Part::Text { text, .. } => Some(text),
            _ => None,
        })
        .collect();
    let words = match &mut inbound.kind {
        InboundKind::Button { data } => cut(data, span, secret),
        _ if texts.is_empty() => return,
        _ => cut(texts.remove(0), span, secret),
    };
    for text in texts {
        replace(text, &words);
    }
    for part in &mut inbound.parts {
        let Part::Text { mentions, .. } = part else { continue };
        mentions.retain(|mention| !words.iter().any(|word| mention.text.contains(word)));
    }
}

/// Covers what stands at `span`, and the same behind it; returns what it is known by.
fn cut(text: &mut String, span: Range<usize>, secret: &Secret) -> Vec<String> {
    let Some(typed) = text.get(span.clone()) else { return Vec::new() };
    let mut words = vec![typed.to_owned(), secret.expose().to_owned()];
    // Nobody knows more by a letter or two, and they stand everywhere.
    words.retain(|word| word.len() >= 4);
    let mut behind = text.split_off(span.end);
    replace(&mut behind, &words);
    text.replace_range(span.start.., MARK);
    text.push_str(&behind);
    words
}

fn replace(text: &mut String, words: &[String]) {
    for word in words {
        *text = text.replace(word, MARK);
    }
}

/// Blots a code out of the raw request that it came with, letter by letter, so that the request
/// stays what it was: JSON or a form, where what is between the letters may be escaped.
pub fn blot(raw: &mut [u8], secret: &Secret) {
    let code: Vec<u8> = secret.expose().bytes().filter(u8::is_ascii_alphanumeric).collect();
    // A short one is no code, and may be part of anything.
    if code.len() < LENGTH - 2 {
        return;
    }
    let mut at = 0;
    while at < raw.len() {
        let Some(places) = places(raw, at, &code) else {
            at += 1;
            continue;
        };
        at = places.last().map_or(raw.len(), |last| last + 1);
        for place in places {
            if let Some(byte) = raw.get_mut(place) {
                *byte = b'*';
            }
        }
    }
}

/// Where the letters of `code` stand, if they begin at `at`; not in the name of a field.
fn places(raw: &[u8], at: usize, code: &[u8]) -> Option<Vec<usize>> {
    let mut places = Vec::with_capacity(code.len());
    let mut next = at;
    for letter in code {
        if !places.is_empty() {
            next += between(raw.get(next..)?);
        }
        if raw.get(next)? != letter {
            return None;
        }
        places.push(next);
        next += 1;
    }
    let is_name = raw.get(next..).is_some_and(|rest| rest.starts_with(b"\":"));
    (!is_name).then_some(places)
}

/// How many bytes at the head of `raw` may stand between two letters of a code.
fn between(raw: &[u8]) -> usize {
    const MOST: usize = 24;
    let mut length = 0;
    while length < MOST {
        length += match raw.get(length..) {
            Some([b'\\', b'u', _, _, _, _, ..]) => 6,
            Some([b'%', _, _, ..]) => 3,
            Some([b'"' | b',' | b'{' | b'}' | b'=' | b'&', ..]) => break,
            Some([byte, ..]) if !byte.is_ascii_alphanumeric() => 1,
            _ => break,
        };
    }
    length
}

/// Without what nobody sees and what stands around it. The blanks in a code are slips.
fn clean(typed: &str) -> String {
    let visible = typed.chars().filter(|c| !is_invisible(*c)).map(|c| match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => '-',
        c => c,
    });
    let visible: String = visible.collect();
    let code = visible.trim_matches(|c: char| !c.is_alphanumeric());
    if is_code(code) { code.replace(' ', "") } else { code.to_owned() }
}

/// Whether something has the shape of a code: eight letters and digits, with dashes and blanks.
/// Words have it, too: "elephant", "half-year", "this page".
pub(super) fn looks(typed: &str) -> bool {
    typed == MARK || is_code(&clean(typed))
}

fn is_code(clean: &str) -> bool {
    let signs = clean.chars().filter(char::is_ascii_alphanumeric).count();
    signs == LENGTH && clean.chars().all(|c| c.is_ascii_alphanumeric() || "- ".contains(c))
}

/// Whether it can hardly be anything else, whatever else is said: as we write codes, or nearly.
pub(super) fn is_certain(typed: &str) -> bool {
    let (code, small) = (clean(typed), typed.contains(|c: char| c.is_ascii_lowercase()));
    is_code(&code)
        && if is_dashed(&code) { has_digit(&code) || !small } else { has_digit(&code) && !small }
}

/// Whether it may well be a code, where nothing else is said.
pub(super) fn is_likely(typed: &str) -> bool {
    let code = clean(typed);
    is_code(&code) && !typed.contains(char::is_whitespace) && (is_dashed(&code) || has_digit(&code))
}

/// Whether it may be a code, where nothing at all is said but this.
fn is_alone(typed: &str) -> bool {
    let code = clean(typed);
    let small = typed.contains(|c: char| c.is_ascii_lowercase());
    is_code(&code) && (code.contains('-') || has_digit(&code) || !small)
}

fn is_dashed(code: &str) -> bool {
    code.split_once('-').is_some_and(|(one, other)| one.len() == other.len())
}

fn has_digit(code: &str) -> bool {
    code.contains(|c: char| c.is_ascii_digit())
}

/// Whether it is an id such as programs make.
pub(super) fn is_hex(typed: &str) -> bool {
    let is_hex = typed.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    typed.len() >= LENGTH && is_hex && has_digit(typed)
}
