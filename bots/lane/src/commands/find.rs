//! Where a command stands in what arrived.

use std::ops::Range;

use zaki_envelope::{ConversationKind, Inbound, InboundKind, Part};

use super::{
    Code, Command, Link, Name,
    args::{self, Args},
    shape::MARK,
};

/// The command that a bot is addressed by where a platform must know commands beforehand.
const OURS: &str = "zaki";
/// How the data behind a button of the hub's own begins, and of nobody else's.
pub const PRESSED: &str = "zaki:";

/// A command that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) command: Command,
    /// Where a code stands in the text that it was found in.
    pub(super) secret: Option<Range<usize>>,
}

/// The command that `inbound` gives.
pub(super) fn find(inbound: &Inbound) -> Option<Found> {
    match &inbound.kind {
        InboundKind::Message => slashed(said(inbound)).or_else(|| emptied(inbound)),
        InboundKind::Command { name } if is_ours(&args::name_of(name)) => behind(said(inbound)),
        InboundKind::Command { name } => named(&args::name_of(name), said(inbound)),
        InboundKind::Button { data } => {
            let command = data.strip_prefix(PRESSED)?;
            slashed(Args::new(data, command, is_shared(inbound)))
        }
        _ => None,
    }
}

/// A message that was nothing but a code, which has been taken out.
fn emptied(inbound: &Inbound) -> Option<Found> {
    let [Part::Text { text, .. }] = inbound.parts.as_slice() else { return None };
    let is_it = text == MARK && !is_shared(inbound);
    let command = Command::Link(Link::Redeem(Code::Redacted));
    is_it.then_some(Found { command, secret: None })
}

/// The command that would be given if what is written here were a message, whatever it is.
pub(super) fn find_anywhere(inbound: &Inbound) -> Option<Found> {
    match inbound.kind {
        InboundKind::Edit { .. } | InboundKind::Other { .. } => slashed(said(inbound)),
        _ => find(inbound),
    }
}

fn slashed(mut args: Args<'_>) -> Option<Found> {
    let name = args.name()?;
    if is_ours(&name) { behind(args) } else { named(&name, args) }
}

/// `/zaki /stop`, and `/zaki stop` where nothing else is said: the rest is for the agent.
fn behind(mut args: Args<'_>) -> Option<Found> {
    if args.is_slashed() {
        let name = args.name()?;
        return named(&name, args);
    }
    let name: Name = args.parsed()?;
    let alone = args.is_done();
    let command = (name.row().read)(&mut args);
    let is_sure = if alone { name.row().alone } else { args.is_sure() };
    let is_meant = is_sure && !is_vague(&command);
    is_meant.then(|| Found { command, secret: args.into_secret() })
}

/// What anybody may want to talk about.
fn is_vague(command: &Command) -> bool {
    matches!(command, Command::Misused(_) | Command::Mode(None) | Command::GroupMode(None))
}

fn named(name: &str, mut args: Args<'_>) -> Option<Found> {
    let name: Name = name.parse().ok()?;
    let command = (name.row().read)(&mut args);
    Some(Found { command, secret: args.into_secret() })
}

fn is_ours(name: &str) -> bool {
    name == OURS
}

/// The first text of a message, without the words at its head that only call the bot.
fn said(inbound: &Inbound) -> Args<'_> {
    let said = inbound.parts.iter().find_map(|part| match part {
        Part::Text { text, mentions } => Some((text.as_str(), mentions.as_slice())),
        _ => None,
    });
    let (text, mentions) = said.unwrap_or_default();
    let mut rest = args::trim(text);
    while let Some(behind) = mentions.iter().find_map(|it| strip(rest, &it.text)) {
        rest = args::trim(behind);
    }
    Args::new(text, rest, is_shared(inbound))
}

/// `text` without `mention` at its head; an empty one strips nothing, or it would do so for ever.
fn strip<'t>(text: &'t str, mention: &str) -> Option<&'t str> {
    text.strip_prefix(mention).filter(|rest| rest.len() < text.len())
}

fn is_shared(inbound: &Inbound) -> bool {
    inbound.conversation.kind != ConversationKind::Direct
}
