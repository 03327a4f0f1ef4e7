//! `[identity]`, `[tiers]` and the `access` of each account: who is let in where, and how much they
//! may use.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Deserializer, de};
use toml::{Table, Value};
use zaki_envelope::{AccountName, ChannelKind};
use zaki_identity::{
    Access, Allow, Changers, GroupMode, GroupRules, Limits, Options, Policy, SignUp, Who,
};
use zaki_store::Keys;

use super::Config;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentityConfig {
    sign_up: SignUp,
    allow: AllowConfig,
    groups: GroupsConfig,
    /// The tier of whoever has no other.
    pub tier: String,
    cache: usize,
}

/// Who needs no invitation, pairing or sign-up of their own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AllowConfig {
    ids: Vec<Id>,
    workspaces: Vec<Id>,
    guilds: Vec<Id>,
    domains: Vec<String>,
}

/// As a platform numbers people and places: a text, or a number for whoever leaves the quotes out.
#[derive(Clone, Debug)]
struct Id(String);

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupsConfig {
    mode: GroupMode,
    #[serde(deserialize_with = "who")]
    who: Option<Who>,
    changers: Changers,
}

/// What of `[identity]` is otherwise for one account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessConfig {
    sign_up: Option<SignUp>,
    allow: Option<AllowConfig>,
}

/// What people of one tier may use; 0: as much as they like.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TierConfig {
    messages_per_minute: u32,
    messages_per_day: u64,
    turns_at_once: u32,
    tokens_per_day: u64,
    tokens_per_month: u64,
    #[serde(deserialize_with = "micros")]
    cost_per_day: u64,
    #[serde(deserialize_with = "micros")]
    cost_per_month: u64,
}

/// Every account that differs, with how.
pub(crate) type AccessOf = BTreeMap<(ChannelKind, AccountName), AccessConfig>;

impl Config {
    /// What the directory is told.
    pub(crate) fn people(&self) -> Options {
        let IdentityConfig { sign_up, allow, groups, cache, .. } = &self.identity;
        let mut access = Access::new(Policy { sign_up: *sign_up, allow: allow.listed() });
        let policy = |own: &AccessConfig| Policy {
            sign_up: own.sign_up.unwrap_or(*sign_up),
            allow: own.allow.as_ref().unwrap_or(allow).listed(),
        };
        for ((channel, account), own) in &self.access {
            access = access.with(*channel, account.clone(), policy(own));
        }
        if let Some(own) = &self.web.access {
            access = access.with(ChannelKind::Web, AccountName::web(), policy(own));
        }
        let GroupsConfig { mode, who, changers } = *groups;
        let who = who.unwrap_or_else(|| self.who());
        let group = GroupRules { mode, who, changers };
        Options { access, group, code_key: None, keys: Keys::default(), cache: *cache }
    }

    /// For whom groups are there, where that is not said: for everybody where every stranger may
    /// sign up anyway.
    fn who(&self) -> Who {
        let own = self.access.values().filter_map(|own| own.sign_up);
        let is_open = |sign_up| sign_up == SignUp::Open;
        if own.chain([self.identity.sign_up]).all(is_open) { Who::Everyone } else { Who::Known }
    }

    /// What the people of each tier may use.
    pub(crate) fn limits(&self) -> BTreeMap<String, Limits> {
        self.tiers.iter().map(|(name, tier)| (name.clone(), tier.limits())).collect()
    }
}

impl AllowConfig {
    fn listed(&self) -> Allow {
        let all = |ids: &[Id]| -> HashSet<String> { ids.iter().map(|id| id.0.clone()).collect() };
        let domain = |name: &String| name.trim_start_matches('@').to_ascii_lowercase();
        Allow {
            ids: all(&self.ids),
            workspaces: all(&self.workspaces),
            guilds: all(&self.guilds),
            domains: self.domains.iter().map(domain).collect(),
        }
    }
}

impl TierConfig {
    const fn limits(&self) -> Limits {
        Limits {
            messages_per_minute: self.messages_per_minute,
            messages_per_day: self.messages_per_day,
            concurrent_turns: self.turns_at_once,
            tokens_per_day: self.tokens_per_day,
            tokens_per_month: self.tokens_per_month,
            cost_per_day_micros: self.cost_per_day,
            cost_per_month_micros: self.cost_per_month,
        }
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::String(text) if !text.is_empty() => Ok(Self(text)),
            Value::Integer(number) => Ok(Self(number.to_string())),
            _ => Err(de::Error::custom("must be an id in quotes, such as \"U024BE7LH\"")),
        }
    }
}

fn who<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Who>, D::Error> {
    let word = String::deserialize(from)?;
    if word.is_empty() {
        return Ok(None);
    }
    let found = Who::ALL.iter().find(|who| who.as_str() == word);
    let rule = "must be \"everyone\" or \"known\" or \"listed\", or empty";
    found.copied().map(Some).ok_or_else(|| de::Error::custom(rule))
}

/// Millionths of an amount of money.
fn micros<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    const MOST: f64 = 1e12;
    let amount = f64::deserialize(from)?;
    if !(0.0..=MOST).contains(&amount) {
        return Err(de::Error::custom("must be an amount of money, such as 2.50; 0: no limit"));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within bounds")]
    Ok((amount * 1e6).round() as u64)
}

/// Something is not right at this dotted key; why, in serde's words or ours.
pub(super) type Fault = (String, String);

/// Settings that have another name by now; what is to be said about those that were found.
pub(super) fn rename(table: &mut Table) -> Result<Vec<String>, Fault> {
    let policy = moved(table, "identity", "policy", "sign_up", Ok)?;
    let exec = moved(table, "sandbox", "allow_exec", "exec", |old| match old {
        Value::Boolean(true) => Ok("full".into()),
        Value::Boolean(false) => Ok("deny".into()),
        _ => Err("must be true or false; better, set sandbox.exec".to_owned()),
    })?;
    Ok(policy.into_iter().chain(exec).collect())
}

fn moved(
    table: &mut Table,
    at: &str,
    old: &str,
    new: &str,
    value: impl FnOnce(Value) -> Result<Value, String>,
) -> Result<Option<String>, Fault> {
    let Some(Value::Table(inner)) = table.get_mut(at) else { return Ok(None) };
    let Some(was) = inner.remove(old) else { return Ok(None) };
    let path = format!("{at}.{old}");
    if inner.contains_key(new) {
        return Err((path, format!("is the older name of {at}.{new}: leave it out")));
    }
    let value = value(was).map_err(|said| (path.clone(), said))?;
    let said = format!("{path} is the older name of a setting: write {at}.{new} = {value}");
    inner.insert(new.to_owned(), value);
    Ok(Some(said))
}

/// Takes `access` out of the accounts, whose other settings are their adapters' own.
pub(super) fn take_access(table: &mut Table) -> Result<AccessOf, Fault> {
    let mut all = AccessOf::new();
    for channel in ChannelKind::ALL {
        let Some(Value::Table(accounts)) = table.get_mut(channel.as_str()) else { continue };
        for (name, account) in accounts.iter_mut() {
            let Some(access) = account.as_table_mut().and_then(|table| table.remove("access"))
            else {
                continue;
            };
            let path = format!("{channel}.{name}.access");
            let access = serde_path_to_error::deserialize(access).map_err(|error| {
                let inside = error.path().to_string();
                let path = if inside == "." { path.clone() } else { format!("{path}.{inside}") };
                (path, error.inner().message().to_owned())
            })?;
            // Whoever has no name for an account hears of it below.
            if let Ok(name) = name.parse() {
                all.insert((channel, name), access);
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
