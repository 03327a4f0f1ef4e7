//! How ids of people, groups and the spaces they are unique in look on each platform: for what somebody
//! types or configures. What a platform sends is taken as it is.

use crate::{ChannelKind, IdError};

impl ChannelKind {
    /// Whether this platform has people of such an id.
    pub fn check_person(self, id: &str) -> Result<(), IdError> {
        let (fits, rule) = match self {
            Self::Telegram => (is_number(id), "a number, such as 123456789"),
            Self::Discord => (is_snowflake(id), SNOWFLAKE),
            Self::WhatsApp => (
                is_phone_number(id) || is_business_scoped(id),
                "a phone number in digits alone with its country code, or an id such as \
                 US.13491208655302741918",
            ),
            Self::Slack => (is_slack(id, &['U', 'W']), "an id such as U024BE7LH or W024BE7LH"),
            Self::Web => (is_visible(id), "the subject of their tokens, without blanks"),
        };
        said("the id of a person", fits, rule)
    }

    /// Whether this platform has groups of such an id.
    pub fn check_group(self, id: &str) -> Result<(), IdError> {
        let (fits, rule) = match self {
            Self::Telegram => (
                id.strip_prefix('-').is_some_and(is_number),
                "a number below 0, such as -100123456789",
            ),
            Self::Discord => (is_snowflake(id), SNOWFLAKE),
            Self::WhatsApp => (is_visible(id), "an id without blanks"),
            Self::Slack => (is_slack(id, &['C', 'G']), "an id such as C024BE91L or G024BE91L"),
            Self::Web => (false, "on another channel: there are none on the web"),
        };
        said("the id of a group", fits, rule)
    }

    /// Whether ids can be unique in such a space of this platform. None at all: everywhere.
    pub fn check_scope(self, scope: &str) -> Result<(), IdError> {
        let (fits, rule) = match self {
            Self::Telegram | Self::Discord => (scope.is_empty(), "left out: there are none"),
            Self::WhatsApp => (is_visible(scope), "the id of a business account or portfolio"),
            Self::Slack => {
                let fits = is_slack(scope, &['T', 'E']);
                (fits, "the id of a team or an enterprise, such as T024BE7LD or E024BE7LD")
            }
            Self::Web => (is_visible(scope), "the issuer of their tokens, without blanks"),
        };
        said("the scope of an id", fits, rule)
    }
}

const SNOWFLAKE: &str = "a number of 15 to 20 digits, such as 80351110224678912";
/// More is no id of any platform.
const LONGEST: usize = 255;

fn said(kind: &'static str, fits: bool, rule: &'static str) -> Result<(), IdError> {
    if fits { Ok(()) } else { Err(IdError { kind, rule }) }
}

/// As platforms write numbers: neither a sign nor a zero before it. Telegram's have 52 bits at most.
fn is_number(id: &str) -> bool {
    let is_written = id.bytes().all(|sign| sign.is_ascii_digit()) && !id.starts_with('0');
    is_written && id.parse::<u64>().is_ok_and(|id| id < 1 << 52)
}

fn is_snowflake(id: &str) -> bool {
    (15..=20).contains(&id.len())
        && id.bytes().all(|sign| sign.is_ascii_digit())
        && id.parse::<u64>().is_ok()
}

/// As of E.164.
fn is_phone_number(id: &str) -> bool {
    (6..=15).contains(&id.len())
        && id.bytes().all(|sign| sign.is_ascii_digit())
        && !id.starts_with('0')
}

/// Whether an id of WhatsApp is business-scoped: `CC.` and up to 128 alphanumerics, or `CC.ENT.…` for a
/// group of portfolios. Else it is a phone number. The one place that tells them apart; neither is
/// ever changed.
pub fn is_business_scoped(id: &str) -> bool {
    let Some((country, rest)) = id.split_once('.') else {
        return false;
    };
    let rest = rest.strip_prefix("ENT.").unwrap_or(rest);
    let is_country = country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase());
    is_country && !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn is_slack(id: &str, kinds: &[char]) -> bool {
    let is_sign = |sign: u8| sign.is_ascii_uppercase() || sign.is_ascii_digit();
    id.starts_with(kinds) && (2..=LONGEST).contains(&id.len()) && id.bytes().all(is_sign)
}

fn is_visible(id: &str) -> bool {
    let hidden = |sign: char| sign.is_whitespace() || sign.is_control();
    (1..=LONGEST).contains(&id.len()) && !id.contains(hidden)
}

#[cfg(test)]
mod tests {
    use ChannelKind::{Discord, Slack, Telegram, Web, WhatsApp};

    use super::*;

    #[test]
    fn people_have_ids_of_their_platform() {
        let rows: [(ChannelKind, &[&str], &[&str]); 5] = [
            (
                Telegram,
                &["1", "7123456789"],
                &["-1", "01", "+1", "ada", "@ada", "9007199254740993"],
            ),
            (Discord, &["80351110224678912"], &["1", "ada", "ada#1", "99999999999999999999"]),
            (
                WhatsApp,
                &["49151000001", "US.13491208655302741918", "US.ENT.118157"],
                &["+49151000001", "0151000001", "49 151", "us.1", "US.", "4915100000100000"],
            ),
            (Slack, &["U024BE7LH", "W1"], &["u024be7lh", "C024BE91L", "U", "<@U024BE7LH>", "@ada"]),
            (Web, &["auth0|5f7c", "ada@example.org"], &["a b", "a\n"]),
        ];
        for (channel, right, wrong) in rows {
            for id in right {
                assert_eq!(channel.check_person(id), Ok(()), "{channel} {id:?}");
            }
            for id in wrong.iter().copied().chain(["", " ", &"1".repeat(256)]) {
                let error = channel.check_person(id).unwrap_err().to_string();
                assert!(
                    error.starts_with("the id of a person must be "),
                    "{channel} {id:?}: {error}"
                );
            }
        }
    }

    #[test]
    fn groups_and_scopes_have_ids_of_their_platform() {
        let rows: [(ChannelKind, &[&str], &[&str]); 5] = [
            (Telegram, &["-1", "-1001234567890"], &["1", "-", "--1", "-01", "@group"]),
            (Discord, &["80351110224678912"], &["-1", "#general"]),
            (WhatsApp, &["Y2FwaV9ncm91cDox"], &["a b"]),
            (Slack, &["C024BE91L", "G1"], &["D024BE91L", "U1", "#general", "C"]),
            (Web, &[], &["1"]),
        ];
        for (channel, right, wrong) in rows {
            for id in right {
                assert_eq!(channel.check_group(id), Ok(()), "{channel} {id:?}");
            }
            for id in wrong.iter().copied().chain([""]) {
                assert!(channel.check_group(id).is_err(), "{channel} {id:?}");
            }
        }
        for (channel, right, wrong) in [
            (Telegram, "", "T1"),
            (Discord, "", "1"),
            (WhatsApp, "102290129340398", ""),
            (Slack, "T0SIMTEAM", "U1"),
            (Slack, "E1", ""),
            (Web, "https://accounts.google.com", ""),
        ] {
            assert_eq!(channel.check_scope(right), Ok(()), "{channel}");
            assert!(channel.check_scope(wrong).is_err(), "{channel}");
        }
    }

    #[test]
    fn numbers_and_business_scoped_ids_are_told_apart() {
        for id in ["US.13491208655302741918", "DE.demo01", "US.ENT.118157"] {
            assert!(is_business_scoped(id), "{id}");
        }
        for id in ["972987654321", "", "US.", "us.1", "USA.1", "US.a b", "1.5"] {
            assert!(!is_business_scoped(id), "{id}");
        }
    }
}
