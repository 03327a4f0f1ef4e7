//! What an operator configures for one business number.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

/// Graph's own address.
const API_BASE: &str = "https://graph.facebook.com";
/// The version whose documentation this crate was written by.
const API_VERSION: &str = "v26.0";

/// One phone number of a WhatsApp Business account.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A system user's access token.
    #[serde(default)]
    pub token: SecretString,
    /// Graph's id of the number, from *WhatsApp -> API Setup*; not the number itself.
    #[serde(default)]
    pub phone_number_id: String,
    /// From *App settings -> Basic*: signs every webhook.
    #[serde(default)]
    pub app_secret: SecretString,
    /// Repeated in the webhook form, and asked for once when the webhook is set up.
    #[serde(default)]
    pub verify_token: SecretString,
    /// The business portfolio, in which Meta's user ids are unique. Needed only where one portfolio
    /// holds several WhatsApp Business accounts whose people should be the same; otherwise the
    /// account's own id serves.
    #[serde(default)]
    pub portfolio: Option<String>,
    /// Where Graph is: `https://host[:port]`.
    #[serde(default = "api_base")]
    pub api_base: String,
    /// Graph's version, `v26.0`.
    #[serde(default = "api_version")]
    pub api_version: String,
}

/// What is wrong with a configuration, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No token.
    #[error("token is missing; make one for a system user in Business settings")]
    Token,
    /// No or a malformed number id.
    #[error("phone_number_id must be the digits shown in WhatsApp -> API Setup")]
    PhoneNumberId,
    /// Nothing could be verified.
    #[error("app_secret is missing; copy it from App settings -> Basic")]
    AppSecret,
    /// The webhook could not be set up.
    #[error("verify_token is missing; choose one and repeat it in the webhook form")]
    VerifyToken,
    /// Not a base URL.
    #[error("api_base must be http(s)://host[:port]; the default is {API_BASE}")]
    ApiBase,
    /// Not a version.
    #[error("api_version must look like {API_VERSION}")]
    ApiVersion,
}

fn api_base() -> String {
    API_BASE.to_owned()
}

fn api_version() -> String {
    API_VERSION.to_owned()
}

impl Config {
    /// A number on Graph itself.
    pub fn new(
        token: SecretString,
        phone_number_id: impl Into<String>,
        app_secret: SecretString,
        verify_token: SecretString,
    ) -> Self {
        Self {
            token,
            phone_number_id: phone_number_id.into(),
            app_secret,
            verify_token,
            portfolio: None,
            api_base: api_base(),
            api_version: api_version(),
        }
    }

    /// Checks what can be checked without the network.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let token = self.token.expose_secret();
        let base = Url::parse(&self.api_base).ok();
        let base = base.filter(|base| matches!(base.scheme(), "http" | "https"));
        let rules = [
            (!token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()), ConfigError::Token),
            (is_number(&self.phone_number_id), ConfigError::PhoneNumberId),
            (is_set(&self.app_secret), ConfigError::AppSecret),
            (is_set(&self.verify_token), ConfigError::VerifyToken),
            (base.is_some_and(|base| base.query().is_none()), ConfigError::ApiBase),
            (is_version(&self.api_version), ConfigError::ApiVersion),
        ];
        let broken = rules.into_iter().find(|(holds, _)| !holds);
        broken.map_or(Ok(()), |(_, error)| Err(error))
    }
}

fn is_set(secret: &SecretString) -> bool {
    !secret.expose_secret().trim().is_empty()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_version(text: &str) -> bool {
    let numbers = text.strip_prefix('v').and_then(|text| text.split_once('.'));
    numbers.is_some_and(|(major, minor)| is_number(major) && is_number(minor))
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("phone_number_id", &self.phone_number_id)
            .field("portfolio", &self.portfolio)
            .field("api_base", &self.api_base)
            .field("api_version", &self.api_version)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn whole() -> Value {
        json!({"token": "EAA-hush", "phone_number_id": "106", "app_secret": "hush-2",
            "verify_token": "hush-3"})
    }

    fn read(json: Value) -> Config {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn secrets_never_print() {
        assert!(!format!("{:?}", read(whole())).contains("hush"));
    }

    #[test]
    fn what_cannot_work_does_not_start() {
        assert_eq!(read(whole()).validate(), Ok(()));
        for (key, value, error) in [
            ("token", "", ConfigError::Token),
            ("phone_number_id", "+49 1", ConfigError::PhoneNumberId),
            ("app_secret", "", ConfigError::AppSecret),
            ("verify_token", " ", ConfigError::VerifyToken),
            ("api_base", "graph.facebook.com", ConfigError::ApiBase),
            ("api_version", "26", ConfigError::ApiVersion),
            ("api_version", "v26/../x", ConfigError::ApiVersion),
        ] {
            let mut json = whole();
            json[key] = json!(value);
            assert_eq!(read(json).validate(), Err(error), "{key} = {value:?}");
        }
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let error = serde_json::from_value::<Config>(json!({"tokn": "x"})).unwrap_err();
        assert!(error.to_string().contains("tokn"));
    }
}
