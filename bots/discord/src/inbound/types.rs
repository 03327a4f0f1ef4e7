//! The few objects of Discord's we read, as tolerant as can be: a field of another type than
//! expected counts as absent, so that no novelty takes a message with it.
//! Shapes: <https://discord.com/developers/docs/resources/message>.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use zaki_envelope::{Sender, SenderId, SenderScope, Timestamp};

/// Snowflakes count milliseconds from here, above 22 bits of other things.
const DISCORD_EPOCH_MS: i64 = 1_420_070_400_000;

/// A JSON object, read field by field.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Object(Map<String, Value>);

impl Object {
    /// The field, if it is there and of the expected shape.
    pub(super) fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        T::deserialize(self.0.get(name)?).ok()
    }

    /// The objects in a list; what else is in it is left out.
    pub(super) fn list(&self, name: &str) -> Vec<Object> {
        let items: Vec<Value> = self.get(name).unwrap_or_default();
        let objects = items.into_iter().filter_map(|item| serde_json::from_value(item).ok());
        objects.collect()
    }

    /// An id: digits in a string, or a number from a careless sender. Never empty.
    pub(super) fn id(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(id) if !id.is_empty() => Some(id.clone()),
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        }
    }

    /// A text that says something.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).filter(|text: &String| !text.is_empty())
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name).unwrap_or_default()
    }

    /// A user object as a sender; `member` knows their name in the server.
    pub(super) fn sender(&self, member: Option<&Object>) -> Option<Sender> {
        let id = self.id("id")?;
        let nick = member.and_then(|member| member.text("nick"));
        Some(Sender {
            display_name: nick.or_else(|| self.text("global_name")),
            handle: self.text("username"),
            is_bot: self.flag("bot"),
            ..nameless(id)
        })
    }
}

/// A sender known by id alone. Discord's ids are global, so the scope is empty.
pub(super) fn nameless(id: impl Into<String>) -> Sender {
    Sender::new(SenderScope::new(""), SenderId::new(id))
}

/// When a thing was made, which its id tells.
pub(super) fn made_at(snowflake: &str) -> Option<Timestamp> {
    let id: u64 = snowflake.parse().ok()?;
    let ms = i64::try_from(id >> 22).ok()?;
    Some(Timestamp::from_ms(ms.saturating_add(DISCORD_EPOCH_MS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_time() {
        // The documentation's example: 175928847299117063 is of 2016-04-30 11:18:25.796 UTC.
        assert_eq!(made_at("175928847299117063"), Some(Timestamp::from_ms(1_462_015_105_796)));
        assert_eq!(made_at("abc"), None);
    }
}
