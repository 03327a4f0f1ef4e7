//! Laying the layers over each other.

use std::{
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use serde::{Deserialize, Deserializer, de};
use toml::{Table, Value};

use super::{Config, unknown};

const DEFAULTS: &str = include_str!("../../../../config/default.toml");
const ENV_PREFIX: &str = "ZAKI__";

/// Why there is no configuration. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read the configuration {path}: {source}", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{origin} is not TOML: line {line}: {message}")]
    Syntax { origin: String, line: usize, message: String },
    #[error("in the configuration {0}")]
    Key(String),
    #[error("cannot read {path}, which {key} names: {source}", path = path.display())]
    SecretFile { key: String, path: PathBuf, source: io::Error },
}

/// Defaults, under `file`, under the environment `env`, under what the command line says.
pub(crate) fn load(
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
    over: Table,
) -> Result<Config, ConfigError> {
    let mut table = Table::new();
    if let Some(path) = file {
        let read = |source| ConfigError::Read { path: path.to_owned(), source };
        table = parse(&path.display().to_string(), &fs::read_to_string(path).map_err(read)?)?;
    }
    let defaults = parse("config/default.toml", DEFAULTS)?;
    for (name, value) in env {
        if let Some(key) = name.strip_prefix(ENV_PREFIX) {
            let key = key.to_lowercase();
            set(&mut table, Some(&defaults), &key.split("__").collect::<Vec<_>>(), &value);
        }
    }
    merge(&mut table, over);
    load_table(table)
}

/// Defaults, under `table`.
pub(crate) fn load_table(table: Table) -> Result<Config, ConfigError> {
    let mut merged = parse("config/default.toml", DEFAULTS)?;
    merge(&mut merged, table);
    read_secret_files(&mut merged, "")?;
    serde_path_to_error::deserialize(Value::Table(merged)).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { "" } else { &path };
        ConfigError::Key(unknown::explain(path, error.inner().message()))
    })
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
        if let Value::Table(inner) = value {
            read_secret_files(inner, &format!("{at}{key}."))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn with(toml: &str) -> Result<Config, ConfigError> {
        load_table(toml.parse().unwrap())
    }

    #[test]
    fn the_defaults_are_complete() {
        let config = load(None, std::iter::empty(), Table::new()).unwrap();
        assert_eq!(config.hub.listen.port(), 8787);
        assert!(config.hub.public_url.is_none());
    }

    #[test]
    fn the_environment_lies_over_the_file_and_the_file_over_the_defaults() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("zaki.toml");
        fs::write(&file, "[hub]\nlisten = \"127.0.0.1:1\"\n[turn]\ntimeout_s = 5\n").unwrap();
        let env = [("ZAKI__HUB__LISTEN", "127.0.0.1:2"), ("ZAKI__TURN__TIMEOUT_S", "7")];
        let env = env.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let config = load(Some(&file), env.into_iter(), Table::new()).unwrap();
        assert_eq!(config.hub.listen.port(), 2);
        assert_eq!(config.turn.timeout, Duration::from_secs(7));
    }

    #[test]
    fn unknown_keys_are_named_with_the_nearest_valid_one() {
        let said = |toml| with(toml).unwrap_err().to_string();
        assert!(said("[hub]\nlisten_on = 1").contains("`hub.listen_on`; did you mean `listen`?"));
        assert!(said("[telegrm.main]\ntoken = \"x\"").contains("did you mean `telegram`?"));
    }

    #[test]
    fn secrets_come_from_files_and_never_print() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        fs::write(&file, "sk-tell-nobody\n").unwrap();
        let config = with(&format!("[model]\napi_key_file = {file:?}")).unwrap();
        assert_eq!(secrecy::ExposeSecret::expose_secret(&config.model.api_key), "sk-tell-nobody");
        assert!(!format!("{config:?}").contains("tell-nobody"));
        let missing = with("[model]\napi_key_file = \"/nonexistent\"").unwrap_err().to_string();
        assert!(missing.contains("model.api_key_file"), "{missing}");
    }
}
