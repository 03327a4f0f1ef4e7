//! People on the web: what the edge asks of the hub.
//!
//! Whoever serves people's browsers checks their tokens at the edge; who they are is for the hub to
//! say, which keeps the directory. `POST /edge/resolve` with a [`ResolveRequest`] is answered by a
//! [`Resolved`], `POST /edge/link` with a [`LinkRequest`] by a [`Linked`]. Both are signed like all
//! calls between hub and edge ([`signature`](crate::signature)), over the raw body.
//!
//! 400: not such a body. 401: not signed so that it proves anything. 409: a call with this
//! [`CallId`] has been made before. 413: longer than [`LONGEST`]. 503 with `Retry-After`: not now.
//!
//! `resolve` may be made again and does nothing twice. `link` is good once: its answer may hold a
//! code, which whoever replays a call must not get. After an unknown outcome it is made anew, with
//! another id.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{CallId, ChannelKind, IdError, Timestamp, ZakiUserId};

/// The longest body of a call, in bytes.
pub const LONGEST: usize = 16 * 1024;

/// Somebody whose token has been checked. Named like the claims of OpenID Connect (Core 1.0,
/// section 5.1).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebIdentity {
    /// `iss`, to the letter. With the subject it names one person; nothing else here is identity.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `email`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `email_verified`: the issuer vouches for the address. One that is not says nothing.
    #[serde(default)]
    pub email_verified: bool,
    /// `name`, for people to see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `locale`: an IETF tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

impl WebIdentity {
    /// Somebody of whom nothing but this is known.
    pub fn new(issuer: impl Into<String>, subject: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            subject: subject.into(),
            email: None,
            email_verified: false,
            name: None,
            locale: None,
        }
    }

    /// Whether every part of it can be what it is called.
    pub fn check(&self) -> Result<(), IdError> {
        let is_text = |text: &str| !text.is_empty() && !text.contains(char::is_control);
        if self.issuer.len() > 512 || !is_text(&self.issuer) {
            return Err(IdError { kind: "issuer", rule: "1 to 512 bytes of text" });
        }
        if self.subject.len() > 255 || !is_text(&self.subject) {
            return Err(IdError { kind: "subject", rule: "1 to 255 bytes of text" });
        }
        let further = [&self.email, &self.name, &self.locale].into_iter().flatten();
        if further.clone().any(|text| text.len() > 512 || text.contains(char::is_control)) {
            return Err(IdError { kind: "claim", rule: "at most 512 bytes of text" });
        }
        Ok(())
    }

    /// The address, if the issuer vouches for it and it is but one.
    pub fn verified_email(&self) -> Option<&str> {
        let address = self.email.as_deref().filter(|_| self.email_verified)?;
        let (user, domain) = address.split_once('@')?;
        let fits = |text: &str, more: &str| {
            let sign = |c: char| c.is_alphanumeric() || more.contains(c);
            !text.is_empty() && text.chars().all(sign)
        };
        // No quotes, spaces, commas or second `@`: nobody reads another domain out of it than we do.
        (fits(user, ".!#$%&'*+/=?^_`{|}~-") && fits(domain, ".-")).then_some(address)
    }
}

/// Nobody's name stands in a log.
impl fmt::Debug for WebIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebIdentity(..)")
    }
}

/// `POST /edge/resolve`: who is this, and are they served? A stranger signs up by it, where the
/// policy of the web lets them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolveRequest {
    /// Who has signed in.
    pub who: WebIdentity,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Resolved {
    /// They are served.
    Known {
        /// Who they are.
        user: ZakiUserId,
        /// They have signed up by this.
        created: bool,
        /// The language the hub speaks to them: an IETF tag.
        lang: String,
    },
    /// They are not.
    Refused(Refused),
}

/// Why somebody is not served, and what is said to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// For programs.
    pub reason: WebRefusal,
    /// For them, in their language; empty where they are to hear nothing. It may hold the code by
    /// which they are let in: it is theirs, and nobody else's.
    pub says: Hidden,
}

/// Why somebody is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebRefusal {
    /// Nobody is let in whom their issuer names.
    Issuer,
    /// Nobody new is let in.
    Closed,
    /// They are not on the list, nor is the domain of their address.
    NotListed,
    /// They need an invitation, which they redeem by `POST /edge/link`.
    InviteWanted,
    /// Somebody must let them in, by the code in `says`.
    PairingWanted,
    /// An operator wants it so.
    Blocked,
    /// So reads what a newer hub says.
    #[serde(other)]
    Other,
}

/// `POST /edge/link`: one person on the web and in chats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRequest {
    /// Which call: fresh for every one.
    pub call: CallId,
    /// Who has signed in.
    pub who: WebIdentity,
    /// What they want.
    pub want: Want,
}

