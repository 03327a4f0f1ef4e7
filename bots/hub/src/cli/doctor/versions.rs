//! Which versions of the agent the sandboxes of an edge that runs are on.

use std::fmt::Write as _;

use super::{Finding, Verdict, counts::Counts, finding};

/// How many on which, and whether somebody has to look.
pub(super) fn check(counts: &Counts) -> Vec<Finding> {
    let on: Vec<String> = counts
        .all("zaki_sandboxes")
        .filter_map(|count| Some(format!("{} on {}", count.value()?, count.label("version")?)))
        .collect();
    if on.is_empty() {
        return Vec::new();
    }
    let wanted = counts.all("zaki_sandboxes_version_wanted").find_map(|it| it.label("version"));
    let behind = counts.one("zaki_sandboxes_behind").unwrap_or(0);
    let refused = counts.one("zaki_sandboxes_version_refused").unwrap_or(0);
    let mut says = format!("sandboxes: {}", on.join(", "));
    let mut verdict = Verdict::Ok;
    if behind > 0 {
        let wanted = wanted.unwrap_or("another");
        let _ = write!(says, "; {behind} are to be on {wanted}");
        verdict = Verdict::Note;
    }
    if refused > 0 {
        let _ = write!(says, "; {refused} went back from it, `zaki sandbox list` says why");
        verdict = Verdict::Missing;
    }
    vec![finding(verdict, "versions", says)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_and_what_went_back_is_said() {
        let said = |behind: u32, refused: u32| {
            let metrics = format!(
                "zaki_sandboxes{{version=\"2\"}} 7\nzaki_sandboxes{{version=\"1\"}} 3\n\
                 zaki_sandboxes_version_wanted{{version=\"2\"}} 1\n\
                 zaki_sandboxes_behind {behind}\nzaki_sandboxes_version_refused {refused}\n"
            );
            let found = check(&metrics.as_str().into());
            (found[0].verdict == Verdict::Ok, found[0].verdict, found[0].says.clone())
        };
        let (is_well, _, says) = said(0, 0);
        assert!(is_well && says == "sandboxes: 7 on 2, 3 on 1", "{says}");
        let (_, verdict, says) = said(3, 0);
        assert!(verdict == Verdict::Note && says.contains("3 are to be on 2"), "{says}");
        let (_, verdict, says) = said(3, 1);
        assert!(verdict == Verdict::Missing && says.contains("1 went back"), "{says}");
        assert!(check(&"zaki_backups_overdue 0\n".into()).is_empty());
    }
}
