//! Who is let in, by direct messages.

use zaki_envelope::ChannelKind::{Slack, Telegram};
use zaki_envelope::Inbound;
use zaki_identity::{
    Access, Actor, Allow, BindingKey, Confirmed, LinkCode, NewInvite, PeopleFilter, Policy,
    Redeemed, Refusal, Resolution, SignUp, Unlinked,
};

use super::town::{Town, direct, now, options, sender};

const HOUR_MS: i64 = 60 * 60 * 1000;

fn to(account: &str, inbound: &Inbound) -> Inbound {
    Inbound { account: account.parse().unwrap(), ..inbound.clone() }
}

fn reason(resolution: Resolution) -> Option<Refusal> {
    if let Resolution::Refused { reason, .. } = resolution { Some(reason) } else { None }
}

fn only(id: &str) -> Policy {
    let allow = Allow { ids: [id.to_owned()].into(), ..Allow::default() };
    Policy { sign_up: SignUp::Allowlist, allow }
}

pub(super) async fn every_account_has_its_own_say(town: Town) {
    let accounts =
        [("invite", SignUp::Invite.into()), ("list", only("7")), ("closed", SignUp::Closed.into())];
    let access = accounts.into_iter().fold(Access::new(SignUp::Open), |access, (name, policy)| {
        access.with(Telegram, name.parse().unwrap(), policy)
    });
    let directory = town.open_as(options(access)).await;
    let ask = async |inbound: &Inbound| directory.resolve(inbound, now()).await.unwrap();
    let (ann, listed) = (direct(Telegram, &sender("ann")), direct(Telegram, &sender("7")));

    assert_eq!(reason(ask(&to("invite", &ann)).await), Some(Refusal::InviteWanted));
    assert_eq!(reason(ask(&to("list", &ann)).await), Some(Refusal::NotListed));
    assert_eq!(reason(ask(&to("closed", &ann)).await), Some(Refusal::Closed));
    assert_eq!(reason(ask(&to("closed", &listed)).await), Some(Refusal::Closed));
    assert!(directory.people(PeopleFilter::default()).await.unwrap().is_empty(), "nobody yet");
    assert!(ask(&to("list", &listed)).await.user().is_some());

    // Let in on one account, and on that one alone.
    let user = ask(&ann).await.user().unwrap();
    assert_eq!(ask(&ann).await.user(), Some(user));
    assert_eq!(reason(ask(&to("invite", &ann)).await), Some(Refusal::InviteWanted));
    assert!(!directory.verify(user, &to("closed", &ann)).await.unwrap());
    assert!(directory.verify(user, &ann).await.unwrap());
    assert_eq!(ask(&to("another", &ann)).await.user(), Some(user), "as open as the first");

    // An operator lets in on all of them.
    town.link(user, Telegram, &sender("ann")).await;
    for account in ["invite", "list", "closed"] {
        assert_eq!(ask(&to(account, &ann)).await.user(), Some(user), "{account}");
    }
    let slack = Inbound { channel: Slack, ..to("main", &ann) };
    assert_ne!(ask(&slack).await.user(), Some(user), "the same text on another channel");
}

pub(super) async fn the_line_is_said_once_a_day(town: Town) {
    let ask = async |inbound: &Inbound, hours: i64| {
        let then = now().plus_ms(hours * HOUR_MS);
        match town.directory.resolve(inbound, then).await.unwrap() {
            Resolution::Refused { reason: Refusal::Closed, tell } => tell,
            other => panic!("{other:?}"),
        }
    };
    let (ann, bob) = (direct(Telegram, &sender("ann")), direct(Telegram, &sender("bob")));
    assert!(ask(&ann, 0).await);
    assert!(!ask(&ann, 0).await && !ask(&ann, 23).await);
    assert!(ask(&bob, 23).await, "another one");
    assert!(ask(&to("other", &ann), 23).await, "another account");
    assert!(ask(&ann, 24).await, "another day");
    assert!(!ask(&ann, 25).await && !ask(&bob, 25).await);
    assert_eq!(town.entries().await, [], "nothing else is kept of strangers");
}

pub(super) async fn many_messages_at_once_are_told_once(town: Town) {
    let other = town.open(SignUp::Closed).await;
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let directory = if n % 2 == 0 { &town.directory } else { &other }.clone();
            let inbound = direct(Telegram, &sender("ann"));
            tokio::spawn(async move { directory.resolve(&inbound, now()).await.unwrap() })
        })
        .collect();
    let mut told = 0;
    for task in tasks {
        told += usize::from(matches!(task.await.unwrap(), Resolution::Refused { tell: true, .. }));
    }
    assert_eq!(told, 1);
}

