use serde_json::json;

use super::*;

const DM: &str = "agent:main:hub:dm:1";
const GROUP: &str = "agent:group:hub:slack:t1:c1";

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms)
}

fn place(n: u128) -> PlaceId {
    let hash = ProactiveId::from_parts(at(0), n).to_string();
    hash.parse().unwrap()
}

fn book(dir: &tempfile::TempDir) -> Book {
    Book::open(&dir.path().join("reminders.json"), at(100)).unwrap()
}

fn job(id: &str, session: &str) -> Job {
    serde_json::from_value(json!({"id": id, "owner": {"sessionKey": session}})).unwrap()
}

fn made(id: &str, at: i64) -> Job {
    let job = json!({"id": id, "owner": {"sessionKey": DM}, "createdAtMs": at});
    serde_json::from_value(job).unwrap()
}

fn run(job: &str, ts: i64, session: &str, text: &str) -> Run {
    let run = json!({"ts": ts, "jobId": job, "action": "finished", "status": "ok", "summary": text,
                     "sessionKey": session, "runAtMs": ts - 1});
    serde_json::from_value(run).unwrap()
}

/// What is told of these runs: place, whether by the group's agent, text.
fn told(book: &Book, runs: &[Run]) -> Vec<(Option<PlaceId>, bool, String)> {
    let unheard = book.unheard(runs);
    book.hear(runs).unwrap();
    unheard.into_iter().map(|message| (message.place, message.shared, message.text)).collect()
}

#[test]
fn a_job_belongs_where_its_session_was_spoken_in_when_it_was_made() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(&dir);
    book.enter(DM, place(1), at(110)).unwrap();
    book.enter(GROUP, place(9), at(110)).unwrap();
    book.learn(&[job("news", GROUP)], at(200)).unwrap();
    book.enter(DM, place(2), at(250)).unwrap();
    book.enter(DM, place(3), at(280)).unwrap();
    // However late it is looked at.
    let jobs = [made("tea", 249), made("milk", 250), made("eggs", 281), job("news", GROUP)];
    book.learn(&jobs, at(300)).unwrap();
    // Its job made another one.
    book.learn(&[job("milk", DM), job("more", "agent:main:cron:tea:run:1")], at(400)).unwrap();

    let book = Book::open(&dir.path().join("reminders.json"), at(9_999)).unwrap();
    let in_job = |agent: &str, job: &str| format!("agent:{agent}:cron:{job}:run:7");
    let said = told(
        &book,
        &[
            run("tea", 500, &in_job("main", "tea"), "tea!"),
            run("news", 501, &in_job("group", "news"), "news!"),
            run("milk", 502, DM, "milk!"),
            run("eggs", 502, DM, "eggs!"),
            run("more", 503, &in_job("main", "more"), "more!"),
            run("unknown", 504, DM, "by its session"),
            run("lost", 505, &in_job("main", "lost"), "nobody knows"),
        ],
    );
    let is = |place, shared, text: &str| (place, shared, text.to_owned());
    assert_eq!(
        said,
        [
            is(Some(place(1)), false, "tea!"),
            is(Some(place(9)), true, "news!"),
            is(Some(place(2)), false, "milk!"),
            is(Some(place(3)), false, "eggs!"),
            is(Some(place(1)), false, "more!"),
            is(Some(place(3)), false, "by its session"),
            is(None, false, "nobody knows"),
        ]
    );
}

#[test]
fn a_run_is_told_of_once_and_one_from_before_never() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(&dir);
    let runs = [run("a", 100, DM, "old"), run("a", 101, DM, "one"), run("a", 102, DM, "two")];
    let first = book.unheard(&runs);
    assert_eq!(told(&book, &runs).len(), 2);
    assert_eq!(told(&book, &runs), []);
    let again = Book::open(&dir.path().join("reminders.json"), at(0)).unwrap();
    assert_eq!(told(&again, &runs), []);
    // A crash before it was noted: the same message again, under the same id.
    assert_eq!(first[0].id, super::id("a 100", at(101)));
}

#[test]
fn what_is_heard_of_is_remembered_for_some_time() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(&dir);
    let count = i64::try_from(REMEMBERED).unwrap() + 10;
    let runs: Vec<Run> = (0..count).map(|n| run("a", 200 + n, DM, "x")).collect();
    assert_eq!(told(&book, &runs).len(), runs.len());
    assert_eq!(book.lock().heard.len(), REMEMBERED);
    assert_eq!(told(&book, &runs), []);
}

