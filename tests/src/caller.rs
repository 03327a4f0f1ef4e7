//! A hub in miniature: signed calls to an edge over its socket, each turn timed as it streams.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use zaki_envelope::signature::{
    KEY_HEADER, Message, SIGNATURE_HEADER, SigningKey, TIMESTAMP_HEADER,
};
use zaki_envelope::wire::{SseDecoder, TurnEvent, TurnEventKind, WakeStage};
use zaki_envelope::{Part, SessionKey, Timestamp, TurnId, ZakiUserId};

use crate::edge::KEY;

/// Between two tries to reach an edge that is down.
const AGAIN: Duration = Duration::from_millis(100);

/// Calls one edge.
#[derive(Clone)]
pub struct Caller {
    http: reqwest::Client,
    edge: SocketAddr,
    key: SigningKey,
}

/// How a turn went.
#[derive(Clone, Debug)]
pub struct Told {
    /// From the call to the first words of the answer; none: it had none.
    pub first: Option<Duration>,
    /// From the call until its sandbox began to start; none: it was up, or frozen.
    pub starting: Option<Duration>,
    /// From the call until its agent had taken the turn.
    pub taken: Option<Duration>,
    /// From the call to the end of the turn.
    pub took: Duration,
    /// Whether its sandbox was not up.
    pub woke: bool,
    /// How many were said to be before it at most, while it waited.
    pub ahead: Option<u32>,
    /// How it ended.
    pub end: TurnEventKind,
}

impl Told {
    /// The answer; an error when there is none.
    pub fn text(&self) -> Result<&str> {
        match &self.end {
            TurnEventKind::Final { text, aborted: false, .. } => Ok(text),
            end => bail!("no answer: {end:?}"),
        }
    }
}

/// Person `n`.
pub fn user(n: u32) -> ZakiUserId {
    ZakiUserId::from_parts(Timestamp::from_ms(1_795_000_000_000), n.into())
}

/// A new turn, greater than those before, as an edge expects them.
pub fn turn() -> TurnId {
    TurnId::from_parts(now(), rand::random())
}

/// The body of `POST turns`.
pub fn said(turn: TurnId, text: &str) -> Value {
    json!({
        "turn": turn,
        "session": SessionKey::direct(1),
        "parts": [Part::text(text)],
        "origin": {"channel": "telegram", "conversation": "direct"},
    })
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

impl Caller {
    /// Whom the edge at that address takes for its hub.
    pub fn new(edge: SocketAddr) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { http, edge, key: SigningKey::new("hub", KEY.as_bytes()) })
    }

    /// Says something as a new turn, and follows it to its end.
    pub async fn say(&self, user: ZakiUserId, text: &str) -> Result<Told> {
        let mut following = Following::new();
        self.follow(user, turn(), text, &mut following).await?;
        following.told()
    }

    /// The same for a turn that may be known, as often as it takes: the edge may be down, or go down.
    pub async fn insist(&self, user: ZakiUserId, turn: TurnId, text: &str) -> Result<Told> {
        let mut following = Following::new();
        while following.end.is_none() {
            if self.follow(user, turn, text, &mut following).await.is_err() {
                tokio::time::sleep(AGAIN).await;
            }
        }
        following.told()
    }

    async fn follow(
        &self,
        user: ZakiUserId,
        turn: TurnId,
        text: &str,
        following: &mut Following,
    ) -> Result<()> {
        let body = said(turn, text);
        let mut answer = self.send(Method::POST, &format!("/v1/users/{user}/turns"), &body).await?;
        let mut decoder = SseDecoder::default();
        while let Some(piece) = answer.chunk().await? {
            for event in decoder.push(&piece)? {
                following.take(event);
            }
        }
        Ok(())
    }

    /// The events of a turn that has ended.
    pub async fn events(&self, user: ZakiUserId, turn: TurnId) -> Result<Vec<TurnEvent>> {
        let path = format!("/v1/users/{user}/turns/{turn}?after=0");
        let told = self.send(Method::GET, &path, &Value::Null).await?.bytes().await?;
        Ok(SseDecoder::default().push(&told)?)
    }

    /// What the edge answers; an error unless it is one of success.
    pub async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let answer = self.send(method, path, body).await?;
        let text = answer.text().await?;
        let text = text.trim();
        if text.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(text)?) }
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Response> {
        Ok(self.ask(method, path, body).await?.error_for_status()?)
    }

    /// What the edge answers, whatever it is.
    pub async fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Response> {
        let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(body)? };
        let message = Message { method: method.as_str(), path_and_query: path, body: &body };
        let signed = self.key.sign(now(), message);
        let call = self
            .http
            .request(method, format!("http://{}{path}", self.edge))
            .header(KEY_HEADER, signed.key)
            .header(TIMESTAMP_HEADER, signed.timestamp)
            .header(SIGNATURE_HEADER, signed.signature)
            .body(body);
        Ok(call.send().await?)
    }
}

/// A turn as it is heard.
struct Following {
    begun: Instant,
    first: Option<Duration>,
    starting: Option<Duration>,
    taken: Option<Duration>,
    woke: bool,
    ahead: Option<u32>,
    end: Option<(TurnEventKind, Duration)>,
}

impl Following {
    fn new() -> Self {
        Self {
            begun: Instant::now(),
            first: None,
            starting: None,
            taken: None,
            woke: false,
            ahead: None,
            end: None,
        }
    }

    fn take(&mut self, event: TurnEvent) {
        match event.kind {
            TurnEventKind::Waking { ahead, stage, .. } => {
                self.woke = true;
                self.ahead = self.ahead.max(ahead);
                if stage == WakeStage::Starting {
                    self.starting.get_or_insert(self.begun.elapsed());
                }
            }
            TurnEventKind::Started { .. } => {
                self.taken.get_or_insert(self.begun.elapsed());
            }
            TurnEventKind::Delta { .. } => {
                self.first.get_or_insert(self.begun.elapsed());
            }
            kind if kind.is_end() => self.end = Some((kind, self.begun.elapsed())),
            _ => {}
        }
    }

    fn told(self) -> Result<Told> {
        let Self { first, starting, taken, woke, ahead, end, .. } = self;
        let (end, took) = end.context("the turn broke off")?;
        Ok(Told { first, starting, taken, took, woke, ahead, end })
    }
}
