//! One turn: claim its messages, have the edge run it, store its end with the reply.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use zaki_envelope::{
    Address, ConversationKind, Inbound, InboundId, SandboxKind, TurnId, ZakiUserId, wire::ErrorCode,
};
use zaki_lane::{
    commands::Command,
    turns::{Event, Why},
};
use zaki_ledger::{
    Begin, Earlier, Error, Finish, NewDelivery, NewTurn, OpenTurn, ReplyPlan, SettleReason, TurnEnd,
};
use zaki_words::{self as words, Say};

use crate::{
    clock,
    hub::Hub,
    lane::LaneKey,
    live::Live,
    media,
    notice::{self, compose, compose_parts},
    outbox, presence,
    queue::{self, Place},
    relay::{Age, End, Terms, relay},
    stage::Step,
    steer,
};

/// Where the answer to a message goes.
pub(crate) fn plan(message: &Inbound) -> ReplyPlan {
    let direct = message.conversation.kind == ConversationKind::Direct;
    ReplyPlan {
        address: Address::of(message),
        reply_to: if direct { None } else { message.message.clone() },
    }
}

/// Begins a turn and sees it through.
pub(crate) async fn begin(hub: Arc<Hub>, key: LaneKey, messages: Vec<Inbound>) {
    match caught("begin a turn", claim(&hub, &key, &messages)).await {
        Some(Claim::Begun(mut turn, earlier)) => {
            let mut inbounds = messages;
            Earlier::among(earlier, &mut inbounds);
            turn.inbounds = inbounds.iter().map(|message| message.id).collect();
            let open = OpenTurn { turn, inbounds, steered: Vec::new() };
            let live = Arc::new(Live::new(open.turn.id));
            hub.begun(&key, Event::Begun { turn: live.turn }, &live);
            run(hub, key, open, live, Age::New).await;
        }
        Some(Claim::Busy(turn)) => {
            let Some(person) = hub.profile(key.0).await else { return };
            let mode = hub.mode_of(person.as_deref());
            hub.happen(&key, Event::Mode(mode));
            hub.happen(&key, Event::Busy { turn, messages });
        }
        Some(Claim::Moved(ids)) => {
            let mut rest = messages;
            for message in rest.extract_if(.., |message| ids.contains(&message.id)) {
                hub.admit(message);
            }
            hub.happen(&key, Event::Gone { messages: rest });
        }
        Some(Claim::NotOurs(id)) => {
            let rest = messages.into_iter().filter(|message| message.id != id).collect();
            hub.happen(&key, Event::Gone { messages: rest });
        }
        Some(Claim::Refused) => hub.happen(&key, Event::Gone { messages: Vec::new() }),
        Some(Claim::Stopping) => {}
        None => give_up(&hub, &key, &messages).await,
    }
}

/// A defect of ours in a turn that has not begun: its messages must not block those after them.
async fn give_up(hub: &Arc<Hub>, key: &LaneKey, messages: &[Inbound]) {
    for message in messages {
        hub.stages.tell(message.id, Step::Failed);
        let voice = hub.voice(key.0, message).await;
        notice::tell(hub, message, words::Turn::Failed(ErrorCode::Internal).say(voice)).await;
        hub.settle(message, SettleReason::Broken).await;
    }
    hub.happen(key, Event::Gone { messages: Vec::new() });
}

/// Takes up a turn that a run or a replica before us has begun.
pub(crate) fn resume(hub: &Arc<Hub>, open: OpenTurn) {
    let key = Arc::new((open.turn.user, open.turn.session.clone()));
    let live = Arc::new(Live::new(open.turn.id));
    hub.begun(&key, Event::Resumed { turn: live.turn }, &live);
    let hub = Arc::clone(hub);
    hub.tasks.clone().spawn(run(hub, key, open, live, Age::Old));
}

