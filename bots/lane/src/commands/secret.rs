//! Codes: whoever knows one is somebody. They are taken out of a message before it is stored.

use std::{fmt, ops::Range};

use secrecy::{ExposeSecret, SecretString};
use zaki_envelope::{Inbound, InboundKind, Part};

use super::{
    find::find_anywhere,
    shape::{self, MARK},
    traces::Traces,
};

/// What is shorter is left where it stands beside a code: it may be part of anything.
const SHORTEST: usize = 4;

/// A code as somebody typed it, but for blanks, quotes and marks that nobody sees, in western
/// letters and digits. Never logged.
#[derive(Clone)]
pub struct Secret {
    code: SecretString,
    /// All that was typed in its place.
    typed: SecretString,
}

/// A code, or the id of something, in a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// As somebody typed it.
    Given(Secret),
    /// It was taken out before the message was stored, and is lost if nobody has kept it.
    Redacted,
}

impl Secret {
    /// `typed`: all that may have been meant.
    pub(super) fn read(typed: &str) -> Self {
        Self { code: shape::clean(typed).into(), typed: typed.into() }
    }

    /// The code. Not for logs, errors, models or anything that is stored.
    pub fn expose(&self) -> &str {
        self.code.expose_secret()
    }

    pub(super) fn typed(&self) -> &str {
        self.typed.expose_secret()
    }
}

/// Not in constant time: no code is accepted by comparing.
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
        let secret = Secret::read(typed);
        (!secret.expose().is_empty()).then_some(Self::Given(secret))
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
    let Some(Code::Given(mut secret)) = found.command.code().cloned() else { return None };
    cover(inbound, span, &mut secret);
    Some(secret)
}

/// What may be a code in a message that is nothing else: "half-year" could be one, too. Whether it
/// is, is for the store to say, and for whoever knows who wrote it.
pub fn bare(inbound: &Inbound) -> Option<Secret> {
    let is_said = matches!(inbound.kind, InboundKind::Message | InboundKind::Edit { .. });
    let [Part::Text { text, .. }] = inbound.parts.as_slice() else { return None };
    (is_said && shape::is_alone(text.trim())).then(|| Secret::read(text))
}

/// Takes a code out of a message that is nothing else. In private, what is left is a code that is
/// to be used and has been lost.
pub fn redact_bare(inbound: &mut Inbound) -> Option<Secret> {
    let secret = bare(inbound)?;
    for part in &mut inbound.parts {
        *part = Part::text(MARK);
    }
    Some(secret)
}

/// Covers what stands at `span` of the text that a command was found in, and the same wherever else
/// it stands; the command itself stays. All of it is what was typed.
fn cover(inbound: &mut Inbound, span: Range<usize>, secret: &mut Secret) {
    let mut texts = inbound.parts.iter_mut().filter_map(|part| match part {
        Part::Text { text, .. } => Some(text),
        _ => None,
    });
    let traces = match &mut inbound.kind {
        InboundKind::Button { data } => cut(data, span, secret),
        _ => texts.next().and_then(|text| cut(text, span, secret)),
    };
    let Some(traces) = traces else { return };
    for text in texts {
        *text = traces.covered(text);
    }
    for part in &mut inbound.parts {
        let Part::Text { mentions, .. } = part else { continue };
        mentions.retain(|mention| !traces.are_in(&mention.text));
    }
}

/// Covers what stands at `span`, and the same behind it; returns what it is known by.
fn cut(text: &mut String, span: Range<usize>, secret: &mut Secret) -> Option<Traces> {
    secret.typed = text.get(span.clone())?.into();
    let traces = Traces::of(secret, SHORTEST);
    let behind = traces.covered(text.get(span.end..)?);
    text.replace_range(span.start.., MARK);
    text.push_str(&behind);
    Some(traces)
}
