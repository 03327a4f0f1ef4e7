//! Requests: which call they are, who may make it, and how large it may be.
//!
//! A shell reads the head, asks [`Call::of`], reads the body up to [`Call::body_limit`], asks
//! [`Front::admit`] over the raw bytes, and only then parses the body. Where the proof does not
//! cover the body ([`Call::signs_its_body`]) it asks first and reads later.

mod bodies;
mod names;
mod operation;
mod tokens;

use zaki_envelope::{
    BackupId, LARGEST_MEDIUM, MediaHash, SandboxName, Timestamp, TurnId, ZakiUserId,
    signature::{Keyring, Message},
};

use bodies::approval;
pub use bodies::{parse_answer, parse_restore, parse_retire, parse_steer, parse_turn};
pub use operation::{Operation, parse_exec, parse_patch, parse_stop};
pub use tokens::{Owners, Seal, Tokens};

/// The longest medium, in bytes.
const LARGEST_BODY: usize = 19_000_000;
const _: () = assert!(LARGEST_BODY as u64 == LARGEST_MEDIUM);

/// What a request asks for. Each path has one method; that of a medium has two.
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
    /// `PUT /v1/users/{user}/media/{sha256}`: keep a medium for them, for a day. Proven over the
    /// hash in the path, before the bytes are read: whoever keeps them checks that they have it.
    Keep {
        /// For whom.
        user: ZakiUserId,
        /// What.
        hash: MediaHash,
    },
    /// `GET /v1/users/{user}/media/{sha256}`: the bytes of a medium kept for them.
    Media {
        /// Whose.
        user: ZakiUserId,
        /// Which.
        hash: MediaHash,
    },
    /// `/v1/users/{user}/sandbox/…`: something is done with it.
    Operate {
        /// Whose sandbox.
        user: ZakiUserId,
        /// What.
        operation: Operation,
    },
    /// `GET /metrics`: counts, in Prometheus' text format; no person is named.
    Metrics,
    /// `GET /v1/model`: how the providers of models stand.
    Model,
    /// `POST /model/v1/chat/completions`: a sandbox calls its model.
    Chat,
    /// `POST /model/v1/messages`: the same by Anthropic's interface.
    Messages,
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
    /// It asks too often.
    #[error("too many requests")]
    TooMany {
        /// When to come again.
        after: Pause,
    },
}

/// How long to stay away, in steps, so that a refusal stays a plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// A second.
    Second,
    /// Ten.
    Moment,
    /// Sixty.
    Minute,
}

impl Pause {
    /// The shortest that is no shorter than so many milliseconds.
    pub const fn of_ms(ms: i64) -> Self {
        match ms {
            ..=1_000 => Self::Second,
            1_001..=10_000 => Self::Moment,
            _ => Self::Minute,
        }
    }

    /// As `Retry-After` has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "1",
            Self::Moment => "10",
            Self::Minute => "60",
        }
    }
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
            Self::TooMany { .. } => 429,
            Self::Unavailable => 503,
        }
    }
}

/// What proves the caller of a call.
enum Proof {
    None,
    Signature,
    /// The same, over the hash that the body is to have.
    Hash(MediaHash),
    Token,
}

impl Call {
    /// Reads the request line. Unknown paths and malformed ids are both [`Refusal::NotFound`].
    pub fn of(method: &str, path: &str, query: Option<&str>) -> Result<Self, Refusal> {
        let call = Self::at(path, query.unwrap_or_default()).ok_or(Refusal::NotFound)?;
        let call = match call {
            Self::Media { user, hash } if method == "PUT" => Self::Keep { user, hash },
            call => call,
        };
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
            ("v1", Some("model")) => Self::Model,
            ("model", Some("v1")) => match (pieces.next()?, pieces.next()) {
                ("chat", Some("completions")) => Self::Chat,
                ("messages", None) => Self::Messages,
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
            ("sandbox", Some(word)) => {
                Some(Self::Operate { user, operation: Operation::of(word, query)? })
            }
            ("backup", None) => Some(Self::Backup { user }),
            ("restore", None) => Some(Self::Restore { user }),
            ("backups", Some(id)) => Some(Self::Archive { user, id: id.parse().ok()? }),
            ("media", Some(hash)) => Some(Self::Media { user, hash: hash.parse().ok()? }),
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
            | Self::Model
            | Self::Sandbox { .. }
            | Self::Archive { .. }
            | Self::Media { .. }
            | Self::Models => "GET",
            Self::Keep { .. } => "PUT",
            Self::Turn { .. }
            | Self::Abort { .. }
            | Self::Steer { .. }
            | Self::Wake { .. }
            | Self::Approve { .. }
            | Self::Retire { .. }
            | Self::Reinstate { .. }
            | Self::Backup { .. }
            | Self::Restore { .. }
            | Self::Chat
            | Self::Messages => "POST",
            Self::Operate { operation, .. } => operation.method(),
            Self::Erase { .. } => "DELETE",
        }
    }

    /// The largest body the call takes, in bytes.
    pub const fn body_limit(&self) -> usize {
        match self {
            // Text and references; media travel apart.
            Self::Turn { .. } | Self::Steer { .. } => 1024 * 1024,
            // A whole conversation with inlined pictures; OpenClaw's own frames end at 25 MiB.
            Self::Chat | Self::Messages => 32 * 1024 * 1024,
            Self::Keep { .. } => LARGEST_BODY,
            _ => 16 * 1024,
        }
    }

    /// Whether the caller is proven over the body. All others can be proven, and strangers turned
    /// away, before a byte of it is read.
    pub const fn signs_its_body(&self) -> bool {
        matches!(self.proof(), Proof::Signature)
    }

    /// Whether sandboxes are who makes it.
    pub const fn is_of_sandboxes(&self) -> bool {
        matches!(self.proof(), Proof::Token)
    }

    const fn proof(&self) -> Proof {
        match self {
            Self::Health | Self::Metrics => Proof::None,
            Self::Chat | Self::Messages | Self::Models => Proof::Token,
            Self::Keep { hash, .. } => Proof::Hash(*hash),
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
pub struct Front<'a, O: ?Sized = Tokens> {
    /// The hubs' keys.
    pub keys: &'a Keyring,
    /// The sandboxes' tokens.
    pub tokens: &'a O,
}

impl<O: Owners + ?Sized> Front<'_, O> {
    /// Proves who makes `call`, over the raw bytes. `header` looks a header up by its lowercase name.
    pub fn admit<'h>(
        &self,
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
            Proof::Hash(hash) => {
                let line = (message.method, message.path_and_query);
                match self.keys.verify_hashed(header, line, hash.bytes(), now) {
                    Ok(()) => Ok(Caller::Hub),
                    Err(_) => Err(Refusal::Unauthorized),
                }
            }
            // Anthropic's clients show it in a header of their own.
            Proof::Token => header("authorization")
                .and_then(|value| value.strip_prefix("Bearer "))
                .or_else(|| header("x-api-key"))
                .and_then(|token| self.tokens.owner_of(token))
                .map(Caller::Sandbox)
                .ok_or(Refusal::Unauthorized),
        }
    }
}

#[cfg(test)]
mod tests;
