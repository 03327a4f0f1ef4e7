//! The gateway: sessions, dispatch by intents, replay. The socket itself is in `socket`.

mod socket;
mod zlib;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::routing::get;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::person::guild_json;
use super::{Channel, Said, Shared};
use crate::common::lock;

/// Events kept for a resume, for each session; older ones make it impossible.
const REPLAY: usize = 2000;
/// Payloads waiting for a slow socket before it is cut.
const QUEUE: usize = 8192;
/// Sessions kept; the oldest are forgotten first.
const SESSIONS: usize = 100;

/// The gateway intents the simulator knows.
pub mod intents {
    /// Guilds and their channels.
    pub const GUILDS: u64 = 1;
    /// Members come and go (privileged).
    pub const GUILD_MEMBERS: u64 = 1 << 1;
    /// Who is online (privileged).
    pub const GUILD_PRESENCES: u64 = 1 << 8;
    /// Messages in guilds.
    pub const GUILD_MESSAGES: u64 = 1 << 9;
    /// Private messages.
    pub const DIRECT_MESSAGES: u64 = 1 << 12;
    /// The content of messages that do not concern the bot (privileged).
    pub const MESSAGE_CONTENT: u64 = 1 << 15;
    /// Those that must be switched on for the application.
    pub const PRIVILEGED: u64 = GUILD_MEMBERS | GUILD_PRESENCES | MESSAGE_CONTENT;
    /// Every bit that is defined.
    pub(super) const ALL: u64 = (1 << 26) - 1;
}

/// How a connection began its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// IDENTIFY: a new session.
    Identified,
    /// RESUME: an old session, with this many events replayed.
    Resumed {
        /// How many.
        replayed: usize,
    },
    /// RESUME that was refused.
    Refused,
}

/// A connection that identified or resumed.
#[derive(Clone, Debug, Serialize)]
pub struct Connected {
    /// When.
    pub at: SystemTime,
    /// `/gateway` or `/resume`.
    pub path: String,
    /// How.
    pub how: How,
    /// The session's id.
    pub session: String,
    /// The client asked for `zlib-stream`.
    pub compressed: bool,
}

/// What a socket is told to do.
#[derive(Clone, Debug)]
pub(super) enum Signal {
    Send(String),
    Close(u16),
    Drop,
    Reconnect,
    Invalid(bool),
}

#[derive(Default)]
pub(super) struct Sessions {
    pub(super) ignore_heartbeats: bool,
    list: VecDeque<Session>,
    next: u64,
}

struct Session {
    id: String,
    seq: u64,
    intents: u64,
    events: VecDeque<(u64, String)>,
    /// The live socket, and its number.
    socket: Option<(u64, mpsc::Sender<Signal>)>,
}

pub(super) fn url(base: &str) -> String {
    format!("{}/gateway", base.replacen("http", "ws", 1))
}

pub(super) fn resume_url(base: &str) -> String {
    format!("{}/resume", base.replacen("http", "ws", 1))
}

/// Clients add `?v=10…` with and without a slash before it.
pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/gateway", get(socket::upgrade))
        .route("/gateway/", get(socket::upgrade))
        .route("/resume", get(socket::upgrade))
        .route("/resume/", get(socket::upgrade))
}

impl Session {
    /// Numbers an event, keeps it for a replay and sends it if a socket is there.
    fn dispatch(&mut self, event: &str, data: &Value) {
        self.seq += 1;
        let payload = json!({"op": 0, "s": self.seq, "t": event, "d": data}).to_string();
        if self.events.len() == REPLAY {
            self.events.pop_front();
        }
        self.events.push_back((self.seq, payload.clone()));
        self.signal(Signal::Send(payload));
    }

    /// A socket that is gone or does not keep up is forgotten.
    fn signal(&mut self, signal: Signal) {
        if self.socket.as_ref().is_some_and(|(_, socket)| socket.try_send(signal).is_err()) {
            self.socket = None;
        }
    }
}

/// Sends an event to every session for which `data` gives something, told its intents.
pub(super) fn dispatch(shared: &Shared, event: &str, data: &dyn Fn(u64) -> Option<Value>) {
    for session in &mut lock(&shared.sessions).list {
        if let Some(data) = data(session.intents) {
            session.dispatch(event, &data);
        }
    }
}

/// MESSAGE_CREATE by intent; its content is empty without MESSAGE_CONTENT, unless it is private
/// or mentions the bot.
pub(super) fn message_create(shared: &Shared, channel: &Channel, said: &Said) {
    let needed = match channel.guild {
        Some(_) => intents::GUILD_MESSAGES,
        None => intents::DIRECT_MESSAGES,
    };
    let concerns_bot = channel.guild.is_none()
        || said.message["mentions"].as_array().is_some_and(|mentions| {
            let bot = shared.config.application_id.to_string();
            mentions.iter().any(|m| m["id"] == bot)
        });
    dispatch(shared, "MESSAGE_CREATE", &|granted| {
        if granted & needed == 0 {
            return None;
        }
        let mut message = said.message.clone();
        if !concerns_bot && granted & intents::MESSAGE_CONTENT == 0 {
            message["content"] = json!("");
            for list in ["embeds", "attachments", "components"] {
                message[list] = json!([]);
            }
        }
        Some(message)
    });
}

