//! Emoji by Slack's names: reactions are named, not written.

/// The common ones (<https://docs.slack.dev/reference/methods/reactions.add>).
const NAMES: [(&str, &str); 34] = [
    ("👀", "eyes"),
    ("👍", "+1"),
    ("👎", "-1"),
    ("❤", "heart"),
    ("🎉", "tada"),
    ("✅", "white_check_mark"),
    ("☑", "ballot_box_with_check"),
    ("✔", "heavy_check_mark"),
    ("❌", "x"),
    ("⏳", "hourglass_flowing_sand"),
    ("⌛", "hourglass"),
    ("🤔", "thinking_face"),
    ("🔥", "fire"),
    ("😂", "joy"),
    ("🙏", "pray"),
    ("👏", "clap"),
    ("🚀", "rocket"),
    ("💯", "100"),
    ("😢", "cry"),
    ("😭", "sob"),
    ("😀", "grinning"),
    ("😄", "smile"),
    ("🙂", "slightly_smiling_face"),
    ("😍", "heart_eyes"),
    ("😱", "scream"),
    ("😴", "sleeping"),
    ("👌", "ok_hand"),
    ("👋", "wave"),
    ("💩", "hankey"),
    ("⚠", "warning"),
    ("🛑", "octagonal_sign"),
    ("🔧", "wrench"),
    ("⚡", "zap"),
    ("🤖", "robot_face"),
];

/// Slack's name of an emoji, or the name itself where it is one already.
pub(crate) fn name(emoji: &str) -> Option<&str> {
    let bare = emoji.trim_matches(':');
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-+'".contains(c);
    if !bare.is_empty() && bare.chars().all(is_name) {
        return Some(bare);
    }
    // The variation selector only asks for colour.
    let plain = emoji.trim_end_matches('\u{fe0f}');
    let known = NAMES.iter().find(|(symbol, _)| *symbol == plain);
    known.map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_and_names_are_both_understood() {
        for (emoji, expected) in [
            ("👀", Some("eyes")),
            ("❤\u{fe0f}", Some("heart")),
            (":tada:", Some("tada")),
            ("party-parrot", Some("party-parrot")),
            ("🦜", None),
            ("", None),
        ] {
            assert_eq!(name(emoji), expected, "{emoji:?}");
        }
    }
}
