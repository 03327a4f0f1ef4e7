//! What does not work: what somebody has to mend (a wrong token, a webhook refused), and what passes
//! (an edge that is not there yet, a platform that is not reached).

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
    /// The account that does nothing because of it.
    silences: Option<String>,
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
    /// Notes what is wrong and may come right by itself, in one sentence.
    pub(crate) fn warn(&self, label: &str, said: String) {
        tracing::warn!("{said}");
        self.add(label, Trouble { said, passes: true, silences: None });
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
            let Trouble { said, passes, .. } = trouble.clone();
            Told { what: what.clone(), why: said, passes }
        };
        self.known.borrow().iter().map(told).collect()
    }

    /// Waits until each of these accounts is silent; forever for none. Says why.
    pub(crate) async fn all_silent(&self, accounts: &[String]) -> String {
        let all = |known: &Known| accounts.iter().all(|account| why(known, account).is_some());
        match self.known.subscribe().wait_for(|known| !accounts.is_empty() && all(known)).await {
            Ok(known) => {
                let said = accounts
                    .iter()
                    .filter_map(|account| Some(format!("{account}: {}", why(&known, account)?)));
                said.collect::<Vec<_>>().join("; ")
            }
            // The sender is in `self`.
            Err(_) => std::future::pending().await,
        }
    }
}

/// What silences this account.
fn why<'a>(known: &'a Known, account: &str) -> Option<&'a str> {
    let silences = |trouble: &&Trouble| trouble.silences.as_deref() == Some(account);
    known.values().find(silences).map(|trouble| trouble.said.as_str())
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn what_passes_is_shown_until_it_has_and_ends_nothing() {
        let troubles = Troubles::default();
        troubles.warn("edge", "not there yet".to_owned());
        let (what, why) = ("edge".to_owned(), "not there yet".to_owned());
        assert_eq!(troubles.told(), [Told { what, why, passes: true }]);
        assert_eq!(troubles.all_silent(&["edge".to_owned()]).now_or_never(), None);
        assert!(troubles.has("edge"));
        troubles.clear("edge");
        assert_eq!(troubles.told(), []);
    }
}
