//! What goes to the bot's webhook: messages, statuses, the challenge.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use serde_json::{Value, json};

use super::{Contact, Shared, World};
use crate::common::{Post, WebhookRefused, escape_for_meta, lock, signature, unix_seconds};

/// One message from a person.
#[derive(Clone, Debug)]
pub struct Said {
    from: Contact,
    content: Value,
}

impl Said {
    /// A text.
    pub fn text(from: &Contact, text: &str) -> Self {
        Self::any(from, json!({"type": "text", "text": {"body": text}}))
    }

    /// Any message: `content` holds `type` and what belongs to it (`image`, `context`, ...).
    pub fn any(from: &Contact, content: Value) -> Self {
        Self { from: from.clone(), content }
    }

    fn to_json(&self, wamid: &str) -> Value {
        let mut message = json!({"id": wamid, "timestamp": unix_seconds().to_string()});
        if let Some(wa_id) = &self.from.wa_id {
            message["from"] = json!(wa_id);
        }
        if let Some(user_id) = &self.from.user_id {
            message["from_user_id"] = json!(user_id);
        }
        if let (Value::Object(message), Value::Object(content)) = (&mut message, &self.content) {
            message.extend(content.clone());
        }
        message
    }
}

/// GET with `hub.challenge`; the webhook must answer 200 and the challenge itself.
pub(super) async fn verify_webhook(shared: &Shared, url: &str) -> Result<(), WebhookRefused> {
    let challenge = format!("{}", 1_158_201_444 + lock(&shared.world).next());
    let query = [
        ("hub.mode", "subscribe"),
        ("hub.challenge", &challenge),
        ("hub.verify_token", &shared.config.verify_token),
    ];
    let request =
        shared.poster.client().get(url).query(&query).timeout(shared.config.retry.timeout);
    let refused = |why: &reqwest::Error| WebhookRefused(why.to_string());
    let response = request.send().await.map_err(|e| refused(&e))?;
    let status = response.status();
    if !status.is_success() {
        return Err(WebhookRefused(format!("answered {status} to the challenge")));
    }
    if response.text().await.map_err(|e| refused(&e))? != challenge {
        return Err(WebhookRefused("did not answer with the challenge".to_owned()));
    }
    Ok(())
}

/// Opens somebody's window, by whichever id they are written to.
pub(super) fn hear(world: &mut World, contact: &Contact) {
    for id in contact.ids() {
        world.heard.insert(id.clone(), (contact.clone(), unix_seconds()));
    }
}

/// One change with all the messages, contacts without repeats.
pub(super) fn say_all(shared: &Arc<Shared>, said: &[Said]) -> Vec<String> {
    let mut contacts: Vec<Value> = Vec::new();
    let mut messages = Vec::new();
    let mut wamids = Vec::new();
    let mut world = lock(&shared.world);
    for said in said {
        let wamid = wamid(world.next());
        hear(&mut world, &said.from);
        let contact = said.from.to_json();
        if !contacts.contains(&contact) {
            contacts.push(contact);
        }
        messages.push(said.to_json(&wamid));
        wamids.push(wamid);
    }
    drop(world);
    let mut value = envelope(shared);
    value["contacts"] = json!(contacts);
    value["messages"] = json!(messages);
    let keys: Vec<&str> = wamids.iter().map(String::as_str).collect();
    post(shared, &keys, &[("messages", &value)]);
    wamids
}

/// A status of a message sent by the business, with its tracker if it had one.
pub(super) fn post_status(shared: &Arc<Shared>, id: &str, status: &str, error: Option<Value>) {
    let world = lock(&shared.world);
    let Some(outgoing) = world.outgoing.get(id) else {
        return;
    };
    let to = outgoing.to.clone();
    let mut entry = json!({"id": id, "status": status, "timestamp": unix_seconds().to_string()});
    if !outgoing.tracker.is_null() {
        entry["biz_opaque_callback_data"] = outgoing.tracker.clone();
    }
    if let Some(error) = error {
        entry["errors"] = json!([error]);
    }
    let contact = match world.heard.get(&to) {
        Some((contact, _)) => contact.clone(),
        None if to.contains('.') => Contact::by_user_id(&to, ""),
        None => Contact::by_number(&to, ""),
    };
    if let Some(user_id) = &contact.user_id {
        entry["recipient_user_id"] = json!(user_id);
    }
    if let Some(wa_id) = &contact.wa_id {
        entry["recipient_id"] = json!(wa_id);
    }
    let mut value = envelope(shared);
    // Since business-scoped ids came, statuses tell of the contact too.
    value["contacts"] = json!([contact.to_json()]);
    value["statuses"] = json!([entry]);
    let key = format!("{id} {status}");
    drop(world);
    post(shared, &[key.as_str()], &[("messages", &value)]);
}

/// Signs and POSTs the changes, and again as Meta does. Nothing waits for it: there is no order.
pub(super) fn post(shared: &Arc<Shared>, keys: &[&str], changes: &[(&str, &Value)]) {
    let changes: Vec<Value> =
        changes.iter().map(|(field, value)| json!({"value": value, "field": field})).collect();
    let body = escape_for_meta(&json!({
        "object": "whatsapp_business_account",
        "entry": [{"id": shared.config.waba_id, "changes": changes}],
    }));
    let mut world = lock(&shared.world);
    for key in keys {
        world.bodies.insert(key, body.clone());
    }
    drop(world);
    deliver(shared, keys.join(" "), body);
}

pub(super) fn post_again(shared: &Arc<Shared>, wamid: &str) {
    let body = lock(&shared.world).bodies.get(wamid).cloned();
    if let Some(body) = body {
        deliver(shared, wamid.to_owned(), body);
    }
}

fn deliver(shared: &Arc<Shared>, key: String, body: String) {
    let Some(url) = lock(&shared.world).webhook.clone() else {
        return;
    };
    let body = Bytes::from(body);
    let signature = signature::meta(&shared.config.app_secret, &body);
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let make = |_, _: Option<&_>| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert("user-agent", HeaderValue::from_static("facebookexternalua"));
            headers.insert("x-hub-signature-256", HeaderValue::from_str(&signature).ok()?);
            Some(Post { url: url.clone(), headers, body: body.clone() })
        };
        tokio::select! {
            () = shared.stop.cancelled() => {}
            _ = shared.poster.deliver(&key, &shared.config.retry, make) => {}
        }
    });
}

fn envelope(shared: &Shared) -> Value {
    json!({
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": shared.config.display_phone_number,
            "phone_number_id": shared.config.phone_number_id,
        },
    })
}

/// `wamid.` and base64, as Meta's look; unique by its number.
pub(super) fn wamid(number: u64) -> String {
    use base64::Engine as _;
    let raw = format!("HBgLSIMULATED{:012x}{number:08x}", unix_seconds());
    format!("wamid.{}", base64::engine::general_purpose::STANDARD.encode(raw))
}
