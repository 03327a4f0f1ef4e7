//! The fields we read, by Meta's names. Everything may be missing or of another type
//! (<https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/payload-examples>).

#![allow(clippy::struct_field_names, reason = "the names are Meta's")]

use serde::Deserialize;
use serde_json::value::RawValue;
use zaki_channel::{lenient, payload};

/// The items of a JSON list with their own bytes; `None` for anything else.
pub(super) type Items<'a> = Option<Vec<&'a RawValue>>;

pub(super) fn items(list: &RawValue) -> Items<'_> {
    serde_json::from_str(list.get()).ok()
}

#[derive(Deserialize)]
pub(super) struct Root<'a> {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) object: String,
    #[serde(borrow)]
    pub(super) entry: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Entry<'a> {
    /// The WhatsApp Business account.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) id: String,
    #[serde(borrow)]
    pub(super) changes: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Change<'a> {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) field: String,
    #[serde(borrow)]
    pub(super) value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Value<'a> {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) metadata: Metadata,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) contacts: Vec<Contact>,
    #[serde(borrow)]
    pub(super) messages: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) statuses: Option<&'a RawValue>,
}

payload! {
    /// Which of our numbers.
    struct Metadata {
        display_phone_number: String,
        phone_number_id: String,
    }

    /// Somebody who wrote.
    struct Contact {
        profile: Profile,
        wa_id: String,
        /// Business-scoped.
        user_id: String,
    }

    struct Profile {
        name: String,
        username: String,
    }

    struct Message {
        id: String,
        from: String,
        /// Business-scoped.
        from_user_id: String,
        group_id: String,
        timestamp: serde_json::Value,
        #[serde(rename = "type")]
        kind: String,
        context: Context,
        text: Text,
        image: Option<Media>,
        video: Option<Media>,
        audio: Option<Media>,
        document: Option<Media>,
        sticker: Option<Media>,
        location: Option<Location>,
        contacts: Vec<Card>,
        reaction: Reaction,
        interactive: Interactive,
        button: Button,
        order: Text,
        system: System,
        unsupported: Kind,
        edit: Revision,
        revoke: Revision,
    }

    /// What a message answers.
    struct Context {
        id: String,
        from: String,
    }

    struct Text {
        body: String,
        /// Beside an order.
        text: String,
    }

    struct Media {
        id: String,
        caption: String,
        filename: String,
        mime_type: String,
        voice: bool,
    }

    struct Location {
        latitude: Option<f64>,
        longitude: Option<f64>,
        name: String,
        address: String,
    }

    struct Card {
        name: Name,
        phones: Vec<Phone>,
    }

    struct Name {
        formatted_name: String,
        first_name: String,
    }

    struct Phone {
        phone: String,
        wa_id: String,
    }

    /// An absent emoji takes the reaction back.
    struct Reaction {
        message_id: String,
        emoji: String,
    }

    struct Interactive {
        #[serde(rename = "type")]
        kind: String,
        button_reply: Choice,
        list_reply: Choice,
        nfm_reply: Form,
    }

    struct Choice {
        id: String,
        title: String,
    }

    /// A filled-in form ("flow").
    struct Form {
        response_json: String,
    }

    /// A quick reply of a template.
    struct Button {
        payload: String,
        text: String,
    }

    /// A changed number or id.
    struct System {
        body: String,
        #[serde(rename = "type")]
        kind: String,
        wa_id: String,
        user_id: String,
    }

    struct Kind {
        #[serde(rename = "type")]
        kind: String,
    }

    /// An edit or a revocation of an earlier message.
    struct Revision {
        original_message_id: String,
        message: Option<Box<Message>>,
    }

    struct Status {
        id: String,
        status: String,
        timestamp: serde_json::Value,
        recipient_id: String,
        /// Business-scoped.
        recipient_user_id: String,
        recipient_type: String,
        recipient_participant_id: String,
        recipient_participant_user_id: String,
        /// What we sent along: the delivery's id.
        biz_opaque_callback_data: String,
        /// Why it failed.
        errors: Vec<StatusError>,
    }

    struct StatusError {
        code: serde_json::Value,
        title: String,
        message: String,
    }
}