/// `/stop` while nothing runs here: either nothing runs at all, and a turn of the hub's own says
/// so, or another replica's turn is in its way, and will hear of it.
pub(crate) async fn halt(hub: Arc<Hub>, key: LaneKey, stop: Box<Inbound>, cleared: usize) {
    let event = match claim(&hub, &key, std::slice::from_ref(&stop)).await {
        // Nothing is taken along by what is not for the agent.
        Claim::Begun(turn, _) => {
            let said = match cleared {
                0 => words::Turn::Idle,
                cleared => words::Turn::Stopped { partial: "", cleared },
            };
            let text = said.say(hub.voice(key.0, &stop).await);
            let reply = compose(&hub, Some(turn.id), &turn.reply, text);
            hub.stages.replying(&turn.inbounds, &reply);
            let end = end(&hub, turn.id, TurnEnd::Finished, &[], reply).await;
            let Some((waiting, _)) = end else { return };
            Event::Ended { aborted: true, waiting }
        }
        Claim::Busy(turn) => Event::Busy { turn, messages: Vec::new() },
        Claim::Moved(_) => {
            hub.admit(*stop);
            Event::Gone { messages: Vec::new() }
        }
        Claim::NotOurs(_) | Claim::Refused => Event::Gone { messages: Vec::new() },
        Claim::Stopping => return,
    };
    hub.happen(&key, event);
}

#[allow(clippy::large_enum_variant, reason = "made once a turn and taken apart at once")]
enum Claim {
    /// With what other replicas had accepted before.
    Begun(NewTurn, Vec<Earlier>),
    Busy(TurnId),
    /// Their senders are somebody else by now.
    Moved(Vec<InboundId>),
    /// Another replica has this one.
    NotOurs(InboundId),
    /// The ledger will not have it, whatever we do.
    Refused,
    Stopping,
}

/// Claims messages for a new turn. Their senders are looked up in the store again, so that an
/// unlink holds from the next message on, whatever a cache says.
async fn claim(hub: &Arc<Hub>, key: &LaneKey, messages: &[Inbound]) -> Claim {
    let Some(last) = messages.last().filter(|_| !hub.closing.is_cancelled()) else {
        return Claim::Stopping;
    };
    match moved(hub, key, messages).await {
        None => return Claim::Stopping,
        Some(moved) if !moved.is_empty() => return Claim::Moved(moved),
        Some(_) => {}
    }
    let turn = NewTurn {
        id: clock::turn_id(),
        user: key.0,
        session: key.1.clone(),
        sandbox: SandboxKind::Personal,
        inbounds: messages.iter().map(|message| message.id).collect(),
        reply: plan(last),
        at: clock::now(),
    };
    let begin = async || taken(hub.ledger.begin_turn(hub.fence, turn.clone()).await);
    match hub.attempt("begin a turn", begin).await {
        Some(Ok(Ok(Begin::Begun { earlier }))) => Claim::Begun(turn, earlier),
        Some(Ok(Ok(Begin::Busy { turn }))) => Claim::Busy(turn),
        Some(Ok(Err(id))) => Claim::NotOurs(id),
        Some(Err(_)) => Claim::Refused,
        None => Claim::Stopping,
    }
}

/// That another replica has taken a message along is no error: it happens every day.
pub(crate) fn taken<T>(answer: Result<T, Error>) -> Result<Result<T, InboundId>, Error> {
    match answer {
        Err(Error::NotAccepted(id)) => Ok(Err(id)),
        other => other.map(Ok),
    }
}

/// Whether two messages are of the same sender in the same place.
fn comes_as(one: &Inbound, other: &Inbound) -> bool {
    let place = |it: &Inbound| (it.channel, it.account.clone(), it.conversation.id.clone());
    place(one) == place(other) && one.sender == other.sender && one.addressed == other.addressed
}

/// The messages that are not this person's to answer any more. Each sender is asked about once, and
/// not when that was done just now.
pub(crate) async fn moved(
    hub: &Hub,
    key: &LaneKey,
    messages: &[Inbound],
) -> Option<Vec<InboundId>> {
    let mut moved = Vec::new();
    let have_waited: Vec<_> = messages.iter().filter(|it| !hub.asked.take(it.id, key.0)).collect();
    for (n, message) in have_waited.iter().enumerate() {
        let same = |it: &Inbound| comes_as(it, message);
        if have_waited.iter().take(n).any(|it| same(it)) {
            continue;
        }
        let check = || hub.directory.verify(key.0, message);
        if !hub.persist("check a binding", check).await? {
            moved.extend(messages.iter().filter(|it| same(it)).map(|it| it.id));
        }
    }
    Some(moved)
}