#[test]
fn what_was_to_run_once_and_was_put_off_is_known_until_it_has_run() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(&dir);
    let once = |next: i64, state: &str| -> Job {
        let mut job =
            json!({"id": "tea", "schedule": {"kind": "at"}, "state": {"nextRunAtMs": next}});
        job["state"][state] = json!(1);
        serde_json::from_value(job).unwrap()
    };
    let missed = |job: Job, now: i64| !book.learn(&[job], at(now)).unwrap().is_empty();
    assert!(!missed(once(500, "x"), 200), "it is planned");
    assert!(!missed(once(600, "x"), 300), "and planned anew");
    assert!(!missed(once(600, "x"), 700), "it is about to run");
    assert!(missed(once(900, "x"), 700) && missed(once(900, "x"), 701), "put off at a start");
    assert!(!missed(once(701 + PUT_OFF_MS + 1, "x"), 701), "moved, a moment before");
    assert!(!missed(once(900, "x"), 701), "and back");
    assert!(missed(once(1_300, "x"), 1_000));
    assert!(!missed(once(900, "runningAtMs"), 702));
    assert!(!missed(once(900, "lastRunAtMs"), 703), "tried again, after a failure");
    let again = json!({"id": "news", "schedule": {"kind": "every"}, "state": {"nextRunAtMs": 500}});
    let mut again: Job = serde_json::from_value(again).unwrap();
    assert!(!missed(again.clone(), 400));
    again = serde_json::from_value(
        json!({"id": "news", "schedule": {"kind": "every"}, "state": {"nextRunAtMs": 900}}),
    )
    .unwrap();
    assert!(!missed(again, 700), "it has its next time");
}

#[test]
fn a_job_that_is_no_more_is_known_for_a_day() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(&dir);
    book.enter(DM, place(1), at(0)).unwrap();
    book.learn(&[job("tea", DM)], at(0)).unwrap();
    book.learn(&[], at(10)).unwrap();
    book.learn(&[], at(GONE_MS)).unwrap();
    assert_eq!(told(&book, &[run("tea", 300, "", "tea!")])[0].0, Some(place(1)));
    book.learn(&[], at(10 + GONE_MS)).unwrap();
    assert!(book.lock().jobs.is_empty());
}

#[test]
fn only_words_that_are_meant_for_somebody_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(&dir);
    let with = |field: &str, value: serde_json::Value| {
        let mut run = json!({"ts": 500, "jobId": "a", "status": "ok", "summary": "hello"});
        run[field] = value;
        serde_json::from_value::<Run>(run).unwrap()
    };
    for run in [
        with("status", json!("error")),
        with("status", json!(null)),
        with("summary", json!("  no_reply ")),
        with("summary", json!("HEARTBEAT_OK")),
        with("summary", json!(" ")),
        with("summary", json!(null)),
        with("deliverySuppressionReason", json!("silent")),
    ] {
        assert_eq!(told(&book, std::slice::from_ref(&run)), [], "{run:?}");
        assert!(!book.lock().is_fresh(&run), "nor is it looked at again");
        *book.lock() = Notes::default();
    }
    assert_eq!(told(&book, &[with("x", json!(1))]).len(), 1);
}

/// What is told of these runs, of which the newest comes first, and whether of a failure.
fn failures(book: &Book, runs: &[Run]) -> Vec<(String, bool)> {
    let unheard = book.unheard(runs);
    book.hear(runs).unwrap();
    unheard.into_iter().map(|message| (message.text, message.failed)).collect()
}

fn failed(job: &str, ts: i64) -> Run {
    let run = json!({"ts": ts, "jobId": job, "status": "error", "error": "a secret", "summary": "a secret",
                     "runAtMs": ts - 1});
    serde_json::from_value(run).unwrap()
}

#[test]
fn a_job_that_fails_is_told_of_by_its_name_once_a_day_until_it_works_again() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(&dir);
    let named = |id: &str, kind: &str| -> Job {
        let job = json!({"id": id, "name": format!("the {id}"), "schedule": {"kind": kind}});
        serde_json::from_value(job).unwrap()
    };
    let own: Job =
        serde_json::from_value(json!({"id": "own", "name": "own", "declarationKey": "openclaw:x"}))
            .unwrap();
    let jobs = [named("tea", "at"), named("news", "every"), own];
    book.learn(&jobs, at(150)).unwrap();
    let told = |runs: &[Run]| failures(&book, runs);
    let of = |text: &str| vec![(text.to_owned(), true)];
    assert_eq!(told(&[failed("own", 200), failed("unknown", 200)]), []);
    // It is tried again, and then no more.
    assert_eq!(told(&[failed("tea", 201)]), []);
    book.learn(&jobs[1..], at(202)).unwrap();
    assert_eq!(told(&[failed("tea", 203)]), of("the tea"));
    // Every time anew, and of several in a row once.
    assert_eq!(told(&[failed("news", 302), failed("news", 301)]), of("the news"));
    assert_eq!(told(&[failed("news", 303)]), []);
    assert_eq!(told(&[failed("news", 303 + FAILING_MS)]), of("the news"));
    let well = run("news", 400 + FAILING_MS, DM, "news!");
    assert_eq!(told(&[well, failed("news", 399 + FAILING_MS)]), [("news!".to_owned(), false)]);
    assert_eq!(told(&[failed("news", 401 + FAILING_MS)]), of("the news"), "it had worked again");
}

#[test]
fn a_job_that_was_switched_off_when_it_was_due_is_not_late() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(&dir);
    let once = |next: i64| -> Job {
        let job = json!({"id": "tea", "schedule": {"kind": "at"}, "state": {"nextRunAtMs": next}});
        serde_json::from_value(job).unwrap()
    };
    book.learn(&[once(500)], at(200)).unwrap();
    book.learn(&[], at(300)).unwrap();
    assert!(book.learn(&[once(900)], at(700)).unwrap().is_empty());
}
