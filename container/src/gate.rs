//! Whether a gateway may run: not while its state is exchanged, nor before there is one.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{MutexGuard, watch};

/// What the sandbox waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Nothing: gateways run.
    Open,
    /// Somebody who brings its state, or says that there is none.
    Empty,
    /// Its state is being exchanged.
    Exchange,
    /// Nobody: its state cannot be had, for this reason.
    Refused(String),
}

/// Between whoever runs gateways and whoever changes what they run on.
#[derive(Debug)]
pub(crate) struct Gate {
    door: watch::Sender<Door>,
    /// Held while a gateway runs.
    gateway: tokio::sync::Mutex<()>,
    /// Held while a state is received; one at a time.
    busy: Mutex<bool>,
}

impl Gate {
    pub(crate) fn new(door: Door) -> Self {
        Self { door: watch::Sender::new(door), gateway: <_>::default(), busy: <_>::default() }
    }

    pub(crate) fn door(&self) -> Door {
        self.door.borrow().clone()
    }

    /// Tells of every change from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<Door> {
        self.door.subscribe()
    }

    pub(crate) fn set(&self, door: Door) {
        self.door.send_replace(door);
    }

    /// Waits until a gateway may run; none else runs while this is held.
    pub(crate) async fn enter(&self) -> MutexGuard<'_, ()> {
        loop {
            self.until(|door| *door == Door::Open).await;
            let entered = self.gateway.lock().await;
            if self.door() == Door::Open {
                return entered;
            }
        }
    }

    /// Returns when a gateway that runs must end.
    pub(crate) async fn closed(&self) {
        self.until(|door| *door != Door::Open).await;
    }

    /// Returns when no gateway runs. None starts before the door is opened again.
    pub(crate) async fn vacate(&self) -> MutexGuard<'_, ()> {
        self.set(Door::Exchange);
        self.gateway.lock().await
    }

    /// Whoever receives a state, or copies one; `None`: somebody else does.
    pub(crate) fn occupy(self: &Arc<Self>) -> Option<Occupied> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        (!std::mem::replace(&mut *busy, true)).then(|| Occupied(Arc::clone(self)))
    }

    async fn until(&self, is_it: impl Fn(&Door) -> bool) {
        // The sender is here: it cannot be gone.
        let _ = self.door.subscribe().wait_for(|door| is_it(door)).await;
    }
}

/// Until it is dropped, nobody else works on the state.
#[derive(Debug)]
pub(crate) struct Occupied(Arc<Gate>);

impl Drop for Occupied {
    fn drop(&mut self) {
        *self.0.busy.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn no_gateway_runs_while_the_state_is_exchanged() {
        let gate = Arc::new(Gate::new(Door::Empty));
        let soon = Duration::from_millis(20);
        assert!(timeout(soon, gate.enter()).await.is_err());
        gate.set(Door::Open);
        let running = gate.enter().await;
        assert!(timeout(soon, gate.closed()).await.is_err());
        let (exchange, ()) = tokio::join!(gate.vacate(), async {
            gate.closed().await;
            drop(running);
        });
        assert!(timeout(soon, gate.enter()).await.is_err(), "it is not open yet");
        gate.set(Door::Open);
        assert!(timeout(soon, gate.enter()).await.is_err(), "the exchange goes on");
        drop(exchange);
        let _running = gate.enter().await;
        let one = gate.occupy();
        assert!(one.is_some() && gate.occupy().is_none());
        drop(one);
        assert!(gate.occupy().is_some());
    }
}
