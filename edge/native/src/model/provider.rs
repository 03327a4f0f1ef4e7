//! One provider: its key goes on here, and what becomes of calls decides whether it is asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;
use zaki_edge_core::breaker::{Breaker, Fault, Ticket};
use zaki_edge_core::model::{Verdict, Wire, begins_with_failure, later_ms, verdict};
use zaki_envelope::ZakiUserId;

use super::{config::ProviderConfig, tally::Tally};
use crate::{EdgeError, clock};

const CONNECT: Duration = Duration::from_secs(10);
/// A model may think this long between two pieces.
const SILENCE: Duration = Duration::from_mins(10);
/// Of Anthropic's interface; docs.anthropic.com/en/api/versioning.
const VERSION: (&str, &str) = ("anthropic-version", "2023-06-01");

pub(super) struct Provider {
    /// For logs and counts: the host of its address.
    pub(super) label: String,
    pub(super) tally: Tally,
    client: Client,
    url: String,
    headers: HeaderMap,
    names: BTreeMap<String, String>,
    otherwise: Option<String>,
    breaker: Mutex<Breaker>,
}

/// The beginning of an answer, and the rest.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) first: Option<Bytes>,
    pub(super) rest: BoxStream<'static, reqwest::Result<Bytes>>,
}

/// What became of a call.
pub(super) enum Asked {
    Answer(Answer),
    /// It has no such model.
    Elsewhere,
    Failing {
        fault: Fault,
        later_ms: Option<i64>,
    },
}

impl Provider {
    pub(super) fn new(wire: Wire, config: ProviderConfig) -> Result<Self, EdgeError> {
        let client = Client::builder().connect_timeout(CONNECT).read_timeout(SILENCE);
        let client = client.redirect(reqwest::redirect::Policy::none()).build()?;
        let base = config.base_url.trim_end_matches('/');
        Ok(Self {
            label: host(base),
            tally: Tally::default(),
            client,
            url: format!("{base}{}", wire.path()),
            headers: headers(wire, config.api_key.as_ref(), &config.headers)?,
            names: config.names,
            otherwise: config.otherwise,
            breaker: Mutex::default(),
        })
    }

    /// What it calls our `model`.
    pub(super) fn name_of<'n>(&'n self, model: &'n str) -> &'n str {
        let named = self.names.get(model).or(self.otherwise.as_ref());
        named.map_or(model, String::as_str)
    }

    /// Makes a call, which may take so long to begin. Nothing else of the sandbox's request than
    /// its body reaches the provider.
    pub(super) async fn ask(&self, body: Vec<u8>, patience: Option<Duration>) -> Asked {
        let begun = self.begin(body);
        let begun = match patience {
            Some(patience) => timeout(patience, begun).await,
            None => Ok(begun.await),
        };
        match begun {
            Ok(Ok(asked)) => asked,
            Ok(Err(error)) => {
                let fault = match &error {
                    error if error.is_connect() => Fault::Unreachable,
                    error if error.is_timeout() => Fault::Silent,
                    _ => Fault::Broken,
                };
                // The address may hold what is nobody's business; the key is in a header.
                let error = error.without_url();
                tracing::warn!(provider = self.label, %error, "model.call_failed");
                Asked::Failing { fault, later_ms: None }
            }
            Err(_) => Asked::Failing { fault: Fault::Silent, later_ms: None },
        }
    }

    async fn begin(&self, body: Vec<u8>) -> reqwest::Result<Asked> {
        let call = self.client.post(&self.url).headers(self.headers.clone()).body(body);
        let answer = call.send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        match verdict(status.as_u16()) {
            Verdict::Elsewhere => return Ok(Asked::Elsewhere),
            Verdict::Failing(fault) => {
                let after = headers.get(header::RETRY_AFTER).and_then(|it| it.to_str().ok());
                return Ok(Asked::Failing { fault, later_ms: after.and_then(later_ms) });
            }
            Verdict::Answer => {}
        }
        let mut rest = answer.bytes_stream().boxed();
        let first = rest.next().await.transpose()?;
        let fails = first.as_ref().is_none_or(|first| begins_with_failure(first));
        if status.is_success() && fails {
            return Ok(Asked::Failing { fault: Fault::Broken, later_ms: None });
        }
        Ok(Asked::Answer(Answer { status, headers, first, rest }))
    }

    pub(super) fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leave to make one call for `user`.
    pub(super) fn admit(self: &Arc<Self>, user: ZakiUserId) -> Option<Pass> {
        let ticket = self.breaker().admit(user, clock::now())?;
        Some(Pass { provider: self.clone(), ticket })
    }
}

