//! Markdown in, each dialect out.

use super::{Dialect, Rich};

const ALL: [Dialect; 5] =
    [Dialect::Plain, Dialect::TelegramHtml, Dialect::Discord, Dialect::Slack, Dialect::WhatsApp];

/// Asserts what Telegram, Discord, Slack and WhatsApp are given.
fn renders(markdown: &str, expected: [&str; 4]) {
    let rich = Rich::parse(markdown);
    for (dialect, expected) in ALL.into_iter().skip(1).zip(expected) {
        assert_eq!(rich.render(dialect), expected, "{markdown:?} in {dialect:?}");
    }
}

fn all_as(markdown: &str, expected: &str) {
    renders(markdown, [expected; 4]);
}

#[test]
fn inline_styles() {
    renders(
        "**b** *i* ~~s~~ `c`",
        [
            "<b>b</b> <i>i</i> <s>s</s> <code>c</code>",
            "**b** *i* ~~s~~ `c`",
            "*b* _i_ ~s~ `c`",
            "*b* _i_ ~s~ `c`",
        ],
    );
    renders(
        "***both*** **a *b* c**",
        [
            "<i><b>both</b></i> <b>a <i>b</i> c</b>",
            "***both*** **a *b* c**",
            "_*both*_ *a _b_ c*",
            "_*both*_ *a _b_ c*",
        ],
    );
}

#[test]
fn styles_end_at_line_breaks_and_marks_stand_at_borders_of_words() {
    renders(
        "**one\ntwo** un**believ**able",
        [
            "<b>one</b>\n<b>two</b> un<b>believ</b>able",
            "**one**\n**two** un**believ**able",
            "*one*\n*two* unbelievable",
            "*one*\n*two* unbelievable",
        ],
    );
}

#[test]
fn what_is_not_formatting_is_escaped() {
    renders(
        r"a < b && c > d \*x\* snake_case @everyone `x<&>`",
        [
            "a &lt; b &amp;&amp; c &gt; d *x* snake_case @everyone <code>x&lt;&amp;&gt;</code>",
            r"a \< b && c > d \*x\* snake\_case @everyone `x<&>`",
            "a &lt; b &amp;&amp; c &gt; d *x* snake_case @everyone `x&lt;&amp;&gt;`",
            "a < b && c > d *x* snake_case @everyone `x<&>`",
        ],
    );
    assert_eq!(
        Rich::parse("\\# no heading\n\n\\> no quote, C# and https://a.b/c_d_e")
            .render(Dialect::Discord),
        "\\# no heading\n\n\\> no quote, C# and https://a.b/c_d_e"
    );
}

#[test]
fn links() {
    renders(
        "[the *site*](https://e.org/?a=1&b=\"(x)|)",
        [
            "<a href=\"https://e.org/?a=1&amp;b=&quot;(x)|\">the <i>site</i></a>",
            "[the *site*](https://e.org/?a=1&b=\"%28x%29|)",
            "<https://e.org/?a=1&amp;b=\"(x)%7C|the site>",
            "the site (https://e.org/?a=1&b=\"(x)|)",
        ],
    );
    renders(
        "<https://e.org/a_b>",
        [
            "<a href=\"https://e.org/a_b\">https://e.org/a_b</a>",
            "https://e.org/a_b",
            "<https://e.org/a_b|https://e.org/a_b>",
            "https://e.org/a_b",
        ],
    );
}

#[test]
fn no_target_is_lost() {
    assert_eq!(Rich::parse("[x](notes.md)").text(), "x (notes.md)");
    assert_eq!(Rich::parse("![](https://e.org/a.png)").text(), "https://e.org/a.png");
    assert_eq!(Rich::parse("<a@b.org>").text(), "a@b.org");
    assert_eq!(Rich::parse("[x](javascript:f)").text(), "x (javascript:f)");
    let long = format!("https://e.org/{}", "x".repeat(600));
    assert_eq!(Rich::parse(&format!("[x]({long})")).text(), format!("x ({long})"));
}

#[test]
fn definitions_nobody_uses_are_words() {
    assert_eq!(Rich::parse("[note]: see-below").text(), "[note]: see-below");
    assert_eq!(Rich::parse("a\n\n[x]: y\n[z]: w").text(), "a\n\n[x]: y\n[z]: w");
    let used = Rich::parse("the [Site]\n\n[site]: https://e.org");
    assert_eq!(used.render(Dialect::Slack), "the <https://e.org|Site>");
}

