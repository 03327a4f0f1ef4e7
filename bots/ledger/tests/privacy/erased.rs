//! Of people who have been erased, nothing is left.

use zaki_ledger::Erased;
use zaki_ledger::testkit::at;
use zaki_ledger::testkit::people::{
    answer, asks, new, number, private, replies, request, user, who,
};
use zaki_store::Keys;

use crate::place::{Where, keys};

/// By what a person would be found.
fn traces(person: u32) -> Vec<String> {
    let texts = ["word", "answer"].map(|kind| format!("{kind}-{person}-"));
    let ids = [number(person), user(person).to_string(), format!("name-of-{person}")];
    texts.into_iter().chain(ids).collect()
}

fn found(traces: &[String], values: &str) -> Vec<String> {
    let lines = values.lines().filter(|line| traces.iter().any(|trace| line.contains(trace)));
    lines.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_an_erased_person_is_in_any_table() {
    for place in Where::all().await {
        let open = place.open(Keys::default()).await.unwrap();
        open.live(1, 100).await;
        open.live(2, 200).await;
        let before = place.values().await;
        for person in [1, 2] {
            for trace in traces(person) {
                assert!(before.contains(&trace), "{trace} was there");
            }
        }
        let others = found(&traces(2), &before).len();
        let erased = open.ledger.erase(&who(1), at(1)).await.unwrap();
        assert!(erased.turns == 3 && erased.dead_letters == 1, "{erased:?}");
        let after = place.values().await;
        assert_eq!(found(&traces(1), &after), Vec::<String>::new());
        assert_eq!(found(&traces(2), &after).len(), others, "the other's is all there");
        assert_eq!(open.ledger.erase(&who(1), at(2)).await.unwrap(), Erased::default());
        // While the store is open, as it is for months.
        let bytes = String::from_utf8_lossy(&place.bytes()).into_owned();
        assert_eq!(found(&traces(1), &bytes), Vec::<String>::new(), "nor in free pages or the log");
        open.close().await;
    }
}

/// Two were one person for a while, and are two again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_persons_agent_said_to_them_alone_is_gone() {
    for place in Where::all().await {
        let open = place.open(Keys::default()).await.unwrap();
        let fence = open.ledger.enroll("hub").await.unwrap();
        for (n, has_ended) in [(7, true), (8, false)] {
            let theirs = private(2, n);
            open.ledger.accept(fence, request(vec![new(theirs.clone())])).await.unwrap();
            let turn = asks(1, n, &theirs);
            open.ledger.begin_turn(fence, turn.clone()).await.unwrap();
            let reply = replies(n, Some(n), &theirs, answer(2, n));
            let end = || {
                let (reply, end) = (vec![reply.clone()], zaki_ledger::TurnEnd::Finished);
                open.ledger.finish_turn(fence, turn.id, end, &[], reply, at(9))
            };
            if has_ended {
                end().await.unwrap();
            }
            assert!(!found(&traces(2), &place.values().await).is_empty());
            let erased = open.ledger.erase(&who(2), at(10)).await.unwrap();
            let gone = u64::from(has_ended);
            assert_eq!((erased.turns, erased.deliveries), (gone, gone));
            if !has_ended {
                end().await.unwrap();
            }
            assert_eq!(found(&traces(2), &place.values().await), Vec::<String>::new());
        }
        open.close().await;
    }
}

/// The release before this one does not note who wrote a message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_older_release_has_stored_is_found() {
    for place in Where::all().await {
        for keys in [Keys::default(), keys(&[("k1", 1)])] {
            let open = place.open(keys).await.unwrap();
            open.live(1, 100).await;
            place.run("UPDATE inbound SET sender = NULL; UPDATE request SET items = NULL").await;
            let page = open.ledger.dossier(&who(1), zaki_ledger::Mark::default()).await.unwrap();
            assert!(!page.kept.is_empty());
            place.run("UPDATE inbound SET sender = NULL").await;
            open.ledger.erase(&who(1), at(1)).await.unwrap();
            assert_eq!(found(&traces(1), &place.values().await), Vec::<String>::new());
            open.ledger.erase(&who(99), at(1)).await.unwrap();
            place.run("DELETE FROM forgotten").await;
            open.close().await;
        }
    }
}

/// Messages come in, are answered and settled all the while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_can_be_erased_while_they_write() {
    for place in Where::all().await {
        let open = std::sync::Arc::new(place.open(Keys::default()).await.unwrap());
        let writing = tokio::spawn({
            let open = std::sync::Arc::clone(&open);
            async move { open.write(1, 60).await }
        });
        let mut erased = Erased::default();
        while !writing.is_finished() {
            erased += open.ledger.erase(&who(1), at(1)).await.unwrap();
        }
        let verdicts = writing.await.unwrap();
        erased += open.ledger.erase(&who(1), at(1)).await.unwrap();
        println!("{erased:?}, {verdicts} verdicts");
        assert_eq!(erased.messages, 60, "each was there, and is not");
        assert_eq!(found(&traces(1), &place.values().await), Vec::<String>::new());
        let counts = open.ledger.counts().await.unwrap();
        assert_eq!(counts, zaki_ledger::Counts::default());
    }
}
