//! `/approve` and `/deny`: what the agent may run, and who may come in.

use std::sync::Arc;

use zaki_envelope::{
    AccountName, Choice, ConversationKind, DeliveryId, Part, TurnId, wire::Decision,
};
use zaki_identity::{Actor, LinkCode, Role};
use zaki_lane::commands::{self, Code, PRESSED};
use zaki_ledger::{OpenTurn, ReplyPlan};
use zaki_words::{self as words, Button, Say, Voice};

use super::{Answer, Order, Silence, pairing, patience::PATIENCE};
use crate::{
    approvals::Pending,
    clock,
    edge::EdgeError,
    hub::Hub,
    insist::{insist, insist_for},
    notice::{compose_parts, named},
    outbox,
};

/// `how`: for how long it is approved; none to deny.
pub(super) async fn approve(
    order: &Order<'_>,
    what: Option<Code>,
    how: Option<commands::Decision>,
) -> Answer {
    // What is asked for is private.
    if !order.is_direct() {
        return order.say(&words::Groups::OnlyDirect);
    }
    let open = order.hub.approvals.open(order.user(), order.now);
    let given = match what {
        None => return only(order, &open, how).await,
        Some(Code::Redacted) => return order.say(&words::Approvals::Gone),
        Some(Code::Given(secret)) => secret,
    };
    let id = given.expose();
    if let Some(pending) = open.iter().find(|it| it.id.eq_ignore_ascii_case(id)) {
        return settle(order, &pending.id, how, pending.decisions.as_slice()).await;
    }
    let code = LinkCode::typed(id);
    if order.person.role == Role::Owner && code.is_well_formed() {
        return pairing::settle(order, &code, how.is_some()).await;
    }
    settle(order, id, how, &[]).await
}

/// The one question there is.
async fn only(order: &Order<'_>, open: &[Pending], how: Option<commands::Decision>) -> Answer {
    match open {
        [] if order.person.role == Role::Owner => pairing::list(order).await,
        [] => order.say(&words::Approvals::Nothing),
        [one] => settle(order, &one.id, how, &one.decisions).await,
        several => {
            let spoken: Vec<words::Pending<'_>> = several.iter().map(spoken).collect();
            order.say(&words::Approvals::Choose(&spoken))
        }
    }
}

fn spoken(pending: &Pending) -> words::Pending<'_> {
    let always = pending.decisions.contains(&Decision::AllowAlways);
    words::Pending { id: &pending.id, command: &pending.command, always }
}

/// Tells the edge; `offered`: what may be answered, as far as is known.
async fn settle(
    order: &Order<'_>,
    id: &str,
    how: Option<commands::Decision>,
    offered: &[Decision],
) -> Answer {
    let Order { hub, .. } = order;
    let user = order.user();
    let decision = match how {
        None => Decision::Deny,
        // Where it cannot be for ever, it is for this time.
        Some(commands::Decision::Always)
            if offered.is_empty() || offered.contains(&Decision::AllowAlways) =>
        {
            Decision::AllowAlways
        }
        Some(_) => Decision::AllowOnce,
    };
    let approve = || hub.edge.approve(user, id, decision);
    let answer = insist_for(hub, PATIENCE, "settle an approval", approve).await;
    let answer = answer.ok_or(Silence::Closing)?;
    // Of what the edge has not heard, it may be asked again.
    if !matches!(&answer, Err(error) if error.is_passing()) {
        hub.approvals.close(user, id);
    }
    if answer.is_ok() {
        record(order, id, decision).await;
    }
    match answer {
        Ok(()) if decision == Decision::Deny => order.say(&words::Approvals::Denied),
        Ok(()) => order.say(&words::Approvals::Approved),
        Err(EdgeError::Unknown | EdgeError::Gone | EdgeError::Refused(_)) => {
            order.say(&words::Approvals::Gone)
        }
        Err(_) => Err(Silence::Refused),
    }
}

/// What somebody has let their agent do, or not, is on record; not what it was.
async fn record(order: &Order<'_>, id: &str, decision: Decision) {
    let Order { hub, now, .. } = order;
    let user = order.user();
    let act = if decision == Decision::Deny { "agent_denied" } else { "agent_allowed" };
    let always = decision == Decision::AllowAlways;
    let detail = serde_json::json!({ "approval": id, "always": always });
    let note = || {
        let (by, detail) = (Actor::Person(user), detail.clone());
        hub.directory.record(act, by, Some(user), detail, *now)
    };
    if order.attempt("record an approval", note).await.is_err() {
        tracing::error!(%user, act, "what was decided is not on record");
    }
}