/// What somebody wants who is signed in on the web.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Want {
    /// A code, to be typed in a chat.
    Offer,
    /// To use a code that was made in a chat, or an invitation.
    Redeem {
        /// As they typed it.
        code: Hidden,
    },
    /// Yes to [`Linked::Confirm`].
    Confirm {
        /// Which question.
        question: String,
    },
    /// No to it.
    Decline {
        /// Which question.
        question: String,
    },
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Linked {
    /// A code that makes whoever types it in a chat the same person: one use, some minutes.
    Offered {
        /// As people are shown it.
        code: Hidden,
        /// From then on it is void.
        expires_at: Timestamp,
        /// How it gets to one bot on every chat platform there is.
        ways: Vec<Way>,
    },
    /// The code was good: they are this person from now on, on the web too.
    Joined {
        /// Who.
        user: ZakiUserId,
    },
    /// They are that person already.
    Already {
        /// Who.
        user: ZakiUserId,
    },
    /// The code was an invitation, and they are let in.
    Invited {
        /// Who they are.
        user: ZakiUserId,
    },
    /// They and whoever made the code are two people, who become one when both say yes.
    Confirm {
        /// To be repeated with the answer.
        question: String,
        /// Whether it is them whose assistant stays.
        stays: bool,
        /// When it is asked no more.
        until: Timestamp,
    },
    /// Their yes is noted; the other one has not answered.
    Waiting,
    /// Both have said yes.
    Merged {
        /// Who they are.
        user: ZakiUserId,
        /// Whether it is their assistant that stays.
        stays: bool,
        /// Until then it can be undone.
        restorable_until: Timestamp,
    },
    /// Their no is noted.
    Declined,
    /// They are not asked this, or no more.
    Nothing,
    /// The code does not work; which of the reasons there are is not told.
    Wrong,
    /// They have tried too many codes, or asked for too many.
    TooMany {
        /// When to come again.
        until: Timestamp,
    },
    /// They are not served at all.
    Refused(Refused),
}

/// How a code gets to a bot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// Its platform.
    pub channel: ChannelKind,
    /// What is written to it, letter by letter.
    pub text: Hidden,
    /// Opens the conversation with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Hidden>,
    /// Whether `url` brings the text along.
    pub prefilled: bool,
}

/// A text that nothing prints: it holds a code.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

impl Hidden {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// For the eyes of the one it is for.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> WebIdentity {
        WebIdentity {
            email: Some("ada@example.org".into()),
            email_verified: true,
            name: Some("Ada Lovelace".into()),
            ..WebIdentity::new("https://id.example.org", "248289761001")
        }
    }

    #[test]
    fn nothing_prints_who_somebody_is_nor_a_code() {
        let call = CallId::from_parts(Timestamp::from_ms(1), 1);
        let code = || Hidden::new("ABCD-2345");
        let way = Way {
            channel: ChannelKind::Telegram,
            text: code(),
            url: Some(code()),
            prefilled: true,
        };
        let expires_at = Timestamp::from_ms(1);
        let refused = Refused { reason: WebRefusal::PairingWanted, says: code() };
        let printed = format!(
            "{:?} {:?} {:?} {:?}",
            ResolveRequest { who: ada() },
            LinkRequest { call, who: ada(), want: Want::Redeem { code: code() } },
            Linked::Offered { code: code(), expires_at, ways: vec![way] },
            Resolved::Refused(refused),
        );
        for part in ["2345", "example", "Ada", "24828"] {
            assert!(!printed.contains(part), "{part} in {printed}");
        }
    }

    #[test]
    fn an_address_counts_only_when_it_is_verified_and_one() {
        assert_eq!(ada().verified_email(), Some("ada@example.org"));
        assert_eq!(WebIdentity { email_verified: false, ..ada() }.verified_email(), None);
        assert_eq!(WebIdentity { email: None, ..ada() }.verified_email(), None);
        for address in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "eve@evil.org,ada@example.org",
            "eve@evil.org@example.org",
            "\"eve@evil.org\"@example.org",
            "eve@evil.org ada@example.org",
            "ada@example.org>",
            "<ada@example.org",
        ] {
            let who = WebIdentity { email: Some(address.into()), ..ada() };
            assert_eq!(who.verified_email(), None, "{address}");
        }
    }

    #[test]
    fn an_unverified_address_is_what_is_said_when_nothing_is_said() {
        let json = r#"{"issuer":"i","subject":"s","email":"ada@example.org"}"#;
        let who: WebIdentity = serde_json::from_str(json).unwrap();
        assert_eq!(who.verified_email(), None);
    }

    #[test]
    fn claims_have_bounds() {
        assert_eq!(ada().check(), Ok(()));
        let long = "x".repeat(600);
        for who in [
            WebIdentity::new("", "s"),
            WebIdentity::new("i", ""),
            WebIdentity::new("i\n", "s"),
            WebIdentity::new("i", "s\0"),
            WebIdentity::new(&long, "s"),
            WebIdentity::new("i", &long),
            WebIdentity { name: Some(long.clone()), ..ada() },
            WebIdentity { email: Some("a\r\nb".into()), ..ada() },
            WebIdentity { locale: Some(long), ..ada() },
        ] {
            assert!(who.check().is_err());
        }
    }

    #[test]
    fn what_a_newer_hub_says_is_read() {
        let json = r#"{"type":"refused","reason":"of_a_newer_release","says":""}"#;
        let Resolved::Refused(refused) = serde_json::from_str(json).unwrap() else { panic!() };
        assert_eq!(refused.reason, WebRefusal::Other);
        let want = serde_json::to_string(&Want::Redeem { code: Hidden::new("x") }).unwrap();
        assert_eq!(want, r#"{"type":"redeem","code":"x"}"#);
    }
}
