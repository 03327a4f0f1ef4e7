//! What a request asks for, with its body read and its caller proven.

use zaki_envelope::{
    BackupId, MediaHash, SandboxKind, SandboxName, Timestamp, TurnId, ZakiUserId,
    wire::{ApprovalAnswer, ExecRequest, PatchRequest, RestoreRequest, SteerRequest, TurnRequest},
};

use crate::{
    front::{
        Call, Caller, Operation, Refusal, parse_answer, parse_exec, parse_patch, parse_restore,
        parse_retire, parse_steer, parse_stop, parse_turn,
    },
    model::Wire,
};

/// What is asked for. What is not said otherwise is asked by a hub.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// By anybody: whether the edge is up.
    Health,
    /// By anybody: its counts.
    Metrics,
    /// Run this turn, or attach to it.
    Turn {
        /// Whose.
        user: ZakiUserId,
        /// Where.
        sandbox: SandboxName,
        /// What.
        request: Box<TurnRequest>,
    },
    /// A turn's events.
    Events {
        /// Whose.
        user: ZakiUserId,
        /// Which.
        turn: TurnId,
        /// The last one the reader has.
        after: u64,
    },
    /// Stop a turn.
    Abort {
        /// Whose.
        user: ZakiUserId,
        /// Which.
        turn: TurnId,
    },
    /// Add to a turn.
    Steer {
        /// Whose.
        user: ZakiUserId,
        /// Which.
        turn: TurnId,
        /// What.
        said: SteerRequest,
    },
    /// A turn is about to come.
    Wake {
        /// Where.
        sandbox: SandboxName,
    },
    /// Answer what an agent asks.
    Approve {
        /// Whose agent.
        user: ZakiUserId,
        /// What it asks.
        approval: String,
        /// The answer.
        answer: ApprovalAnswer,
    },
    /// What somebody has used.
    Usage {
        /// Who.
        user: ZakiUserId,
    },
    /// Keep everything of somebody, stopped.
    Retire {
        /// Who.
        user: ZakiUserId,
        /// Until then.
        until: Timestamp,
    },
    /// As before that.
    Reinstate {
        /// Who.
        user: ZakiUserId,
    },
    /// Forget somebody.
    Erase {
        /// Who.
        user: ZakiUserId,
    },
    /// Every sandbox there is.
    Sandboxes,
    /// One, with its backups.
    Sandbox {
        /// Which.
        sandbox: SandboxName,
    },
    /// Back it up.
    Backup {
        /// Which.
        sandbox: SandboxName,
    },
    /// Give it the memory of a backup.
    Restore {
        /// Which.
        sandbox: SandboxName,
        /// Of which backup.
        request: RestoreRequest,
    },
    /// An archive.
    Archive {
        /// Of which sandbox.
        sandbox: SandboxName,
        /// Which.
        id: BackupId,
    },
    /// Keep a medium: the body, if it has the hash.
    Keep {
        /// For whom.
        user: ZakiUserId,
        /// What.
        hash: MediaHash,
    },
    /// The bytes of a medium.
    Media {
        /// Whose.
        user: ZakiUserId,
        /// Which.
        hash: MediaHash,
    },
    /// Something is done with a sandbox.
    Operate {
        /// Which.
        sandbox: SandboxName,
        /// What.
        order: Order,
    },
    /// How the providers of models stand.
    Model,
    /// By a sandbox: it calls its model; the body is passed on as it is.
    Think {
        /// Which.
        sandbox: SandboxName,
        /// By which interface.
        wire: Wire,
    },
    /// By a sandbox: which models there are.
    Models {
        /// Which.
        sandbox: SandboxName,
    },
}

/// An [`Operation`] with all that it needs.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// See [`Operation::Start`].
    Start,
    /// See [`Operation::Stop`].
    Stop {
        /// Its turns end with an error.
        now: bool,
    },
    /// See [`Operation::Freeze`].
    Freeze,
    /// See [`Operation::Restart`].
    Restart {
        /// Its turns end with an error.
        now: bool,
    },
    /// See [`Operation::Upgrade`].
    Upgrade,
    /// See [`Operation::Exec`].
    Exec(ExecRequest),
    /// See [`Operation::Logs`].
    Logs {
        /// How many of each.
        lines: usize,
    },
    /// See [`Operation::Config`].
    Config,
    /// See [`Operation::Patch`].
    Patch(PatchRequest),
}

