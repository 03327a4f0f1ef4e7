//! What does not work: accounts that will not by themselves (a wrong token, a webhook refused), and
//! what passes (an edge that is not there yet, a platform that is not reached).

mod calls;

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub(crate) use calls::Doing;

/// What troubles with the models behind the edge are about.
pub(crate) const MODEL: &str = "model";

/// What is wrong, by account or by what else it is about.
type Known = BTreeMap<String, Trouble>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Trouble {
    said: String,
    passes: bool,
}

/// One of them, as `/ready` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// What it is about.
    pub what: String,
    /// What is wrong, and the mend where there is one.
    pub why: String,
    /// Whether it may come right by itself.
    pub passes: bool,
}

/// Keeps the troubles for `/ready` and whoever waits for one.
pub(crate) struct Troubles {
    known: watch::Sender<Known>,
    /// How many calls have failed in a row, by what they are about; none that work.
    failures: Mutex<BTreeMap<String, u32>>,
}

impl Default for Troubles {
    fn default() -> Self {
        Self { known: watch::Sender::new(Known::new()), failures: Mutex::default() }
    }
}

impl Troubles {
    /// Notes what is wrong with an account, in one sentence with the mend and without secrets.
    pub(crate) fn note(&self, label: &str, said: String) {
        tracing::error!(account = label, said, "this account does not work");
        self.add(label, Trouble { said, passes: false });
    }

    /// Notes what is wrong and may come right by itself, in one sentence.
    pub(crate) fn warn(&self, label: &str, said: String) {
        tracing::warn!("{said}");
        self.add(label, Trouble { said, passes: true });
    }

    /// It has come right.
    pub(crate) fn clear(&self, label: &str) {
        self.known.send_modify(|known| drop(known.remove(label)));
    }

    fn add(&self, label: &str, trouble: Trouble) {
        self.known.send_modify(|known| drop(known.insert(label.to_owned(), trouble)));
    }

    /// It has not worked; how often in a row, with this time.
    fn failed_again(&self, label: &str) -> u32 {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let times = failures.entry(label.to_owned()).or_default();
        *times = times.saturating_add(1);
        *times
    }

    /// Whether any call has failed and none has worked since. Most find nothing here.
    fn has_failures(&self) -> bool {
        !self.failures.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// It works; whether it did not before.
    fn works_again(&self, label: &str) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(label).is_some()
    }

    /// Whether something is wrong with it.
    pub(crate) fn has(&self, label: &str) -> bool {
        self.known.borrow().contains_key(label)
    }

    /// What is wrong now.
    pub(crate) fn told(&self) -> Vec<Told> {
        let told = |(what, trouble): (&String, &Trouble)| {
            let Trouble { said, passes } = trouble.clone();
            Told { what: what.clone(), why: said, passes }
        };
        self.known.borrow().iter().map(told).collect()
    }

    /// Waits until something that will not pass is wrong with each of them; forever for none.
    pub(crate) async fn all(&self, labels: &[String]) -> String {
        let lasts = |known: &Known, label: &String| known.get(label).is_some_and(|it| !it.passes);
        let all = |known: &Known| labels.iter().all(|label| lasts(known, label));
        match self.known.subscribe().wait_for(|known| !labels.is_empty() && all(known)).await {
            Ok(known) => said(&known, labels),
            // The sender is in `self`.
            Err(_) => std::future::pending().await,
        }
    }
}

fn said(known: &Known, labels: &[String]) -> String {
    let meant = known.iter().filter(|(label, _)| labels.contains(label));
    let lines: Vec<_> =
        meant.map(|(label, trouble)| format!("{label}: {}", trouble.said)).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn what_passes_is_shown_until_it_has_and_ends_nothing() {
        let troubles = Troubles::default();
        let all = |labels: &[&str]| {
            let labels: Vec<_> = labels.iter().map(|&label| label.to_owned()).collect();
            troubles.all(&labels).now_or_never()
        };
        troubles.warn("edge", "not there yet".to_owned());
        let told = |what: &str, why: &str, passes| {
            let (what, why) = (what.to_owned(), why.to_owned());
            Told { what, why, passes }
        };
        assert_eq!(troubles.told(), [told("edge", "not there yet", true)]);
        assert_eq!(all(&["edge"]), None);
        troubles.note("slack/main", "a wrong token".to_owned());
        assert_eq!(all(&["slack/main"]).as_deref(), Some("slack/main: a wrong token"));
        assert_eq!(all(&["slack/main", "telegram/main"]), None, "another bot is served");
        assert_eq!(all(&[]), None, "without a bot there is a page to come to");
        troubles.note("telegram/main", "another".to_owned());
        let said = "slack/main: a wrong token; telegram/main: another";
        assert_eq!(all(&["telegram/main", "slack/main"]).as_deref(), Some(said));
        troubles.clear("telegram/main");
        assert!(troubles.has("edge"));
        troubles.clear("edge");
        assert!(!troubles.has("edge"));
        assert_eq!(troubles.told(), [told("slack/main", "a wrong token", false)]);
    }
}
