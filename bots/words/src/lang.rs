//! The languages, and what is said about them.

use std::fmt;

use crate::{Say, Voice, bullets, paragraphs};

/// A language the hub speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lang {
    /// English; spoken with everybody whose language is not here.
    #[default]
    En,
    /// Modern Standard Arabic.
    Ar,
    /// French; people are addressed as "tu".
    Fr,
    /// Spanish; people are addressed as "tú".
    Es,
    /// German; people are addressed as "du".
    De,
}

impl Lang {
    /// All languages, in the order they are shown to people.
    pub const ALL: [Self; 5] = [Self::En, Self::Ar, Self::Fr, Self::Es, Self::De];

    /// The language of a platform's locale (`pt-BR`, `ar_EG`, `zh-hans`); English where that is not
    /// spoken here, and for anything that is no locale.
    pub fn of(locale: &str) -> Self {
        Self::of_tag(locale).unwrap_or_default()
    }

    /// The language somebody names: by a locale, by its own name or by its English one.
    pub fn find(word: &str) -> Option<Self> {
        let word = word.trim().to_lowercase();
        let named = |lang: &Self| lang.names().contains(&word.as_str());
        Self::ALL.into_iter().find(named).or_else(|| Self::of_tag(&word))
    }

    /// By the primary subtag (BCP 47), with the separators that POSIX and platforms use, too.
    fn of_tag(locale: &str) -> Option<Self> {
        let primary = locale.trim().split(['-', '_', '.', '@']).next()?;
        Self::ALL.into_iter().find(|lang| lang.tag().eq_ignore_ascii_case(primary))
    }

    /// Its BCP 47 tag, as a person's choice is kept.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ar => "ar",
            Self::Fr => "fr",
            Self::Es => "es",
            Self::De => "de",
        }
    }

    /// Its name in itself.
    pub const fn own_name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::Ar => "العربية",
            Self::Fr => "Français",
            Self::Es => "Español",
            Self::De => "Deutsch",
        }
    }

    /// What people may call it, in lower case.
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::En => &["english"],
            Self::Ar => &["العربية", "عربي", "عربية", "arabic"],
            Self::Fr => &["français", "francais", "french"],
            Self::Es => &["español", "espanol", "castellano", "spanish"],
            Self::De => &["deutsch", "german"],
        }
    }

    /// Whether it is written from right to left.
    pub const fn is_rtl(self) -> bool {
        matches!(self, Self::Ar)
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.tag())
    }
}

/// After `/lang`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Languages {
    /// Which one is spoken, and which there are.
    List,
    /// Another one from now on; to be said in that one.
    Set,
    /// The word is none of them.
    Unknown,
}

impl Say for Languages {
    fn say(&self, voice: Voice) -> String {
        let head = match self {
            Self::List => voice.text("lang-now"),
            Self::Set => return voice.text("lang-set"),
            Self::Unknown => voice.text("lang-unknown"),
        };
        let choice = |lang: Lang| {
            voice.phrase("lang-choice").code("tag", lang.tag()).name("name", lang.own_name()).said()
        };
        paragraphs([head, bullets(Lang::ALL.map(choice)), voice.text("lang-note")])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_is_its_language_whatever_follows() {
        for (locale, lang) in [
            ("ar-EG", Lang::Ar),
            ("ar_EG.UTF-8", Lang::Ar),
            ("fr-Latn-CA-u-hc-h12", Lang::Fr),
            ("es-419", Lang::Es),
            ("DE", Lang::De),
            ("de_AT@euro", Lang::De),
            ("en-GB", Lang::En),
            ("pt-BR", Lang::En),
            ("zh-hans", Lang::En),
            ("deu", Lang::En),
            ("", Lang::En),
            ("-", Lang::En),
            ("\u{202e}ar", Lang::En),
        ] {
            assert_eq!(Lang::of(locale), lang, "{locale:?}");
        }
    }

    #[test]
    fn a_language_is_found_by_what_people_call_it() {
        for lang in Lang::ALL {
            for word in
                [lang.tag(), lang.own_name()].into_iter().chain(lang.names().iter().copied())
            {
                assert_eq!(Lang::find(&format!(" {} ", word.to_uppercase())), Some(lang), "{word}");
            }
        }
        assert_eq!(Lang::find("fr-CA"), Some(Lang::Fr));
        for stranger in ["pt-BR", "klingon", "", "frans"] {
            assert_eq!(Lang::find(stranger), None, "{stranger}");
        }
    }
}
