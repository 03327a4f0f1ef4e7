//! How many sandboxes there are, on which versions and where in their lives, in Prometheus' text
//! format.

use std::collections::BTreeMap;
use std::fmt::Write;

use zaki_edge_core::release::Release;

use crate::{
    edge::Running,
    runtime::{Ground, Version},
};

/// On how many sandboxes of which it is known, by version.
#[derive(Debug, Default, PartialEq, Eq)]
struct Versions {
    on: BTreeMap<String, u64>,
    /// On another one than all are to have.
    behind: u64,
    /// Of these, taken back from it.
    refused: u64,
}

impl Versions {
    fn count(releases: &[(Release<Version>, u64)], target: &Version) -> Self {
        let mut all = Self::default();
        for (release, count) in releases {
            let Some(on) = release.on() else { continue };
            *all.on.entry(on.to_string()).or_default() += count;
            all.behind += if on == target { 0 } else { *count };
            all.refused += if release.refused(target).is_some() { *count } else { 0 };
        }
        all
    }

    fn write(&self, target: &Version, text: &mut String) {
        gauge(text, "zaki_sandboxes");
        for (version, count) in &self.on {
            let _ = writeln!(text, "zaki_sandboxes{{version=\"{}\"}} {count}", escaped(version));
        }
        gauge(text, "zaki_sandboxes_version_wanted");
        let target = escaped(&target.to_string());
        let _ = writeln!(text, "zaki_sandboxes_version_wanted{{version=\"{target}\"}} 1");
        for (name, count) in [
            ("zaki_sandboxes_behind", self.behind),
            ("zaki_sandboxes_version_refused", self.refused),
        ] {
            gauge(text, name);
            let _ = writeln!(text, "{name} {count}");
        }
    }
}

impl Running {
    /// For `/metrics`. A store that does not answer is left out.
    pub(crate) async fn counts(&self) -> String {
        let mut text = String::new();
        let Ground::Built(runtime) = &self.shared.ground else { return text };
        if let Ok(releases) = self.shared.state.releases().await {
            let target = runtime.version();
            Versions::count(&releases, &target).write(&target, &mut text);
        }
        let mut phases: BTreeMap<String, u64> = BTreeMap::new();
        for mailbox in &self.shared.fleet.mailboxes {
            *phases.entry(mailbox.phase.borrow().told().to_string()).or_default() += 1;
        }
        gauge(&mut text, "zaki_sandboxes_phase");
        for (phase, count) in phases {
            let _ = writeln!(text, "zaki_sandboxes_phase{{phase=\"{phase}\"}} {count}");
        }
        text
    }
}

fn gauge(text: &mut String, name: &str) {
    let _ = writeln!(text, "# TYPE {name} gauge");
}

/// A path may be a version's name, and hold anything.
fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use zaki_edge_core::release::Saved;

    use super::*;

    fn version(agent: &str) -> Version {
        Version { agent: agent.into(), ..Version::default() }
    }

    #[test]
    fn sandboxes_are_counted_by_version_and_those_that_went_back_too() {
        let (old, new) = (version("1"), version("2 \"b\""));
        let on = |version: &Version| {
            let mut release = Release::default();
            release.begin(version, false, Saved::No);
            release
        };
        let mut refused = on(&old);
        refused.begin(&new, true, Saved::Yes(None));
        refused.take_back("it ended");
        let all = [(on(&old), 3), (refused, 2), (on(&new), 7), (Release::default(), 9)];
        let counted = Versions::count(&all, &new);
        assert_eq!((counted.behind, counted.refused), (5, 2));
        let mut text = String::new();
        counted.write(&new, &mut text);
        for line in [
            "zaki_sandboxes{version=\"1\"} 5",
            "zaki_sandboxes{version=\"2 \\\"b\\\"\"} 7",
            "zaki_sandboxes_version_wanted{version=\"2 \\\"b\\\"\"} 1",
            "zaki_sandboxes_behind 5",
            "zaki_sandboxes_version_refused 2",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
    }
}
