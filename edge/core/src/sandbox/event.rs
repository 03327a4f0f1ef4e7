//! What a sandbox is told, and what it asks for.

use zaki_envelope::{
    Timestamp, TurnId,
    wire::{ErrorCode, WakeStage},
};

use super::{AlarmId, Generation, Rest};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A turn is about to come, or an operator wants it up.
    Wake,
    /// This turn is to run; accepting it again changes nothing.
    Accept(TurnId),
    /// This turn needs the sandbox no longer: it ended, or was aborted while it waited.
    Ended(TurnId),
    /// The time of [`Effect::Remind`] has come.
    Due(Timestamp),
    /// It has its turn in the line: it may start.
    Admitted(Generation),
    /// So many others start before it.
    Ahead(Generation, u32),
    /// The start has put something there; it is not ready yet.
    Started(Generation),
    /// It takes turns.
    Ready(Generation),
    /// The start failed, or could not even be asked for.
    StartFailed(Generation),
    /// It went away by itself.
    Exited(Generation),
    /// Nothing of that start is left.
    Stopped(Generation),
    /// Its agent does nothing and takes nothing new; it wants to act by itself then.
    Suspended(Generation, Option<Timestamp>),
    /// Its agent has something to do, or does not answer.
    Busy(Generation),
    /// It is held still.
    Frozen(Generation),
    /// It could not be held; nothing of it is.
    FreezeFailed(Generation),
    /// It goes on, and its agent takes turns.
    Thawed(Generation),
    /// When its agent wants to act by itself next.
    Noted(Generation, Option<Timestamp>),
    /// Others wait for its room: it is to stop as soon as nothing runs in it, and takes no new turn
    /// before.
    MakeRoom(Generation),
    /// They do no longer.
    Stay(Generation),
    /// An operator wants it to rest as soon as it can.
    Rest(Rest),
    /// The time asked for by [`Effect::SetAlarm`] has come.
    Alarm(AlarmId),
    /// Its turns end with this, and it stops. What is asked of it later starts it again.
    Halt(ErrorCode),
    /// The edge goes down: stop, and start no more.
    Close,
}

impl Event {
    /// Which start it is about, if it is about one.
    pub(super) const fn generation(self) -> Option<Generation> {
        match self {
            Self::Admitted(generation)
            | Self::Ahead(generation, _)
            | Self::Started(generation)
            | Self::Ready(generation)
            | Self::StartFailed(generation)
            | Self::Exited(generation)
            | Self::Stopped(generation)
            | Self::Suspended(generation, _)
            | Self::Busy(generation)
            | Self::Frozen(generation)
            | Self::FreezeFailed(generation)
            | Self::Thawed(generation)
            | Self::Noted(generation, _)
            | Self::MakeRoom(generation)
            | Self::Stay(generation) => Some(generation),
            Self::Wake
            | Self::Accept(_)
            | Self::Ended(_)
            | Self::Due(_)
            | Self::Rest(_)
            | Self::Alarm(_)
            | Self::Halt(_)
            | Self::Close => None,
        }
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Make the state durable before doing any later effect.
    Persist,
    /// Start it; answer with [`Event::Started`] or [`Event::StartFailed`].
    Start(Generation),
    /// Watch until it takes turns; answer with [`Event::Ready`] or [`Event::StartFailed`].
    AwaitReady(Generation),
    /// Ask its agent to rest; answer with [`Event::Suspended`] or [`Event::Busy`].
    Suspend(Generation),
    /// Hold it still; answer with [`Event::Frozen`] or [`Event::FreezeFailed`].
    Freeze(Generation),
    /// Let it go on, its agent too; answer with [`Event::Thawed`], or [`Event::Exited`] when that
    /// cannot be done.
    Thaw(Generation),
    /// Ask its agent when it wants to act by itself; answer with [`Event::Noted`], or not at all.
    Look(Generation),
    /// End exactly this start, whatever is left of it; answer with [`Event::Stopped`].
    Stop {
        /// Which start.
        generation: Generation,
        /// Turns that run in it are cut off: there may be something new in it, whatever became of
        /// them, and its agent is at them still.
        cut: bool,
    },
    /// Send [`Event::Alarm`] at this time. An earlier alarm of the same sandbox is void.
    SetAlarm {
        /// When.
        at: Timestamp,
        /// Which.
        alarm: AlarmId,
    },
    /// Send [`Event::Due`] at this time, also when the sandbox has stopped and when the edge was
    /// away meanwhile. An earlier reminder of the same sandbox is void; `None`: there is none.
    Remind(Option<Timestamp>),
    /// Tell the turn's readers how far the sandbox is.
    Waking {
        /// Whose readers.
        turn: TurnId,
        /// How far.
        stage: WakeStage,
        /// How many others start before it, where it is known and queued.
        ahead: Option<u32>,
    },
    /// Hand the turn over, or take it up again; answer with [`Event::Ended`].
    Run {
        /// Which.
        turn: TurnId,
        /// To which start; its link is of no use to another.
        generation: Generation,
    },
    /// End the turn with an error.
    Fail {
        /// Which.
        turn: TurnId,
        /// Why.
        code: ErrorCode,
    },
    /// Leave the turn as it is; whoever asks for it after the next start takes it up.
    Release(TurnId),
}
