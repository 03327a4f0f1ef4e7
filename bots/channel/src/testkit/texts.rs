//! Texts to send, each with the letters that must come out at the other end.

use super::garbage::Dice;

/// A text in Markdown and what a reader must see of it.
pub(super) struct Sent {
    /// Markdown.
    pub(super) markdown: String,
    /// The letters and digits of its words, in order, without any markup.
    pub(super) letters: String,
}

/// Words of many scripts: Latin, CJK, Arabic, Hebrew, Devanagari, astral, emoji with joiners.
const WORDS: [&str; 16] = [
    "word",
    "naïve",
    "你好世界",
    "日本語",
    "مرحبا",
    "بالعالم",
    "שלום",
    "नमस्ते",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
    "𐍈𐌰",
    "😀",
    "👩‍👩‍👧‍👦",
    "🇩🇪",
    "e\u{301}tude",
    "Straße",
    "zero0",
];

/// Short ones, long ones, and some of every kind of markup.
pub(super) fn texts() -> Vec<Sent> {
    let mut dice = Dice(0x0b5e_55ed_7e87_0001);
    let mut texts = vec![
        long_word("a", 9000),
        long_word("😀", 5000),
        long_word("你", 9000),
        long_word("e\u{301}", 5000),
        fence(700),
        quoted(400),
    ];
    for blocks in [1, 1, 2, 3, 5, 8, 20, 60] {
        for _ in 0..3 {
            texts.push(text(blocks, &mut dice));
        }
    }
    texts
}

fn long_word(unit: &str, times: usize) -> Sent {
    let word = unit.repeat(times);
    Sent { letters: word.clone(), markdown: format!("**{word}**") }
}

fn fence(lines: usize) -> Sent {
    let code: Vec<String> =
        (0..lines).map(|line| format!("    let x{line} = a[{line}] & b < c_d * 2;")).collect();
    let code = code.join("\n");
    Sent { letters: code.clone(), markdown: format!("```rust\n{code}\n```") }
}

fn quoted(lines: usize) -> Sent {
    let lines: Vec<String> = (0..lines).map(|line| format!("said {line}")).collect();
    Sent { letters: lines.join("\n"), markdown: format!("> {}", lines.join("\n> ")) }
}

fn text(blocks: usize, dice: &mut Dice) -> Sent {
    let (markdown, letters): (Vec<_>, Vec<_>) = (0..blocks).map(|_| block(dice)).unzip();
    Sent { markdown: markdown.join("\n\n"), letters: letters.concat() }
}

fn block(dice: &mut Dice) -> (String, String) {
    let (words, plain) = sentence(dice);
    match dice.below(8) {
        0 => (format!("## {words}"), plain),
        1 => (format!("- {words}\n- x"), format!("{plain}x")),
        2 => (
            // The paragraph keeps two lists from being read as one.
            format!("1. {words}\n2. y\n\nz"),
            format!("1{plain}2yz"),
        ),
        3 => (format!("> {words}"), plain),
        4 => (format!("```\n{plain} & <b> $x_1$\n```"), format!("{plain}bx1")),
        5 => (format!("| a | b |\n|---|---|\n| {words} | 5 < 6 & 7 |"), format!("ab{plain}567")),
        _ => (words, plain),
    }
}

fn sentence(dice: &mut Dice) -> (String, String) {
    let (mut markdown, mut plain) = (Vec::new(), String::new());
    for _ in 0..=dice.below(40) {
        let word = WORDS[dice.below(WORDS.len())];
        let number = dice.below(1000);
        let word = format!("{word}{number}");
        plain.push_str(&word);
        markdown.push(match dice.below(9) {
            0 => format!("**{word}**"),
            1 => format!("*{word}*"),
            2 => format!("~~{word}~~"),
            3 => format!("`{word}`"),
            4 => format!("[{word}](https://example.org/?a=1&b=2)"),
            5 => format!("***{word}***."),
            6 => format!("{word}, <{word}> & \\*"),
            _ => word.clone(),
        });
        if markdown.last().is_some_and(|last| last.contains('&') && last.contains(", <")) {
            plain.push_str(&word);
        }
    }
    (markdown.join(" "), plain)
}
