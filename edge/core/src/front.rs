//! Requests: which call they are, who may make it, and how large it may be.
//!
//! A shell reads the head, asks [`Call::of`], reads the body up to [`Call::body_limit`], asks
//! [`Front::admit`] over the raw bytes, and only then parses the body. Where the proof does not
//! cover the body ([`Call::signs_its_body`]) it asks first and reads later.

mod tokens;

use zaki_envelope::{
    BackupId, SandboxName, Timestamp, TurnId, ZakiUserId,
    signature::{Keyring, Message},
    wire::{ApprovalAnswer, RestoreRequest, RetireRequest, SteerRequest, TurnRequest},
};

pub use tokens::Tokens;

/// The longest id of an approval, in bytes.
const LONGEST_APPROVAL: usize = 128;

/// What a request asks for. Each path has exactly one method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `GET /health`: the edge itself is up.
    Health,
    /// `POST /v1/users/{user}/turns`: run a turn, or attach to it; Server-Sent Events back.
    Turn {
        /// Whose sandbox.
        user: ZakiUserId,
    },
    /// `GET /v1/users/{user}/turns/{turn}?after=seq`: its events after `seq`.
    Events {
        /// Whose turn.
        user: ZakiUserId,
        /// Which.
        turn: TurnId,
        /// The last event the reader has; 0: none.
        after: u64,
    },
    /// `POST /v1/users/{user}/turns/{turn}/abort`: stop it; its events tell the end.
    Abort {
        /// Whose turn.
        user: ZakiUserId,
        /// Which.
        turn: TurnId,
    },
    /// `POST /v1/users/{user}/turns/{turn}/steer`: more of what the person said.
    Steer {
        /// Whose turn.
        user: ZakiUserId,
        /// Which.
        turn: TurnId,
    },
    /// `POST /v1/users/{user}/wake`: a turn is about to come.
    Wake {
        /// Whose sandbox.
        user: ZakiUserId,
    },
    /// `POST /v1/users/{user}/approvals/{id}`: what the person says to what the agent asked.
    Approve {
        /// Whose agent.
        user: ZakiUserId,
        /// The id in the event.
        approval: String,
    },
    /// `GET /v1/users/{user}/usage`: what they have used.
    Usage {
        /// Who.
        user: ZakiUserId,
    },
    /// `POST /v1/users/{user}/retire`: stop and keep everything of theirs for a time.
    Retire {
        /// Who.
        user: ZakiUserId,
    },
    /// `POST /v1/users/{user}/reinstate`: as if they had never been retired.
    Reinstate {
        /// Who.
        user: ZakiUserId,
    },
    /// `DELETE /v1/users/{user}`: stop and forget everything of theirs.
    Erase {
        /// Who.
        user: ZakiUserId,
    },
    /// `GET /v1/sandboxes`: every sandbox there is, and how its memory stands.
    Sandboxes,
    /// `GET /v1/users/{user}/sandbox`: the same of one person's own, with its backups.
    Sandbox {
        /// Whose.
        user: ZakiUserId,
    },
    /// `POST /v1/users/{user}/backup`: back it up now.
    Backup {
        /// Whose sandbox.
        user: ZakiUserId,
    },
    /// `POST /v1/users/{user}/restore`: give it the memory of a backup.
    Restore {
        /// Whose sandbox.
        user: ZakiUserId,
    },
    /// `GET /v1/users/{user}/backups/{id}`: the archive itself.
    Archive {
        /// Whose sandbox.
        user: ZakiUserId,
        /// Which backup.
        id: BackupId,
    },
    /// `GET /metrics`: counts, in Prometheus' text format; no person is named.
    Metrics,
    /// `POST /model/v1/chat/completions`: a sandbox calls its model.
    Chat,
    /// `GET /model/v1/models`: a sandbox asks which models there are.
    Models,
}

/// Who made a call, proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody in particular; the call needs no proof.
    Anyone,
    /// A hub that holds a signing key.
    Hub,
    /// This sandbox.
    Sandbox(SandboxName),
}

