//! Content: what a message is made of, in both directions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{MediaRef, SenderId};

/// One piece of content, in the order it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// Words. Inbound: as the person wrote them, platform markup resolved. Outbound: Markdown.
    Text {
        /// The text itself.
        text: String,
        /// Whom it names.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        mentions: Vec<Mention>,
    },
    /// A file of some kind, fetched through the channel when it is needed.
    Media {
        /// What it is for.
        kind: MediaKind,
        /// How the channel fetches it.
        reference: MediaRef,
        /// The platform's claim about its type.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mime: Option<String>,
        /// File name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Bytes, where the platform says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
    },
    /// A point on the map, in degrees.
    Location {
        /// North is positive.
        latitude: f64,
        /// East is positive.
        longitude: f64,
        /// Name or address of the place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// Somebody's card.
    Contact {
        /// Their name.
        name: String,
        /// Phone numbers as written.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        phones: Vec<String>,
    },
    /// Buttons under the words before them. Outbound only, and only where the words say what else
    /// can be written: not every platform has them.
    Choices {
        /// In the order they are shown in.
        choices: Vec<Choice>,
    },
    /// A kind this version does not know: kept by name, so that no message is lost.
    Unsupported {
        /// The platform's name for it.
        kind: String,
    },
}

impl Part {
    /// Text that names nobody.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), mentions: Vec::new() }
    }

    /// A kind this version does not know.
    pub fn unsupported(kind: impl Into<String>) -> Self {
        Self::Unsupported { kind: kind.into() }
    }
}

/// The words of a message, its text parts joined by line breaks.
pub fn plain_text(parts: &[Part]) -> String {
    let texts: Vec<&str> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Text { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    texts.join("\n")
}

/// One button.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Choice {
    /// What stands on it; plain text.
    pub label: String,
    /// What comes back when it is pressed, as [`InboundKind::Button`](crate::InboundKind::Button).
    pub data: String,
}

/// Somebody named in a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mention {
    /// As it stands in the text, `@` included.
    pub text: String,
    /// Who it is, where the platform says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<SenderId>,
}

/// What a medium is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A film, round ones included.
    Video,
    /// Music or a sound file.
    Audio,
    /// Spoken by the sender.
    Voice,
    /// Any other file.
    Document,
    /// A sticker.
    Sticker,
    /// A silent looping film.
    Animation,
}