#[test]
fn blocks() {
    renders(
        "# Head *line*\nText\n\n- a\n- b\n  1. c\n  2. d\n\nend\n\n---",
        [
            "<b>Head <i>line</i></b>\n\nText\n\n• a\n• b\n  1. c\n  2. d\n\nend\n\n———",
            "**Head *line***\n\nText\n\n• a\n• b\n  1. c\n  2. d\n\nend\n\n———",
            "*Head _line_*\n\nText\n\n• a\n• b\n  1. c\n  2. d\n\nend\n\n———",
            "*Head _line_*\n\nText\n\n• a\n• b\n  1. c\n  2. d\n\nend\n\n———",
        ],
    );
    all_as("3. x\n4. y\n\n- [x] done\n- [ ] open", "3. x\n4. y\n\n• ☑ done\n• ☐ open");
    renders(
        "| a | b |\n|--|--|\n| 1 | **2** |",
        ["a | b\n1 | <b>2</b>", "a \\| b\n1 \\| **2**", "a | b\n1 | *2*", "a | b\n1 | *2*"],
    );
}

#[test]
fn code_blocks_and_quotes() {
    renders(
        "x\n```rust ignore\n  a < b\n\n  **c**\n```\ny",
        [
            "x\n\n<pre><code class=\"language-rust\">  a &lt; b\n\n  **c**</code></pre>\n\ny",
            "x\n\n```rust\n  a < b\n\n  **c**\n```\n\ny",
            "x\n\n```\n  a &lt; b\n\n  **c**\n```\n\ny",
            "x\n\n```\n  a < b\n\n  **c**\n```\n\ny",
        ],
    );
    renders(
        "> said **he**\n> and\n>\n> she\n\nafter",
        [
            "<blockquote>said <b>he</b>\nand\n\nshe</blockquote>\n\nafter",
            "> said **he**\n> and\n> \n> she\n\nafter",
            "> said *he*\n> and\n> \n> she\n\nafter",
            "> said *he*\n> and\n> \n> she\n\nafter",
        ],
    );
}

#[test]
fn a_fence_cannot_be_closed_from_inside() {
    let rich = Rich::parse("````\n```\nx\n````\n\n`` a`b ``");
    for dialect in [Dialect::Discord, Dialect::Slack, Dialect::WhatsApp] {
        assert_eq!(rich.render(dialect).matches("```").count(), 2, "{dialect:?}");
    }
    assert!(rich.render(Dialect::Discord).ends_with("`` a`b ``"));
    assert!(rich.render(Dialect::Slack).ends_with("\n\na`b"));
}

#[test]
fn mathematics_markup_and_scripts_stay_as_written() {
    for text in [
        "so $a_1 * b_2 * c$ and $$\\sum_{i}^{n} x_i$$ cost $5",
        "<b>not ours</b> <!-- nor this --> <@U1> :smile: {{x}}",
        "مرحبا \u{202b}بالعالم\u{202c} שלום",
        "👩‍👩‍👧‍👦 𝔘 \u{feff}z",
    ] {
        assert_eq!(Rich::parse(text).render(Dialect::Plain), text);
        assert_eq!(Rich::parse(text).render(Dialect::WhatsApp), text);
    }
}

#[test]
fn nothing_panics() {
    let bits = [
        "*", "**", "_", "`", "```", "\n", "\n\n", "> ", "- ", "1. ", "[", "](", ")", "<", ">", "&",
        "|", "|-|", "$", "$$", "~~", "\\", "#", " ", "    ", "\t", "é", "😀", "[x]: ", "!", "\0",
        "http://a", "x", "\u{301}", "- [ ] ",
    ];
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..4000 {
        let mut text = String::new();
        for _ in 0..24 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            text.push_str(bits[usize::try_from(seed % bits.len() as u64).unwrap()]);
        }
        let rich = Rich::parse(&text);
        for dialect in ALL {
            rich.render(dialect);
        }
    }
}

#[test]
fn discord_shows_brackets_and_hides_no_address_behind_them() {
    let discord = |markdown: &str| Rich::parse(markdown).render(Dialect::Discord);
    assert_eq!(discord("[note] plain"), "[note] plain");
    assert_eq!(
        discord(r"\[trust me\](https://evil.example)"),
        r"[trust me\](https://evil.example)"
    );
}
