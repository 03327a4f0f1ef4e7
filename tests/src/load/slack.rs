//! Slack's events in their own shape. Slack paces what a bot says per channel and not as a whole, so
//! it is the platform on which many people can be answered at once.

use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::Value;
use zaki_simulators::signature;

use super::whatsapp::now;

/// An app in a workspace, and the secret that its events are signed with.
#[derive(Clone, Debug)]
pub struct App {
    /// The workspace.
    pub team: &'static str,
    /// The app.
    pub app: &'static str,
    /// The user it speaks as.
    pub bot: &'static str,
    /// Signs every event.
    pub signing_secret: &'static str,
}

impl App {
    /// An app that exists nowhere.
    pub const BENCH: Self = Self {
        team: "T0BENCH01",
        app: "A0BENCH01",
        bot: "U0BENCHBOT",
        signing_secret: "8f742231b10e8888abcd99yyyzzz85a5",
    };

    /// The id of person `who`.
    pub fn user(who: u32) -> String {
        format!("U{who:010}")
    }

    /// The id of a private channel with the bot.
    pub fn channel(number: u32) -> String {
        format!("D{number:010}")
    }

    /// A private message as the Events API posts it: person `who` in channel `number`. `message`
    /// makes it unique.
    pub fn text(&self, who: u32, number: u32, message: u64, text: &str) -> String {
        let (channel, at, micros) =
            (Self::channel(number), now() + message / 1_000_000, message % 1_000_000);
        let Self { team, app, bot, .. } = self;
        format!(
            "{{\"token\":\"one-long-verification-token\",\"team_id\":\"{team}\",\
             \"context_team_id\":\"{team}\",\"context_enterprise_id\":null,\
             \"api_app_id\":\"{app}\",\"event\":{{\"user\":\"U{who:010}\",\"type\":\"message\",\
             \"ts\":\"{at}.{micros:06}\",\
             \"client_msg_id\":\"28910071-b2f2-4a6d-9a54-{message:012x}\",\
             \"text\":\"{text}\",\"team\":\"{team}\",\"blocks\":[{{\"type\":\"rich_text\",\
             \"block_id\":\"q9dGm\",\"elements\":[{{\"type\":\"rich_text_section\",\
             \"elements\":[{{\"type\":\"text\",\"text\":\"{text}\"}}]}}]}}],\
             \"channel\":\"{channel}\",\"event_ts\":\"{at}.{micros:06}\",\
             \"channel_type\":\"im\"}},\"type\":\"event_callback\",\
             \"event_id\":\"Ev{message:010}\",\"event_time\":{at},\
             \"authorizations\":[{{\"enterprise_id\":null,\"team_id\":\"{team}\",\
             \"user_id\":\"{bot}\",\"is_bot\":true,\"is_enterprise_install\":false}}],\
             \"is_ext_shared_channel\":false,\"event_context\":\"4-eyJldCI6Im1lc3NhZ2UifQ\"}}"
        )
    }

    /// The signed request that carries `body`, as bytes for a socket.
    pub fn request(&self, host: SocketAddr, path: &str, body: &str) -> Vec<u8> {
        let at = now();
        let signature = signature::slack(self.signing_secret, at, body.as_bytes());
        let mut request = String::with_capacity(400 + body.len());
        let _ = write!(
            request,
            "POST {path} HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\n\
             user-agent: Slackbot 1.0 (+https://api.slack.com/robots)\r\n\
             content-type: application/json\r\nx-slack-request-timestamp: {at}\r\n\
             x-slack-signature: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        request.into_bytes()
    }

    /// The answer to a call of the Web API, and the number of the channel a message in it is for.
    pub fn answer(call: &[u8], number: u64) -> (Option<u32>, String) {
        let call: Value = serde_json::from_slice(call).unwrap_or_default();
        let (Some(channel), Some(_)) = (call["channel"].as_str(), call["text"].as_str()) else {
            return (None, "{\"ok\":true}".to_owned());
        };
        let ts = format!("{}.{:06}", now(), number % 1_000_000);
        let answer = format!(
            "{{\"ok\":true,\"channel\":\"{channel}\",\"ts\":\"{ts}\",\"message\":\
             {{\"type\":\"message\",\"subtype\":\"bot_message\",\"ts\":\"{ts}\"}}}}"
        );
        (channel.strip_prefix('D').and_then(|number| number.parse().ok()), answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_json_and_a_reply_finds_its_channel() {
        let body: Value = serde_json::from_str(&App::BENCH.text(3, 7, 1_000_001, "hello")).unwrap();
        let channel = &body["event"]["channel"];
        let call = serde_json::json!({"channel": channel, "text": "echo"}).to_string();
        let (number, answer) = App::answer(call.as_bytes(), 3);
        assert_eq!(number, Some(7));
        assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["ok"], true);
        assert_eq!(App::answer(b"{\"channel_id\":\"D1\"}", 3).0, None, "a sign of typing");
    }
}
