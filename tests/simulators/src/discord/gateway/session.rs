//! Sessions: numbered events, kept for a replay, sent to the live socket.

use std::collections::VecDeque;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{intents, resume_url};
use crate::common::lock;
use crate::discord::Shared;
use crate::discord::person::guild_json;

/// Payloads waiting for a slow socket before it is cut.
const QUEUE: usize = 65_536;
/// Sessions kept; the oldest are forgotten first.
const SESSIONS: usize = 10;

/// What a socket is told to do.
#[derive(Clone, Debug)]
pub(in crate::discord) enum Signal {
    Send(String),
    Close(u16),
    Drop,
    Reconnect,
    Invalid(bool),
}

#[derive(Default)]
pub(in crate::discord) struct Sessions {
    pub(in crate::discord) ignore_heartbeats: bool,
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

impl Sessions {
    /// No session can be resumed any more.
    pub(super) fn forget(&mut self) {
        self.list.clear();
    }
}

impl Session {
    /// Numbers an event, keeps it for a replay and sends it if a socket is there.
    fn dispatch(&mut self, replay: usize, event: &str, data: &Value) {
        self.seq += 1;
        let payload = json!({"op": 0, "s": self.seq, "t": event, "d": data}).to_string();
        if self.events.len() >= replay {
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
pub(in crate::discord) fn dispatch(
    shared: &Shared,
    event: &str,
    data: &dyn Fn(u64) -> Option<Value>,
) {
    for session in &mut lock(&shared.sessions).list {
        if let Some(data) = data(session.intents) {
            session.dispatch(shared.config.replay, event, &data);
        }
    }
}

pub(in crate::discord) fn signal_all(shared: &Shared, signal: &Signal) {
    for session in &mut lock(&shared.sessions).list {
        session.signal(signal.clone());
    }
}

/// What a socket gets to know when it identified or resumed.
pub(super) struct Attached {
    pub(super) session: String,
    pub(super) signals: mpsc::Receiver<Signal>,
    number: u64,
    pub(super) replayed: usize,
}

/// A new session: READY, and GUILD_CREATE for every guild.
pub(super) fn identify(shared: &Shared, granted: u64, shard_of: &Value) -> Attached {
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
    session.dispatch(shared.config.replay, "READY", &ready);
    if granted & intents::GUILDS != 0 {
        for (guild, channels) in &guilds {
            session.dispatch(
                shared.config.replay,
                "GUILD_CREATE",
                &guild_json(*guild, channels, &bot),
            );
        }
    }
    if sessions.list.len() == SESSIONS {
        sessions.list.pop_front();
    }
    sessions.list.push_back(session);
    Attached { session: id, signals, number, replayed: 0 }
}

/// Why a session is not taken up again.
pub(super) enum NotResumed {
    /// INVALID_SESSION with `false`.
    Gone,
    /// Close 4007: a sequence number that was never sent.
    BadSequence,
}

/// An old session: everything after `seq`, in order, then RESUMED.
pub(super) fn resume(shared: &Shared, id: &str, seq: u64) -> Result<Attached, NotResumed> {
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
    session.dispatch(shared.config.replay, "RESUMED", &json!({"_trace": ["simulated"]}));
    Ok(Attached { session: id.to_owned(), signals, number, replayed })
}

/// The socket is gone: its session waits to be resumed.
pub(super) fn detach(shared: &Shared, attached: &Attached) {
    let mut sessions = lock(&shared.sessions);
    if let Some(session) = sessions.list.iter_mut().find(|s| s.id == attached.session)
        && session.socket.as_ref().is_some_and(|(number, _)| *number == attached.number)
    {
        session.socket = None;
    }
}
