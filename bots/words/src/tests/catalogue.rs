//! The catalogues themselves: the same phrases with the same variables in every language.

use std::collections::{BTreeMap, BTreeSet};

use fluent_syntax::{
    ast::{
        Entry, Expression, InlineExpression, Pattern, PatternElement, Resource, Variant, VariantKey,
    },
    parser,
};

use super::{samples, taken, voices};
use crate::{Lang, catalogue::source};

/// Numbers that are counted with: a phrase that has one has all plurals of its language.
const COUNTED: [&str; 3] = ["count", "ahead", "left"];

fn resource(lang: Lang) -> Resource<&'static str> {
    parser::parse(source(lang)).unwrap_or_else(|(_, errors)| panic!("{lang}: {errors:?}"))
}

fn phrases(lang: Lang) -> BTreeMap<&'static str, Pattern<&'static str>> {
    let mut phrases = BTreeMap::new();
    for entry in resource(lang).body {
        match entry {
            Entry::Message(message) => {
                assert!(message.attributes.is_empty(), "{lang}: {}", message.id.name);
                let value = message.value.expect("a phrase");
                let twice = phrases.insert(message.id.name, value);
                assert!(twice.is_none(), "{lang}: {} stands there twice", message.id.name);
            }
            Entry::Term(term) => panic!("{lang}: a term, {}", term.id.name),
            Entry::Junk { content } => panic!("{lang}: {content}"),
            _ => {}
        }
    }
    phrases
}

/// All variables of a phrase, and all its choices.
#[derive(Default)]
struct Found {
    variables: BTreeSet<&'static str>,
    /// By which variable, among what.
    choices: Vec<(&'static str, BTreeSet<&'static str>)>,
}

impl Found {
    fn of(pattern: &Pattern<&'static str>) -> Self {
        let mut found = Self::default();
        found.pattern(pattern);
        found
    }

    fn pattern(&mut self, pattern: &Pattern<&'static str>) {
        for element in &pattern.elements {
            if let PatternElement::Placeable { expression } = element {
                self.expression(expression);
            }
        }
    }

    fn expression(&mut self, expression: &Expression<&'static str>) {
        match expression {
            Expression::Inline(inline) => {
                self.variable(inline);
            }
            Expression::Select { selector, variants } => {
                let by = self.variable(selector);
                self.choices.push((by, variants.iter().map(name).collect()));
                for variant in variants {
                    self.pattern(&variant.value);
                }
            }
        }
    }

    fn variable(&mut self, inline: &InlineExpression<&'static str>) -> &'static str {
        let InlineExpression::VariableReference { id } = inline else {
            panic!("only variables: {inline:?}");
        };
        self.variables.insert(id.name);
        id.name
    }
}

fn name(variant: &Variant<&'static str>) -> &'static str {
    match variant.key {
        VariantKey::Identifier { name } | VariantKey::NumberLiteral { value: name } => name,
    }
}

/// CLDR's plural categories of whole numbers that people are told.
const fn plurals(lang: Lang) -> &'static [&'static str] {
    match lang {
        Lang::Ar => &["few", "many", "one", "other", "two", "zero"],
        Lang::En | Lang::Fr | Lang::Es | Lang::De => &["one", "other"],
    }
}

#[test]
fn every_language_has_every_phrase_with_the_same_variables() {
    let variables = |lang| -> BTreeMap<_, _> {
        phrases(lang).iter().map(|(key, it)| (*key, Found::of(it).variables)).collect()
    };
    let english = variables(Lang::En);
    assert!(english.len() > 150, "{}", english.len());
    for lang in Lang::ALL {
        let theirs = variables(lang);
        let missing: Vec<_> = english.keys().filter(|key| !theirs.contains_key(*key)).collect();
        assert!(missing.is_empty(), "{lang} lacks {missing:?}");
        for (key, variables) in theirs {
            assert_eq!(Some(&variables), english.get(key), "{lang}: {key}");
        }
    }
}

#[test]
fn what_is_counted_has_all_plurals() {
    for lang in Lang::ALL {
        let plurals: BTreeSet<_> = plurals(lang).iter().copied().collect();
        let mut counted = 0;
        for (key, pattern) in phrases(lang) {
            let found = Found::of(&pattern);
            for (by, among) in found.choices {
                if by == "month" {
                    assert_eq!(among.len(), 12, "{lang}: {key}");
                } else {
                    counted += 1;
                    assert_eq!(among, plurals, "{lang}: {key}");
                }
                assert!(by == "month" || COUNTED.contains(&by), "{lang}: {key} chooses by {by}");
            }
        }
        assert!(counted > 12, "{lang}: {counted}");
    }
}

#[test]
fn every_phrase_is_said_by_something() {
    let phrases: BTreeSet<_> = phrases(Lang::En).into_keys().collect();
    taken();
    for sample in samples::all() {
        sample.say(voices()[0]);
    }
    let used = taken();
    assert_eq!(used, phrases, "on the right what is in the catalogue");
}

#[test]
fn no_phrase_was_left_in_english() {
    // Names, formats, and words that two languages share.
    let same = [
        "place",
        "reset-soon",
        "model-choice",
        "mode-choice",
        "lang-choice",
        "usage-messages",
        "usage-messages-of",
        "usage-tokens",
        "usage-tokens-of",
        "status-session",
        "unlink-choice",
        "session-unnamed",
    ];
    let english = phrases(Lang::En);
    for lang in Lang::ALL.into_iter().filter(|lang| *lang != Lang::En) {
        for (key, pattern) in phrases(lang) {
            let copied = english.get(key) == Some(&pattern);
            assert!(!copied || same.contains(&key), "{lang}: {key}");
        }
    }
}

#[test]
fn french_keeps_its_spaces_together() {
    for (line, text) in (1..).zip(source(Lang::Fr).lines()) {
        let loose = [" :", " !", " ?", " ;", "« ", " »"].iter().any(|mark| text.contains(mark));
        assert!(!loose, "line {line}: {text}");
    }
}
