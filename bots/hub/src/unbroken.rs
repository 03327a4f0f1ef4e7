//! Work that is ended, whether or not whoever waits for it goes away meanwhile.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::{FutureExt, future::BoxFuture};
use tokio::runtime::Handle;
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

/// Runs in the task that waits for it, and goes on in one of its own when it is dropped before its
/// end: a task for each that is not dropped would cost as much as reading its message.
pub(crate) struct Unbroken<T: Send + 'static> {
    /// None: it has ended.
    work: Option<BoxFuture<'static, T>>,
    tasks: TaskTracker,
    /// Whoever waits for the tasks waits for this, too.
    _token: TaskTrackerToken,
}

impl<T: Send + 'static> Unbroken<T> {
    pub(crate) fn new(tasks: &TaskTracker, work: impl Future<Output = T> + Send + 'static) -> Self {
        Self { work: Some(work.boxed()), _token: tasks.token(), tasks: tasks.clone() }
    }
}

impl<T: Send + 'static> Future for Unbroken<T> {
    type Output = T;

    /// Taken out meanwhile: work that panics has ended.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(mut work) = self.work.take() else { return Poll::Pending };
        let polled = work.poll_unpin(context);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Unbroken<T> {
    fn drop(&mut self) {
        // Without a runtime the process is about to end, and the ledger knows what was begun.
        if let Some(work) = self.work.take()
            && let Ok(runtime) = Handle::try_current()
        {
            self.tasks.spawn_on(work, &runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn it_runs_where_it_is_waited_for() {
        let tasks = TaskTracker::new();
        let work = Unbroken::new(&tasks, async { tokio::task::id() });
        assert_eq!(tasks.len(), 1, "who ends the tasks waits for it");
        let here = tokio::spawn(async move { (tokio::task::id(), work.await) });
        let (here, there) = here.await.unwrap();
        assert_eq!((here, tasks.len()), (there, 0));
    }

    #[tokio::test]
    async fn it_goes_on_when_nobody_waits() {
        let tasks = TaskTracker::new();
        let ((go, begun), (end, ended)) = (oneshot::channel::<()>(), oneshot::channel());
        let mut work = Unbroken::new(&tasks, async move {
            let _ = begun.await;
            let _ = end.send(7);
        });
        assert!((&mut work).now_or_never().is_none());
        drop(work);
        go.send(()).unwrap();
        assert_eq!(ended.await, Ok(7));
        tasks.close();
        tasks.wait().await;
    }

    #[tokio::test]
    async fn what_panics_is_not_begun_again() {
        let tasks = TaskTracker::new();
        let work = Unbroken::new(&tasks, async { panic!("on purpose") });
        assert!(tokio::spawn(work).await.is_err_and(|error| error.is_panic()));
        assert_eq!(tasks.len(), 0);
    }
}
