//! The edge's side of what it asks of the hub: who somebody is who has signed in on the web, and to
//! tell somebody what their agent says. Nothing here checks tokens; whoever calls has.

use std::time::Duration;

use futures::TryStreamExt;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;
use zaki_envelope::{
    CallId,
    signature::SigningKey,
    wire::{
        proactive::{OutboundAnswer, OutboundRequest, Taken},
        web::{LONGEST, LinkRequest, Linked, ResolveRequest, Resolved, Want, WebIdentity},
    },
};

use crate::{
    call::{Answered, CallError, Caller, Reach},
    clock,
};

/// How long somebody who signs in is let wait for the hub.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why the hub did not say.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// Nobody answered, or the answer broke off. What came of a link is unknown.
    #[error("the hub cannot be reached")]
    Lost(#[from] CallError),
    /// It did not answer in time.
    #[error("the hub does not answer")]
    Silent,
    /// Not now: try again.
    #[error("the hub answers {0}")]
    Busy(u16),
    /// It will not serve this call: the keys differ, or the claims cannot be what they are called.
    #[error("the hub refuses: {0}")]
    Refused(u16),
    /// It is not ours, or much newer.
    #[error("the hub's answer cannot be read")]
    Unreadable(#[source] serde_json::Error),
    /// It is longer than any answer is.
    #[error("the hub's answer is too long")]
    TooLong,
}

/// Asks the hub.
#[derive(Clone)]
pub struct HubClient {
    caller: Caller,
}

impl HubClient {
    /// Asks whoever `reach` leads to; `key` is one the hub knows the edge by.
    pub const fn new(reach: Reach, key: SigningKey) -> Self {
        Self { caller: Caller::new(reach, key) }
    }

    /// Who somebody is, and whether they are served. May be asked again.
    pub async fn resolve(&self, who: &WebIdentity) -> Result<Resolved, HubError> {
        self.ask("/edge/resolve", &ResolveRequest { who: who.clone() }).await
    }

    /// What links somebody on the web to chats. Acts once: after an error that leaves the outcome
    /// unknown, a code that was offered is nobody's and dies by itself.
    pub async fn link(&self, who: &WebIdentity, want: Want) -> Result<Linked, HubError> {
        let call = CallId::from_parts(clock::now(), rand::random());
        self.ask("/edge/link", &LinkRequest { call, who: who.clone(), want }).await
    }

    /// Has a person told what their agent says by itself. May be asked again.
    pub async fn outbound(&self, said: &OutboundRequest) -> Result<Taken, HubError> {
        let OutboundAnswer { taken } = self.ask("/edge/outbound", said).await?;
        Ok(taken)
    }

    async fn ask<A: DeserializeOwned>(
        &self,
        path: &str,
        what: &impl Serialize,
    ) -> Result<A, HubError> {
        let body = serde_json::to_vec(what).map_err(HubError::Unreadable)?;
        let asked = async {
            let answered = self.caller.call(clock::now(), "POST", path, body).await?;
            let status = answered.status;
            let bytes = read(answered).await?;
            Ok::<_, HubError>((status, bytes))
        };
        match timeout(PATIENCE, asked).await.map_err(|_| HubError::Silent)?? {
            (200, bytes) => serde_json::from_slice(&bytes).map_err(HubError::Unreadable),
            (status @ (408 | 429 | 500..=599), _) => Err(HubError::Busy(status)),
            (status, _) => Err(HubError::Refused(status)),
        }
    }
}

/// The whole of an answer, which is no longer than a call may be.
async fn read(answered: Answered) -> Result<Vec<u8>, HubError> {
    let mut bytes = answered.bytes;
    let mut whole = Vec::new();
    while let Some(piece) = bytes.try_next().await? {
        if whole.len() + piece.len() > LONGEST {
            return Err(HubError::TooLong);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::{
        Router,
        body::{Bytes, to_bytes},
        extract::Request,
        http::StatusCode,
        response::{IntoResponse, Response},
    };
    use serde_json::Value;
    use zaki_envelope::{
        ZakiUserId,
        signature::{Keyring, Message},
        wire::web::Hidden,
    };

    use super::*;

    const KEY: &str = "a key of the tests that is long enough";

    fn key() -> SigningKey {
        SigningKey::new("edge", KEY)
    }

    /// What was asked of a hub with a good signature: paths and bodies.
    type Heard = Arc<Mutex<Vec<(String, Value)>>>;

    /// A hub that answers all alike.
    fn hub(status: u16, answer: impl Into<Bytes>) -> (HubClient, Heard) {
        let (asked, answer) = (Arc::default(), answer.into());
        let seen = Arc::clone(&asked);
        let answers = move |request: Request| {
            let (seen, answer) = (Arc::clone(&seen), answer.clone());
            async move { reply(request, &seen, status, answer).await }
        };
        let router = Router::new().fallback(answers);
        (HubClient::new(Reach::InProcess(router), key()), asked)
    }

    async fn reply(
        request: Request,
        asked: &Mutex<Vec<(String, Value)>>,
        status: u16,
        answer: Bytes,
    ) -> Response {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, LONGEST).await.unwrap();
        let path = head.uri.path();
        let message = Message { method: head.method.as_str(), path_and_query: path, body: &body };
        let header = |name: &str| head.headers.get(name)?.to_str().ok();
        Keyring::new([key()]).verify(header, message, clock::now()).unwrap();
        let said = serde_json::from_slice(&body).unwrap();
        asked.lock().unwrap().push((path.to_owned(), said));
        (StatusCode::from_u16(status).unwrap(), answer).into_response()
    }

    fn ada() -> WebIdentity {
        WebIdentity::new("https://id.example.org", "ada")
    }

    #[tokio::test]
    async fn who_somebody_is_is_asked_signed_and_in_words_of_the_wire() {
        let user = ZakiUserId::from_parts(clock::now(), 1);
        let known = Resolved::Known { user, created: true, lang: "en".into() };
        let (client, asked) = hub(200, serde_json::to_vec(&known).unwrap());
        assert_eq!(client.resolve(&ada()).await.unwrap(), known);
        let (path, said) = asked.lock().unwrap().pop().unwrap();
        assert_eq!(path, "/edge/resolve");
        let request: ResolveRequest = serde_json::from_value(said).unwrap();
        assert_eq!(request, ResolveRequest { who: ada() });
    }

    #[tokio::test]
    async fn every_link_is_a_call_of_its_own() {
        let (client, asked) = hub(200, r#"{"type":"wrong"}"#);
        let want = || Want::Redeem { code: Hidden::new("ABCD-2345") };
        for _ in 0..2 {
            assert_eq!(client.link(&ada(), want()).await.unwrap(), Linked::Wrong);
        }
        let asked = asked.lock().unwrap();
        let calls: Vec<LinkRequest> =
            asked.iter().map(|(_, said)| serde_json::from_value(said.clone()).unwrap()).collect();
        assert_ne!(calls[0].call, calls[1].call);
        assert_eq!((&calls[0].want, &calls[1].want), (&want(), &want()));
    }

    #[tokio::test]
    async fn what_the_hub_will_not_say_is_an_error_that_says_whether_to_try_again() {
        let ask = async |status, answer: Bytes| hub(status, answer).0.resolve(&ada()).await;
        assert!(matches!(ask(503, Bytes::new()).await, Err(HubError::Busy(503))));
        for status in [400, 401, 404, 409, 413] {
            let said = ask(status, Bytes::new()).await;
            assert!(matches!(said, Err(HubError::Refused(it)) if it == status), "{status}");
        }
        assert!(matches!(ask(200, "{}".into()).await, Err(HubError::Unreadable(_))));
        let long = vec![b' '; LONGEST + 1];
        assert!(matches!(ask(200, long.into()).await, Err(HubError::TooLong)));
    }
}