pub(super) async fn whoever_is_taken_off_the_list_is_out(town: Town) {
    let ann = direct(Telegram, &sender("7"));
    let listed = town.open_as(options(Access::new(only("7")))).await;
    let user = listed.resolve(&ann, now()).await.unwrap().user().unwrap();
    assert!(listed.verify(user, &ann).await.unwrap());
    assert_eq!(listed.resolve(&ann, now()).await.unwrap().user(), Some(user));

    assert!(!town.directory.verify(user, &ann).await.unwrap());
    assert_eq!(reason(town.hear(&ann).await), Some(Refusal::NotListed));
    assert_eq!(listed.resolve(&ann, now()).await.unwrap().user(), Some(user), "and back again");
}

pub(super) async fn an_invitation_is_no_place_on_the_list(town: Town) {
    let (ann, code) = (direct(Telegram, &sender("ann")), invitation(&town).await);
    let redeemed = town.directory.redeem(&ann, &code, now()).await.unwrap();
    assert_eq!(redeemed, Redeemed::Refused);
    assert_eq!(reason(town.hear(&ann).await), Some(Refusal::NotListed));
    for policy in [SignUp::Invite, SignUp::Pairing] {
        let stranger = direct(Telegram, &sender(policy.as_str()));
        let code = if policy == SignUp::Invite { code.clone() } else { invitation(&town).await };
        let elsewhere = town.open(policy).await;
        let redeemed = elsewhere.redeem(&stranger, &code, now()).await.unwrap();
        assert!(matches!(redeemed, Redeemed::Invited { .. }), "{policy}: it was not used up");
    }
}

async fn invitation(town: &Town) -> LinkCode {
    let new = NewInvite { uses: 1, expires_at: None, tier: None, note: None };
    town.directory.invite(new, Actor::Operator, now()).await.unwrap().code
}

/// What is remembered of others stays so: no answer of theirs waits for the store.
pub(super) async fn who_guesses_slows_nobody_down(town: Town) {
    let user = town.user(Telegram, &sender("ann")).await;
    let eve = town.user(Telegram, &sender("eve")).await;
    let (wrong, inbound) = (LinkCode::typed("2222-2222"), direct(Telegram, &sender("eve")));
    let refused = town.directory.redeem(&inbound, &wrong, now()).await.unwrap();
    assert_eq!(refused, Redeemed::Refused);
    let erased = town.directory.confirm_erase(eve, &wrong, None, now()).await.unwrap();
    assert_eq!(erased, None);
    assert_eq!(town.directory.confirm(eve, now()).await.unwrap(), Confirmed::Nothing);
    let anns = BindingKey::of(Telegram, &sender("ann"));
    let by = Actor::Person(eve);
    let taken = town.directory.unlink(eve, anns.clone(), by, now()).await.unwrap();
    assert_eq!(taken, Unlinked::NotTheirs);
    assert!(town.directory.unlink(user, anns, by, now()).await.is_err());
    assert!(town.directory.approve(&wrong, by, now()).await.is_err());
    town.directory.close().await;
    assert_eq!(town.user(Telegram, &sender("ann")).await, user);
}

pub(super) async fn what_is_remembered_needs_no_store(town: Town) {
    let user = town.user(Telegram, &sender("ann")).await;
    town.directory.close().await;
    assert_eq!(town.user(Telegram, &sender("ann")).await, user);
    let stranger = direct(Telegram, &sender("bob"));
    let error = town.directory.resolve(&stranger, now()).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
}

pub(super) async fn blocked_people_are_served_nowhere(town: Town) {
    let (ann, group) = (direct(Telegram, &sender("ann")), super::town::in_group);
    let group = group(Telegram, &sender("ann"), "-1");
    let user = town.hear(&ann).await.user().unwrap();
    assert_eq!(town.hear(&group).await.user(), Some(user));
    let console = town.open(SignUp::Open).await;
    assert!(console.block(user, Actor::Operator, now()).await.unwrap());
    assert!(!console.block(user, Actor::Operator, now()).await.unwrap(), "already");

    assert!(!town.directory.verify(user, &ann).await.unwrap(), "at once");
    assert!(!town.directory.verify(user, &group).await.unwrap());
    let silent = Resolution::Refused { reason: Refusal::Blocked, tell: false };
    assert_eq!((town.hear(&ann).await, town.hear(&group).await), (silent.clone(), silent));
    assert!(town.directory.person(user).await.unwrap().unwrap().blocked_at.is_some());

    assert!(console.unblock(user, Actor::Operator, now()).await.unwrap());
    assert_eq!(town.hear(&ann).await.user(), Some(user));
    assert_eq!(town.acts().await[1..], ["blocked", "unblocked"]);
}
