//! What turns see of the gateway, however often it restarts: the live connection, and the events
//! of one session.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::{mpsc, watch};

use super::{
    Connection,
    protocol::{Role, SessionEvent},
};

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
    /// Who answers what agents ask, where they may.
    approver: Mutex<Option<Arc<Connection>>>,
    /// Where the gateway listens, and its token, once it is up.
    door: Mutex<Option<(u16, String)>>,
    readers: Mutex<HashMap<String, Vec<mpsc::UnboundedSender<SessionEvent>>>>,
    gateways: AtomicU64,
}

impl Link {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: watch::Sender::new(State::Starting),
            approver: Mutex::default(),
            door: Mutex::default(),
            readers: Mutex::default(),
            gateways: AtomicU64::new(0),
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

    /// Tells everybody how the gateway is now.
    pub(crate) fn set(&self, state: State) {
        if !matches!(state, State::Ready(_)) {
            self.set_approver(None);
        }
        self.state.send_replace(state);
    }

    /// From now on agents are answered this way.
    pub(crate) fn set_approver(&self, approver: Option<Arc<Connection>>) {
        *self.approver.lock().unwrap_or_else(PoisonError::into_inner) = approver;
    }

    /// The way to answer agents; `None`: not now.
    pub(crate) fn approver(&self) -> Option<Arc<Connection>> {
        let approver = self.approver.lock().unwrap_or_else(PoisonError::into_inner).clone();
        approver.filter(|approver| !approver.closed.is_cancelled())
    }

    /// From now on the gateway's host calls there.
    pub(crate) fn set_door(&self, port: u16, token: &str) {
        let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        *door = Some((port, token.to_owned()));
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

    /// Hands an event to the readers of its session.
    pub(crate) fn publish(&self, event: &SessionEvent) {
        let mut readers = self.readers();
        if let Some(of_session) = readers.get_mut(event.session()) {
            of_session.retain(|reader| reader.send(event.clone()).is_ok());
            if of_session.is_empty() {
                readers.remove(event.session());
            }
        }
    }

    fn readers(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<String, Vec<mpsc::UnboundedSender<SessionEvent>>>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
