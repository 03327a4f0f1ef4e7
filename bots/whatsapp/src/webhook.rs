//! The webhook: GET once with a challenge, then signed POSTs.

use http::Method;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use zaki_channel::{Answer, Parse, ParseError, Parsed, Proof, Request, Verified, Webhook};
use zaki_envelope::{AccountName, Timestamp};

use crate::{Config, Reader};

/// Meta sends up to 1000 messages at once.
const MAX_BODY: usize = 3 << 20;

/// The webhook of one business number.
#[derive(Clone, Debug)]
pub struct Hook {
    reader: Reader,
    config: Config,
}

impl Hook {
    /// The webhook of the number configured as `account`. Without a secret it refuses everything.
    pub fn new(account: AccountName, config: Config) -> Self {
        Self { reader: Reader::new(account, &config), config }
    }

    /// Whether the request knows the verify token.
    fn is_subscription(&self, mode: &str, token: &str) -> bool {
        let expected = self.config.verify_token.expose_secret();
        let same = bool::from(token.as_bytes().ct_eq(expected.as_bytes()));
        same && !expected.is_empty() && mode == "subscribe"
    }
}

impl Parse for Hook {
    fn parse(&self, bytes: Verified<'_>, received_at: Timestamp) -> Result<Parsed, ParseError> {
        self.reader.parse(bytes, received_at)
    }
}

impl Webhook for Hook {
    fn max_body(&self) -> usize {
        MAX_BODY
    }

    fn proof(&self) -> Proof<'_> {
        Proof::Hmac {
            header: "x-hub-signature-256",
            prefix: "sha256=",
            key: self.config.app_secret.expose_secret(),
            time: None,
        }
    }

    /// Every GET is a set-up request
    /// (<https://developers.facebook.com/docs/graph-api/webhooks/getting-started>).
    fn greet(&self, request: &Request<'_>) -> Option<Answer> {
        if request.method != Method::GET {
            return None;
        }
        let field = |name: &str| {
            let mut fields = url::form_urlencoded::parse(request.query.as_bytes());
            let field = fields.find(|(field, _)| field == name);
            field.map_or(String::new(), |(_, value)| value.into_owned())
        };
        let challenge = field("hub.challenge");
        let known = self.is_subscription(&field("hub.mode"), &field("hub.verify_token"));
        Some(if known && !challenge.is_empty() {
            Answer::text(200, challenge)
        } else {
            Answer::text(403, "the verify token is not ours")
        })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn greet(verify_token: &str, method: &Method, query: &str) -> Option<Answer> {
        let config = Config::new("t".into(), "1", "s".into(), verify_token.into());
        let request = Request { method, route: "", query, headers: &HeaderMap::new(), body: b"" };
        Hook::new("main".parse().unwrap(), config).greet(&request)
    }

    #[test]
    fn the_challenge_is_answered_to_whoever_knows_the_token() {
        let query = "hub.mode=subscribe&hub.challenge=115&hub.verify_token=a%20b";
        assert_eq!(greet("a b", &Method::GET, query), Some(Answer::text(200, "115")));
        assert_eq!(greet("a b", &Method::POST, query), None);
    }

    #[test]
    fn everybody_else_is_refused() {
        for (token, query) in [
            ("a", "hub.mode=subscribe&hub.challenge=1&hub.verify_token=b"),
            ("a", "hub.mode=subscribe&hub.challenge=1"),
            ("a", "hub.mode=other&hub.challenge=1&hub.verify_token=a"),
            ("a", "hub.mode=subscribe&hub.verify_token=a"),
            ("", "hub.mode=subscribe&hub.challenge=1&hub.verify_token="),
            ("", "hub.mode=subscribe&hub.challenge=1"),
            ("a", ""),
        ] {
            let answer = greet(token, &Method::GET, query).unwrap();
            assert_eq!(answer.status, 403, "{query}");
        }
    }
}
