//! Group commit: who shares a transaction, and who suffers with whom.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use zaki_store::testkit::database;
use zaki_store::{Error, Group, PgTx, Postgres, Stats, Together};

use super::{ids, open};

/// Adds things, many with one statement; held up for as long as the gate is closed.
struct Adding {
    gate: Arc<Semaphore>,
    begun: Arc<Semaphore>,
}

const ADD_ALL: &str = "INSERT INTO thing (id) SELECT unnest($1::bigint[])";
const REFUSED: i64 = 404;
const PANIC: i64 = 500;

#[derive(Clone, Debug)]
enum Fault {
    Store(Error),
    Refused,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

#[async_trait]
impl Together for Adding {
    type Job = i64;
    type Answer = i64;
    type Error = Fault;

    async fn run(&self, tx: &PgTx, jobs: &[i64]) -> Result<Vec<Result<i64, Fault>>, Fault> {
        self.begun.add_permits(1);
        drop(self.gate.acquire().await.unwrap());
        assert!(!jobs.contains(&PANIC), "a defect (this panic is part of the test)");
        let add: Vec<_> = jobs.iter().copied().filter(|id| *id != REFUSED).collect();
        tx.execute(ADD_ALL, &[&add]).await?;
        let answer = |id: &i64| if *id == REFUSED { Err(Fault::Refused) } else { Ok(*id) };
        Ok(jobs.iter().map(answer).collect())
    }
}

struct Desk {
    group: Group<Adding>,
    gate: Arc<Semaphore>,
    begun: Arc<Semaphore>,
}

type Task = tokio::task::JoinHandle<Result<i64, Fault>>;

impl Desk {
    fn new(store: &Postgres) -> Self {
        let (gate, begun) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let work = Adding { gate: Arc::clone(&gate), begun: Arc::clone(&begun) };
        Self { group: Group::new(store.clone(), work), gate, begun }
    }

    /// Hands a job in; it is in the queue when this returns.
    async fn hand_in(&self, id: i64) -> Task {
        let group = self.group.clone();
        let task = tokio::spawn(async move { group.submit(id).await });
        tokio::task::yield_now().await;
        task
    }

    /// Keeps every worker busy, so that whatever follows waits together.
    async fn occupy(&self) -> Vec<Task> {
        let mut held = Vec::new();
        for id in [-1, -2] {
            held.push(self.hand_in(id).await);
            self.begun.acquire().await.unwrap().forget();
        }
        held
    }

    fn open_gate(&self) {
        self.gate.add_permits(1000);
    }
}

async fn answers(tasks: Vec<Task>) -> Vec<Result<i64, Fault>> {
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn jobs_that_wait_share_a_commit() {
    let Some(database) = database().await else { return };
    let store = open(&database).await;
    let desk = Desk::new(&store);
    let mut tasks = desk.occupy().await;
    for id in 0..50 {
        tasks.push(desk.hand_in(id).await);
    }
    assert_eq!(desk.group.stats(), Stats { commits: 0, writes: 0 });
    desk.open_gate();
    assert!(answers(tasks).await.iter().all(Result::is_ok));
    assert_eq!(desk.group.stats(), Stats { commits: 3, writes: 52 });
    assert_eq!(ids(&store).await, (-2..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_failing_job_takes_only_itself_down() {
    let Some(database) = database().await else { return };
    let store = open(&database).await;
    let desk = Desk::new(&store);
    let mut tasks = desk.occupy().await;
    // The third is there already, once the first has been done.
    for id in [1, 2, 1, 3, REFUSED, 4] {
        tasks.push(desk.hand_in(id).await);
    }
    desk.open_gate();
    let answers = answers(tasks).await;
    let [Ok(-1), Ok(-2), Ok(1), Ok(2), Err(Fault::Store(error)), Ok(3), Err(Fault::Refused), Ok(4)] =
        answers.as_slice()
    else {
        panic!("{answers:?}")
    };
    assert!(matches!(error, Error::Statement { .. }), "{error}");
    assert_eq!(ids(&store).await, [-2, -1, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_panic_is_answered_and_the_work_goes_on() {
    let Some(database) = database().await else { return };
    let store = open(&database).await;
    let desk = Desk::new(&store);
    desk.open_gate();
    for _ in 0..3 {
        let answer = desk.group.submit(PANIC).await;
        assert!(matches!(answer, Err(Fault::Store(Error::Closed { .. }))), "{answer:?}");
    }
    assert!(matches!(desk.group.submit(1).await, Ok(1)));
}

#[tokio::test]
async fn a_server_that_goes_fails_everybody_and_is_met_again() {
    let Some(database) = database().await else { return };
    let store = open(&database).await;
    let desk = Desk::new(&store);
    let mut tasks = desk.occupy().await;
    database
        .run(&["SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()"])
        .await;
    tasks.push(desk.hand_in(1).await);
    desk.open_gate();
    for answer in &answers(tasks).await[..2] {
        assert!(matches!(answer, Err(Fault::Store(error)) if error.is_transient()), "{answer:?}");
    }
    while let Err(error) = desk.group.submit(2).await {
        assert!(matches!(&error, Fault::Store(error) if error.is_transient()), "{error:?}");
    }
    assert!(ids(&store).await.contains(&2));
}

#[tokio::test]
async fn a_queue_that_is_too_long_says_so() {
    let Some(database) = database().await else { return };
    let store = open(&database).await;
    let desk = Desk::new(&store);
    let mut tasks = desk.occupy().await;
    for id in 1000..2024 {
        tasks.push(desk.hand_in(id).await);
    }
    let answer = desk.group.submit(9999).await;
    assert!(matches!(answer, Err(Fault::Store(Error::Busy { .. }))), "{answer:?}");
    desk.open_gate();
    assert!(answers(tasks).await.iter().all(Result::is_ok));
}