/// Leave to make one call. Dropped without a word, nobody knows what became of it.
pub(super) struct Pass {
    provider: Arc<Provider>,
    ticket: Ticket,
}

impl Pass {
    pub(super) fn answered(&mut self) {
        let mut breaker = self.provider.breaker();
        let was_failing = breaker.failing().is_some();
        breaker.answered(&mut self.ticket, clock::now());
        if was_failing && breaker.failing().is_none() {
            tracing::info!(provider = self.provider.label, "model.answers_again");
        }
    }

    pub(super) fn failed(&self, fault: Fault, later_ms: Option<i64>) {
        let mut breaker = self.provider.breaker();
        breaker.failed(self.ticket, fault, later_ms, clock::now());
        let (provider, fault) = (&self.provider.label, fault.as_str());
        tracing::warn!(provider, fault, standing = ?breaker.standing(), "model.provider_fails");
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.provider.tally
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.provider.breaker().let_go(self.ticket);
    }
}

fn host(url: &str) -> String {
    let url = url.parse::<reqwest::Url>().ok();
    url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| "provider".to_owned())
}

fn headers(
    wire: Wire,
    key: Option<&SecretString>,
    more: &[(String, SecretString)],
) -> Result<HeaderMap, EdgeError> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(key) = key {
        let (name, prefix) = match wire {
            Wire::OpenAi => (header::AUTHORIZATION, "Bearer "),
            Wire::Anthropic => (HeaderName::from_static("x-api-key"), ""),
        };
        let value = format!("{prefix}{}", key.expose_secret());
        headers.insert(name, secret("api_key", &value)?);
    }
    if wire == Wire::Anthropic {
        headers.insert(VERSION.0, HeaderValue::from_static(VERSION.1));
    }
    for (name, value) in more {
        let wrong = |_| EdgeError::Header { name: name.clone() };
        let known: HeaderName = name.parse().map_err(wrong)?;
        headers.insert(known, secret(name, value.expose_secret())?);
    }
    Ok(headers)
}

/// A value that no log shows.
fn secret(name: &str, value: &str) -> Result<HeaderValue, EdgeError> {
    let wrong = |_| EdgeError::Header { name: name.to_owned() };
    let mut value = HeaderValue::from_str(value).map_err(wrong)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(names: &[(&str, &str)], otherwise: Option<&str>) -> Provider {
        let names = names.iter().map(|(ours, theirs)| ((*ours).into(), (*theirs).into()));
        let config = ProviderConfig {
            names: names.collect(),
            otherwise: otherwise.map(str::to_owned),
            ..ProviderConfig::new("https://example.org/v1/", None)
        };
        Provider::new(Wire::OpenAi, config).unwrap()
    }

    #[test]
    fn a_provider_is_asked_for_what_it_calls_the_model() {
        let same = provider(&[], None);
        assert_eq!((same.name_of("a"), same.label.as_str()), ("a", "example.org"));
        assert_eq!(same.url, "https://example.org/v1/chat/completions");
        let other = provider(&[("a", "x/a")], Some("x/small"));
        assert_eq!((other.name_of("a"), other.name_of("b")), ("x/a", "x/small"));
    }

    #[test]
    fn keys_stand_where_the_interface_has_them_and_no_log_shows_them() {
        let key = SecretString::from("sk-1");
        let openai = headers(Wire::OpenAi, Some(&key), &[]).unwrap();
        assert_eq!(openai[header::AUTHORIZATION], "Bearer sk-1");
        let anthropic = headers(Wire::Anthropic, Some(&key), &[]).unwrap();
        assert_eq!(anthropic["x-api-key"], "sk-1");
        assert_eq!(anthropic["anthropic-version"], "2023-06-01");
        let more = [("anthropic-version".to_owned(), "2024".into()), ("X-More".into(), "a".into())];
        let more = headers(Wire::Anthropic, None, &more).unwrap();
        assert_eq!(
            (&more["anthropic-version"], &more["x-more"]),
            (&"2024".parse().unwrap(), &"a".parse().unwrap())
        );
        assert!(!more.contains_key("x-api-key"));
        assert!(!format!("{openai:?}{anthropic:?}").contains("sk-1"));
        for (name, value) in [("a b", "x"), ("a", "x\ny")] {
            let wrong = headers(Wire::OpenAi, None, &[(name.to_owned(), value.into())]);
            assert!(matches!(wrong, Err(EdgeError::Header { name: told }) if told == name));
        }
        assert!(matches!(
            headers(Wire::OpenAi, Some(&"a\nb".into()), &[]),
            Err(EdgeError::Header { .. })
        ));
    }
}