async fn run(hub: Arc<Hub>, key: LaneKey, mut open: OpenTurn, live: Arc<Live>, age: Age) {
    let Some(terms) = terms(&hub, &open, &live, age).await else { return };
    let typing = presence::show(&hub, &open, age);
    let steered = std::mem::take(&mut open.steered);
    let again = steer::tell(&hub, key.0, live.turn, Some(&live), steered);
    let relay = async {
        let end = match &terms {
            None => Some(End::Idle),
            // By far the largest part of a turn's state, which is moved more than once before.
            Some((_, terms)) => Box::pin(relay(&hub, &open, &live, terms)).await,
        };
        live.over.cancel();
        end
    };
    let both = async { futures::join!(relay, again).0 };
    let end = match caught("follow a turn", both).await {
        Some(Some(end)) => end,
        Some(None) => return,
        None => End::Failed(ErrorCode::Internal),
    };
    live.over.cancel();
    drop((typing, terms));
    hub.happen(&key, Event::Ending);
    hub.lanes.answered(&key, &live).await;
    finish(&hub, &key, open, &live, end).await;
}

/// Waits until there is room for a turn, and says on which terms it runs; nothing for one of the
/// hub's own. `None`: the hub stops.
async fn terms(
    hub: &Arc<Hub>,
    open: &OpenTurn,
    live: &Live,
    age: Age,
) -> Option<Option<(Place, Terms)>> {
    if is_own(open) {
        return Some(None);
    }
    let user = open.turn.user;
    // Who can have chosen nothing is not asked for.
    let person = if hub.allowance.is_limited || !hub.models.choices.is_empty() {
        hub.profile(user).await?
    } else {
        None
    };
    let limits = hub.limits(person.as_deref());
    let most = limits.concurrent_turns;
    let age = queue::age(hub, open, age, most).await;
    let place = queue::wait(hub, open, live, age, most).await?;
    let left = hub.left(user, &limits).await?;
    let model = person.and_then(|person| person.model.clone());
    Some(Some((place, Terms { age, model, left })))
}

/// A turn that holds nothing but `/stop` is the hub's own, see [`halt`]. What cannot be read was for
/// the agent, who may be at it.
fn is_own(open: &OpenTurn) -> bool {
    open.inbounds.len() >= open.turn.inbounds.len()
        && open.inbounds.iter().all(|inbound| Command::of(inbound) == Some(Command::Stop))
}

/// What is said at the end of a turn that has no answer. Nothing at all when the person wrote on
/// before there was any: they get the answer to that.
fn ending(end: &End, why: Option<Why>) -> (TurnEnd, Option<words::Turn<'_>>) {
    match end {
        End::Answered(_) => (TurnEnd::Finished, Some(words::Turn::Nothing)),
        End::Idle => (TurnEnd::Finished, Some(words::Turn::Idle)),
        End::Failed(code) => (TurnEnd::Failed { code: *code }, Some(words::Turn::Failed(*code))),
        End::Aborted(partial) => {
            let said = match why {
                Some(Why::Stopped { cleared }) => Some(words::Turn::Stopped { partial, cleared }),
                Some(Why::Interrupted) if partial.is_empty() => None,
                Some(Why::Interrupted) => Some(words::Turn::Interrupted { partial }),
                Some(Why::Elsewhere) | None => Some(words::Turn::Halted { partial }),
            };
            (TurnEnd::Aborted, said)
        }
    }
}