/// Why a request goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such path, or nothing is known by that id.
    #[error("there is nothing here")]
    NotFound,
    /// The path takes another method.
    #[error("this path takes {allow} only")]
    Method {
        /// The one it takes.
        allow: &'static str,
    },
    /// Neither signature nor token proves the caller. Says no more on purpose.
    #[error("the caller is not known")]
    Unauthorized,
    /// The body is larger than the call takes.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: usize,
    },
    /// The body is not what the call takes.
    #[error("{0}")]
    Malformed(&'static str),
    /// It was here once and is no longer kept.
    #[error("this is no longer kept")]
    Gone,
    /// The turn has ended, or takes no more; what was sent is not part of it.
    #[error("the turn takes nothing more")]
    Ended,
    /// It was decided otherwise before, or cannot be decided so.
    #[error("this cannot be the answer")]
    Decided,
    /// Not now: the edge goes down or the sandbox comes up. The same request may be made again.
    #[error("not now; try again")]
    Unavailable,
}

impl Refusal {
    /// The HTTP status to answer with.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Unauthorized => 401,
            Self::NotFound => 404,
            Self::Method { .. } => 405,
            Self::Ended | Self::Decided => 409,
            Self::Gone => 410,
            Self::TooLarge { .. } => 413,
            Self::Unavailable => 503,
        }
    }
}

/// What proves the caller of a call.
enum Proof {
    None,
    Signature,
    Token,
}

impl Call {
    /// Reads the request line. Unknown paths and malformed ids are both [`Refusal::NotFound`].
    pub fn of(method: &str, path: &str, query: Option<&str>) -> Result<Self, Refusal> {
        let call = Self::at(path, query.unwrap_or_default()).ok_or(Refusal::NotFound)?;
        if call.method() == method {
            Ok(call)
        } else {
            Err(Refusal::Method { allow: call.method() })
        }
    }

    fn at(path: &str, query: &str) -> Option<Self> {
        let mut pieces = path.strip_prefix('/')?.split('/');
        let call = match (pieces.next()?, pieces.next()) {
            ("health", None) => Self::Health,
            ("metrics", None) => Self::Metrics,
            ("v1", Some("sandboxes")) => Self::Sandboxes,
            ("model", Some("v1")) => match (pieces.next()?, pieces.next()) {
                ("chat", Some("completions")) => Self::Chat,
                ("models", None) => Self::Models,
                _ => return None,
            },
            ("v1", Some("users")) => {
                Self::of_user(pieces.next()?.parse().ok()?, &mut pieces, query)?
            }
            _ => return None,
        };
        pieces.next().is_none().then_some(call)
    }

    fn of_user<'p>(
        user: ZakiUserId,
        pieces: &mut impl Iterator<Item = &'p str>,
        query: &str,
    ) -> Option<Self> {
        let Some(what) = pieces.next() else { return Some(Self::Erase { user }) };
        match (what, pieces.next()) {
            ("wake", None) => Some(Self::Wake { user }),
            ("usage", None) => Some(Self::Usage { user }),
            ("retire", None) => Some(Self::Retire { user }),
            ("reinstate", None) => Some(Self::Reinstate { user }),
            ("sandbox", None) => Some(Self::Sandbox { user }),
            ("backup", None) => Some(Self::Backup { user }),
            ("restore", None) => Some(Self::Restore { user }),
            ("backups", Some(id)) => Some(Self::Archive { user, id: id.parse().ok()? }),
            ("approvals", Some(id)) => Some(Self::Approve { user, approval: approval(id)? }),
            ("turns", None) => Some(Self::Turn { user }),
            ("turns", Some(turn)) => {
                let turn = turn.parse().ok()?;
                match pieces.next() {
                    None => Some(Self::Events { user, turn, after: after(query)? }),
                    Some("abort") => Some(Self::Abort { user, turn }),
                    Some("steer") => Some(Self::Steer { user, turn }),
                    Some(_) => None,
                }
            }
            _ => None,
        }
    }

    const fn method(&self) -> &'static str {
        match self {
            Self::Health
            | Self::Metrics
            | Self::Events { .. }
            | Self::Usage { .. }
            | Self::Sandboxes
            | Self::Sandbox { .. }
            | Self::Archive { .. }
            | Self::Models => "GET",
            Self::Turn { .. }
            | Self::Abort { .. }
            | Self::Steer { .. }
            | Self::Wake { .. }
            | Self::Approve { .. }
            | Self::Retire { .. }
            | Self::Reinstate { .. }
            | Self::Backup { .. }
            | Self::Restore { .. }
            | Self::Chat => "POST",
            Self::Erase { .. } => "DELETE",
        }
    }

    /// The largest body the call takes, in bytes.
    pub const fn body_limit(&self) -> usize {
        match self {
            // Text and references; media travel apart.
            Self::Turn { .. } | Self::Steer { .. } => 1024 * 1024,
            // A whole conversation with inlined pictures; OpenClaw's own frames end at 25 MiB.
            Self::Chat => 32 * 1024 * 1024,
            _ => 16 * 1024,
        }
    }

    /// Whether the caller is proven over the body. All others can be proven, and strangers turned
    /// away, before a byte of it is read.
    pub const fn signs_its_body(&self) -> bool {
        matches!(self.proof(), Proof::Signature)
    }

    const fn proof(&self) -> Proof {
        match self {
            Self::Health | Self::Metrics => Proof::None,
            Self::Chat | Self::Models => Proof::Token,
            _ => Proof::Signature,
        }
    }
}