impl Order {
    fn of(operation: Operation, body: &[u8]) -> Result<Self, Refusal> {
        Ok(match operation {
            Operation::Start => Self::Start,
            Operation::Stop => Self::Stop { now: parse_stop(body)?.now },
            Operation::Freeze => Self::Freeze,
            Operation::Restart => Self::Restart { now: parse_stop(body)?.now },
            Operation::Upgrade => Self::Upgrade,
            Operation::Exec => Self::Exec(parse_exec(body)?),
            Operation::Logs { lines } => Self::Logs { lines },
            Operation::Config => Self::Config,
            Operation::Patch => Self::Patch(parse_patch(body)?),
        })
    }

    /// Whether it may wake the sandbox: not that of somebody who has gone.
    pub const fn may_wake(&self) -> bool {
        !matches!(self, Self::Stop { .. } | Self::Freeze | Self::Logs { .. })
    }
}

impl Request {
    /// Reads the body of a call whose caller is proven.
    pub fn of(call: Call, caller: Caller, body: &[u8]) -> Result<Self, Refusal> {
        match (call, caller) {
            (Call::Health, _) => Ok(Self::Health),
            (Call::Metrics, _) => Ok(Self::Metrics),
            (call, Caller::Hub) => Self::of_hub(call, body),
            (Call::Chat, Caller::Sandbox(sandbox)) => {
                Ok(Self::Think { sandbox, wire: Wire::OpenAi })
            }
            (Call::Messages, Caller::Sandbox(sandbox)) => {
                Ok(Self::Think { sandbox, wire: Wire::Anthropic })
            }
            (Call::Models, Caller::Sandbox(sandbox)) => Ok(Self::Models { sandbox }),
            _ => Err(Refusal::Unauthorized),
        }
    }

    fn of_hub(call: Call, body: &[u8]) -> Result<Self, Refusal> {
        Ok(match call {
            Call::Turn { user } => {
                let (sandbox, request) = parse_turn(user, body)?;
                Self::Turn { user, sandbox, request: Box::new(request) }
            }
            Call::Events { user, turn, after } => Self::Events { user, turn, after },
            Call::Abort { user, turn } => Self::Abort { user, turn },
            Call::Steer { user, turn } => Self::Steer { user, turn, said: parse_steer(body)? },
            Call::Wake { user } => Self::Wake { sandbox: personal(user)? },
            Call::Approve { user, approval } => {
                Self::Approve { user, approval, answer: parse_answer(body)? }
            }
            Call::Usage { user } => Self::Usage { user },
            Call::Retire { user } => Self::Retire { user, until: parse_retire(body)?.until },
            Call::Reinstate { user } => Self::Reinstate { user },
            Call::Erase { user } => Self::Erase { user },
            Call::Sandboxes => Self::Sandboxes,
            Call::Sandbox { user } => Self::Sandbox { sandbox: personal(user)? },
            Call::Backup { user } => Self::Backup { sandbox: personal(user)? },
            Call::Restore { user } => {
                Self::Restore { sandbox: personal(user)?, request: parse_restore(body)? }
            }
            Call::Archive { user, id } => Self::Archive { sandbox: personal(user)?, id },
            Call::Operate { user, operation } => {
                Self::Operate { sandbox: personal(user)?, order: Order::of(operation, body)? }
            }
            Call::Keep { user, hash } => Self::Keep { user, hash },
            Call::Media { user, hash } => Self::Media { user, hash },
            Call::Model => Self::Model,
            // Nobody but sandboxes makes these; the others need no proof.
            Call::Chat | Call::Messages | Call::Models | Call::Health | Call::Metrics => {
                return Err(Refusal::Unauthorized);
            }
        })
    }

    /// The sandbox that has to do with it; `None`: the edge itself. What is a person's is at home in
    /// their personal one; so are all of their turns, wherever those run.
    pub fn home(&self) -> Option<SandboxName> {
        match self {
            Self::Health | Self::Metrics | Self::Sandboxes | Self::Model => None,
            Self::Wake { sandbox }
            | Self::Sandbox { sandbox }
            | Self::Backup { sandbox }
            | Self::Restore { sandbox, .. }
            | Self::Archive { sandbox, .. }
            | Self::Operate { sandbox, .. }
            | Self::Think { sandbox, .. }
            | Self::Models { sandbox } => Some(sandbox.clone()),
            Self::Turn { user, .. }
            | Self::Events { user, .. }
            | Self::Abort { user, .. }
            | Self::Steer { user, .. }
            | Self::Approve { user, .. }
            | Self::Usage { user }
            | Self::Retire { user, .. }
            | Self::Reinstate { user }
            | Self::Keep { user, .. }
            | Self::Media { user, .. }
            | Self::Erase { user } => personal(*user).ok(),
        }
    }
}

fn personal(user: ZakiUserId) -> Result<SandboxName, Refusal> {
    let name = SandboxName::new(user, &SandboxKind::Personal);
    name.map_err(|_| Refusal::Malformed("the sandbox has no valid name"))
}
