//! Graph's webhooks -> envelopes. Pure; one POST holds many messages, and each is read alone.

mod message;
mod payload;
mod people;
mod seed;

use serde_json::value::RawValue;
use zaki_channel::{Arrival, Dead, Parse, ParseError, Parsed, Verified};
use zaki_envelope::{AccountName, InboundKind, Timestamp};

use crate::Config;
use payload::{Change, Entry, Items, Root, Value, items};
use seed::{Seed, key_of_bytes};

/// Reads what Meta sends for one business number.
#[derive(Clone, Debug)]
pub struct Reader {
    account: AccountName,
    phone_number_id: String,
    portfolio: Option<String>,
}

impl Reader {
    /// For the number configured as `account`.
    pub fn new(account: AccountName, config: &Config) -> Self {
        Self {
            account,
            phone_number_id: config.phone_number_id.clone(),
            portfolio: config.portfolio.clone(),
        }
    }

    /// For `zaki inspect`: no account, no configuration, any number.
    pub fn inspect() -> Result<Self, zaki_envelope::IdError> {
        Ok(Self { account: "inspect".parse()?, phone_number_id: String::new(), portfolio: None })
    }
}

impl Parse for Reader {
    fn parse(&self, bytes: Verified<'_>, received_at: Timestamp) -> Result<Parsed, ParseError> {
        let root: Root<'_> = serde_json::from_slice(bytes.body()).map_err(|error| {
            refused(format!("JSON broken at line {}, column {}", error.line(), error.column()))
        })?;
        let entries = root.entry.and_then(items);
        let entries = entries.ok_or_else(|| refused("no list of entries"))?;
        if !matches!(root.object.as_str(), "" | "whatsapp_business_account") {
            return Err(refused("about another product"));
        }
        let mut reading = Reading { reader: self, received_at, parsed: Parsed::default() };
        for entry in entries {
            reading.entry(entry);
        }
        Ok(reading.parsed)
    }
}

fn refused(reason: impl Into<String>) -> ParseError {
    ParseError { what: "WhatsApp webhook", reason: reason.into() }
}

struct Reading<'r> {
    reader: &'r Reader,
    received_at: Timestamp,
    parsed: Parsed,
}

impl Reading<'_> {
    fn entry(&mut self, raw: &RawValue) {
        let Ok(entry) = serde_json::from_str::<Entry<'_>>(raw.get()) else {
            return self.dead("an entry that is no object", raw);
        };
        let Some(changes) = entry.changes.and_then(items) else {
            return self.dead("an entry without changes", raw);
        };
        for change in changes {
            self.change(&entry.id, change);
        }
    }

    fn change(&mut self, account_id: &str, raw: &RawValue) {
        let change = serde_json::from_str::<Change<'_>>(raw.get()).ok();
        let read = change.as_ref().and_then(|change| {
            let value = serde_json::from_str::<Value<'_>>(change.value?.get()).ok()?;
            Some((change.field.as_str(), value))
        });
        let Some((field, value)) = read else {
            return self.dead("a change without a value", raw);
        };
        let seed = Seed {
            account: &self.reader.account,
            scope: self.reader.portfolio.as_deref().unwrap_or(account_id),
            place: account_id,
            phone_number_id: &self.reader.phone_number_id,
            received_at: self.received_at,
            metadata: &value.metadata,
            contacts: &value.contacts,
        };
        match field {
            "messages" => self.messages(&seed, &value, raw),
            // What the business itself wrote, on a phone of its own.
            "smb_message_echoes" | "message_echoes" => {}
            _ => self.other(&seed, field, raw),
        }
    }

    fn messages(&mut self, seed: &Seed<'_>, value: &Value<'_>, raw: &RawValue) {
        let lists: [(Option<&RawValue>, Reads); 2] =
            [(value.messages, message::message), (value.statuses, message::status)];
        let mut is_empty = true;
        for (list, read) in lists {
            let Some(list) = list else { continue };
            is_empty = false;
            self.each(items(list), list, |item| read(seed, item));
        }
        if is_empty {
            self.other(seed, "messages", raw);
        }
    }

    fn each(
        &mut self,
        items: Items<'_>,
        list: &RawValue,
        read: impl Fn(&RawValue) -> Result<Option<Arrival>, &'static str>,
    ) {
        let Some(items) = items else {
            return self.dead("messages that are no list", list);
        };
        for item in items {
            match read(item) {
                Ok(arrival) => self.parsed.arrivals.extend(arrival),
                Err(reason) => self.dead(reason, item),
            }
        }
    }

    /// A change that is about no message, kept by the name of its field.
    fn other(&mut self, seed: &Seed<'_>, field: &str, raw: &RawValue) {
        let name = if field.is_empty() { "unknown" } else { field };
        let kind = InboundKind::Other { name: name.to_owned() };
        let inbound = seed.inbound(&key_of_bytes(raw), seed.people().nobody(), kind);
        self.parsed.arrivals.push(inbound.into());
    }

    fn dead(&mut self, reason: &str, raw: &RawValue) {
        self.parsed
            .dead
            .push(Dead { reason: reason.to_owned(), raw: raw.get().as_bytes().to_vec() });
    }
}

/// How an item of a list is read: an arrival, nothing for our own, or why it cannot be read.
type Reads = fn(&Seed<'_>, &RawValue) -> Result<Option<Arrival>, &'static str>;
