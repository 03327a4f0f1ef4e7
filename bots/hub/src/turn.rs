//! One turn: claim its messages, have the edge run it, store its end with the reply.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use zaki_envelope::{
    Address, ConversationKind, Inbound, InboundId, SandboxKind, TurnId, wire::ErrorCode,
};
use zaki_lane::turns::{Command, Event, Why};
use zaki_ledger::{
    Begin, Earlier, Error, Finish, NewDelivery, NewTurn, OpenTurn, ReplyPlan, SettleReason, TurnEnd,
};

use crate::{
    clock,
    hub::Hub,
    lane::LaneKey,
    live::Live,
    notice::{self, compose},
    outbox, presence,
    relay::{Age, End, relay},
    stage::Step,
    steer, words,
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
            let mode = hub.mode_of(key.0).await;
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
        notice::tell(hub, message, words::failed(ErrorCode::Internal).to_owned()).await;
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
            let text =
                if cleared == 0 { words::IDLE.to_owned() } else { words::stopped("", cleared) };
            let reply = compose(&hub, Some(turn.id), &turn.reply, text);
            hub.stages.replying(&turn.inbounds, &reply);
            let end = end(&hub, turn.id, TurnEnd::Finished, &[], reply).await;
            let Some(waiting) = end else { return };
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

/// The messages that are not this person's to answer any more; each sender is asked about once.
async fn moved(hub: &Hub, key: &LaneKey, messages: &[Inbound]) -> Option<Vec<InboundId>> {
    let mut moved = Vec::new();
    for (n, message) in messages.iter().enumerate() {
        let same = |it: &Inbound| comes_as(it, message);
        if messages.iter().take(n).any(same) {
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
    let typing = presence::show(&hub, &open);
    let steered = std::mem::take(&mut open.steered);
    let again = steer::tell(&hub, key.0, live.turn, Some(&live), steered);
    let relay = async {
        let end = match own(&open) {
            Some(end) => Some(end),
            None => relay(&hub, &open, &live, age).await,
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
    drop(typing);
    hub.happen(&key, Event::Ending);
    hub.lanes.answered(&key, &live).await;
    finish(&hub, &key, open, &live, end).await;
}

/// A turn that holds nothing but `/stop` is the hub's own, see [`halt`].
fn own(open: &OpenTurn) -> Option<End> {
    let is_stop = |inbound| Command::of(inbound) == Some(Command::Stop);
    open.inbounds.iter().all(is_stop).then(|| End::Answered(words::IDLE.to_owned()))
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
    let (state, text) = match ended {
        End::Answered(text) if text.trim().is_empty() => {
            (TurnEnd::Finished, Some(words::NOTHING.to_owned()))
        }
        End::Answered(text) => (TurnEnd::Finished, Some(text)),
        End::Aborted(text) => (TurnEnd::Aborted, words::aborted(why, &text)),
        End::Failed(code) => (TurnEnd::Failed { code }, Some(words::failed(code).to_owned())),
    };
    let compose = async {
        text.map_or_else(Vec::new, |text| compose(hub, Some(live.turn), &open.turn.reply, text))
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
    let told = state == TurnEnd::Aborted && why != Some(Why::Interrupted);
    if let Some(waiting) = end(hub, live.turn, state, &heard, reply).await {
        hub.happen(key, Event::Ended { aborted: told, waiting });
    }
}

/// Ends a turn in the ledger and sends its reply; returns what waited for its end. `None`: the hub
/// stops.
async fn end(
    hub: &Arc<Hub>,
    turn: TurnId,
    state: TurnEnd,
    heard: &[InboundId],
    reply: Vec<NewDelivery>,
) -> Option<Vec<Inbound>> {
    let end = || {
        let reply = reply.clone();
        hub.ledger.finish_turn(hub.fence, turn, state, heard, reply, clock::now())
    };
    match hub.attempt("finish a turn", end).await? {
        Ok(Finish::Ended { first, waiting }) => {
            outbox::drive(hub, first);
            Some(waiting)
        }
        Ok(Finish::AlreadyEnded) | Err(_) => Some(Vec::new()),
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
