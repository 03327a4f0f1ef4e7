//! What a hub that stops has left, in words.

use std::time::Duration;

use tokio::time::timeout;
use zaki_ledger::{Counts, Ledger};

/// Says how it ended. A ledger that does not answer `within` this time has said enough.
pub(super) async fn say(ledger: &dyn Ledger, within: Duration) {
    match timeout(within, ledger.counts()).await {
        Ok(Ok(counts)) => tracing::info!("{}", stopped(&counts, ledger.ttl().is_some())),
        Ok(Err(error)) => tracing::warn!(%error, "stopped; the ledger does not say what waits"),
        Err(_) => tracing::warn!("stopped; the ledger does not say what waits"),
    }
}

/// `shared`: other replicas may be at it.
fn stopped(counts: &Counts, shared: bool) -> String {
    let open = [
        (counts.accepted, "message", "messages"),
        (counts.running, "begun turn", "begun turns"),
        (counts.pending + counts.sending, "delivery", "deliveries"),
    ];
    let open = open.into_iter().filter(|(count, ..)| *count > 0);
    let open: Vec<String> = open
        .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
        .collect();
    let Some((last, others)) = open.split_last() else { return "stopped; nothing waits".into() };
    let all =
        if others.is_empty() { last.clone() } else { format!("{} and {last}", others.join(", ")) };
    let whom = if shared { "another replica or the next start" } else { "the next start" };
    format!("stopped; for {whom} there is: {all}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_is_left_and_for_whom() {
        let counts = Counts { dead: 7, ..Counts::default() };
        assert_eq!(stopped(&counts, false), "stopped; nothing waits");
        let counts = Counts { accepted: 2, pending: 1, ..counts };
        let said = stopped(&counts, false);
        assert_eq!(said, "stopped; for the next start there is: 2 messages and 1 delivery");
        let counts = Counts { accepted: 0, running: 1, sending: 2, ..counts };
        assert!(
            stopped(&counts, true).ends_with("next start there is: 1 begun turn and 3 deliveries")
        );
    }
}
