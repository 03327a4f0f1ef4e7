//! What a code looks like, however it was typed. The only place that knows.

use super::args::is_invisible;

/// What stands where a code stood.
pub(super) const MARK: &str = "[redacted]";
/// How many letters and digits a code has.
pub(super) const LENGTH: usize = 8;

/// Without what nobody sees and what stands around it, in western signs. The blanks in a code are
/// slips.
pub(super) fn clean(typed: &str) -> String {
    let visible: String = typed.chars().filter(|c| !is_invisible(*c)).map(western).collect();
    let code = visible.trim_matches(|c: char| !c.is_alphanumeric());
    if is_code(code) { code.replace(char::is_whitespace, "") } else { code.to_owned() }
}

/// Arabic and Persian keyboards have digits of their own, and East Asian ones wide letters and
/// digits; phones turn one dash into another.
pub(super) fn western(sign: char) -> char {
    let digit = |zero| {
        let value = u32::from(sign).checked_sub(zero).filter(|value| *value < 10)?;
        char::from_digit(value, 10)
    };
    match sign {
        '\u{660}'..='\u{669}' => digit(0x660),
        '\u{6f0}'..='\u{6f9}' => digit(0x6f0),
        // The wide signs stand in the order of the ASCII ones.
        '\u{ff10}'..='\u{ff19}' | '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' => {
            char::from_u32(u32::from(sign) - 0xfee0)
        }
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => Some('-'),
        _ => None,
    }
    .unwrap_or(sign)
}

/// Whether something has the shape of a code: eight letters and digits, with dashes and blanks.
/// Words have it, too: "elephant", "half-year", "this page".
pub(super) fn looks(typed: &str) -> bool {
    typed == MARK || is_code(&clean(typed))
}

/// Of a text in western signs.
fn is_code(text: &str) -> bool {
    let signs = text.chars().filter(char::is_ascii_alphanumeric).count();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c.is_whitespace();
    signs == LENGTH && text.chars().all(fits)
}

/// Whether it can hardly be anything else, whatever else is said: as we write codes, or nearly.
pub(super) fn is_certain(typed: &str) -> bool {
    let (code, small) = (clean(typed), has_small(typed));
    is_code(&code)
        && if is_dashed(&code) { has_digit(&code) || !small } else { has_digit(&code) && !small }
}

/// Whether it may well be a code, where nothing else is said.
pub(super) fn is_likely(typed: &str) -> bool {
    let code = clean(typed);
    is_code(&code) && !typed.contains(char::is_whitespace) && (is_dashed(&code) || has_digit(&code))
}

/// Whether it may be a code, where nothing at all is said but this.
pub(super) fn is_alone(typed: &str) -> bool {
    let code = clean(typed);
    is_code(&code) && (code.contains('-') || has_digit(&code) || !has_small(typed))
}

/// Whether it is an id such as programs make.
pub(super) fn is_hex(typed: &str) -> bool {
    let id = clean(typed);
    let is_hex = id.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    id.len() >= LENGTH && is_hex && has_digit(&id)
}

fn is_dashed(code: &str) -> bool {
    code.split_once('-').is_some_and(|(one, other)| one.len() == other.len())
}

fn has_digit(code: &str) -> bool {
    code.contains(|c: char| c.is_ascii_digit())
}

fn has_small(typed: &str) -> bool {
    typed.chars().map(western).any(|c| c.is_ascii_lowercase())
}
