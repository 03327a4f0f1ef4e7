//! What the Worker is told by its variables and secrets. Read once in an isolate: another
//! deployment is another isolate.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use worker::Env;
use zaki_edge_core::{
    backup::{Retention, Schedule},
    front::{Owners, Seal},
    meter::Price,
    model::Wire,
    sandbox::Habits,
};
use zaki_envelope::{
    SandboxName,
    signature::{Keyring, SigningKey},
};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

/// Why it cannot answer. Names the variable and never its value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("{0} is not set")]
    Missing(&'static str),
    #[error("{0} cannot be read")]
    Malformed(&'static str),
}

/// One provider of models.
#[derive(Deserialize)]
pub(crate) struct Provider {
    pub(crate) name: String,
    /// `openai` or `anthropic`.
    #[serde(default)]
    wire: String,
    /// Base URL, without a slash at its end.
    pub(crate) url: String,
    /// What it calls the models of ours.
    pub(crate) models: BTreeMap<String, String>,
    /// What a million tokens cost, read and written, in units of the currency.
    #[serde(default)]
    price: Option<(f64, f64)>,
    #[serde(skip)]
    pub(crate) key: Option<String>,
}

impl Provider {
    pub(crate) fn wire(&self) -> Wire {
        if self.wire == "anthropic" { Wire::Anthropic } else { Wire::OpenAi }
    }

    pub(crate) fn price(&self) -> Price {
        let price = self.price.and_then(|(read, written)| Price::per_million(read, written, None));
        price.unwrap_or_default()
    }
}

/// Which class each kind of sandbox is of: 1 to 3.
#[derive(Deserialize)]
#[serde(default)]
struct Tiers {
    personal: u8,
    project: u8,
    runtime: u8,
    custom: u8,
}

impl Default for Tiers {
    fn default() -> Self {
        Self { personal: 1, project: 2, runtime: 1, custom: 1 }
    }
}

/// All of it.
pub(crate) struct Config {
    pub(crate) keys: Keyring,
    pub(crate) seal: Seal,
    /// Signs what the edge asks of the hub.
    pub(crate) signer: SigningKey,
    pub(crate) hub_url: Option<String>,
    /// How a container reaches this Worker.
    pub(crate) edge_url: String,
    pub(crate) habits: Habits,
    pub(crate) schedule: Schedule,
    pub(crate) retention: Retention,
    /// No answer is told before a backup remembers it: an archive for every turn.
    pub(crate) saves_each_turn: bool,
    pub(crate) model: String,
    pub(crate) model_api: String,
    pub(crate) choices: Vec<String>,
    pub(crate) exec: String,
    pub(crate) providers: Vec<Provider>,
    tiers: Tiers,
}

thread_local! {
    static CONFIG: RefCell<Option<Rc<Config>>> = const { RefCell::new(None) };
}

impl Config {
    /// Of this isolate.
    pub(crate) fn of(env: &Env) -> Result<Rc<Self>, ConfigError> {
        if let Some(config) = CONFIG.with_borrow(Clone::clone) {
            return Ok(config);
        }
        let config = Rc::new(Self::read(env)?);
        CONFIG.set(Some(config.clone()));
        Ok(config)
    }

    fn read(env: &Env) -> Result<Self, ConfigError> {
        let keys = signing_keys(&secret(env, "ZAKI_EDGE_KEYS")?)?;
        let signer = keys.first().cloned().ok_or(ConfigError::Malformed("ZAKI_EDGE_KEYS"))?;
        let seal = hex::decode(secret(env, "ZAKI_SANDBOX_SECRET")?);
        let seal = seal.ok().filter(|secret| secret.len() >= 16);
        let known: BTreeMap<String, String> =
            json(env.secret("ZAKI_MODEL_KEYS").ok().map(|it| it.to_string()), "ZAKI_MODEL_KEYS")?;
        let mut providers: Vec<Provider> = json(var(env, "ZAKI_PROVIDERS"), "ZAKI_PROVIDERS")?;
        for provider in &mut providers {
            provider.key = known.get(&provider.name).cloned();
        }
        let choices = var(env, "ZAKI_CHOICES").unwrap_or_default();
        Ok(Self {
            keys: Keyring::new(keys),
            seal: Seal::new(seal.ok_or(ConfigError::Malformed("ZAKI_SANDBOX_SECRET"))?),
            signer,
            hub_url: var(env, "ZAKI_HUB_URL"),
            edge_url: var(env, "ZAKI_EDGE_URL").unwrap_or_default(),
            habits: Habits {
                start_timeout_ms: number(env, "ZAKI_START_TIMEOUT_MS", 3 * MINUTE)?,
                // A container cannot be held still.
                freeze_after_ms: None,
                stop_after_ms: Some(number(env, "ZAKI_STOP_AFTER_MS", 10 * MINUTE)?),
                busy_ms: 15_000,
            },
            schedule: Schedule {
                quiet_ms: number(env, "ZAKI_BACKUP_QUIET_MS", 30_000)?,
                every_ms: number(env, "ZAKI_BACKUP_EVERY_MS", 5 * MINUTE)?,
            },
            retention: Retention {
                count: usize::try_from(number(env, "ZAKI_BACKUPS_KEPT", 10)?).unwrap_or(10),
                age_ms: number(env, "ZAKI_BACKUPS_KEPT_MS", 30 * DAY)?,
            },
            saves_each_turn: var(env, "ZAKI_BACKUP_EACH_TURN").is_some_and(|it| it == "true"),
            model: var(env, "ZAKI_MODEL").unwrap_or_else(|| "zaki".to_owned()),
            model_api: var(env, "ZAKI_MODEL_API").unwrap_or_else(|| "openai".to_owned()),
            choices: choices.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect(),
            exec: var(env, "ZAKI_EXEC").unwrap_or_else(|| "deny".to_owned()),
            providers,
            tiers: match var(env, "ZAKI_TIERS") {
                Some(text) => json(Some(text), "ZAKI_TIERS")?,
                None => Tiers::default(),
            },
        })
    }

    /// Whether a turn may ask for it.
    pub(crate) fn offers(&self, model: &str) -> bool {
        model == self.model || self.choices.iter().any(|it| it == model)
    }

    /// The binding of the class that a sandbox is of.
    pub(crate) fn binding(&self, name: &SandboxName) -> &'static str {
        let tier = match name.as_str().split('-').next() {
            Some("project") => self.tiers.project,
            Some("runtime") => self.tiers.runtime,
            Some("custom") => self.tiers.custom,
            _ => self.tiers.personal,
        };
        match tier {
            3 => "SANDBOX_3",
            2 => "SANDBOX_2",
            _ => "SANDBOX_1",
        }
    }
}