/// An agent asks before it acts: the person is asked where they wrote. Others who read along are
/// not to decide that, nor to see it: in a group the answer is no.
pub(crate) async fn ask(hub: &Arc<Hub>, open: &OpenTurn, asked: Pending) {
    let (user, turn) = (open.turn.user, open.turn.id);
    let plan = ReplyPlan { address: open.turn.reply.address.clone(), reply_to: None };
    if plan.address.conversation.kind != ConversationKind::Direct {
        let deny = || hub.edge.approve(user, &asked.id, Decision::Deny);
        insist(hub, "deny in a group", deny).await;
        return;
    }
    if !hub.approvals.ask(user, asked.clone()) {
        return;
    }
    let voice = match open.inbounds.last() {
        Some(last) => hub.voice(user, last).await,
        None => hub.voice_at(&plan.address),
    };
    let text = words::Approvals::Asked(spoken(&asked)).say(voice);
    let choices = Part::Choices { choices: buttons(&asked, voice) };
    let mut deliveries = compose_parts(hub, None, &plan, vec![Part::text(text), choices]);
    for (n, delivery) in deliveries.iter_mut().enumerate() {
        delivery.id = question(turn, &plan.address.account, &asked.id, n);
    }
    let post = || hub.ledger.post(hub.fence, deliveries.clone(), &[], clock::now());
    if let Some(next) = hub.persist("ask for an approval", post).await {
        outbox::drive(hub, next);
    }
}

/// The commands that the words name, to press.
fn buttons(asked: &Pending, voice: Voice) -> Vec<Choice> {
    let id = &asked.id;
    let button = |label: Button, command: String| Choice {
        label: label.say(voice),
        data: format!("{PRESSED}{command}"),
    };
    let mut buttons = vec![button(Button::Allow, format!("/approve {id} once"))];
    if asked.decisions.contains(&Decision::AllowAlways) {
        buttons.push(button(Button::AllowAlways, format!("/approve {id} always")));
    }
    buttons.push(button(Button::Deny, format!("/deny {id}")));
    buttons
}

/// The id of a part of a question: always the same, since a turn that is taken up tells it again.
fn question(turn: TurnId, account: &AccountName, id: &str, part: usize) -> DeliveryId {
    named(turn.minted_at(), account, format!("approval:{turn}:{id}:{part}"))
}

#[cfg(test)]
mod tests {
    use zaki_envelope::{Inbound, InboundKind, Timestamp};
    use zaki_lane::commands::Command;

    use super::*;

    #[test]
    fn the_buttons_are_the_commands_they_name() {
        let decisions = vec![Decision::AllowOnce, Decision::AllowAlways, Decision::Deny];
        let id = "0b9f6e0e-6a53-4c0f-9a53-2f6d6f0a1b2c".to_owned();
        let asked = Pending::new(clock::turn_id(), id.clone(), "ls".to_owned(), decisions, None);
        let mut pressed = buttons(&asked, Voice::default()).into_iter().map(|choice| {
            let json = serde_json::json!({
                "v": 1, "id": clock::inbound_id(), "channel": "telegram", "account": "main",
                "dedupe": "d", "received_at": Timestamp::default(), "addressed": true,
                "conversation": {"id": "7", "kind": "direct"},
                "sender": {"scope": "", "id": "7"},
                "kind": InboundKind::Button { data: choice.data },
            });
            Command::of(&serde_json::from_value::<Inbound>(json).unwrap()).unwrap()
        });
        let what = |code: Option<Code>| match code {
            Some(Code::Given(secret)) => secret.expose().to_owned(),
            other => panic!("{other:?}"),
        };
        for expected in [commands::Decision::Once, commands::Decision::Always] {
            let Some(Command::Approve { what: code, how }) = pressed.next() else { panic!() };
            assert_eq!((what(code), how), (id.clone(), expected));
        }
        let Some(Command::Deny(code)) = pressed.next() else { panic!() };
        assert_eq!(what(code), id);
    }

    #[test]
    fn a_question_that_is_told_again_is_the_same() {
        let (turn, other) = (clock::turn_id(), clock::turn_id());
        let account: AccountName = "main".parse().unwrap();
        let id = question(turn, &account, "a1", 0);
        assert_eq!(id, question(turn, &account, "a1", 0));
        for another in [
            question(turn, &account, "a2", 0),
            question(turn, &account, "a1", 1),
            question(other, &account, "a1", 0),
        ] {
            assert_ne!(id, another);
        }
    }
}
