//! Tests that skipped themselves: which of them may.

use std::collections::BTreeSet;

use crate::cache::is_root;

/// A test that cannot run here prints a line with one of these, and why.
const SKIPPING: [&str; 2] = ["SKIPPED", "NOT CHECKED"];

/// The lines of one run.
#[derive(Default)]
pub(crate) struct Skips(BTreeSet<String>);

/// What no installing brings.
#[derive(Default)]
struct Here {
    corpus: bool,
    image: bool,
    root: bool,
}

impl Skips {
    /// Keeps a line if it says that a test was skipped.
    pub(crate) fn read(&mut self, line: &str) {
        self.0.extend(skip_line(line));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those that have no excuse, once everything is installed.
    pub(crate) fn inexcusable(&self, corpus: bool, image: bool) -> Vec<&str> {
        let here = Here { corpus, image, root: is_root() };
        self.0.iter().map(String::as_str).filter(|line| !here.excuses(line)).collect()
    }

    /// All of them, to be shown.
    pub(crate) fn into_lines(self) -> impl Iterator<Item = String> {
        self.0.into_iter()
    }
}

impl Here {
    fn excuses(&self, line: &str) -> bool {
        let about = |words: &[&str]| words.iter().any(|word| line.contains(word));
        (!self.corpus && about(&["corpus", "ZAKI_CORPUS"]))
            || (!self.image && about(&["ZAKI_TEST_IMAGE", "ZAKI_TEST_WORKER"]))
            || (!self.root && about(&["root"]))
            // Root in a container, mostly.
            || about(&["mount a"])
    }
}

fn skip_line(line: &str) -> Option<String> {
    let says = SKIPPING.iter().any(|mark| line.contains(mark));
    says.then(|| {
        line.trim().trim_start_matches("<system-out>").trim_end_matches("</system-out>").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_skipped_tests_say_is_found() {
        assert_eq!(skip_line("  SKIPPED: no corpus").as_deref(), Some("SKIPPED: no corpus"));
        let xml = "<system-out>advisories: NOT CHECKED</system-out>";
        assert_eq!(skip_line(xml).as_deref(), Some("advisories: NOT CHECKED"));
        assert_eq!(skip_line("test a_skipped_one ... ok"), None);
    }

    #[test]
    fn only_what_cannot_be_installed_is_an_excuse() {
        let (all, nothing) = (Here { corpus: true, image: true, root: true }, Here::default());
        for (line, without) in [
            ("SKIPPED: there is no corpus at ../corpus", true),
            ("SKIPPED: no vectors.json in ZAKI_CORPUS", true),
            ("SKIPPED: ZAKI_TEST_IMAGE names no image", true),
            ("SKIPPED: only root can give sandboxes users of their own", true),
            ("SKIPPED a::test: PostgreSQL is not installed", false),
            ("SKIPPED: no libfaketime; install Debian's package `faketime`", false),
            ("SKIPPED: set ZAKI_RUNTIME (cargo xtask test does it)", false),
        ] {
            assert!(!all.excuses(line), "{line}");
            assert_eq!(nothing.excuses(line), without, "{line}");
        }
    }
}
