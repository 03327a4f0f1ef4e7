//! The line that tells whoever waits for their sandbox that it comes up, and how many are before it.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};
use zaki_envelope::{ConversationKind, wire::WakeStage};
use zaki_ledger::OpenTurn;
use zaki_words::{self as words, Say};

use crate::{hub::Hub, notice};

/// How far a sandbox is, while it comes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waking {
    pub stage: WakeStage,
    pub ahead: Option<u32>,
}

impl Waking {
    fn words(self) -> words::Turn<'static> {
        match self {
            Self { stage: WakeStage::Queued, ahead: Some(ahead) } if ahead > 0 => {
                words::Turn::Queued { ahead: usize::try_from(ahead).unwrap_or(usize::MAX) }
            }
            _ => words::Turn::Waking,
        }
    }
}

/// Tells the person once, when it takes longer than that; whoever writes to a group, nobody. Ends
/// when that is done or need not be.
pub(crate) async fn tell(
    hub: &Arc<Hub>,
    open: &OpenTurn,
    mut waking: watch::Receiver<Option<Waking>>,
) {
    let after = hub.settings.progress;
    let Some(last) = open.inbounds.last().filter(|_| !after.is_zero()) else { return };
    if last.conversation.kind != ConversationKind::Direct {
        return;
    }
    let Some(now) = lasting(&mut waking, after).await else { return };
    // Whatever the turn does meanwhile: what is stored must be sent.
    let (hub, user, about) = (Arc::clone(hub), open.turn.user, last.clone());
    hub.tasks.clone().spawn(async move {
        let text = now.words().say(hub.voice(user, &about).await);
        notice::remark(&hub, &about, text).await;
    });
}

/// How far it is once it has lasted so long; `None`: it is over.
async fn lasting(waking: &mut watch::Receiver<Option<Waking>>, after: Duration) -> Option<Waking> {
    loop {
        waking.wait_for(Option::is_some).await.ok()?;
        let over = async { waking.wait_for(Option::is_none).await.map(drop) };
        match timeout(after, over).await {
            Ok(over) => over.ok()?,
            Err(_) => {
                if let Some(now) = *waking.borrow() {
                    return Some(now);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const QUEUED: Waking = Waking { stage: WakeStage::Queued, ahead: Some(3) };
    const STARTING: Waking = Waking { stage: WakeStage::Starting, ahead: None };

    #[tokio::test]
    async fn only_what_lasts_is_told_and_as_it_is_by_then() {
        let long = Duration::from_millis(100);
        let (sender, mut seen) = watch::channel(None);
        let telling = tokio::spawn(async move { lasting(&mut seen, long).await });
        sender.send_replace(Some(QUEUED));
        tokio::task::yield_now().await;
        sender.send_replace(None);
        sleep(long * 3).await;
        assert!(!telling.is_finished(), "it was there in time");
        sender.send_replace(Some(QUEUED));
        tokio::task::yield_now().await;
        sender.send_replace(Some(STARTING));
        assert_eq!(telling.await.unwrap(), Some(STARTING));
    }

    #[tokio::test]
    async fn nobody_is_told_behind_the_end() {
        let (sender, mut seen) = watch::channel(None);
        let telling = tokio::spawn(async move { lasting(&mut seen, Duration::MAX).await });
        sender.send_replace(Some(QUEUED));
        tokio::task::yield_now().await;
        drop(sender);
        assert_eq!(telling.await.unwrap(), None);
    }

    #[test]
    fn whoever_is_in_a_line_hears_how_many_are_before_them() {
        assert!(matches!(QUEUED.words(), words::Turn::Queued { ahead: 3 }));
        let next = Waking { ahead: Some(0), ..QUEUED };
        assert!(matches!(next.words(), words::Turn::Waking));
        assert!(matches!(STARTING.words(), words::Turn::Waking));
    }
}
