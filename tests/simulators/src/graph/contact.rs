//! A person on WhatsApp: a phone number, a business-scoped id, or both.

use serde_json::{Value, json};

/// A person. At least one of the two ids is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The phone number's digits; may be missing since usernames came.
    pub wa_id: Option<String>,
    /// The business-scoped id, `CC.` and up to 128 alphanumerics.
    pub user_id: Option<String>,
    /// The profile's name; never an identity.
    pub name: String,
}

impl Contact {
    /// Somebody known by number and by business-scoped id, as is usual since 2026.
    pub fn new(wa_id: &str, user_id: &str, name: &str) -> Self {
        Self { user_id: Some(user_id.to_owned()), ..Self::by_number(wa_id, name) }
    }

    /// Somebody known by number only, as before 2026.
    pub fn by_number(wa_id: &str, name: &str) -> Self {
        Self { wa_id: Some(wa_id.to_owned()), user_id: None, name: name.to_owned() }
    }

    /// Somebody with a username, whose number is not told.
    pub fn by_user_id(user_id: &str, name: &str) -> Self {
        Self { wa_id: None, user_id: Some(user_id.to_owned()), name: name.to_owned() }
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &String> {
        self.wa_id.iter().chain(&self.user_id)
    }

    /// The entry in `contacts[]`.
    pub(super) fn to_json(&self) -> Value {
        let mut contact = json!({"profile": {"name": self.name}});
        if let Some(wa_id) = &self.wa_id {
            contact["wa_id"] = json!(wa_id);
        }
        if let Some(user_id) = &self.user_id {
            contact["user_id"] = json!(user_id);
        }
        contact
    }
}
