//! A command holds nothing up: what its sender writes next need not wait for its answer.

use std::{future::pending, sync::Arc, time::Duration};

use zaki_envelope::Inbound;
use zaki_words::{Say, Trouble};

use crate::{hub::Hub, notice};

/// So long what a sender writes next waits for their command.
const IN_TURN: Duration = Duration::from_secs(3);
/// So much longer they wait without a word.
const SILENCE: Duration = Duration::from_secs(7);
/// So long a command tries to have one answer of a store or of the edge. After that whoever gave it
/// is told that it is not done.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Does `work`, a command, before whatever its sender writes next, unless it takes too long: then it
/// goes on beside that, and after a while they are told.
pub(crate) async fn in_turn(
    hub: &Arc<Hub>,
    about: &Inbound,
    work: impl Future<Output = ()> + Send + 'static,
) {
    let mut work = Box::pin(work);
    if tokio::time::timeout(IN_TURN, &mut work).await.is_ok() {
        return;
    }
    tracing::info!(id = %about.id, "a command takes its time");
    let (shared, about) = (Arc::clone(hub), about.clone());
    hub.tasks.spawn(async move {
        let later = async {
            tokio::time::sleep(SILENCE).await;
            let text = Trouble::Later.say(shared.voice_before(&about));
            notice::remark(&shared, &about, text).await;
            // The rest is the command's.
            pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = &mut work => {}
            () = later => {}
        }
    });
}
