//! Numbers and money, as each language writes them. Digits are the same everywhere, as in codes.

use crate::{Lang, Voice};

/// Shorter numbers are read without.
const GROUPED_FROM: usize = 5;
/// Of a currency in a cent.
const MICROS_PER_CENT: u64 = 10_000;

/// A whole number with its thousands set apart.
pub(crate) fn group(digits: &str, lang: Lang) -> String {
    if digits.len() < GROUPED_FROM || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return digits.to_owned();
    }
    let mut grouped = String::with_capacity(digits.len() * 2);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            grouped.push(thousands(lang));
        }
        grouped.push(digit);
    }
    grouped
}

/// As CLDR has it; French sets a narrow space that does not break.
const fn thousands(lang: Lang) -> char {
    match lang {
        Lang::En | Lang::Ar => ',',
        Lang::Fr => '\u{202f}',
        Lang::Es | Lang::De => '.',
    }
}

const fn decimal(lang: Lang) -> char {
    match lang {
        Lang::En | Lang::Ar => '.',
        Lang::Fr | Lang::Es | Lang::De => ',',
    }
}

/// Millionths of a dollar, rounded up to a cent: what costs something is not said to be free.
pub(crate) fn money(micros: u64, voice: Voice) -> String {
    let cents = micros.div_ceil(MICROS_PER_CENT);
    let whole = group(&(cents / 100).to_string(), voice.lang);
    let amount = format!("{whole}{}{:02}", decimal(voice.lang), cents % 100);
    voice.phrase("money").text("amount", amount).part()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(group("1234567", Lang::En), "1,234,567");
        assert_eq!(group("12345", Lang::De), "12.345");
        assert_eq!(group("123456", Lang::Fr), "123\u{202f}456");
        assert_eq!(group("1234", Lang::En), "1234");
        assert_eq!(group("1.5e10", Lang::En), "1.5e10");
    }

    #[test]
    fn what_costs_something_is_not_free() {
        let english = |micros| money(micros, Voice::new(Lang::En));
        assert_eq!(english(0), "$0.00");
        assert_eq!(english(1), "$0.01");
        assert_eq!(english(1_250_000), "$1.25");
        assert_eq!(english(u64::MAX), "$18,446,744,073,709.56");
        assert_eq!(money(12_345_670_000, Voice::new(Lang::De)), "12.345,67\u{a0}$");
    }
}