/// `after=<seq>`; nothing means from the start, anything else is malformed.
fn after(query: &str) -> Option<u64> {
    match query.split('&').find_map(|pair| pair.strip_prefix("after=")) {
        Some(seq) => seq.parse().ok(),
        None => Some(0),
    }
}

/// What the front knows callers by.
#[derive(Clone, Copy)]
pub struct Front<'a> {
    /// The hubs' keys.
    pub keys: &'a Keyring,
    /// The sandboxes' tokens.
    pub tokens: &'a Tokens,
}

impl Front<'_> {
    /// Proves who makes `call`, over the raw bytes. `header` looks a header up by its lowercase name.
    pub fn admit<'h>(
        self,
        call: &Call,
        header: impl Fn(&str) -> Option<&'h str>,
        message: Message<'_>,
        now: Timestamp,
    ) -> Result<Caller, Refusal> {
        match call.proof() {
            Proof::None => Ok(Caller::Anyone),
            Proof::Signature => match self.keys.verify(header, message, now) {
                Ok(()) => Ok(Caller::Hub),
                Err(_) => Err(Refusal::Unauthorized),
            },
            Proof::Token => header("authorization")
                .and_then(|value| value.strip_prefix("Bearer "))
                .and_then(|token| self.tokens.owner(token))
                .map(|name| Caller::Sandbox(name.clone()))
                .ok_or(Refusal::Unauthorized),
        }
    }
}

/// Reads the body of [`Call::Turn`] and names the sandbox it is for.
pub fn parse_turn(user: ZakiUserId, body: &[u8]) -> Result<(SandboxName, TurnRequest), Refusal> {
    let request: TurnRequest = serde_json::from_slice(body)
        .map_err(|_| Refusal::Malformed("the body is not a turn request"))?;
    let sandbox = SandboxName::new(user, &request.sandbox)
        .map_err(|_| Refusal::Malformed("the sandbox has no valid name"))?;
    if request.parts.is_empty() {
        return Err(Refusal::Malformed("the turn has no parts"));
    }
    Ok((sandbox, request))
}

/// An id as sandboxes give them, which is safe in a path and in a log.
fn approval(id: &str) -> Option<String> {
    let fits = (1..=LONGEST_APPROVAL).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
        // Those would lead elsewhere in a path.
        && id.bytes().any(|b| b != b'.');
    fits.then(|| id.to_owned())
}

/// Reads the body of [`Call::Approve`].
pub fn parse_answer(body: &[u8]) -> Result<ApprovalAnswer, Refusal> {
    let malformed = Refusal::Malformed("the body is not an answer to an approval");
    serde_json::from_slice(body).map_err(|_| malformed)
}

/// Reads the body of [`Call::Retire`].
pub fn parse_retire(body: &[u8]) -> Result<RetireRequest, Refusal> {
    let malformed = Refusal::Malformed("the body does not say until when");
    serde_json::from_slice(body).map_err(|_| malformed)
}

/// Reads the body of [`Call::Restore`]; none asks for the newest.
pub fn parse_restore(body: &[u8]) -> Result<RestoreRequest, Refusal> {
    let malformed = Refusal::Malformed("the body does not say which backup");
    if body.is_empty() {
        Ok(RestoreRequest::default())
    } else {
        serde_json::from_slice(body).map_err(|_| malformed)
    }
}

/// Reads the body of [`Call::Steer`].
pub fn parse_steer(body: &[u8]) -> Result<SteerRequest, Refusal> {
    let request: SteerRequest = serde_json::from_slice(body)
        .map_err(|_| Refusal::Malformed("the body is not a steer request"))?;
    if request.parts.is_empty() {
        return Err(Refusal::Malformed("the steer request has no parts"));
    }
    Ok(request)
}

#[cfg(test)]
mod tests;
