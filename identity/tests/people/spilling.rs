//! Codes among other words: nobody uses one by that, and nobody finds one.

use std::slice::from_ref;

use zaki_envelope::ChannelKind::{Slack, Telegram, WhatsApp};
use zaki_envelope::{ChannelKind, ConversationId, ConversationKind, Inbound};
use zaki_identity::{
    Actor, Directory, FIRST_WRONG, GroupChange, GroupKey, GroupMode, Hearer, LinkCode, NewInvite,
    Redeemed, Spilt,
};

use super::town::{DAY, MINUTE, Town, from, key, later, now};

const OPERATOR: Actor = Actor::Operator;

fn wrong() -> LinkCode {
    LinkCode::typed("2345-6789")
}

/// The same, where others read along.
fn shared(channel: ChannelKind, sender: &str) -> Inbound {
    let mut inbound = from(channel, sender);
    inbound.conversation.kind = ConversationKind::Group;
    inbound.conversation.id = ConversationId::new("the group");
    inbound
}

async fn spill(town: &Town, by: &Inbound, codes: &[LinkCode]) -> Vec<Spilt> {
    town.directory.spill(by, codes, now()).await.unwrap()
}

/// Where strangers are asked for a code.
async fn asked(asking: &Directory, by: &Inbound, codes: &[LinkCode]) -> Vec<Spilt> {
    asking.spill(by, codes, now()).await.unwrap()
}

pub(super) async fn a_code_among_other_words_is_void(town: Town) {
    let ann = town.user(Slack, "ann").await;
    let code = town.offer(ann, now()).await;
    let max = from(Telegram, "max");
    let too_late = town.directory.spill(&max, from_ref(&code), later(10 * MINUTE));
    assert_eq!(too_late.await.unwrap(), [Spilt::None]);
    let found = spill(&town, &from(Telegram, "bob"), &[wrong(), code.clone()]).await;
    assert_eq!(found, [Spilt::None, Spilt::Void]);
    assert_eq!(town.redeem(Telegram, "bob", &code, now()).await, Redeemed::Refused);
}

/// The word that confirms an erasure is a code, too; of nobody else.
pub(super) async fn a_word_that_erases_is_void_among_others(town: Town) {
    let (ann, bob) = (town.user(Slack, "ann").await, town.user(Telegram, "bob").await);
    let word = town.directory.ask_erase(ann, now()).await.unwrap().code;
    assert_eq!(spill(&town, &from(Telegram, "bob"), from_ref(&word)).await, [Spilt::None]);
    assert_eq!(spill(&town, &from(Slack, "ann"), from_ref(&word)).await, [Spilt::Void]);
    for user in [ann, bob] {
        let erased = town.directory.confirm_erase(user, &word, None, now()).await.unwrap();
        assert_eq!(erased, None);
    }
}

pub(super) async fn an_invitation_among_other_words_is_void_where_others_read_it(town: Town) {
    let asking = town.pairing().await;
    let rest = [(1, false, Spilt::Good), (1, true, Spilt::Void), (2, true, Spilt::None)];
    for (n, (uses, is_shared, expected)) in rest.into_iter().enumerate() {
        let new = NewInvite { uses, expires_at: None, tier: None, note: None };
        let code = town.directory.invite(new, OPERATOR, now()).await.unwrap().code;
        let by = format!("bob.{n}");
        let message = if is_shared { shared(Telegram, &by) } else { from(Telegram, &by) };
        assert_eq!(asked(&asking, &message, from_ref(&code)).await, [expected], "{n}");
        let redeemed = town.redeem(Telegram, &by, &code, now()).await;
        let lets_in = matches!(redeemed, Redeemed::Invited { .. });
        assert_eq!(lets_in, expected != Spilt::Void, "number {n}: {redeemed:?}");
    }
}

/// Of nobody, and of whoever is blocked.
pub(super) async fn what_a_stranger_spills_is_a_try(town: Town) {
    let (ann, eve) = (town.user(Slack, "ann").await, town.user(WhatsApp, "eve").await);
    let asking = town.pairing().await;
    town.directory.block(eve, OPERATOR, now()).await.unwrap();
    let new = NewInvite { uses: 9, expires_at: None, tier: None, note: None };
    let invitation = town.directory.invite(new, OPERATOR, now()).await.unwrap().code;
    for channel in [Telegram, WhatsApp] {
        let (guesser, code) = (from(channel, "eve"), town.offer(ann, now()).await);
        for _ in 0..5 {
            assert_eq!(asked(&asking, &guesser, &[wrong()]).await, [Spilt::None]);
        }
        for good in [&code, &invitation] {
            assert_eq!(asked(&asking, &guesser, from_ref(good)).await, [Spilt::Unasked], "a sixth");
        }
        let shut = Redeemed::TooMany { until: later(10 * MINUTE) };
        assert_eq!(town.redeem(channel, "eve", &wrong(), now()).await, shut, "of one count");
        let whole = town.redeem(Slack, "ann", &code, now()).await;
        assert_eq!(whole, Redeemed::Already { user: ann }, "{channel}: nothing became of it");
    }
    // A message is no list of guesses, and also who has a right one has so many.
    let many = [wrong(), wrong(), invitation.clone()];
    let found = asked(&asking, &from(Telegram, "zoe"), &many).await;
    assert_eq!(found, [Spilt::None, Spilt::None, Spilt::Unasked]);
    for n in 0..6 {
        let found = asked(&asking, &from(Telegram, "max"), from_ref(&invitation)).await;
        assert_eq!(found, [if n < 5 { Spilt::Good } else { Spilt::Unasked }], "{n}");
    }
}

