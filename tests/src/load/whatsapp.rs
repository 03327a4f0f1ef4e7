//! WhatsApp's webhook requests in Meta's shape, written by hand: a generator that builds JSON trees
//! would be measured along with the hub.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use zaki_simulators::signature;

/// A business number and the secret that its webhooks are signed with.
#[derive(Clone, Debug)]
pub struct Business {
    /// The WhatsApp Business account.
    pub account: &'static str,
    /// Graph's id of the number.
    pub phone_number_id: &'static str,
    /// Signs every webhook.
    pub app_secret: &'static str,
}

/// Where somebody writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// To the bot alone.
    Direct,
    /// In a group that the bot is in, to the others.
    Group,
}

impl Business {
    /// A number that exists nowhere.
    pub const BENCH: Self = Self {
        account: "102290129340398",
        phone_number_id: "106540352242922",
        app_secret: "f1e2d3c4b5a697887766554433221100",
    };

    /// The phone number of person `who`.
    pub fn number(who: u32) -> String {
        format!("4915{who:09}")
    }

    /// A text message as Meta posts it: one change with one message. `message` makes it unique.
    pub fn text(&self, place: Place, who: u32, message: u64, text: &str) -> String {
        let (from, at) = (Self::number(who), now());
        let group = match place {
            Place::Direct => String::new(),
            Place::Group => format!("\"group_id\":\"Y2FwaV9ncm91cDo{:06}\",", who % 1000),
        };
        let Self { account, phone_number_id, .. } = self;
        format!(
            "{{\"object\":\"whatsapp_business_account\",\"entry\":[{{\"id\":\"{account}\",\
             \"changes\":[{{\"value\":{{\"messaging_product\":\"whatsapp\",\
             \"metadata\":{{\"display_phone_number\":\"15550783881\",\
             \"phone_number_id\":\"{phone_number_id}\"}},\
             \"contacts\":[{{\"profile\":{{\"name\":\"Person {who}\"}},\"wa_id\":\"{from}\"}}],\
             \"messages\":[{{{group}\"from\":\"{from}\",\
             \"id\":\"wamid.HBgLMTY0NjcwNDM1OTUVAgASGBQz{message:016X}\",\
             \"timestamp\":\"{at}\",\"text\":{{\"body\":\"{text}\"}},\"type\":\"text\"}}]}},\
             \"field\":\"messages\"}}]}}]}}"
        )
    }

    /// The signed request that carries `body`, as bytes for a socket.
    pub fn request(&self, host: SocketAddr, path: &str, body: &str) -> Vec<u8> {
        let signature = signature::meta(self.app_secret, body.as_bytes());
        let mut request = String::with_capacity(320 + body.len());
        let _ = write!(
            request,
            "POST {path} HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\n\
             user-agent: facebookexternalua\r\ncontent-type: application/json\r\n\
             x-hub-signature-256: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        request.into_bytes()
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_body_is_json_and_names_who_wrote() {
        for place in [Place::Direct, Place::Group] {
            let body = Business::BENCH.text(place, 7, 1, "hello");
            let body: Value = serde_json::from_str(&body).unwrap();
            let message = &body["entry"][0]["changes"][0]["value"]["messages"][0];
            assert_eq!(message["from"], Business::number(7));
            assert_eq!(message["group_id"].is_string(), place == Place::Group);
        }
    }
}
