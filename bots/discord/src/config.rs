//! What an operator configures for one Discord application.

use std::fmt;
use std::sync::{Arc, OnceLock};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serenity::interactions_endpoint::Verifier;
use url::Url;

/// Discord's own server.
const API_BASE: &str = "https://discord.com/api/v10";
/// Discord documents no replay window; this one is ours.
const WINDOW_SECS: i64 = 300;

/// One application with its bot. Clones share what is learned while the program runs (the bot's
/// user id).
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The bot's token, from the developer portal, without `Bot `.
    #[serde(default)]
    pub token: SecretString,
    /// The application's public key in hex, with which Discord signs interactions over HTTP.
    /// Without it the webhook refuses everything; the gateway does not need it.
    #[serde(default)]
    pub public_key: Option<String>,
    /// The application's id. Asked of Discord when it is not given.
    #[serde(default)]
    pub application_id: Option<String>,
    /// Read messages in servers that do not mention the bot. Has to be switched on in the portal
    /// as well (Bot, Message Content Intent).
    #[serde(default)]
    pub message_content: bool,
    /// How far the time of a signed interaction may be from ours, in seconds.
    #[serde(default = "window_secs")]
    pub signature_window_secs: i64,
    /// Where the REST API is, version included. It also says where the gateway is.
    #[serde(default = "api_base")]
    pub api_base: String,
    #[serde(skip)]
    learned: Arc<OnceLock<String>>,
}

/// What is wrong with a configuration, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No token.
    #[error("token is missing; copy it from the developer portal, page Bot, or set token_file")]
    NoToken,
    /// A malformed token.
    #[error("the token is malformed; copy it from the developer portal, page Bot")]
    Token,
    /// A key nothing can be verified with.
    #[error(
        "public_key is not an application's public key; copy its 64 hex digits from the developer \
         portal, page General Information"
    )]
    PublicKey,
    /// Not an id.
    #[error("application_id must be digits; copy it from the developer portal")]
    ApplicationId,
    /// A window in which nothing passes.
    #[error("signature_window_secs must be 1 or more; the default is {WINDOW_SECS}")]
    Window,
    /// Not a base URL.
    #[error(
        "api_base must be http(s)://host[:port]/api/v10 without query; the default is {API_BASE}"
    )]
    ApiBase,
}

fn api_base() -> String {
    API_BASE.to_owned()
}

fn window_secs() -> i64 {
    WINDOW_SECS
}

impl Config {
    /// A bot on Discord's own server.
    pub fn new(token: SecretString) -> Self {
        Self {
            token,
            public_key: None,
            application_id: None,
            message_content: false,
            signature_window_secs: WINDOW_SECS,
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
        if !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ConfigError::Token);
        }
        if self.public_key.is_some() && self.verifier().is_none() {
            return Err(ConfigError::PublicKey);
        }
        let id = self.application_id.as_deref().unwrap_or("1");
        if id.parse::<u64>().is_err() {
            return Err(ConfigError::ApplicationId);
        }
        if self.signature_window_secs < 1 {
            return Err(ConfigError::Window);
        }
        let base = Url::parse(&self.api_base).map_err(|_| ConfigError::ApiBase)?;
        if !matches!(base.scheme(), "http" | "https") || base.query().is_some() {
            return Err(ConfigError::ApiBase);
        }
        Ok(())
    }

    /// Checks interactions; `None` without a sound public key.
    pub(crate) fn verifier(&self) -> Option<Verifier> {
        let bytes = hex::decode(self.public_key.as_deref()?).ok()?;
        let verifier = Verifier::try_new(bytes.try_into().ok()?).ok()?;
        (!accepts_forgeries(&verifier)).then_some(verifier)
    }

    /// The bot's user id, once it is known. For most applications it is the application's id.
    pub(crate) fn bot_id(&self) -> Option<&str> {
        let learned = self.learned.get().map(String::as_str);
        learned.or(self.application_id.as_deref())
    }

    pub(crate) fn learn(&self, bot_id: String) {
        // A second answer can only be the same one.
        let _ = self.learned.set(bot_id);
    }
}

/// A point of small order (all zeros, for one: a placeholder) is a key for which anybody can sign:
/// R = the neutral element, S = 0 fits at least every eighth message.
fn accepts_forgeries(verifier: &Verifier) -> bool {
    let forged = format!("01{}", "00".repeat(63));
    (0..64).any(|n: u8| verifier.verify(&forged, "", &[n]).is_ok())
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("application_id", &self.application_id)
            .field("public_key", &self.public_key)
            .field("message_content", &self.message_content)
            .field("api_base", &self.api_base)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    fn check(json: serde_json::Value) -> Result<(), ConfigError> {
        serde_json::from_value::<Config>(json).unwrap().validate()
    }

    #[test]
    fn secrets_never_print() {
        let config = Config::new("S3cret.token".into());
        assert!(!format!("{config:?}").contains("S3cret"));
    }

    #[test]
    fn what_cannot_work_does_not_start() {
        assert_eq!(check(json!({"token": "t", "public_key": KEY})), Ok(()));
        assert_eq!(check(json!({})), Err(ConfigError::NoToken));
        assert_eq!(check(json!({"token": "a b"})), Err(ConfigError::Token));
        let json = json!({"token": "t", "application_id": "x"});
        assert_eq!(check(json), Err(ConfigError::ApplicationId));
        let json = json!({"token": "t", "signature_window_secs": 0});
        assert_eq!(check(json), Err(ConfigError::Window));
        let json = json!({"token": "t", "api_base": "discord.com"});
        assert_eq!(check(json), Err(ConfigError::ApiBase));
    }

    #[test]
    fn a_key_anybody_can_sign_for_is_none() {
        let neutral = format!("01{}", "00".repeat(31));
        let order_8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
        for key in ["", "xyz", &KEY[..62], &"00".repeat(32), &neutral, order_8] {
            let json = json!({"token": "t", "public_key": key});
            assert_eq!(check(json), Err(ConfigError::PublicKey), "{key:?}");
        }
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let error = serde_json::from_value::<Config>(json!({"token": "t", "tokn": 1}));
        assert!(error.unwrap_err().to_string().contains("tokn"));
    }
}
