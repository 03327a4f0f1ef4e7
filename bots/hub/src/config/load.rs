//! Laying the layers over each other.

use std::{
    ffi::OsString,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use serde::{
    Deserialize, Deserializer,
    de::{self, IntoDeserializer},
};
use toml::{Table, Value};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};
use url::Url;

use super::{Config, explain::explain, people};

pub(super) const DEFAULTS: &str = include_str!("../../../../config/default.toml");
const ENV_PREFIX: &str = "ZAKI__";

/// Why there is no configuration. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read the configuration {path}: {source}", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{origin} is not TOML: line {line}: {message}")]
    Syntax { origin: String, line: usize, message: String },
    /// `origin` is what has set it.
    #[error("{origin}: {said}")]
    Key { origin: String, said: String },
    #[error("cannot read {path}, which {key} names: {source}", path = path.display())]
    SecretFile { key: String, path: PathBuf, source: io::Error },
}

/// Who has set what: for the words of an error.
#[derive(Default)]
struct Origins {
    file: Option<String>,
    /// Dotted keys, and the variable or option that has set each.
    over: Vec<(String, String)>,
}

impl Origins {
    fn of(&self, path: &str) -> String {
        let inside = format!("{path}.");
        let over = self.over.iter().find(|(key, _)| key == path || key.starts_with(&inside));
        let over = over.map(|(_, origin)| origin);
        over.or(self.file.as_ref()).map_or_else(|| "the configuration".to_owned(), Clone::clone)
    }
}

/// The variables of an environment; of ours, each must be a text.
pub(crate) fn environment(
    vars: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, ConfigError> {
    let read = |(name, value): (OsString, OsString)| match (name.to_str(), value.to_str()) {
        (Some(name), Some(value)) => Some(Ok((name.to_owned(), value.to_owned()))),
        _ if !name.as_encoded_bytes().starts_with(ENV_PREFIX.as_bytes()) => None,
        // Never with the value: it may be a secret.
        _ => {
            let (origin, said) = (name.to_string_lossy().into_owned(), "is not UTF-8".to_owned());
            Some(Err(ConfigError::Key { origin, said }))
        }
    };
    vars.filter_map(read).collect()
}

/// Defaults, under `file`, under the environment `env`, under the data directory `data`.
pub(crate) fn load(
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
    data: Option<&Path>,
) -> Result<Config, ConfigError> {
    let mut table = Table::new();
    let mut origins = Origins::default();
    if let Some(path) = file {
        let read = |source| ConfigError::Read { path: path.to_owned(), source };
        let origin = path.display().to_string();
        table = parse(&origin, &fs::read_to_string(path).map_err(read)?)?;
        origins.file = Some(origin);
    }
    let defaults = parse("config/default.toml", DEFAULTS)?;
    for (name, value) in env {
        if let Some(key) = name.strip_prefix(ENV_PREFIX) {
            let key = key.to_lowercase();
            let path: Vec<&str> = key.split("__").collect();
            set(&mut table, Some(&defaults), &path, &value);
            origins.over.push((path.join("."), name));
        }
    }
    if let Some(data) = data {
        set(&mut table, Some(&defaults), &["hub", "data_dir"], &data.display().to_string());
        origins.over.insert(0, ("hub.data_dir".to_owned(), "--data".to_owned()));
    }
    finish(table, &origins)
}

/// Defaults, under `table`.
pub(crate) fn load_table(table: Table) -> Result<Config, ConfigError> {
    finish(table, &Origins::default())
}

fn finish(mut table: Table, origins: &Origins) -> Result<Config, ConfigError> {
    let fault = |path: &str, message: &str| ConfigError::Key {
        origin: origins.of(path),
        said: explain(path, message),
    };
    let notes = people::rename(&mut table).map_err(|(path, said)| fault(&path, &said))?;
    let mut merged = parse("config/default.toml", DEFAULTS)?;
    merge(&mut merged, table);
    read_secret_files(&mut merged, "")?;
    let access = people::take_access(&mut merged).map_err(|(path, said)| fault(&path, &said))?;
    let read = serde_path_to_error::deserialize::<_, Config>(Value::Table(merged));
    let mut config = read.map_err(|error| {
        let path = error.path().to_string();
        fault(if path == "." { "" } else { &path }, error.inner().message())
    })?;
    (config.access, config.notes) = (access, notes);
    config.notes.extend(config.retention.notes());
    if !config.tiers.contains_key(&config.identity.tier) {
        let names: Vec<&str> = config.tiers.keys().map(String::as_str).collect();
        let said = format!("must be one of the tiers: {}", names.join(", "));
        return Err(fault("identity.tier", &said));
    }
    Ok(config)
}

fn parse(origin: &str, text: &str) -> Result<Table, ConfigError> {
    text.parse().map_err(|error: toml::de::Error| {
        // The parser's own words quote the line, and with it a secret.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        ConfigError::Syntax {
            origin: origin.to_owned(),
            line: before.matches('\n').count() + 1,
            message: error.message().replace('\n', ", "),
        }
    })
}

fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => merge(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Sets `a.b.c` from the environment. The default's type decides how the text is read; where there
/// is no default (inside an account) `true` and `false` are booleans and all else is text, so that
/// a token made of digits stays one.
fn set(table: &mut Table, defaults: Option<&Table>, path: &[&str], text: &str) {
    let [key, rest @ ..] = path else { return };
    let default = defaults.and_then(|table| table.get(*key));
    if rest.is_empty() {
        let typed = match default {
            Some(Value::String(_)) => None,
            Some(_) => Value::from_str(text).ok(),
            None => text.parse().ok().map(Value::Boolean),
        };
        table.insert((*key).to_owned(), typed.unwrap_or_else(|| Value::String(text.to_owned())));
        return;
    }
    let entry = table.entry((*key).to_owned()).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(inner) = entry {
        set(inner, default.and_then(Value::as_table), rest, text);
    }
}

/// `token_file = "/path"` becomes `token = "<its first line>"`, in every table.
fn read_secret_files(table: &mut Table, at: &str) -> Result<(), ConfigError> {
    let files: Vec<String> = table.keys().filter(|key| key.ends_with("_file")).cloned().collect();
    for key in files {
        let Some(Value::String(path)) = table.remove(&key) else {
            continue;
        };
        let secret = fs::read_to_string(&path).map_err(|source| ConfigError::SecretFile {
            key: format!("{at}{key}"),
            path: path.into(),
            source,
        })?;
        let name = key.trim_end_matches("_file").to_owned();
        table.insert(name, Value::String(secret.trim_end().to_owned()));
    }
    for (key, value) in table.iter_mut() {
        match value {
            Value::Table(inner) => read_secret_files(inner, &format!("{at}{key}."))?,
            Value::Array(all) => {
                for (n, inner) in all.iter_mut().enumerate() {
                    if let Value::Table(inner) = inner {
                        read_secret_files(inner, &format!("{at}{key}[{n}]."))?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// An empty text stands for "not set".
pub(super) fn optional<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(de::Error::custom)
}

/// Where to listen.
pub(super) fn address<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    let rule = "must be an IP address and port, such as 127.0.0.1:8787";
    String::deserialize(from)?.parse().map_err(|_| de::Error::custom(rule))
}

/// The same; empty: nowhere.
pub(super) fn optional_address<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() { Ok(None) } else { address(text.into_deserializer()).map(Some) }
}

/// Somebody's address in the web; empty: none.
pub(super) fn web_address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Url>, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() {
        return Ok(None);
    }
    let rule = "must begin with https:// (or http://), such as https://bot.example.org";
    let url = Url::parse(&text).ok().filter(|url| ["https", "http"].contains(&url.scheme()));
    url.map(Some).ok_or_else(|| de::Error::custom(rule))
}

/// A directory, absolute from here on; empty: none.
pub(super) fn directory<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() {
        return Ok(None);
    }
    if text.starts_with('~') {
        let rule = "must be a whole path, such as /home/ada/zaki: only shells know what ~ is";
        return Err(de::Error::custom(rule));
    }
    std::path::absolute(text).map(Some).map_err(de::Error::custom)
}

pub(super) fn level<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    log_filter(&text).map(|_| text).map_err(de::Error::custom)
}

/// What to log. A bare word is a level: taken as the name of a module, as it could be as well, it
/// would silence everything else.
pub(crate) fn log_filter(level: &str) -> Result<EnvFilter, &'static str> {
    let rule = "must be one of error, warn, info, debug, trace, \
                or directives such as info,zaki=debug";
    let is_level = |word: &str| word.trim().parse::<LevelFilter>().is_ok();
    let known = |word: &str| word.contains(['=', '[']) || is_level(word);
    if level.trim().is_empty() || !level.split(',').all(known) {
        return Err(rule);
    }
    EnvFilter::try_new(level).map_err(|_| rule)
}

pub(super) fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

pub(super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_secs)
}

/// 0: never.
pub(super) fn seconds_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    seconds(deserializer).map(|time| Some(time).filter(|time| !time.is_zero()))
}

#[cfg(test)]
mod tests;
