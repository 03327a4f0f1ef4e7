//! The providers in their order: the first that may be asked and does not fail answers.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use zaki_edge_core::breaker::{Fault, Standing};
use zaki_edge_core::meter::Price;
use zaki_edge_core::model::{Fields, Wire, streams};
use zaki_envelope::wire::ProviderReport;

use super::provider::{Answer, Asked, Pass, Provider};
use super::{Meter, config::ForwardConfig, tally::Outcome};
use crate::{EdgeError, clock};

pub(super) struct Chain {
    pub(super) wire: Wire,
    pub(super) providers: Vec<Arc<Provider>>,
    patience: Duration,
}

/// A call that somebody answers.
pub(super) struct Called {
    answer: Answer,
    pass: Pass,
}

/// Nobody answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nobody {
    /// For the agent, if it is to try again.
    pub(super) status: u16,
    /// In how many seconds.
    pub(super) after: Option<i64>,
    /// It need not: that is not over in the time somebody waits for an answer.
    pub(super) is_lost: bool,
}

/// Why the last that was asked does not answer.
#[derive(Clone, Copy)]
enum Last {
    Elsewhere,
    Failing(Fault),
}

impl Chain {
    pub(super) fn new(config: ForwardConfig) -> Result<Self, EdgeError> {
        let mut providers: Vec<Arc<Provider>> = Vec::new();
        for provider in config.providers {
            let mut provider = Provider::new(config.wire, provider)?;
            let same = providers.iter().filter(|other| other.label.starts_with(&provider.label));
            let same = same.count();
            if same > 0 {
                provider.label = format!("{}#{}", provider.label, same + 1);
            }
            providers.push(Arc::new(provider));
        }
        Ok(Self { wire: config.wire, providers, patience: config.patience })
    }

    /// Makes the call, for our `model`. The meter is told at what price somebody is about to do it.
    pub(super) async fn call(
        &self,
        mut request: Fields,
        model: &str,
        meter: &mut Meter,
        price: impl Fn(&str) -> Price,
    ) -> Result<Called, Nobody> {
        let streams = streams(&request);
        let (mut last, mut may_pass) = (None, false);
        let mut rest = self.providers.iter().peekable();
        while let Some(provider) = rest.next() {
            let Some(mut pass) = provider.admit(meter.user()) else {
                let fault = provider.breaker().failing().map(|(fault, _)| fault);
                may_pass |= fault != Some(Fault::Refused);
                continue;
            };
            let model = provider.name_of(model);
            // What was read can be written.
            let prepared = self.wire.prepare(&mut request, model);
            let Ok(body) = prepared.and_then(|()| serde_json::to_vec(&request)) else { continue };
            meter.asks(price(model));
            let patience = (streams && rest.peek().is_some()).then_some(self.patience);
            match provider.ask(body, patience).await {
                Asked::Answer(answer) => {
                    pass.answered();
                    pass.tally().count(Outcome::Answered);
                    return Ok(Called { answer, pass });
                }
                Asked::Elsewhere => {
                    pass.answered();
                    pass.tally().count(Outcome::Elsewhere);
                    last = Some(Last::Elsewhere);
                }
                Asked::Failing { fault, later_ms } => {
                    pass.failed(fault, later_ms);
                    pass.tally().count(fault);
                    may_pass |= fault != Fault::Refused;
                    last = Some(Last::Failing(fault));
                }
            }
            meter.is_let_down();
        }
        Err(self.nobody(last, may_pass))
    }

    /// A key that is not taken, an account with nothing on it and a model that is not there are
    /// nobody's to try again; all else may pass.
    fn nobody(&self, why: Option<Last>, may_pass: bool) -> Nobody {
        let now = clock::now();
        let lost = |provider: &Arc<Provider>| provider.breaker().is_lost(now);
        let status = match why {
            Some(Last::Failing(Fault::Limited)) => 429,
            Some(Last::Failing(_)) => 502,
            Some(Last::Elsewhere) => 404,
            None => 503,
        };
        let until = self.providers.iter().filter_map(|it| match it.breaker().standing() {
            Standing::Open { until } => Some(until.since(now)),
            Standing::Closed | Standing::Trial => None,
        });
        let after = until.min().map(|ms| ms.div_euclid(1_000).clamp(0, 59) + 1);
        Nobody { status, after, is_lost: !may_pass || self.providers.iter().all(lost) }
    }

    /// How each stands.
    pub(super) fn report(&self) -> Vec<ProviderReport> {
        self.providers.iter().map(|it| it.breaker().told(&it.label)).collect()
    }
}

impl Called {
    /// The answer passes as it comes. When the stream ends, or its reader goes, the meter counts
    /// what was told.
    pub(super) fn pass(self, mut meter: Meter) -> Response {
        let Self { answer, pass } = self;
        if answer.status.is_success() {
            meter.is_answered();
        } else {
            // That says what is wrong with the call.
            meter.is_let_down();
        }
        let mut response = answer.status.into_response();
        for name in [header::CONTENT_TYPE, header::RETRY_AFTER] {
            if let Some(value) = answer.headers.get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        let pieces = stream::iter(answer.first.map(Ok)).chain(answer.rest);
        *response.body_mut() = Body::from_stream(pieces.inspect(move |piece| {
            if let Ok(bytes) = piece {
                meter.passed(bytes);
            } else {
                pass.failed(Fault::Broken, None);
                pass.tally().count(Outcome::BrokeOff);
            }
        }));
        response
    }
}
