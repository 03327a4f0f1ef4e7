//! Whether the models behind the edge answer: said where operators and people look.

use std::{collections::BTreeMap, time::Duration};

use zaki_envelope::wire::{ModelReport, ProviderReport};

use crate::{edge::EdgeError, hub::Parts, troubles::MODEL};

/// What is wrong there, and is no model.
const PART: &str = "the edge";
/// How often the edge is asked.
const EVERY: Duration = Duration::from_secs(15);

/// Keeps the troubles with models up to date, as long as the hub serves.
pub(super) async fn watch(parts: Parts) {
    let mut told = BTreeMap::new();
    loop {
        match parts.edge.model().await {
            Ok(report) => tell(&parts, &mut told, &report),
            // An edge that is away is told elsewhere; one of the release before knows nothing.
            Err(EdgeError::Unknown) => return,
            Err(error) => tracing::debug!(%error, "the edge does not say how its models stand"),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = parts.closing.cancelled() => return,
        }
    }
}

fn tell(parts: &Parts, told: &mut BTreeMap<String, String>, report: &ModelReport) {
    let found = troubles(report);
    for label in told.keys().filter(|label| !found.contains_key(*label)) {
        parts.troubles.clear(label);
        tracing::info!(label, "it answers again");
    }
    for (label, said) in &found {
        if told.get(label) != Some(said) {
            parts.troubles.warn(label, said.clone());
        }
    }
    *told = found;
}

/// What is wrong, by what it is about.
fn troubles(report: &ModelReport) -> BTreeMap<String, String> {
    let out = report.providers.iter().filter(|it| !it.is_asked);
    let mut found: BTreeMap<String, String> =
        out.map(|it| (format!("{MODEL} at {}", it.provider), words(it))).collect();
    let parts = report.parts.iter().filter(|it| !it.is_asked);
    found.extend(parts.map(|it| (format!("{PART}: {}", it.provider), words(it))));
    if !report.answers() {
        found.insert(MODEL.to_owned(), "no provider answers, and so does no assistant".to_owned());
    }
    found
}

fn words(provider: &ProviderReport) -> String {
    let why = match provider.fault.as_deref() {
        Some("unreachable") => "cannot be reached",
        Some("silent") => "takes calls and does not answer",
        Some("limited") => "is overloaded, or wants fewer calls",
        Some("refused") => "does not take the key, or nothing is left on the account",
        _ => "fails",
    };
    format!("{why}; it is tried again by itself")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(name: &str, is_asked: bool, fault: Option<&str>) -> ProviderReport {
        let fault = fault.map(str::to_owned);
        ProviderReport { provider: name.to_owned(), is_asked, until: None, fault, since: None }
    }

    #[test]
    fn one_that_is_out_is_named_and_all_that_are_out_are_worse() {
        let said = |providers| troubles(&ModelReport { providers, ..ModelReport::default() });
        assert!(said(vec![]).is_empty());
        let first = || provider("a.example", false, Some("refused"));
        let found = said(vec![first(), provider("b.example", true, Some("limited"))]);
        let found: Vec<(&str, &str)> =
            found.iter().map(|(label, said)| (label.as_str(), said.as_str())).collect();
        let key = "does not take the key, or nothing is left on the account; it is tried again by \
                   itself";
        assert_eq!(found, [("model at a.example", key)]);
        let found = said(vec![first(), provider("b.example", false, None)]);
        assert_eq!(found.len(), 3);
        assert!(found.contains_key(MODEL));
        let parts = vec![provider("bucket", false, Some("silent")), provider("hub", true, None)];
        let found = troubles(&ModelReport { parts, ..ModelReport::default() });
        assert_eq!(found.keys().collect::<Vec<_>>(), ["the edge: bucket"], "and no model is");
    }
}
