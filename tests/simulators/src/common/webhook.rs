//! POSTing to the bot's webhook, trying again as the platform does, recording every try.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::HeaderMap;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::Log;

/// Requests under way at a time; a crowd's others wait, as no platform opens a connection for each.
const AT_ONCE: usize = 200;

/// When to try again. The platforms' own schedules run for hours: tests shorten them.
#[derive(Clone, Debug)]
pub struct Retry {
    /// The pauses before the second, third, ... try. Empty: one try only.
    pub pauses: Vec<Duration>,
    /// How long the webhook may take to answer.
    pub timeout: Duration,
}

impl Retry {
    /// One try, with this deadline.
    pub fn never(timeout: Duration) -> Self {
        Self { pauses: Vec::new(), timeout }
    }

    /// `times` more tries, `pause` apart, with the same deadline.
    #[must_use]
    pub fn every(mut self, pause: Duration, times: usize) -> Self {
        self.pauses = vec![pause; times];
        self
    }
}

/// One POST to the bot's webhook and what came back.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// When it was made.
    pub at: SystemTime,
    /// What was delivered: update id, event id, interaction id, wamid; several with a blank
    /// between them.
    pub key: String,
    /// 1 for the first try.
    pub number: u32,
    /// The headers it carried.
    #[serde(skip)]
    pub headers: HeaderMap,
    /// The exact body.
    #[serde(skip)]
    pub body: Bytes,
    /// The status answered, absent where none came in time.
    pub status: Option<u16>,
    /// The JSON answered, null where there was none.
    pub answer: Value,
    /// The headers answered.
    #[serde(skip)]
    pub answer_headers: HeaderMap,
    /// Why no status came: `http_timeout` or `connection_failed`.
    pub failure: Option<&'static str>,
    /// Time to the answer.
    pub took: Duration,
}

impl Attempt {
    /// It carried this update, event, interaction or message.
    pub fn carried(&self, key: &str) -> bool {
        self.key.split(' ').any(|k| k == key)
    }

    /// The webhook took it (2xx).
    pub fn accepted(&self) -> bool {
        self.status.is_some_and(|s| (200..300).contains(&s))
    }
}

/// One request to make.
pub(crate) struct Post {
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Makes requests and records them.
#[derive(Clone)]
pub(crate) struct Poster {
    client: reqwest::Client,
    attempts: Log<Attempt>,
    turns: Arc<Semaphore>,
}

impl Poster {
    /// Never through a proxy: the webhooks are on loopback.
    pub(crate) fn new(attempts: Log<Attempt>) -> std::io::Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(std::io::Error::other)?;
        Ok(Self { client, attempts, turns: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.client
    }

    pub(crate) async fn post(
        &self,
        key: &str,
        number: u32,
        post: Post,
        timeout: Duration,
    ) -> Attempt {
        // It is never closed.
        let _turn = self.turns.acquire().await;
        let mut attempt = Attempt {
            at: SystemTime::now(),
            key: key.to_owned(),
            number,
            headers: post.headers.clone(),
            body: post.body.clone(),
            status: None,
            answer: Value::Null,
            answer_headers: HeaderMap::new(),
            failure: None,
            took: Duration::ZERO,
        };
        let begun = Instant::now();
        match self.exchange(post, timeout).await {
            Ok((status, headers, answer)) => {
                attempt.status = Some(status);
                attempt.answer_headers = headers;
                attempt.answer = serde_json::from_slice(&answer).unwrap_or_default();
            }
            Err(error) if error.is_timeout() => attempt.failure = Some("http_timeout"),
            Err(_) => attempt.failure = Some("connection_failed"),
        }
        attempt.took = begun.elapsed();
        self.attempts.push(attempt.clone());
        attempt
    }

    async fn exchange(
        &self,
        post: Post,
        timeout: Duration,
    ) -> reqwest::Result<(u16, HeaderMap, Bytes)> {
        let request = self.client.post(post.url).headers(post.headers).body(post.body);
        let response = request.timeout(timeout).send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok((status, headers, response.bytes().await?))
    }

    /// Tries until accepted, `retry` is used up or `make` gives nothing more. `make` is told the
    /// number of the try and how the one before it went.
    pub(crate) async fn deliver(
        &self,
        key: &str,
        retry: &Retry,
        make: impl Fn(u32, Option<&Attempt>) -> Option<Post>,
    ) -> Option<Attempt> {
        let mut last = None;
        let mut pauses = retry.pauses.iter();
        for number in 1.. {
            let Some(post) = make(number, last.as_ref()) else {
                break;
            };
            let attempt = self.post(key, number, post, retry.timeout).await;
            let accepted = attempt.accepted();
            last = Some(attempt);
            match pauses.next() {
                Some(pause) if !accepted => tokio::time::sleep(*pause).await,
                _ => break,
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_crowd_comes_in_through_so_many_doors() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let poster = Poster::new(Log::default()).unwrap();
        for number in 0..=AT_ONCE {
            let (poster, url) = (poster.clone(), url.clone());
            let post = Post { url, headers: HeaderMap::new(), body: Bytes::new() };
            let key = number.to_string();
            tokio::spawn(async move { poster.post(&key, 1, post, Duration::from_mins(1)).await });
        }
        let mut open = Vec::new();
        for _ in 0..AT_ONCE {
            open.push(listener.accept().await.unwrap());
        }
        let one_more = tokio::time::timeout(Duration::from_millis(50), listener.accept());
        assert!(one_more.await.is_err());
        // One that ends makes room.
        open.pop();
        listener.accept().await.unwrap();
    }
}
