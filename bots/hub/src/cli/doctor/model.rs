//! Whether the models behind an edge that runs answer.

use std::collections::BTreeMap;

use super::{Finding, Verdict, counts::Counts, finding};

/// Who is left alone because they fail.
pub(super) fn check(counts: &Counts) -> Vec<Finding> {
    let asked: BTreeMap<&str, bool> = counts
        .all("zaki_model_provider_asked")
        .filter_map(|count| Some((count.label("provider")?, count.value() == Some(1))))
        .collect();
    let faults: BTreeMap<&str, &str> = counts
        .all("zaki_model_provider_failing")
        .filter_map(|count| Some((count.label("provider")?, count.label("fault")?)))
        .collect();
    let works = asked.values().any(|is_asked| *is_asked);
    let out = asked.iter().filter(|(_, is_asked)| !**is_asked).map(|(provider, _)| {
        let fault = faults.get(provider).copied().unwrap_or("broken");
        let says = format!("{provider} fails ({fault}) and is left alone for now");
        finding(if works { Verdict::Note } else { Verdict::Missing }, "model", says)
    });
    out.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_that_fail_are_named() {
        let metrics = "zaki_model_provider_asked{provider=\"a\"} 0\n\
                       zaki_model_provider_asked{provider=\"b\"} 1\n\
                       zaki_model_provider_failing{provider=\"a\",fault=\"refused\"} 1\n";
        let said = |metrics: &str| -> Vec<(Verdict, String)> {
            check(&metrics.into()).into_iter().map(|it| (it.verdict, it.says)).collect()
        };
        let says = "a fails (refused) and is left alone for now".to_owned();
        assert!(said(metrics) == [(Verdict::Note, says.clone())]);
        let none = metrics.replace("provider=\"b\"} 1", "provider=\"b\"} 0");
        assert!(said(&none)[0] == (Verdict::Missing, says) && said(&none).len() == 2);
        assert!(said("zaki_backups_overdue 0\n").is_empty());
    }
}