/// Nobody's token is remembered; the seal proves them.
impl Owners for Config {
    fn owner_of(&self, token: &str) -> Option<SandboxName> {
        self.seal.owner_of(token)
    }
}

fn var(env: &Env, name: &str) -> Option<String> {
    env.var(name).ok().map(|value| value.to_string()).filter(|value| !value.is_empty())
}

fn secret(env: &Env, name: &'static str) -> Result<String, ConfigError> {
    env.secret(name).map(|value| value.to_string()).map_err(|_| ConfigError::Missing(name))
}

fn number(env: &Env, name: &'static str, usual: i64) -> Result<i64, ConfigError> {
    match var(env, name) {
        Some(text) => text.parse().map_err(|_| ConfigError::Malformed(name)),
        None => Ok(usual),
    }
}

fn json<T: DeserializeOwned + Default>(
    text: Option<String>,
    name: &'static str,
) -> Result<T, ConfigError> {
    match text.filter(|text| !text.is_empty()) {
        Some(text) => serde_json::from_str(&text).map_err(|_| ConfigError::Malformed(name)),
        None => Ok(T::default()),
    }
}

/// `id=hex,id=hex`: the first one signs, all of them are accepted.
fn signing_keys(text: &str) -> Result<Vec<SigningKey>, ConfigError> {
    let key = |pair: &str| {
        let (id, secret) = pair.trim().split_once('=')?;
        let secret = hex::decode(secret).ok().filter(|secret| secret.len() >= 16)?;
        Some(SigningKey::new(id, secret))
    };
    let keys: Option<Vec<_>> = text.split(',').map(key).collect();
    keys.ok_or(ConfigError::Malformed("ZAKI_EDGE_KEYS"))
}
