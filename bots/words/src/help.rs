//! `/help`.

use crate::{Say, Voice, bullets, direction, link::typed, paragraphs};

/// Who asks for help, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// A person in private.
    Direct,
    /// Somebody in a group.
    Group,
    /// An owner in private, who may let others in.
    Owner,
}

/// The commands, a line each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Help(
    /// Whom they are for.
    pub Audience,
);

const DIRECT: [&str; 17] = [
    "help-new",
    "help-stop",
    "help-status",
    "help-session",
    "help-link",
    "help-links",
    "help-unlink",
    "help-model",
    "help-usage",
    "help-mode",
    "help-approve",
    "help-deny",
    "help-lang",
    "help-export",
    "help-erase",
    "help-feedback",
    "help-help",
];
const GROUP: [&str; 6] =
    ["help-stop", "help-status", "help-mode-group", "help-lang", "help-feedback", "help-help"];
const OWNER: [&str; 2] = ["help-approve-owner", "help-deny-owner"];

impl Say for Help {
    fn say(&self, voice: Voice) -> String {
        let part = |head, keys: &[&'static str]| {
            [voice.text(head), bullets(keys.iter().map(|key| voice.text(key)))]
        };
        match self.0 {
            Audience::Direct => paragraphs(part("help-direct", &DIRECT)),
            Audience::Group => paragraphs(part("help-group", &GROUP)),
            Audience::Owner => {
                let direct = part("help-direct", &DIRECT);
                paragraphs(direct.into_iter().chain(part("help-owner", &OWNER)))
            }
        }
    }
}

/// One command: what it does and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelpOn<'a> {
    /// Its name, without the slash.
    pub command: &'a str,
    /// All that may be written, with the slash.
    pub usages: &'a [String],
    /// Whether it was written in a way that it does not know.
    pub misused: bool,
}

impl Say for HelpOn<'_> {
    fn say(&self, voice: Voice) -> String {
        let misused = self.misused.then(|| voice.text("help-misused"));
        let named = |key: &&&str| key.strip_prefix("help-") == Some(self.command);
        let line = DIRECT.iter().find(named).map(|key| voice.text(key));
        let usages = self.usages.iter().map(|usage| direction::finish(&typed(usage), voice));
        let how = [voice.text("help-usages"), bullets(usages)];
        paragraphs(misused.into_iter().chain(line).chain(how))
    }
}
