//! Codes among other words: no command, so nobody takes them for one, but an agent would read them.

use zaki_envelope::{Inbound, Part};

use super::{
    secret::Secret,
    shape::{self, LENGTH},
    traces::Traces,
};

/// So many of one message are told: a paste of a thousand serial numbers is no list of codes.
const MOST: usize = 32;

/// What stands anywhere in a message and is written as codes are: four and four with a dash, or
/// eight in one with a digit or without small letters. Whether they are any is for the store to say.
pub fn strays(inbound: &Inbound) -> Vec<Secret> {
    let mut found: Vec<Secret> = Vec::new();
    for part in &inbound.parts {
        let Part::Text { text, .. } = part else { continue };
        let signs: Vec<char> = text.chars().map(shape::western).collect();
        let ends = |at: usize| signs.get(at).is_none_or(|sign| !sign.is_ascii_alphanumeric());
        let dashed = signs.windows(LENGTH + 1).enumerate();
        let dashed = dashed.filter(|(at, window)| is_dashed(window) && ends(at + LENGTH + 1));
        let dashed = dashed.map(|(_, window)| window);
        let whole = signs.split(|sign| !sign.is_ascii_alphanumeric()).filter(|run| is_whole(run));
        for signs in dashed.chain(whole) {
            // However it is written, it is the same.
            let letters = signs.iter().filter(|sign| sign.is_ascii_alphanumeric());
            let letters: String = letters.map(char::to_ascii_uppercase).collect();
            let secret = Secret::read(&letters);
            if found.len() < MOST && !found.contains(&secret) {
                found.push(secret);
            }
        }
    }
    found
}

/// Takes one out of a message, wherever it stands in it.
pub fn redact_stray(inbound: &mut Inbound, stray: &Secret) {
    let traces = Traces::of(stray, LENGTH);
    for part in &mut inbound.parts {
        let Part::Text { text, mentions, .. } = part else { continue };
        *text = traces.covered(text);
        mentions.retain(|mention| !traces.are_in(&mention.text));
    }
}

fn is_dashed(window: &[char]) -> bool {
    let (one, other) = window.split_at(LENGTH / 2);
    let (dash, other) = other.split_at(1);
    dash == ['-'] && one.iter().chain(other).all(char::is_ascii_alphanumeric)
}

fn is_whole(run: &[char]) -> bool {
    let has_digit = run.iter().any(char::is_ascii_digit);
    run.len() == LENGTH && (has_digit || !run.iter().any(char::is_ascii_lowercase))
}
