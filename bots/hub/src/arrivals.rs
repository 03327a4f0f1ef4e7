//! The way of a message from the ledger to its lane: whose it is, and what becomes of it.

use std::sync::Arc;

use futures::{FutureExt, future::BoxFuture};
use zaki_envelope::{Inbound, ZakiUserId};
use zaki_identity::{Refusal, Resolution};
use zaki_lane::{
    commands::{Command, Secret},
    turns::Event,
};
use zaki_ledger::SettleReason;

use crate::{
    accept::no_turn, clock, commands, home, hub::Hub, intake, outbox, people::session_of, strangers,
};

/// How a message came here.
pub(crate) enum Origin {
    /// It arrived just now, with the code that stood in it.
    Fresh(Option<Secret>),
    /// It has been on a lane that is no longer the right one, and has been counted.
    Moved,
    /// A run or a replica that is no more has left it: it was accepted, and is not refused now,
    /// however much waits.
    Left,
}

impl Origin {
    /// The command that a message is, with its code, which is needed no more then.
    fn command(self, inbound: &Inbound) -> (Self, Option<Command>) {
        let command = Command::of(inbound);
        match self {
            Self::Fresh(Some(code)) => {
                (Self::Fresh(None), command.map(|command| command.restore(code)))
            }
            origin => (origin, command),
        }
    }
}

impl Hub {
    /// Sends a message on its way once more, after the earlier ones of its sender.
    pub(crate) fn admit(self: &Arc<Self>, inbound: Inbound) {
        self.send_on(inbound, Origin::Moved);
    }

    /// Does what is to be done with a message after the earlier ones of its sender.
    pub(crate) fn send_on(self: &Arc<Self>, inbound: Inbound, origin: Origin) {
        let sender = intake::key_of(&inbound);
        self.intake.push(sender, Arc::clone(self).resolve(inbound, origin).boxed());
    }

    /// Finds out whose message it is and puts it on that person's lane.
    async fn resolve(self: Arc<Self>, inbound: Inbound, origin: Origin) {
        if let Some(reason) = no_turn(&self.groups, &inbound) {
            outbox::report(&self, &inbound).await;
            return self.dismiss(&inbound, reason).await;
        }
        let (origin, command) = origin.command(&inbound);
        if let Some(command) = command {
            let (hub, about) = (Arc::clone(&self), inbound.clone());
            return commands::in_turn(&hub, &about, self.obey(inbound, origin, command)).await;
        }
        let resolve = || self.directory.resolve(&inbound, clock::now());
        match self.persist("resolve a sender", resolve).await {
            Some(Resolution::Known { user, speaker, .. }) => {
                self.take(user, speaker, inbound, origin, false).await;
            }
            Some(Resolution::Refused { reason, tell }) => {
                self.turn_away(&inbound, &reason, tell).await;
            }
            // Stopping: the message stays accepted and is taken up at the next start.
            None => {}
        }
    }

    /// Carries out a command, at once: there is no claim at which it would be asked again whose it
    /// is, so the store is asked now.
    async fn obey(self: Arc<Self>, inbound: Inbound, origin: Origin, command: Command) {
        if !commands::admits_code(&self, &inbound, &command).await
            || commands::early(&self, &inbound, Some(&command)).await
        {
            return;
        }
        let resolve = || self.directory.resolve_anew(&inbound, clock::now());
        match self.persist("resolve a sender", resolve).await {
            Some(Resolution::Known { user, speaker, .. }) if command == Command::Stop => {
                self.take(user, speaker, inbound, origin, true).await;
            }
            Some(Resolution::Known { speaker, .. }) => {
                commands::carry_out(&self, speaker, &inbound, command).await;
            }
            Some(Resolution::Refused { reason, tell }) => {
                self.turn_away(&inbound, &reason, tell).await;
            }
            None => {}
        }
    }

    /// They are somebody else by now: nothing remembers any more who they were.
    fn ask_anew(self: &Arc<Self>, inbound: Inbound, origin: Origin) -> BoxFuture<'static, ()> {
        Arc::clone(self).resolve(inbound, origin).boxed()
    }

    /// Nobody answers.
    async fn turn_away(self: &Arc<Self>, inbound: &Inbound, reason: &Refusal, tell: bool) {
        if tell {
            strangers::tell(self, inbound, reason).await;
        }
        self.dismiss(inbound, SettleReason::Refused).await;
    }

    /// Puts a message on the lane of whoever answers it, if its speaker may write so much. Whatever
    /// a cache believes they may be somebody else by now, so the store is asked first.
    async fn take(
        self: &Arc<Self>,
        user: ZakiUserId,
        speaker: ZakiUserId,
        inbound: Inbound,
        origin: Origin,
        is_stop: bool,
    ) {
        let person = match self.host_of(user, speaker, &inbound).await {
            Some(Some(person)) => person,
            Some(None) => return self.ask_anew(inbound, origin).await,
            None => return,
        };
        home::let_owner_settle(self, &person, &inbound).await;
        if matches!(origin, Origin::Fresh(_))
            && !is_stop
            && self.allows(speaker, &person, &inbound).await != Some(true)
        {
            return;
        }
        let key = Arc::new((user, session_of(Some(&person), &inbound)));
        // What the person has chosen matters only to what arrives mid-turn.
        if self.lanes.is_active(&key) {
            self.happen(&key, Event::Mode(self.mode_of(Some(&person))));
        }
        match origin {
            Origin::Fresh(_) | Origin::Moved => self.arrive(&key, inbound),
            Origin::Left => self.happen(&key, Event::Left { message: Box::new(inbound) }),
        }
    }
}
