//! How far an installation is, told to whoever wants to know.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::{NODE_VERSION, OPENCLAW_VERSION};

/// Where an installation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Whether everything is there.
    Looking,
    /// Another program installs it.
    Waiting,
    /// npm fetches and unpacks.
    Installing,
    /// What was installed is tried.
    Verifying,
    /// Everything is there.
    Present,
}

/// Is told how far an installation is. Called from one task at a time; must not block.
pub trait Progress: Send + Sync {
    /// A stage begins.
    fn stage(&self, stage: Stage);

    /// So many packages of about so many are unpacked.
    fn packages(&self, done: u64, of: u64);
}

/// Tells a person: a bar on a terminal, plain lines elsewhere; on standard error.
#[derive(Default)]
pub struct Terminal {
    bar: OnceLock<Option<ProgressBar>>,
}

impl Terminal {
    /// Shows nothing before something is to be installed.
    pub fn new() -> Self {
        Self::default()
    }

    fn bar(&self) -> Option<&ProgressBar> {
        let make = || std::io::stderr().is_terminal().then(bar);
        self.bar.get_or_init(make).as_ref()
    }

    fn say(&self, words: &str) {
        match self.bar() {
            Some(bar) => bar.set_message(words.to_owned()),
            None => eprintln!("{words}"),
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    // A template that does not parse leaves the plain style.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {wide_bar} {pos}/{len}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

impl Progress for Terminal {
    fn stage(&self, stage: Stage) {
        match stage {
            Stage::Looking => {}
            Stage::Waiting => self.say("another program installs OpenClaw; waiting for it"),
            Stage::Installing => self.say(&format!(
                "installing Node {NODE_VERSION} and OpenClaw {OPENCLAW_VERSION} (about 290 MB, once)"
            )),
            Stage::Verifying => self.say("trying what was installed"),
            Stage::Present => {
                if let Some(Some(bar)) = self.bar.get() {
                    bar.finish_and_clear();
                }
            }
        }
    }

    fn packages(&self, done: u64, of: u64) {
        if let Some(Some(bar)) = self.bar.get() {
            bar.set_length(of.max(done));
            bar.set_position(done);
        }
    }
}
