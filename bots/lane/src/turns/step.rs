//! What a lane is told, and what it asks for. Moments are `Duration`s since any fixed one, by a
//! clock that never jumps.

use std::time::Duration;

use zaki_envelope::{Inbound, TurnId};

use super::Mode;

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// A message for this lane was accepted and its sender resolved.
    Arrived {
        /// Which.
        message: Box<Inbound>,
        /// Whether too much waits in the whole hub already.
        crowded: bool,
    },
    /// The same, but a run or a replica that is no more had accepted it: it is taken, however much
    /// waits.
    Left {
        /// Which.
        message: Box<Inbound>,
    },
    /// The time of [`Effect::Alarm`] has come.
    Tick,
    /// Answers [`Effect::Begin`]: the turn is ours.
    Begun {
        /// Its id.
        turn: TurnId,
    },
    /// A turn of this lane was taken over from a replica or an earlier run that is no more. What
    /// is under way is answered all the same.
    Resumed {
        /// Its id.
        turn: TurnId,
    },
    /// Answers [`Effect::Begin`] and [`Effect::Halt`]: another replica runs a turn of this lane.
    /// The ledger keeps the messages for whoever ends that one.
    Busy {
        /// The other's turn.
        turn: TurnId,
        /// The messages that were to begin.
        messages: Vec<Inbound>,
    },
    /// Answers [`Effect::Begin`] and [`Effect::Halt`]: nothing has begun, since some of the messages
    /// are no longer ours.
    Gone {
        /// The others; they wait again.
        messages: Vec<Inbound>,
    },
    /// Our turn has ended at the edge and takes no more. It must not end in the ledger while the
    /// lane [is asking](super::Lane::is_asking).
    Ending,
    /// Our turn, or that of [`Effect::Halt`], has ended in the ledger.
    Ended {
        /// The person was told that it was stopped.
        aborted: bool,
        /// What other replicas left for this lane meanwhile, in order; ours from now on.
        waiting: Vec<Inbound>,
    },
    /// Answers [`Effect::Steer`]: the messages are part of the turn.
    Steered,
    /// Answers [`Effect::Steer`]: the turn takes no more.
    Unsteered {
        /// Those that it has not taken and that are ours; they wait again. The ledger keeps the
        /// others for whoever ends the turn.
        messages: Vec<Inbound>,
    },
    /// The person has chosen.
    Mode(Mode),
}

/// Something to be done, in this order.
#[derive(Debug)]
pub enum Effect {
    /// Begin a turn. Answered by [`Event::Begun`], [`Event::Busy`] or [`Event::Gone`].
    Begin {
        /// What it answers, in order; never empty.
        messages: Vec<Inbound>,
    },
    /// Nothing runs here: find out in the ledger whether another replica runs a turn of this lane.
    /// If so, leave the command with that turn, for its replica to clear what waits there; if not,
    /// answer it. Answered by [`Event::Busy`] (without messages), [`Event::Ended`] or
    /// [`Event::Gone`].
    Halt {
        /// The command.
        stop: Box<Inbound>,
        /// How many messages it has cleared here.
        cleared: usize,
    },
    /// Have a running turn, ours or another replica's, take further messages. Answered by
    /// [`Event::Steered`] or [`Event::Unsteered`].
    Steer {
        /// The turn.
        turn: TurnId,
        /// The messages, in order; never empty.
        messages: Vec<Inbound>,
    },
    /// Stop a turn at the edge, until it has heard. Not answered: the turn ends as it will.
    Abort {
        /// Which turn.
        turn: TurnId,
        /// What for.
        why: Why,
    },
    /// Say [`Event::Tick`] at this time. There is never more than one alarm.
    Alarm(Duration),
    /// Close messages that get no turn. What is to be told about one of them comes before.
    Settle {
        /// Which.
        messages: Vec<Inbound>,
        /// Why.
        reason: Reason,
    },
    /// Tell the person.
    Tell {
        /// The message that it is about: told where that was written, and once, however often
        /// this is carried out.
        about: Box<Inbound>,
        /// What.
        notice: Notice,
    },
}

/// Why a turn is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The person said so.
    Stopped {
        /// How many messages that waited here were cleared with it.
        cleared: usize,
    },
    /// They wrote on, in [`Mode::Interrupt`].
    Interrupted,
    /// One of these, for a turn of another replica.
    Elsewhere,
}

/// Why a message gets no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Too much waited.
    Limited,
    /// The person said `/stop` after it.
    Stopped,
    /// It was a command, and has been carried out.
    Command,
}

/// What a person is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Too much waits: this message, and those that follow it, are not taken. Once per burst.
    Full,
    /// What they wanted stopped has stopped.
    Stopped {
        /// How many messages that waited were cleared.
        cleared: usize,
    },
}
