//! The gateway session we can go back to, and the ways in which Discord ends one for good.

use serde::{Deserialize, Serialize};
use twilight_gateway::Session;
use url::Url;

/// Where the gateway goes on after a restart: a session, how far we have come in it, and where
/// Discord wants it resumed. Stored as JSON with every event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    session_id: String,
    seq: u64,
    resume_url: String,
    /// READY tells who we are; a resume does not.
    pub(crate) bot_id: String,
}

impl Cursor {
    pub(crate) fn new(session: &Session, resume_url: &str, bot_id: &str) -> Self {
        Self {
            session_id: session.id().to_owned(),
            seq: session.sequence(),
            resume_url: resume_url.to_owned(),
            bot_id: bot_id.to_owned(),
        }
    }

    /// Reads a stored one; what cannot be read or used is as good as none.
    pub(crate) fn read(stored: &str) -> Option<Self> {
        serde_json::from_str::<Self>(stored).ok().filter(|cursor| is_gateway(&cursor.resume_url))
    }

    pub(crate) fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(crate) fn session(&self) -> Session {
        Session::new(self.seq, self.session_id.clone())
    }

    pub(crate) fn resume_url(&self) -> &str {
        &self.resume_url
    }
}

/// twilight panics over a URL that is none.
pub(crate) fn is_gateway(url: &str) -> bool {
    let url = Url::parse(url);
    url.is_ok_and(|url| matches!(url.scheme(), "ws" | "wss") && url.has_host())
}

/// What a close code means that no reconnecting mends, and what does.
/// <https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes>
pub(crate) fn fatal(code: u16) -> Option<&'static str> {
    Some(match code {
        4004 => {
            "the bot token is not valid; reset it in the developer portal, page Bot, and configure \
             the new one"
        }
        4010 | 4011 => {
            "the bot is in too many servers for one connection (more than 2500 need sharding, \
             which is not built)"
        }
        4012 => "Discord has closed API version 10 to this program; update it",
        4013 => "Discord does not know the intents asked for; update this program",
        4014 => {
            "the bot may not read message contents; switch on \"Message Content Intent\" in the \
             developer portal, page Bot, or set message_content = false"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_round_trip() {
        let cursor = Cursor::new(&Session::new(7, "abc".into()), "wss://g.discord.gg", "42");
        assert_eq!(Cursor::read(&cursor.write()), Some(cursor.clone()));
        assert_eq!(cursor.session(), Session::new(7, "abc".into()));
    }

    #[test]
    fn what_cannot_be_resumed_is_none() {
        for stored in ["", "7", "{}", r#"{"session_id":"a","seq":1,"resume_url":"","bot_id":"1"}"#]
        {
            assert_eq!(Cursor::read(stored), None, "{stored:?}");
        }
        for url in ["", "wss://", "https://x", "no url", "wss:/"] {
            assert!(!is_gateway(url), "{url:?}");
        }
        assert!(is_gateway("ws://127.0.0.1:9/resume"));
    }
}