pub(super) fn signal_all(shared: &Shared, signal: &Signal) {
    for session in &mut lock(&shared.sessions).list {
        session.signal(signal.clone());
    }
}

/// INVALID_SESSION; where not resumable the sessions are gone.
pub(super) fn invalidate(shared: &Shared, resumable: bool) {
    signal_all(shared, &Signal::Invalid(resumable));
    if !resumable {
        lock(&shared.sessions).list.clear();
    }
}

/// What a socket gets to know when it identified or resumed.
struct Attached {
    session: String,
    signals: mpsc::Receiver<Signal>,
    number: u64,
    replayed: usize,
}

/// A new session: READY, and GUILD_CREATE for every guild.
fn identify(shared: &Shared, granted: u64, shard_of: &Value) -> Attached {
    let (bot, guilds) = {
        let mut world = lock(&shared.world);
        world.identifies += 1;
        (world.bot.clone(), world.guilds())
    };
    let mut sessions = lock(&shared.sessions);
    sessions.next += 1;
    let (number, id) = (sessions.next, format!("{:032x}", 0x5e55_1011_u64 + sessions.next));
    let (socket, signals) = mpsc::channel(QUEUE);
    let mut session = Session {
        id: id.clone(),
        seq: 0,
        intents: granted,
        events: VecDeque::new(),
        socket: Some((number, socket)),
    };
    let away: Vec<Value> =
        guilds.keys().map(|id| json!({"id": id.to_string(), "unavailable": true})).collect();
    let mut user = bot.to_json();
    for (name, value) in [("mfa_enabled", json!(false)), ("verified", json!(true))] {
        user[name] = value;
    }
    let mut ready = json!({
        "v": 10, "user": user, "guilds": away, "session_id": id, "session_type": "normal",
        "resume_gateway_url": resume_url(&shared.url), "user_settings": {}, "presences": [],
        "private_channels": [], "relationships": [], "guild_join_requests": [], "auth": {},
        "geo_ordered_rtc_regions": [], "_trace": ["simulated"],
        "application": {"id": bot.id.to_string(), "flags": 0},
    });
    if shard_of.is_array() {
        ready["shard"] = shard_of.clone();
    }
    session.dispatch("READY", &ready);
    if granted & intents::GUILDS != 0 {
        for (guild, channels) in &guilds {
            session.dispatch("GUILD_CREATE", &guild_json(*guild, channels, &bot));
        }
    }
    if sessions.list.len() == SESSIONS {
        sessions.list.pop_front();
    }
    sessions.list.push_back(session);
    Attached { session: id, signals, number, replayed: 0 }
}

/// Why a session is not taken up again.
enum NotResumed {
    /// INVALID_SESSION with `false`.
    Gone,
    /// Close 4007: a sequence number that was never sent.
    BadSequence,
}

/// An old session: everything after `seq`, in order, then RESUMED.
fn resume(shared: &Shared, id: &str, seq: u64) -> Result<Attached, NotResumed> {
    let mut sessions = lock(&shared.sessions);
    sessions.next += 1;
    let number = sessions.next;
    let session = sessions.list.iter_mut().find(|s| s.id == id).ok_or(NotResumed::Gone)?;
    if seq > session.seq {
        return Err(NotResumed::BadSequence);
    }
    let oldest = session.events.front().map_or(1, |(seq, _)| *seq);
    if seq + 1 < oldest {
        return Err(NotResumed::Gone);
    }
    session.signal(Signal::Close(1000));
    let (socket, signals) = mpsc::channel(QUEUE);
    session.socket = Some((number, socket));
    let missed: Vec<String> =
        session.events.iter().filter(|(s, _)| *s > seq).map(|(_, p)| p.clone()).collect();
    let replayed = missed.len();
    for payload in missed {
        session.signal(Signal::Send(payload));
    }
    session.dispatch("RESUMED", &json!({"_trace": ["simulated"]}));
    Ok(Attached { session: id.to_owned(), signals, number, replayed })
}

/// The socket is gone: its session waits to be resumed.
fn detach(shared: &Shared, attached: &Attached) {
    let mut sessions = lock(&shared.sessions);
    if let Some(session) = sessions.list.iter_mut().find(|s| s.id == attached.session)
        && session.socket.as_ref().is_some_and(|(number, _)| *number == attached.number)
    {
        session.socket = None;
    }
}