/// However many accounts they have.
pub(super) async fn what_strangers_spill_at_a_bot_is_counted(town: Town) {
    let asking = town.pairing().await;
    for n in 0..FIRST_WRONG.most {
        let stranger = from(Slack, &format!("eve.{n}"));
        assert_eq!(asked(&asking, &stranger, &[wrong()]).await, [Spilt::None]);
    }
    assert_eq!(asked(&asking, &from(Slack, "eve"), &[wrong()]).await, [Spilt::Unasked]);
    assert_eq!(
        asked(&asking, &from(Telegram, "eve"), &[wrong()]).await,
        [Spilt::None],
        "elsewhere"
    );
}

/// Nobody finds by them what is of use: words of somebody known are as free as others, and those of
/// strangers where others read along, or where nobody is asked for a code.
pub(super) async fn words_that_look_like_codes_shut_nobody_out(town: Town) {
    let (ann, bob) = (town.user(Slack, "ann").await, town.user(Telegram, "bob").await);
    let new = NewInvite { uses: 9, expires_at: None, tier: None, note: None };
    let invitation = town.directory.invite(new, OPERATOR, now()).await.unwrap().code;
    let mut words = vec![wrong(); 31];
    words.push(invitation.clone());
    for by in [from(Slack, "ann"), shared(Slack, "ann"), shared(Slack, "zoe"), from(Slack, "zoe")] {
        for _ in 0..10 {
            assert_eq!(spill(&town, &by, &words).await, vec![Spilt::None; 32], "hers to pass on");
        }
        words[31] = town.offer(bob, now()).await;
        let found = spill(&town, &by, &words).await;
        assert_eq!(found[31], Spilt::Void, "however many came before");
        words[31] = invitation.clone();
    }
    let code = town.offer(bob, now()).await;
    let redeemed = town.redeem(Slack, "ann", &code, now()).await;
    assert_eq!(redeemed, Redeemed::Confirm { into: bob, from: ann }, "ann links what is hers");
    let redeemed = town.redeem(Slack, "zoe", &invitation, now()).await;
    assert!(matches!(redeemed, Redeemed::Invited { .. }), "{redeemed:?}");
}

pub(super) async fn of_a_code_among_other_words_hears_who_hears_anything(town: Town) {
    let hears = async |inbound: &Inbound, at| town.directory.hearer(inbound, at).await.unwrap();
    let ann = town.user(Slack, "ann").await;
    for _ in 0..2 {
        assert_eq!(hears(&from(Slack, "ann"), now()).await, Hearer::Person(ann));
    }
    let stranger = from(Slack, "zoe");
    assert_eq!(hears(&stranger, now()).await, Hearer::Stranger);
    assert_eq!(hears(&stranger, later(DAY - 1)).await, Hearer::Nobody, "once a day");
    assert_eq!(hears(&stranger, later(DAY)).await, Hearer::Stranger);
    let closed = town.closed().await.hearer(&from(Slack, "max"), now()).await.unwrap();
    assert_eq!(closed, Hearer::Nobody, "nothing is said at a closed door");

    let group = shared(Slack, "ann");
    assert_eq!(hears(&group, now()).await, Hearer::Person(ann));
    let overheard = Inbound { addressed: false, ..group.clone() };
    assert_eq!(hears(&overheard, now()).await, Hearer::Nobody);
    let off = GroupChange { mode: Some(GroupMode::Off), ..GroupChange::default() };
    town.directory.set_group(&GroupKey::of(&group), off, OPERATOR, now()).await.unwrap();
    for by in ["ann", "tom"] {
        assert_eq!(hears(&shared(Slack, by), now()).await, Hearer::Nobody, "a silent group");
    }

    town.directory.block(ann, OPERATOR, now()).await.unwrap();
    assert_eq!(hears(&from(Slack, "ann"), now()).await, Hearer::Nobody, "blocked");
    town.directory.unlink(ann, key(Slack, "ann"), OPERATOR, now()).await.unwrap();
    assert_eq!(hears(&from(Slack, "ann"), now()).await, Hearer::Nobody, "barred");
}
