//! Slack's payloads -> envelopes. Pure; the content decides, not the route, since the same signed
//! JSON comes over HTTP and in Socket Mode envelopes.

mod event;
mod interaction;
mod payload;
mod seed;
mod text;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use zaki_channel::{Answer, Parse, ParseError, Parsed, Verified};
use zaki_envelope::{AccountName, Timestamp};

use crate::Config;
use payload::{Command, Interaction, Outer};
use seed::Seed;

/// Reads what Slack sends to one app.
#[derive(Clone, Debug)]
pub struct Reader {
    account: AccountName,
    bot_user: Option<String>,
}

impl Reader {
    /// For the app configured as `account`.
    pub fn new(account: AccountName, config: &Config) -> Self {
        Self { account, bot_user: config.bot_user.clone() }
    }

    /// For `zaki inspect`: no account, no configuration.
    pub fn inspect() -> Result<Self, zaki_envelope::IdError> {
        Ok(Self { account: "inspect".parse()?, bot_user: None })
    }

    fn read(&self, json: Value, seed: &Seed<'_>) -> Result<Parsed, ParseError> {
        let Value::Object(mut fields) = json else { return Err(refused("no JSON object")) };
        let mut inner = |name| {
            let is_it = fields.get(name).is_some_and(Value::is_object);
            if is_it { fields.remove(name) } else { None }
        };
        if let Some(payload) = inner("payload") {
            return self.read(payload, seed);
        }
        // The larger part, read by itself.
        let event = inner("event");
        let has = |name| fields.contains_key(name);
        match fields.get("type").and_then(Value::as_str).unwrap_or_default() {
            _ if has("command") => Ok(interaction::command(&typed::<Command>(fields.into()), seed)),
            "url_verification" => Ok(challenge(typed::<Outer>(fields.into()).challenge)),
            "hello" | "disconnect" => Ok(Parsed::default()),
            _ if event.is_none() && has("user") => {
                Ok(interaction::interaction(&typed::<Interaction>(fields.into()), seed))
            }
            // Every payload of Slack carries its old verification token.
            "" if event.is_none() && !has("token") => Err(refused("neither type, event nor token")),
            _ => {
                let (outer, event) = (typed(fields.into()), typed(event.unwrap_or_default()));
                Ok(event::event(&outer, &event, self.bot_user.as_ref(), seed))
            }
        }
    }
}

impl Parse for Reader {
    fn parse(&self, bytes: Verified<'_>, received_at: Timestamp) -> Result<Parsed, ParseError> {
        let body = bytes.body();
        let seed = Seed { account: &self.account, received_at, body };
        let json = if body.trim_ascii_start().starts_with(b"{") {
            serde_json::from_slice(body).map_err(|error| refused(place(&error)))?
        } else {
            form(body)?
        };
        if json.get("ssl_check").is_some() {
            return Ok(Parsed::default());
        }
        self.read(json, &seed)
    }
}

/// Slash commands come as a form, interactions as a form with JSON in `payload`.
fn form(body: &[u8]) -> Result<Value, ParseError> {
    let fields: Map<String, Value> = url::form_urlencoded::parse(body)
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect();
    if let Some(Value::String(payload)) = fields.get("payload") {
        return serde_json::from_str(payload).map_err(|error| refused(place(&error)));
    }
    if fields.contains_key("command") || fields.contains_key("ssl_check") {
        Ok(Value::Object(fields))
    } else {
        Err(refused("neither JSON nor a form with command or payload"))
    }
}

fn challenge(text: String) -> Parsed {
    Parsed { answer: Answer::text(200, text), ..Parsed::default() }
}

/// All fields are optional and lenient, so an object always reads.
fn typed<T: DeserializeOwned + Default>(json: Value) -> T {
    serde_json::from_value(json).unwrap_or_default()
}

/// Where the JSON broke, without quoting it.
fn place(error: &serde_json::Error) -> String {
    format!("JSON broken at line {}, column {}", error.line(), error.column())
}

fn refused(reason: impl Into<String>) -> ParseError {
    ParseError { what: "Slack payload", reason: reason.into() }
}
