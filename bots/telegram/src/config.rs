//! What an operator configures for one Telegram bot.

use std::fmt;
use std::sync::{Arc, OnceLock};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

/// Telegram's own server.
const API_BASE: &str = "https://api.telegram.org";

/// One bot. Clones share what is learned about it while the program runs (its username).
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// From @BotFather: `<bot id>:<key>`.
    #[serde(default)]
    pub token: SecretString,
    /// Sent back by Telegram in every webhook request: 1 to 256 of `A-Za-z0-9_-`, of your choice.
    /// Needed for `receive = "webhook"` alone.
    #[serde(default)]
    pub webhook_secret: Option<SecretString>,
    /// How messages come in.
    #[serde(default)]
    pub receive: Receive,
    /// The bot's @name. Asked of Telegram when it is not given.
    #[serde(default)]
    pub username: Option<String>,
    /// Where the Bot API is: `https://host[:port]`, another one for a server of your own.
    #[serde(default = "api_base")]
    pub api_base: String,
    #[serde(skip)]
    learned: Arc<OnceLock<String>>,
}

/// How messages come in. Telegram allows one way at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receive {
    /// We ask; works behind any firewall.
    #[default]
    Polling,
    /// Telegram calls us; needs a public HTTPS address.
    Webhook,
}

/// What is wrong with a configuration, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No token.
    #[error("token is missing; copy it from @BotFather, or set token_file")]
    NoToken,
    /// A malformed token.
    #[error("the token is not of the form 123456:ABC…; copy it from @BotFather")]
    Token,
    /// A webhook that could not be verified.
    #[error("receive = \"webhook\" needs webhook_secret; set it to any 1 to 256 of A-Za-z0-9_-")]
    WebhookSecret,
    /// Not a base URL.
    #[error("api_base must be http(s)://host[:port] without query; the default is {API_BASE}")]
    ApiBase,
}

fn api_base() -> String {
    API_BASE.to_owned()
}

impl Config {
    /// A bot that polls Telegram's own server.
    pub fn new(token: SecretString) -> Self {
        Self {
            token,
            webhook_secret: None,
            receive: Receive::default(),
            username: None,
            api_base: api_base(),
            learned: Arc::default(),
        }
    }

    /// Checks what can be checked without the network.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let token = self.token.expose_secret();
        if token.is_empty() {
            return Err(ConfigError::NoToken);
        }
        let (id, key) = token.split_once(':').ok_or(ConfigError::Token)?;
        if id.parse::<i64>().is_err() || key.is_empty() || !key.bytes().all(is_token_byte) {
            return Err(ConfigError::Token);
        }
        let secret = self.secret();
        let sound = secret.len() <= 256 && secret.bytes().all(is_token_byte);
        if !sound || (self.receive == Receive::Webhook && secret.is_empty()) {
            return Err(ConfigError::WebhookSecret);
        }
        let base = Url::parse(&self.api_base).map_err(|_| ConfigError::ApiBase)?;
        if !matches!(base.scheme(), "http" | "https") || base.query().is_some() {
            return Err(ConfigError::ApiBase);
        }
        Ok(())
    }

    /// The bot's user id: the digits before the colon of its token. 0 without a sound token.
    pub fn bot_id(&self) -> i64 {
        let id = self.token.expose_secret().split(':').next();
        id.and_then(|id| id.parse().ok()).unwrap_or_default()
    }

    /// The webhook's secret; empty, and so proving nothing, where there is none.
    pub(crate) fn secret(&self) -> &str {
        let secret = self.webhook_secret.as_ref();
        secret.map_or("", |secret| secret.expose_secret())
    }

    /// The bot's name without `@`, once it is known.
    pub(crate) fn username(&self) -> Option<&str> {
        let given = self.username.as_deref().map(|name| name.trim_start_matches('@'));
        given.or_else(|| self.learned.get().map(String::as_str))
    }

    pub(crate) fn learn(&self, username: String) {
        // A second answer can only be the same one.
        let _ = self.learned.set(username);
    }
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("bot_id", &self.bot_id())
            .field("receive", &self.receive)
            .field("username", &self.username())
            .field("api_base", &self.api_base)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(json: serde_json::Value) -> Config {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn secrets_never_print() {
        let config = config(json!({"token": "12:S3cr-t_A", "webhook_secret": "hush"}));
        let printed = format!("{config:?}");
        assert!(!printed.contains("S3cr") && !printed.contains("hush"), "{printed}");
        assert_eq!(config.bot_id(), 12);
    }

    #[test]
    fn what_cannot_work_does_not_start() {
        let check = |json| config(json).validate();
        assert_eq!(check(json!({"token": "12:abc"})), Ok(()));
        assert_eq!(check(json!({})), Err(ConfigError::NoToken));
        for token in ["12", "12:", "x:abc", "12:a/b", "12:a b"] {
            assert_eq!(check(json!({"token": token})), Err(ConfigError::Token), "{token:?}");
        }
        for secret in [json!(null), json!(""), json!("a b"), json!("a".repeat(257))] {
            let json = json!({"token": "12:abc", "receive": "webhook", "webhook_secret": secret});
            assert_eq!(check(json), Err(ConfigError::WebhookSecret), "{secret}");
        }
        for base in ["api.telegram.org", "ftp://x", "https://x/?a=b"] {
            let json = json!({"token": "12:abc", "api_base": base});
            assert_eq!(check(json), Err(ConfigError::ApiBase), "{base:?}");
        }
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let json = json!({"token": "12:abc", "tokn": 1});
        let error = serde_json::from_value::<Config>(json).unwrap_err();
        assert!(error.to_string().contains("tokn"));
    }

    #[test]
    fn clones_share_what_is_learned() {
        let config = config(json!({"token": "12:abc"}));
        config.clone().learn("zaki_bot".into());
        assert_eq!(config.username(), Some("zaki_bot"));
    }
}
