use zaki_envelope::ChannelKind::{Discord, Slack, Telegram, Web, WhatsApp};
use zaki_envelope::{
    ConversationId, ConversationKind, SenderId, SenderScope, SpaceId, Timestamp, ZakiUserId,
};

use super::*;
use crate::groups::{Changers, GroupKey, GroupRules};

const ALL: [SignUp; 5] =
    [SignUp::Open, SignUp::Invite, SignUp::Allowlist, SignUp::Pairing, SignUp::Closed];

const REFUSED: Standing =
    Standing { blocked: true, here: true, anywhere: true, listed: true, owns: true };
const HERE: Standing =
    Standing { blocked: false, here: true, anywhere: true, listed: false, owns: false };
const ELSEWHERE: Standing =
    Standing { blocked: false, here: false, anywhere: true, listed: true, owns: true };

fn served(grant: bool) -> Ruling {
    Ruling::Serve { grant }
}

#[test]
fn whoever_was_let_in_is_served_under_every_policy() {
    for sign_up in ALL {
        for admitted in [false, true] {
            assert_eq!(direct(&sign_up.into(), admitted, Some(HERE)), served(false));
            let blocked = direct(&sign_up.into(), admitted, Some(REFUSED));
            assert_eq!(blocked, Ruling::Refuse(Refusal::Blocked), "whoever is blocked is not");
        }
    }
}

/// What was granted elsewhere, and in groups, counts for nothing in direct messages here.
#[test]
fn others_are_treated_as_the_policy_says() {
    for who in [None, Some(ELSEWHERE), Some(Standing::default())] {
        let ruling = |sign_up: SignUp, admitted| direct(&sign_up.into(), admitted, who);
        assert_eq!(ruling(SignUp::Open, false), served(true));
        assert_eq!(ruling(SignUp::Invite, false), Ruling::Refuse(Refusal::InviteWanted));
        assert_eq!(ruling(SignUp::Allowlist, false), Ruling::Refuse(Refusal::NotListed));
        assert_eq!(ruling(SignUp::Pairing, false), Ruling::Pair);
        assert_eq!(ruling(SignUp::Closed, false), Ruling::Refuse(Refusal::Closed));
        for sign_up in [SignUp::Invite, SignUp::Allowlist, SignUp::Pairing] {
            assert_eq!(ruling(sign_up, true), served(false), "for as long as they are listed");
        }
        assert_eq!(ruling(SignUp::Closed, true), Ruling::Refuse(Refusal::Closed));
    }
}

fn group(mode: GroupMode, who: Who) -> Group {
    let key = GroupKey {
        channel: ChannelKind::Discord,
        scope: SenderScope::new(""),
        conversation: ConversationId::new("1"),
    };
    GroupRules { mode, who, changers: Changers::Owners }.group(key)
}

#[test]
fn a_group_hears_what_its_mode_says() {
    let hears = |mode, addressed| hears(&group(mode, Who::Everyone), addressed);
    for addressed in [false, true] {
        assert_eq!(hears(GroupMode::Off, addressed), Err(Refusal::GroupOff));
        assert_eq!(hears(GroupMode::Always, addressed), Ok(()));
    }
    assert_eq!(hears(GroupMode::Mention, true), Ok(()));
    assert_eq!(hears(GroupMode::Mention, false), Err(Refusal::NotAddressed));
}

#[test]
fn a_group_is_there_for_those_it_names() {
    let rule = |who, standing| shared(&group(GroupMode::Always, who), false, standing);
    let stranger = Some(Standing::default());
    let known = Some(HERE);
    let listed = Some(Standing { listed: true, ..Standing::default() });
    let owner = Some(Standing { owns: true, ..Standing::default() });
    let refused = Ruling::Refuse(Refusal::NotInGroup);
    for (who, expected) in [
        (Who::Everyone, [true, true, true, true, true]),
        (Who::Known, [false, false, true, true, true]),
        (Who::Listed, [false, false, false, true, true]),
    ] {
        let people = [None, stranger, known, listed, owner];
        for (standing, expected) in people.into_iter().zip(expected) {
            let expected = if expected { served(false) } else { refused.clone() };
            assert_eq!(rule(who, standing), expected, "{who} {standing:?}");
        }
        assert_eq!(rule(who, Some(REFUSED)), Ruling::Refuse(Refusal::Blocked));
        let admitted = shared(&group(GroupMode::Always, who), true, None);
        assert_eq!(admitted == served(false), who != Who::Listed, "who is on the list is known");
    }
}

