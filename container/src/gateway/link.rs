//! What turns see of the gateway, however often it restarts: the live connection, and the events
//! of one session.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio::sync::{mpsc, watch};
use zaki_envelope::wire::GatewayState;

use super::{
    Connection,
    protocol::{ChatEvent, ChatState, Role, SessionEvent},
};
use crate::recovery::turn_of;

/// How the gateway is.
#[derive(Clone, Debug)]
pub(crate) enum State {
    /// It comes up, for the first time or again.
    Starting,
    /// It has said hello.
    Ready(Arc<Connection>),
    /// It will not come up; one sentence for the operator.
    Failed(String),
}

/// The gateway as everybody shares it.
#[derive(Debug)]
pub(crate) struct Link {
    state: watch::Sender<State>,
    /// What may be asked of the gateway in its owner's name.
    owner: Mutex<Option<Arc<Connection>>>,
    /// Where the gateway listens, and its token, once it is up.
    door: Mutex<Option<(u16, String)>>,
    readers: Mutex<HashMap<String, Vec<mpsc::UnboundedSender<SessionEvent>>>>,
    listener: OnceLock<Listener>,
    gateways: AtomicU64,
    /// The gateway's process, and since when it runs.
    process: Mutex<Option<(u32, Instant)>>,
}

/// What a process has in memory, in bytes.
fn memory(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = kilobytes.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Hears [`Word`]s, at once.
struct Listener(Box<dyn Fn(Word) + Send + Sync>);

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

/// What concerns no turn.
#[derive(Clone, Debug)]
pub(crate) enum Word {
    /// A gateway is up.
    Up,
    /// A run of a job has ended.
    Ended,
    /// An agent has said something that no turn of ours began.
    Said(Spoken),
}

/// What was said.
#[derive(Clone, Debug)]
pub(crate) struct Spoken {
    pub(crate) session: String,
    pub(crate) run: String,
    pub(crate) text: String,
    /// Neither in a session of a job, nor in one of which a turn runs.
    pub(crate) is_loose: bool,
}

impl Link {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: watch::Sender::new(State::Starting),
            owner: Mutex::default(),
            door: Mutex::default(),
            readers: Mutex::default(),
            listener: OnceLock::new(),
            gateways: AtomicU64::new(0),
            process: Mutex::default(),
        })
    }

    /// From now on it is another gateway, which knows nothing of what waited in the one before.
    pub(crate) fn count_gateway(&self) {
        self.gateways.fetch_add(1, Ordering::AcqRel);
    }

    /// Which gateway it is, counted from the start of this program.
    pub(crate) fn gateway(&self) -> u64 {
        self.gateways.load(Ordering::Acquire)
    }

    /// From now on the gateway is this process; `None`: there is none.
    pub(crate) fn set_process(&self, id: Option<u32>) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        *process = id.map(|id| (id, Instant::now()));
    }

    /// How it does; `None`: none runs.
    pub(crate) fn vitals(&self) -> Option<GatewayState> {
        let process = *self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let (id, since) = process?;
        let turns = matches!(&*self.state.borrow(), State::Ready(it) if !it.closed.is_cancelled());
        Some(GatewayState {
            up_ms: u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX),
            memory: memory(id).unwrap_or_default(),
            connections: u32::from(turns) + u32::from(self.owner().is_some()),
        })
    }

    /// Tells everybody how the gateway is now.
    pub(crate) fn set(&self, state: State) {
        if !matches!(state, State::Ready(_)) {
            self.set_owner(None);
        }
        let is_up = matches!(state, State::Ready(_));
        self.state.send_replace(state);
        if is_up {
            self.tell(Word::Up);
        }
    }

    /// From now on somebody hears what concerns no turn. The first one does.
    pub(crate) fn listen(&self, hear: impl Fn(Word) + Send + Sync + 'static) {
        let _ = self.listener.set(Listener(Box::new(hear)));
    }

    fn tell(&self, word: Word) {
        if let Some(Listener(hear)) = self.listener.get() {
            hear(word);
        }
    }

    /// From now on agents are answered this way.
    pub(crate) fn set_owner(&self, owner: Option<Arc<Connection>>) {
        *self.owner.lock().unwrap_or_else(PoisonError::into_inner) = owner;
    }

    /// The way to answer agents; `None`: not now.
    pub(crate) fn owner(&self) -> Option<Arc<Connection>> {
        let owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner).clone();
        owner.filter(|owner| !owner.closed.is_cancelled())
    }

    /// From now on the gateway's host calls there.
    pub(crate) fn set_door(&self, port: u16, token: &str) {
        let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        *door = Some((port, token.to_owned()));
    }

    /// Where the gateway listens, on loopback.
    pub(crate) fn port(&self) -> Option<u16> {
        let door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        door.as_ref().map(|(port, _)| *port)
    }

    /// A connection of the gateway's host, made anew since it is seldom wanted; `None`: the gateway
    /// does not answer.
    pub(crate) async fn host(&self) -> Option<Connection> {
        let door = self.door.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (port, token) = door?;
        Connection::open(port, &token, Role::Host, |_| {}).await.ok()
    }

    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Tells of every change from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Waits until the gateway is ready or has failed for good.
    pub(crate) async fn ready(&self) -> Result<Arc<Connection>, String> {
        let mut state = self.state.subscribe();
        loop {
            match &*state.borrow_and_update() {
                State::Ready(connection) if !connection.closed.is_cancelled() => {
                    return Ok(Arc::clone(connection));
                }
                State::Failed(why) => return Err(why.clone()),
                _ => {}
            }
            if state.changed().await.is_err() {
                return Err("the sandbox stops".to_owned());
            }
        }
    }

    /// Every event of `session` from now on.
    pub(crate) fn subscribe(&self, session: &str) -> mpsc::UnboundedReceiver<SessionEvent> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.readers().entry(session.to_owned()).or_default().push(sender);
        receiver
    }

    /// Hands an event to the readers of its session, and what concerns no turn to whoever listens.
    pub(crate) fn publish(&self, event: &SessionEvent) {
        match event {
            SessionEvent::Job(job) if job.has_ended() => self.tell(Word::Ended),
            SessionEvent::Chat(chat) => {
                _ = self.unasked(chat).map(|said| self.tell(Word::Said(said)))
            }
            _ => {}
        }
        let mut readers = self.readers();
        if let Some(of_session) = readers.get_mut(event.session()) {
            of_session.retain(|reader| reader.send(event.clone()).is_ok());
            if of_session.is_empty() {
                readers.remove(event.session());
            }
        }
    }

    /// The end of a run that is no turn's, with what it has come to.
    fn unasked(&self, chat: &ChatEvent) -> Option<Spoken> {
        if chat.state != ChatState::Final || turn_of(&chat.run_id).is_some() {
            return None;
        }
        let text = chat.message.as_ref()?.content.text();
        let session = chat.session_key.clone();
        let is_open = |reader: &mpsc::UnboundedSender<SessionEvent>| !reader.is_closed();
        // A turn that was interrupted goes on under another id, and there it is awaited.
        let in_turn = self.readers().get(&session).is_some_and(|all| all.iter().any(is_open));
        let is_loose = !in_turn && !session.split(':').any(|piece| piece == "cron");
        Some(Spoken { session, run: chat.run_id.clone(), text, is_loose })
    }

    fn readers(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<String, Vec<mpsc::UnboundedSender<SessionEvent>>>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_runs_has_memory_and_no_other_has() {
        let link = Link::new();
        assert_eq!(link.vitals(), None);
        link.set_process(Some(std::process::id()));
        let vitals = link.vitals().unwrap();
        assert!(vitals.memory > 100_000 && vitals.connections == 0, "{vitals:?}");
        link.set_process(Some(u32::MAX));
        assert_eq!(link.vitals().unwrap().memory, 0);
        link.set_process(None);
        assert_eq!(link.vitals(), None);
    }
}
