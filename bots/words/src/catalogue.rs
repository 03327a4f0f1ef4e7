//! The catalogues: read once when their language is first spoken, shared by all threads.

use std::sync::LazyLock;

use fluent_bundle::{
    FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle, memoizer::MemoizerKind,
};
use unic_langid::LanguageIdentifier;
use zaki_envelope::ChannelKind;

use crate::{Lang, Voice, direction, number, quote, voice::brand};

type Bundle = FluentBundle<FluentResource>;

/// Each by itself, so that a language nobody speaks takes no memory.
static EN: LazyLock<Bundle> = LazyLock::new(|| bundle(Lang::En));
static AR: LazyLock<Bundle> = LazyLock::new(|| bundle(Lang::Ar));
static FR: LazyLock<Bundle> = LazyLock::new(|| bundle(Lang::Fr));
static ES: LazyLock<Bundle> = LazyLock::new(|| bundle(Lang::Es));
static DE: LazyLock<Bundle> = LazyLock::new(|| bundle(Lang::De));

fn of(lang: Lang) -> &'static Bundle {
    match lang {
        Lang::En => &EN,
        Lang::Ar => &AR,
        Lang::Fr => &FR,
        Lang::Es => &ES,
        Lang::De => &DE,
    }
}

/// The text of a catalogue.
pub(crate) const fn source(lang: Lang) -> &'static str {
    match lang {
        Lang::En => include_str!("../catalogue/en.ftl"),
        Lang::Ar => include_str!("../catalogue/ar.ftl"),
        Lang::Fr => include_str!("../catalogue/fr.ftl"),
        Lang::Es => include_str!("../catalogue/es.ftl"),
        Lang::De => include_str!("../catalogue/de.ftl"),
    }
}

fn bundle(lang: Lang) -> Bundle {
    // The tests read every catalogue strictly; what they let through has no errors.
    let locale: LanguageIdentifier = lang.tag().parse().unwrap_or_default();
    let mut bundle = Bundle::new_concurrent(vec![locale]);
    // Isolation marks would stand inside codes and touch addresses: `direction` sets them.
    bundle.set_use_isolating(false);
    bundle.set_formatter(Some(formatter(lang)));
    let resource = FluentResource::try_new(source(lang).to_owned()).unwrap_or_else(|(it, _)| it);
    let added = bundle.add_resource(resource);
    debug_assert!(added.is_ok(), "{lang}: a key stands there twice");
    bundle
}

fn formatter<M: MemoizerKind>(lang: Lang) -> fn(&FluentValue<'_>, &M) -> Option<String> {
    match lang {
        Lang::En | Lang::Ar => |value, _| grouped(value, Lang::En),
        Lang::Fr => |value, _| grouped(value, Lang::Fr),
        Lang::Es | Lang::De => |value, _| grouped(value, Lang::De),
    }
}

fn grouped(value: &FluentValue<'_>, lang: Lang) -> Option<String> {
    match value {
        FluentValue::Number(number) => Some(number::group(&number.as_string(), lang)),
        _ => None,
    }
}

/// A phrase and what is put into it.
pub(crate) struct Phrase {
    voice: Voice,
    key: &'static str,
    args: FluentArgs<'static>,
}

impl Phrase {
    pub(crate) fn new(voice: Voice, key: &'static str) -> Self {
        Self { voice, key, args: FluentArgs::new() }
    }

    fn with(mut self, name: &'static str, value: impl Into<FluentValue<'static>>) -> Self {
        self.args.set(name, value);
        self
    }

    /// A number: grouped, and with plurals where the phrase has them.
    pub(crate) fn number(self, name: &'static str, number: u64) -> Self {
        self.with(name, number)
    }

    /// A number of things.
    pub(crate) fn count(self, name: &'static str, count: usize) -> Self {
        self.number(name, u64::try_from(count).unwrap_or(u64::MAX))
    }

    /// What is finished already: a [`Self::part`], or a number of its own kind.
    pub(crate) fn text(self, name: &'static str, said: String) -> Self {
        self.with(name, said)
    }

    /// What somebody calls something.
    pub(crate) fn name(self, name: &'static str, label: &str) -> Self {
        let label = quote::name(label, self.voice.lang);
        self.with(name, label)
    }

    /// A longer text of somebody, as much of it as one needs to know it again.
    pub(crate) fn excerpt(self, name: &'static str, text: &str) -> Self {
        let text = quote::excerpt(text, self.voice.lang);
        self.with(name, text)
    }

    /// A channel's name.
    pub(crate) fn channel(self, channel: ChannelKind) -> Self {
        self.name("channel", brand(channel))
    }

    /// What is copied or typed letter by letter; the phrase has the backticks.
    pub(crate) fn code(self, name: &'static str, code: &str) -> Self {
        self.with(name, quote::code(code))
    }

    /// The words, as they are sent.
    pub(crate) fn said(self) -> String {
        let voice = self.voice;
        direction::finish(&self.part(), voice)
    }

    /// The words, to be put into another phrase.
    pub(crate) fn part(self) -> String {
        let text = self.of(self.voice.lang).or_else(|| self.of(Lang::En));
        text.unwrap_or_else(|| self.key.to_owned())
    }

    fn of(&self, lang: Lang) -> Option<String> {
        let bundle = of(lang);
        let pattern = bundle.get_message(self.key).and_then(|message| message.value());
        debug_assert!(pattern.is_some(), "{lang}: no {}", self.key);
        let mut errors = Vec::new();
        let text = bundle.format_pattern(pattern?, Some(&self.args), &mut errors);
        debug_assert!(errors.is_empty(), "{lang}: {}: {errors:?}", self.key);
        #[cfg(test)]
        crate::tests::used(self.key);
        Some(text.into_owned())
    }
}