fn words(words: &[&str]) -> HashSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn the_list_names_ids_workspaces_and_guilds() {
    let allow = Allow {
        ids: words(&["7", "T9/U1", "49123"]),
        workspaces: words(&["T1", "E1"]),
        guilds: words(&["G1"]),
        domains: words(&["example.org"]),
    };
    let place = |space: Option<&str>| Conversation {
        space: space.map(SpaceId::new),
        ..Conversation::new(ConversationId::new("1"), ConversationKind::Direct)
    };
    let sender = |scope: &str, id: &str| Sender::new(SenderScope::new(scope), SenderId::new(id));
    let admits = |channel, scope: &str, id: &str, space| {
        allow.admits(channel, &sender(scope, id), &place(space))
    };
    assert!(admits(Telegram, "", "7", None) && !admits(Telegram, "", "8", None));
    assert!(admits(Slack, "T9", "U1", None) && !admits(Slack, "T8", "U1", None));
    assert!(admits(Slack, "T1", "U2", None), "by the team its ids are unique in");
    assert!(admits(Slack, "E2", "U2", Some("T1")), "by the workspace");
    assert!(!admits(Slack, "T2", "U2", Some("G1")), "a guild is no workspace");
    assert!(admits(Discord, "", "8", Some("G1")) && !admits(Discord, "", "8", None));
    assert!(!admits(Discord, "", "8", Some("T1")));
    assert!(!admits(Telegram, "", "8", Some("G1")) && !admits(WhatsApp, "T1", "8", None));
    let aliases = vec![SenderId::new("49123")];
    let alias = Sender { aliases, ..sender("p", "CC.1") };
    assert!(allow.admits(WhatsApp, &alias, &place(None)), "by the number it came with");
    let named = Sender { handle: Some("7".into()), ..sender("", "8") };
    assert!(!allow.admits(Telegram, &named, &place(None)), "names are not identity");
    for sign_up in ALL {
        let policy = Policy { sign_up, allow: allow.clone() };
        let admits = policy.admits(Telegram, &sender("", "7"), &place(None), None);
        assert_eq!(admits, sign_up != SignUp::Closed, "{sign_up}");
        let ann = Some("ann@example.org");
        let admits = policy.admits(Web, &sender("iss", "9"), &place(None), ann);
        assert_eq!(admits, sign_up != SignUp::Closed, "{sign_up}, by an address");
        assert!(!policy.admits(Web, &sender("iss", "9"), &place(None), None));
    }

    assert!(allow.admits_address("ann@Example.org"));
    for other in ["ann@example.org.evil", "example.org", "ann@evil@example.com", ""] {
        assert!(!allow.admits_address(other), "{other}");
    }
}

#[test]
fn every_account_has_its_policy() {
    let main: AccountName = "main".parse().unwrap();
    let other: AccountName = "other".parse().unwrap();
    let access =
        Access::new(SignUp::Closed).with(ChannelKind::Slack, main.clone(), SignUp::Pairing.into());
    assert_eq!(access.of(ChannelKind::Slack, &main).sign_up, SignUp::Pairing);
    assert_eq!(access.of(ChannelKind::Slack, &other).sign_up, SignUp::Closed);
    assert_eq!(access.of(ChannelKind::Discord, &main).sign_up, SignUp::Closed);
}

#[test]
fn blocked_people_and_silent_groups_hear_nothing() {
    let user = ZakiUserId::from_parts(Timestamp::from_ms(1), 1);
    let code = LinkCode::typed(&user.to_string());
    let told = [
        Refusal::Closed,
        Refusal::NotListed,
        Refusal::InviteWanted,
        Refusal::PairingWanted { code },
        Refusal::NotInGroup,
    ];
    assert!(told.iter().all(Refusal::is_told));
    let silent = [Refusal::Denied, Refusal::GroupOff, Refusal::NotAddressed, Refusal::Blocked];
    assert!(!silent.iter().any(Refusal::is_told));
}
