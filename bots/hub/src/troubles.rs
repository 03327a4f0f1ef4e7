//! Accounts that no longer work and will not by themselves: a wrong token, a webhook refused.

use std::collections::BTreeMap;

use tokio::sync::watch;

/// What is wrong, by account.
type Known = BTreeMap<String, String>;

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
        self.0.send_modify(|known| {
            known.insert(label.to_owned(), said);
        });
    }

    /// What is wrong now, one line for each account.
    pub(crate) fn lines(&self) -> String {
        said(&self.0.borrow())
    }

    /// Waits until something is wrong.
    pub(crate) async fn first(&self) -> String {
        match self.0.subscribe().wait_for(|known| !known.is_empty()).await {
            Ok(known) => said(&known),
            // The sender is in `self`.
            Err(_) => std::future::pending().await,
        }
    }
}

fn said(known: &Known) -> String {
    let lines: Vec<String> = known.iter().map(|(label, said)| format!("{label}: {said}")).collect();
    lines.join("\n")
}
