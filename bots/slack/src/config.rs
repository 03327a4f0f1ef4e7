//! What an operator configures for one Slack app.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

/// The Web API's own address.
const API_BASE: &str = "https://slack.com/api/";

/// One app in one workspace or organisation.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The bot token, `xoxb-…`.
    #[serde(default)]
    pub token: SecretString,
    /// From *Basic Information -> App Credentials*: signs every request Slack makes.
    #[serde(default)]
    pub signing_secret: SecretString,
    /// The bot's user id, `U…` or `W…`. Needed only where Slack's events do not name it (they do,
    /// in `authorizations`).
    #[serde(default)]
    pub bot_user: Option<String>,
    /// The app's id, `A…`, from *Basic Information*: with it, people can be led to the app from
    /// other channels by a web address. Without it, by one of Slack's own kind.
    #[serde(default)]
    pub app_id: Option<String>,
    /// Where the Web API's methods are.
    #[serde(default = "api_base")]
    pub api_base: String,
}

/// What is wrong with a configuration, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No token.
    #[error("token is missing; copy the xoxb-… token from OAuth & Permissions")]
    Token,
    /// Nothing could be verified.
    #[error("signing_secret is missing; copy it from Basic Information -> App Credentials")]
    SigningSecret,
    /// Not an app's id.
    #[error("app_id must look like A0123ABC; copy it from Basic Information")]
    AppId,
    /// Not a base URL.
    #[error("api_base must be http(s)://host[:port]/path/; the default is {API_BASE}")]
    ApiBase,
}

fn api_base() -> String {
    API_BASE.to_owned()
}

impl Config {
    /// An app on Slack's own servers.
    pub fn new(token: SecretString, signing_secret: SecretString) -> Self {
        Self { token, signing_secret, bot_user: None, app_id: None, api_base: api_base() }
    }

    /// Checks what can be checked without the network.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let token = self.token.expose_secret();
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ConfigError::Token);
        }
        if self.signing_secret.expose_secret().trim().is_empty() {
            return Err(ConfigError::SigningSecret);
        }
        let is_id =
            |id: &String| id.starts_with('A') && id.bytes().all(|b| b.is_ascii_alphanumeric());
        if !self.app_id.as_ref().is_none_or(is_id) {
            return Err(ConfigError::AppId);
        }
        let base = Url::parse(&self.api_base).map_err(|_| ConfigError::ApiBase)?;
        if matches!(base.scheme(), "http" | "https") && base.query().is_none() {
            Ok(())
        } else {
            Err(ConfigError::ApiBase)
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("bot_user", &self.bot_user)
            .field("app_id", &self.app_id)
            .field("api_base", &self.api_base)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: serde_json::Value) -> Config {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn secrets_never_print() {
        let config = read(json!({"token": "xoxb-hush", "signing_secret": "hush-hush"}));
        assert!(!format!("{config:?}").contains("hush"));
    }

    #[test]
    fn what_cannot_work_does_not_start() {
        let both = json!({"token": "xoxb-1", "signing_secret": "s"});
        assert_eq!(read(both.clone()).validate(), Ok(()));
        for (key, value, error) in [
            ("token", "", ConfigError::Token),
            ("token", "xoxb 1", ConfigError::Token),
            ("signing_secret", " ", ConfigError::SigningSecret),
            ("app_id", "T01&x", ConfigError::AppId),
            ("api_base", "slack.com", ConfigError::ApiBase),
            ("api_base", "ftp://slack.com", ConfigError::ApiBase),
        ] {
            let mut json = both.clone();
            json[key] = json!(value);
            assert_eq!(read(json).validate(), Err(error), "{key} = {value:?}");
        }
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let json = json!({"token": "x", "signing_secrt": "y"});
        let error = serde_json::from_value::<Config>(json).unwrap_err();
        assert!(error.to_string().contains("signing_secrt"));
    }
}
