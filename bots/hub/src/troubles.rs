//! What does not work: accounts that will not by themselves (a wrong token, a webhook refused), and
//! what passes (an edge that is not there yet).

use std::collections::BTreeMap;

use tokio::sync::watch;

/// What troubles with the models behind the edge are about.
pub(crate) const MODEL: &str = "model";

/// What is wrong, by account or by what else it is about.
type Known = BTreeMap<String, Trouble>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Trouble {
    said: String,
    passes: bool,
}

/// Keeps the troubles for `/ready` and whoever waits for one.
pub(crate) struct Troubles(watch::Sender<Known>);

impl Default for Troubles {
    fn default() -> Self {
        Self(watch::Sender::new(Known::new()))
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
        self.0.send_modify(|known| drop(known.remove(label)));
    }

    fn add(&self, label: &str, trouble: Trouble) {
        self.0.send_modify(|known| drop(known.insert(label.to_owned(), trouble)));
    }

    /// Whether something is wrong with it.
    pub(crate) fn has(&self, label: &str) -> bool {
        self.0.borrow().contains_key(label)
    }

    /// What is wrong now, in one line each.
    pub(crate) fn lines(&self) -> String {
        said(&self.0.borrow(), |_| true).concat()
    }

    /// Waits until something is wrong that will not pass.
    pub(crate) async fn first(&self) -> String {
        let lasts = |trouble: &Trouble| !trouble.passes;
        match self.0.subscribe().wait_for(|known| known.values().any(lasts)).await {
            Ok(known) => said(&known, lasts).concat().trim_end().to_owned(),
            // The sender is in `self`.
            Err(_) => std::future::pending().await,
        }
    }
}

fn said(known: &Known, which: impl Fn(&Trouble) -> bool) -> Vec<String> {
    let meant = known.iter().filter(|(_, trouble)| which(trouble));
    meant.map(|(label, trouble)| format!("{label}: {}\n", trouble.said)).collect()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn what_passes_is_shown_until_it_has_and_ends_nothing() {
        let troubles = Troubles::default();
        troubles.warn("edge", "not there yet".to_owned());
        assert_eq!(troubles.lines(), "edge: not there yet\n");
        assert_eq!(troubles.first().now_or_never(), None);
        troubles.note("slack/main", "a wrong token".to_owned());
        assert_eq!(troubles.first().now_or_never().as_deref(), Some("slack/main: a wrong token"));
        assert!(troubles.has("edge"));
        troubles.clear("edge");
        assert!(!troubles.has("edge"));
        assert_eq!(troubles.lines(), "slack/main: a wrong token\n");
    }
}
