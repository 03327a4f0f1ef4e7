//! Requests at the edge for turns of other people: by whoever has no key, and by a hub that holds one
//! and names the wrong person.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use zaki_envelope::Timestamp;
use zaki_envelope::signature::{
    KEY_HEADER, Message, SIGNATURE_HEADER, Signed, SigningKey, TIMESTAMP_HEADER, WINDOW_MS,
};

use super::judge::{MessageNo, word};
use crate::edge::KEY;
use crate::house::now;

/// A turn as it was.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) user: String,
    pub(super) id: String,
    pub(super) message: MessageNo,
}

/// An edge from outside.
pub(super) struct Wire<'w> {
    pub(super) http: &'w reqwest::Client,
    /// Its base URL.
    pub(super) edge: String,
}

/// A request, and what it is signed as.
#[derive(Clone)]
struct Call {
    method: Method,
    path: String,
    body: String,
}

impl Call {
    fn new(method: Method, path: String, body: &Value) -> Self {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        Self { method, path, body }
    }

    fn sign(&self, key: &str, now: Timestamp) -> Signed {
        let method = self.method.as_str();
        let message = Message { method, path_and_query: &self.path, body: self.body.as_bytes() };
        SigningKey::new("hub", key).sign(now, message)
    }
}

impl Wire<'_> {
    async fn send(&self, call: Call, signed: Option<Signed>) -> Result<(u16, String)> {
        let mut request = self.http.request(call.method, format!("{}{}", self.edge, call.path));
        if let Some(signed) = signed {
            request = request
                .header(KEY_HEADER, signed.key)
                .header(TIMESTAMP_HEADER, signed.timestamp)
                .header(SIGNATURE_HEADER, signed.signature);
        }
        let answer = request.body(call.body).timeout(crate::SOON).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// As a hub asks.
    async fn ask(&self, call: Call) -> Result<(u16, String)> {
        let signed = call.sign(KEY, now());
        self.send(call, Some(signed)).await
    }

    /// Tries everything on each turn in the name of the next one's person. Returns how many forged
    /// requests were refused.
    pub(super) async fn forge(&self, turns: &[Turn]) -> Result<u32> {
        let (mut refused, mut read) = (0, 0);
        for (turn, next) in turns.iter().zip(turns.iter().cycle().skip(1)) {
            if turn.user == next.user {
                continue;
            }
            read += u32::from(self.is_read_by_its_own(turn).await?);
            refused += self.without_key(turn, next).await?;
            refused += self.as_another(turn, &next.user).await?;
            self.with_its_id(turn, &next.user).await?;
        }
        // Or else the others were refused for another reason.
        ensure!(read > 0 && refused > 0, "{read} turns were read, {refused} requests refused");
        Ok(refused)
    }

    async fn is_read_by_its_own(&self, turn: &Turn) -> Result<bool> {
        let (status, body) = self.ask(events(&turn.user, turn)).await?;
        Ok(status == 200 && body.contains(&word(turn.message)))
    }

    /// Nobody, somebody with a key of their own, with a signature for something else, or with an
    /// old one.
    async fn without_key(&self, turn: &Turn, other: &Turn) -> Result<u32> {
        let call = events(&turn.user, turn);
        let abort = Call::new(Method::POST, format!("{}/abort", call.path), &Value::Null);
        let signatures = [
            None,
            Some(call.sign("a key that the edge has never heard of", now())),
            Some(events(&other.user, other).sign(KEY, now())),
            Some(abort.sign(KEY, now())),
            Some(call.sign(KEY, now().plus_ms(-2 * WINDOW_MS))),
        ];
        let mut refused = 0;
        for signed in signatures {
            let (status, body) = self.send(call.clone(), signed).await?;
            ensure!(status == 401, "{} without a key: {status} {body}", call.path);
            refused += 1;
        }
        Ok(refused)
    }

    /// A hub that takes the turn for another person's.
    async fn as_another(&self, turn: &Turn, user: &str) -> Result<u32> {
        let read = events(user, turn);
        let at = |what: &str| format!("{}/{what}", read.path);
        let said = json!({"steer": turn.id, "parts": [{"type": "text", "text": "me too"}]});
        let approval = format!("/v1/users/{user}/approvals/echo-{}", turn.id);
        let calls = [
            Call::new(Method::POST, at("abort"), &Value::Null),
            Call::new(Method::POST, at("steer"), &said),
            Call::new(Method::POST, approval, &json!({"decision": "allow_once"})),
            read.clone(),
        ];
        let mut refused = 0;
        for call in calls {
            let path = call.path.clone();
            let (status, body) = self.ask(call).await?;
            ensure!([404, 409, 410].contains(&status), "{path}: {status} {body}");
            ensure!(!body.contains(&word(turn.message)), "{path} shows another's words: {body}");
            refused += 1;
        }
        Ok(refused)
    }

    /// A turn of another person that has the same id is their own, in their own sandbox.
    async fn with_its_id(&self, turn: &Turn, user: &str) -> Result<()> {
        let request = json!({
            "turn": turn.id, "session": "agent:main:hub:dm:1",
            "parts": [{"type": "text", "text": "WHO"}],
            "origin": {"channel": "telegram", "conversation": "direct"},
        });
        let call = Call::new(Method::POST, format!("/v1/users/{user}/turns"), &request);
        let (status, body) = self.ask(call).await?;
        let about = || format!("{} as a turn of {user}: {status} {body}", turn.id);
        ensure!(!body.contains(&word(turn.message)), "{}", about());
        ensure!(!body.contains(&turn.user), "{}", about());
        // Who has left, or has become another, is answered nothing.
        let theirs = format!("answered by openclaw-{user} ");
        let is_theirs = status != 200 || body.contains("event: error") || body.contains(&theirs);
        is_theirs.then_some(()).with_context(about)
    }
}

fn events(user: &str, turn: &Turn) -> Call {
    Call::new(Method::GET, format!("/v1/users/{user}/turns/{}", turn.id), &Value::Null)
}
