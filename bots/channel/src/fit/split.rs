//! Splits a text into pieces that one message each may hold.

use unicode_segmentation::UnicodeSegmentation;

use crate::{Capabilities, Dialect, Rich, TextLimit};

/// The pieces of `rich`, rendered, in order. Only white space between them is left out.
pub(super) fn split(rich: &Rich, capabilities: &Capabilities) -> Vec<String> {
    let cutter = Cutter { rich, limit: capabilities.text, dialect: capabilities.dialect };
    let length = rich.text().len();
    let mut pieces = Vec::new();
    let mut start = cutter.next_start(0);
    while start < length {
        let (piece, end) = cutter.cut(start);
        if !piece.trim().is_empty() {
            pieces.push(piece);
        }
        start = cutter.next_start(end);
    }
    pieces
}

struct Cutter<'a> {
    rich: &'a Rich,
    limit: TextLimit,
    dialect: Dialect,
}

impl Cutter<'_> {
    fn text(&self, start: usize) -> &str {
        self.rich.text().get(start..).unwrap_or_default()
    }

    fn render(&self, start: usize, end: usize) -> String {
        let stretch = self.rich.text().get(start..end).unwrap_or_default();
        let end = start + stretch.trim_end().len();
        self.rich.render_range(start..end, self.dialect)
    }

    /// Skips white space, except where code is indented.
    fn next_start(&self, at: usize) -> usize {
        let skipped: usize = self
            .text(at)
            .char_indices()
            .take_while(|(i, c)| c.is_whitespace() && (*c == '\n' || !self.rich.is_pre(at + i)))
            .map(|(_, c)| c.len_utf8())
            .sum();
        at + skipped
    }

    /// The piece from `start` on, and where it ends.
    fn cut(&self, start: usize) -> (String, usize) {
        let rest = self.text(start);
        // No mark-up makes a text shorter, so no longer stretch can be allowed.
        let most = self.limit.max.saturating_add(1);
        let graphemes = rest.grapheme_indices(true).take(most);
        let borders: Vec<usize> = graphemes.map(|(i, g)| start + i + g.len()).collect();
        if let Some(fitting) = self.longest(start, &borders) {
            return fitting;
        }
        // A single grapheme that is too long, such as a letter with a thousand accents.
        let chars = rest.char_indices().take(most);
        let borders: Vec<usize> = chars.map(|(i, c)| start + i + c.len_utf8()).collect();
        self.longest(start, &borders).unwrap_or_else(|| {
            let end = borders.first().copied().unwrap_or(self.rich.text().len());
            let bare = self.rich.text().get(start..end).unwrap_or_default();
            (Rich::plain(bare).render(self.dialect), end)
        })
    }

    /// The longest allowed piece, cut at the best of `borders` or at one that is better still.
    fn longest(&self, start: usize, borders: &[usize]) -> Option<(String, usize)> {
        let mut fitting =
            borders.partition_point(|end| self.limit.allows(&self.render(start, *end)));
        while let Some(end) = fitting.checked_sub(1).and_then(|last| borders.get(last)) {
            let end = self.good_border(start, *end);
            let piece = self.render(start, end);
            if self.limit.allows(&piece) {
                return Some((piece, end));
            }
            fitting = fitting.saturating_sub(1);
        }
        None
    }

    /// The best place to end a piece that may reach `end` at most: after a paragraph, else a line,
    /// a sentence, a word, if that does not leave the piece too empty.
    fn good_border(&self, start: usize, end: usize) -> usize {
        if end == self.rich.text().len() {
            return end;
        }
        let mut best = [None; 4];
        for (i, c) in self.text(start).char_indices() {
            let at = start + i;
            if at > end {
                break;
            }
            if let Some((rank, border)) = self.rank(start, at, c)
                && border <= end
                && border > start
            {
                best[rank] = Some(border);
            }
        }
        // How full the piece must be, in percent, to be cut at a border of this rank.
        let full_enough = [25, 33, 50, 50];
        let beyond = |percent: usize| start + (end - start) * percent / 100;
        let good = best
            .iter()
            .zip(full_enough)
            .find_map(|(at, percent)| at.filter(|at| *at >= beyond(percent)));
        let word = || best.into_iter().flatten().max();
        let tolerable = || word().filter(|at| *at >= beyond(10));
        good.or_else(tolerable).unwrap_or(end)
    }

    /// How good it is to end before (or, for a full-width stop, after) the char `c` at `at`; 0 is
    /// best.
    fn rank(&self, start: usize, at: usize, c: char) -> Option<(usize, usize)> {
        if "。！？".contains(c) {
            return Some((2, at + c.len_utf8()));
        }
        if !c.is_whitespace() || c == '\u{a0}' {
            return None;
        }
        let before = self.rich.text().get(start..at).unwrap_or_default();
        let rank = if c == '\n' {
            let paragraph = self.text(at).starts_with("\n\n") && !self.rich.is_pre(at);
            usize::from(!paragraph)
        } else if before.ends_with(['.', '!', '?', '…', ':', ';', '؟', '।']) {
            2
        } else {
            3
        };
        Some((rank, at))
    }
}
