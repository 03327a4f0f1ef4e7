//! People who sign in on the web.

use futures::future::join_all;
use zaki_envelope::ChannelKind::{Telegram, Web};
use zaki_envelope::{AccountName, CallId, Sender, SenderId, SenderScope};
use zaki_identity::{
    Access, Actor, Allow, How, Keep, Policy, Refusal, Resolution, SignUp, Visitor,
};

use super::town::{Town, now, options, sender};

const ISSUER: &str = "https://id.example.org";

fn visitor(issuer: &str, subject: &str) -> Visitor {
    let name = Some("Ada Lovelace".to_owned());
    let sender = Sender::new(SenderScope::new(issuer), SenderId::new(subject));
    Visitor { sender: Sender { display_name: name, ..sender }, email: None }
}

fn known(resolution: &Resolution) -> Option<bool> {
    match resolution {
        Resolution::Known { created, .. } => Some(*created),
        Resolution::Refused { .. } => None,
    }
}

pub(super) async fn an_issuer_names_a_person(town: Town) {
    let email = Some("ada@example.org".to_owned());
    let ada = Visitor { email, ..visitor(ISSUER, "ada") };
    let sign_in = async |who: &Visitor| town.directory.sign_in(who, now()).await.unwrap();
    let first = sign_in(&ada).await;
    assert_eq!(known(&first), Some(true));
    let user = first.user().unwrap();
    let again = sign_in(&Visitor { email: None, ..ada.clone() }).await;
    assert_eq!((again.user(), known(&again)), (Some(user), Some(false)));
    for other in [visitor("https://id.example.net", "ada"), visitor(ISSUER, "bob")] {
        assert_ne!(sign_in(&other).await.user(), Some(user), "another person");
    }
    let on_telegram = town.user(Telegram, &sender("ada")).await;
    assert_ne!(on_telegram, user, "the same text where another platform numbers people");

    let person = town.directory.person(user).await.unwrap().unwrap();
    let [binding] = person.bindings.as_slice() else { panic!("{person:?}") };
    assert_eq!((binding.channel, binding.how), (Web, How::Web));
    assert_eq!(binding.label.as_deref(), Some("Ada Lovelace"));
    let dossiers = town.directory.dossiers(user).await.unwrap();
    assert!(!format!("{dossiers:?}").contains("ada@"), "an address is not kept: {dossiers:?}");
}

pub(super) async fn a_verified_domain_lets_in_as_long_as_it_is_listed(town: Town) {
    let open = |sign_up, domains: &[&str]| {
        let domains = domains.iter().map(|name| (*name).to_owned()).collect();
        let policy = Policy { sign_up, allow: Allow { domains, ..Allow::default() } };
        let access = Access::new(SignUp::Open).with(Web, AccountName::web(), policy);
        town.open_as(options(access))
    };
    let with = |email: &str| Visitor { email: Some(email.into()), ..visitor(ISSUER, "ada") };
    let listed = open(SignUp::Allowlist, &["example.org"]).await;
    let ask = async |who: &Visitor| listed.sign_in(who, now()).await.unwrap();
    for stranger in [visitor(ISSUER, "ada"), with("ada@example.com"), with("ada@a.example.org")] {
        let Resolution::Refused { reason, .. } = ask(&stranger).await else { panic!() };
        assert_eq!(reason, Refusal::NotListed);
    }
    let user = ask(&with("Ada@Example.ORG")).await.user().unwrap();
    assert_eq!(ask(&with("ada@example.org")).await.user(), Some(user));
    assert_eq!(ask(&visitor(ISSUER, "ada")).await.user(), None, "by the address alone");

    let elsewhere = open(SignUp::Allowlist, &["example.com"]).await;
    let taken_off = elsewhere.sign_in(&with("ada@example.org"), now()).await.unwrap();
    assert_eq!(taken_off.user(), None, "the list has changed");
    let closed = open(SignUp::Closed, &["example.org"]).await;
    let nobody = closed.sign_in(&with("bob@example.org"), now()).await.unwrap();
    assert!(matches!(nobody, Resolution::Refused { reason: Refusal::Closed, .. }));
}

pub(super) async fn what_an_operator_decides_holds_at_the_next_sign_in(town: Town) {
    let (ada, console) = (visitor(ISSUER, "ada"), town.open(SignUp::Open).await);
    let sign_in = async || town.directory.sign_in(&ada, now()).await.unwrap();
    let user = sign_in().await.user().unwrap();
    assert_eq!(sign_in().await.user(), Some(user));

    assert!(console.block(user, Actor::Operator, now()).await.unwrap());
    assert!(matches!(sign_in().await, Resolution::Refused { reason: Refusal::Blocked, .. }));
    assert!(console.unblock(user, Actor::Operator, now()).await.unwrap());

    let key = zaki_identity::BindingKey::of(Web, &ada.sender);
    console.unlink(user, key, Actor::Operator, now()).await.unwrap();
    assert_ne!(sign_in().await.user(), Some(user), "they are somebody else by now");

    let other = town.user(Telegram, &sender("ada")).await;
    let (by, how) = (Actor::Operator, How::Operator);
    console.link(other, Web, &ada.sender, by, how, now()).await.unwrap();
    assert_eq!(sign_in().await.user(), Some(other));
}

pub(super) async fn a_stranger_on_the_web_waits_like_any_other(town: Town) {
    let ada = visitor(ISSUER, "ada");
    let sign_in = async || town.directory.sign_in(&ada, now()).await.unwrap();
    let Resolution::Refused { reason: Refusal::PairingWanted { code }, .. } = sign_in().await
    else {
        panic!()
    };
    assert!(town.directory.approve(&code, Actor::Operator, now()).await.unwrap().is_some());
    assert_eq!(known(&sign_in().await), Some(false));
}

pub(super) async fn a_call_is_the_first_once(town: Town) {
    let replica = town.open(SignUp::Open).await;
    for n in 0..5 {
        let call = CallId::from_parts(now(), n);
        let made = (0..8).map(|it| {
            let directory = if it % 2 == 0 { &town.directory } else { &replica }.clone();
            async move { directory.is_first(call, now()).await.unwrap() }
        });
        let first = join_all(made).await.into_iter().filter(|first| *first).count();
        assert_eq!(first, 1);
        // Longer than any signature is good.
        assert!(!replica.is_first(call, now().plus_ms(660_000)).await.unwrap());
    }
    let keep = Keep { usage: 400, feedback: 400, sessions: 400 };
    town.directory.sweep(now().plus_ms(3_600_000), keep).await.unwrap();
    assert!(!town.directory.is_first(CallId::from_parts(now(), 0), now()).await.unwrap());
}
