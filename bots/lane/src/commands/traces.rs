//! What a code is known by wherever else it stands.

use super::{
    secret::Secret,
    shape::{self, MARK},
};

/// How HTML writes what Slack escapes in texts: no letters of theirs.
const ENTITIES: [&str; 3] = ["&amp;", "&lt;", "&gt;"];

/// The letters and digits of what was typed: of all of it, of the code in it, and of what may be
/// others. Small or large, dashed or not, in whichever script's digits: it is the same.
pub(super) struct Traces(Vec<String>);

impl Traces {
    /// Of `secret`, but for what has fewer than `least` letters: nobody knows more by it, and it
    /// may stand anywhere.
    pub(super) fn of(secret: &Secret, least: usize) -> Self {
        let typed = secret.typed();
        let others = typed.split_whitespace().filter(|word| shape::is_likely(word));
        let words = [typed, secret.expose()].into_iter().chain(others);
        let traces = words.map(|word| letters(word.chars()).0);
        Self(traces.filter(|trace| trace.chars().count() >= least.max(1)).collect())
    }

    /// Where they stand in a text: the places of the signs of each. They may overlap.
    pub(super) fn places(&self, signs: impl Iterator<Item = char>) -> Vec<Vec<usize>> {
        let (letters, places) = letters(signs);
        let matches = self.0.iter().flat_map(|trace| letters.match_indices(trace.as_str()));
        matches.filter_map(|(at, trace)| Some(places.get(at..at + trace.len())?.to_vec())).collect()
    }

    /// Whether one of them stands in `text`.
    pub(super) fn are_in(&self, text: &str) -> bool {
        !self.places(text.chars()).is_empty()
    }

    /// `text` without them.
    pub(super) fn covered(&self, text: &str) -> String {
        let mut hidden = vec![false; text.chars().count()];
        for place in self.places(text.chars()) {
            let (Some(first), Some(last)) = (place.first(), place.last()) else { continue };
            hidden.get_mut(*first..=*last).into_iter().flatten().for_each(|sign| *sign = true);
        }
        let mut covered = String::with_capacity(text.len());
        let mut was_hidden = false;
        for (sign, is_hidden) in text.chars().zip(hidden) {
            match (was_hidden, is_hidden) {
                (_, false) => covered.push(sign),
                (false, true) => covered.push_str(MARK),
                (true, true) => {}
            }
            was_hidden = is_hidden;
        }
        covered
    }
}

/// The letters and digits of a text, and for each byte of them the place of its sign.
fn letters(signs: impl Iterator<Item = char>) -> (String, Vec<usize>) {
    let signs: Vec<char> = signs.collect();
    let (mut letters, mut places) = (String::new(), Vec::new());
    let mut next = 0;
    while let Some(sign) = signs.get(next).copied() {
        if sign.is_alphanumeric() {
            letters.push(shape::western(sign).to_ascii_uppercase());
            places.resize(letters.len(), next);
        }
        next += signs.get(next..).map_or(1, entity).max(1);
    }
    (letters, places)
}

/// How long the entity is that stands at the head of `signs`; 0 if there is none.
fn entity(signs: &[char]) -> usize {
    let is_head = |it: &&&str| signs.iter().take(it.len()).copied().eq(it.chars());
    ENTITIES.iter().find(is_head).map_or(0, |entity| entity.len())
}
