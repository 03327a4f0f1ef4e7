//! `/model`.

use crate::{Say, Voice, bullets, paragraphs};

/// After `/model`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Models<'a> {
    /// Which one is used, and which there are.
    List {
        /// The one the person chose.
        now: Option<&'a str>,
        /// Their names.
        models: &'a [&'a str],
    },
    /// Another one from now on.
    Set {
        /// Its name.
        model: &'a str,
    },
    /// The one the operator chose from now on.
    Default,
    /// There is none of that name.
    Unknown {
        /// What the person wrote.
        name: &'a str,
        /// Their names.
        models: &'a [&'a str],
    },
    /// There is no choice.
    Fixed,
}

impl Say for Models<'_> {
    fn say(&self, voice: Voice) -> String {
        let named = |key, model| voice.phrase(key).code("model", model).said();
        match *self {
            Self::List { now, models } => {
                let usual = || voice.text("model-now-default");
                let now = now.map_or_else(usual, |model| named("model-now", model));
                paragraphs([now, choices(models, voice)])
            }
            Self::Set { model } => named("model-set", model),
            Self::Default => voice.text("model-set-default"),
            Self::Unknown { name, models } => {
                let unknown = voice.phrase("model-unknown").name("name", name).said();
                paragraphs([unknown, choices(models, voice)])
            }
            Self::Fixed => voice.text("model-fixed"),
        }
    }
}

fn choices(models: &[&str], voice: Voice) -> String {
    let choice = |model: &&str| voice.phrase("model-choice").code("model", model).said();
    let all = models.iter().map(choice).chain([voice.text("model-choice-default")]);
    paragraphs([voice.text("model-choose"), bullets(all)])
}
