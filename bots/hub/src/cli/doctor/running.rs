//! What the hub that runs here says of itself: `/ready`.

use std::time::Duration;

use reqwest::header::ACCEPT;

use super::{Finding, Verdict, finding};
use crate::{
    config::Config,
    data_dir::{self, Tenant},
    readiness::Readiness,
    troubles::Told,
};

const PATIENCE: Duration = Duration::from_secs(5);

/// What does not work in it. Nothing, where no hub runs on this data.
pub(super) async fn check(config: &Config) -> Vec<Finding> {
    if !data_dir::is_locked(&config.data_dir(), Tenant::Hub) {
        return Vec::new();
    }
    match ask(config).await {
        Some(found) => findings(found),
        None => vec![silent(config)],
    }
}

fn silent(config: &Config) -> Finding {
    let says = format!(
        "a hub runs on this data and does not answer at {}: it hangs, or was started with another \
         hub.listen",
        config.hub.listen
    );
    finding(Verdict::Missing, "hub", says)
}

async fn ask(config: &Config) -> Option<Readiness> {
    // Whoever runs the doctor may have a proxy for everything else.
    let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().ok()?;
    let url = format!("http://{}/ready", config.hub.listen);
    let answer = http.get(url).header(ACCEPT, "application/json").send().await.ok()?;
    serde_json::from_slice(&answer.bytes().await.ok()?).ok()
}

fn findings(found: Readiness) -> Vec<Finding> {
    let not = found.why.map(|why| finding(Verdict::Missing, "hub", format!("not ready: {why}")));
    let degraded = found.degraded.into_iter().map(|Told { what, why, passes }| {
        let verdict = if passes { Verdict::Note } else { Verdict::Missing };
        finding(verdict, what, why)
    });
    not.into_iter().chain(degraded).collect()
}
