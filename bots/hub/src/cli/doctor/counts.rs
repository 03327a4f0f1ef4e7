//! What an edge that runs counts: its `/metrics`, in Prometheus' text format.

use std::time::Duration;

use url::Url;

use crate::{
    config::Config,
    data_dir::{self, Tenant},
    local_edge::Whereabouts,
};

const PATIENCE: Duration = Duration::from_secs(5);

/// As it was said.
pub(super) struct Counts(String);

impl Counts {
    /// Asks the edge, if one runs and answers.
    pub(super) async fn ask(config: &Config) -> Option<Self> {
        let http = reqwest::Client::builder().timeout(PATIENCE).build().ok()?;
        let answer = http.get(running(config)?.join("/metrics").ok()?).send().await.ok()?;
        answer.text().await.ok().map(Self)
    }

    /// A number without labels.
    pub(super) fn one(&self, name: &str) -> Option<u64> {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.trim().parse().ok()
    }

    /// The lines of a number with labels.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = Count<'_>> {
        self.0.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix('{').map(Count))
    }
}

#[cfg(test)]
impl From<&str> for Counts {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// One of several.
#[derive(Clone, Copy)]
pub(super) struct Count<'c>(&'c str);

impl<'c> Count<'c> {
    /// Of a label. Ours are hosts and versions, and have no escapes.
    pub(super) fn label(self, name: &str) -> Option<&'c str> {
        let (_, rest) = self.0.split_once(&format!("{name}=\""))?;
        rest.split('"').next()
    }

    pub(super) fn value(self) -> Option<u64> {
        self.0.rsplit_once(' ')?.1.parse().ok()
    }
}

/// An edge that can be asked.
fn running(config: &Config) -> Option<Url> {
    let here = || {
        if !data_dir::is_locked(&config.data_dir(), Tenant::Edge) {
            return None;
        }
        let found = Whereabouts::find(config).map(|(address, _)| address);
        format!("http://{}", found.unwrap_or(config.edge.listen)).parse().ok()
    };
    config.edge.url.clone().or_else(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_by_their_whole_name() {
        let counts = Counts::from("a_b 1\na 2\nb{x=\"y\",z=\"\"} 3\n# TYPE a gauge\n");
        assert_eq!((counts.one("a"), counts.one("a_b"), counts.one("c")), (Some(2), Some(1), None));
        let all: Vec<_> = counts.all("b").collect();
        assert_eq!((all.len(), all[0].label("x"), all[0].value()), (1, Some("y"), Some(3)));
        assert_eq!((all[0].label("z"), all[0].label("w")), (Some(""), None));
    }
}