/// Stores the end of the turn and its reply in one commit, and lets go of it. What the sandbox
/// has not heard comes back with what waits.
async fn finish(hub: &Arc<Hub>, key: &LaneKey, mut open: OpenTurn, live: &Live, ended: End) {
    let (joined, heard) = live.take_heard();
    if let Some(last) = joined.last() {
        open.turn.reply = plan(last);
    }
    open.inbounds.extend(joined);
    let why = live.why();
    let made = if matches!(ended, End::Answered(_)) { live.take_made() } else { Vec::new() };
    let (state, text) = match ended {
        End::Answered(text) if !text.trim().is_empty() => (TurnEnd::Finished, Some(text)),
        // The files are the answer.
        End::Answered(_) if !made.is_empty() => (TurnEnd::Finished, None),
        ended => {
            let (state, said) = ending(&ended, why);
            let voice = match open.inbounds.last() {
                Some(last) => hub.voice(key.0, last).await,
                None => hub.voice_at(&open.turn.reply.address),
            };
            let text = match used_up(hub, key.0, &ended, live, open.inbounds.last()).await {
                Some(limit) => Some(limit.say(voice)),
                None => said.map(|said| said.say(voice)),
            };
            (state, text)
        }
    };
    let compose = async {
        let address = &open.turn.reply.address;
        let account = hub.accounts.get(address.channel, &address.account);
        let can = account.map(|account| account.channel.capabilities(address.conversation.kind));
        let parts = media::answer(text, made, key.0, can, hub.voice_at(address));
        if parts.is_empty() {
            return Vec::new();
        }
        compose_parts(hub, Some(live.turn), &open.turn.reply, parts)
    };
    let reply = caught("compose a reply", compose).await.unwrap_or_default();
    if reply.is_empty() || matches!(state, TurnEnd::Failed { .. }) {
        tell(hub, &open.inbounds, &Step::Failed);
    }
    if reply.is_empty() {
        tell(hub, &open.inbounds, &Step::Closed);
    }
    let answered: Vec<_> = open.inbounds.iter().map(|inbound| inbound.id).collect();
    hub.stages.replying(&answered, &reply);
    hub.approvals.ended(key.0, live.turn);
    let told = state == TurnEnd::Aborted && why != Some(Why::Interrupted);
    let unanswered = unanswered(open.inbounds, !reply.is_empty());
    if let Some((waiting, by_us)) = end(hub, live.turn, state, &heard, reply).await {
        if by_us {
            hub.spent(key.0, live.usage());
        }
        hub.happen(key, Event::Ended { aborted: told, waiting });
        if by_us {
            // Not before: the next turn waits for nobody's screen.
            notice::release_all(hub, &unanswered).await;
        }
    }
}

/// Of what its platform shows as under way, that to which nothing comes any more: the newest gets
/// the reply, if there is one.
fn unanswered(inbounds: Vec<Inbound>, is_replied: bool) -> Vec<Inbound> {
    let mut shown: Vec<Inbound> = inbounds.into_iter().filter(notice::is_shown).collect();
    if is_replied {
        shown.pop();
    }
    shown
}

/// Which limit has ended a turn, if one has.
async fn used_up(
    hub: &Hub,
    user: ZakiUserId,
    ended: &End,
    live: &Live,
    about: Option<&Inbound>,
) -> Option<words::Limit> {
    match ended {
        End::Failed(ErrorCode::Budget) => hub.used_up(user, live.usage(), about).await,
        _ => None,
    }
}

/// Ends a turn in the ledger and sends its reply; returns what waited for its end, and whether it
/// was for us to end it. `None`: the hub stops.
async fn end(
    hub: &Arc<Hub>,
    turn: TurnId,
    state: TurnEnd,
    heard: &[InboundId],
    reply: Vec<NewDelivery>,
) -> Option<(Vec<Inbound>, bool)> {
    let end = || {
        let reply = reply.clone();
        hub.ledger.finish_turn(hub.fence, turn, state, heard, reply, clock::now())
    };
    match hub.attempt("finish a turn", end).await? {
        Ok(Finish::Ended { first, waiting }) => {
            outbox::drive(hub, first);
            Some((waiting, true))
        }
        Ok(Finish::AlreadyEnded) | Err(_) => Some((Vec::new(), false)),
    }
}

/// Announces a step of several messages.
pub(crate) fn tell(hub: &Hub, inbounds: &[Inbound], step: &Step) {
    for inbound in inbounds {
        hub.stages.tell(inbound.id, step.clone());
    }
}

/// `None`: it panicked, which must end neither the lane nor its messages.
async fn caught<T>(what: &str, work: impl Future<Output = T>) -> Option<T> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    if done.is_err() {
        tracing::error!(what, "a defect of ours");
    }
    done.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_interrupted_before_it_began_is_not_mentioned() {
        let said = |partial: &str| {
            let end = End::Aborted(partial.to_owned());
            ending(&end, Some(Why::Interrupted)).1.is_some()
        };
        assert!(!said(""));
        assert!(said("So"));
    }

    #[tokio::test]
    async fn a_panic_ends_its_work_alone() {
        let defect = async {
            tokio::task::yield_now().await;
            panic!("on purpose")
        };
        assert_eq!(caught::<()>("fail", defect).await, None);
        assert_eq!(caught("work", async { 1 }).await, Some(1));
    }
}
