//! With keys, nothing that people say can be read where it is kept.

use zaki_envelope::SessionKey;
use zaki_ledger::testkit::at;
use zaki_ledger::testkit::people::{answer, private, user, who, words};
use zaki_ledger::{Error, InboundFilter, Kept, Mark};
use zaki_store::{Keys, SealError};

use crate::place::{Open, Where, keys};

const SAID: [&str; 4] = ["word-1-", "answer-1-", "secret-of-", "name-of-1"];

/// What of it can be read.
async fn readable(place: &Where) -> Vec<&'static str> {
    let (values, bytes) = (place.values().await, place.bytes());
    let bytes = String::from_utf8_lossy(&bytes);
    let shown = |said: &&str| values.contains(*said) || bytes.contains(*said);
    SAID.into_iter().filter(shown).collect()
}

/// Whether all of it is there for those who have the keys.
async fn assert_all_there(open: &Open) {
    let (mut all, mut mark) = (Vec::new(), Some(Mark::default()));
    while let Some(from) = mark {
        let page = open.ledger.dossier(&who(1), from).await.unwrap();
        all.extend(page.kept.iter().map(|one: &Kept| serde_json::to_string(one).unwrap()));
        mark = page.next;
    }
    let all = all.join("\n");
    for n in [100, 101, 102, 103, 104, 107] {
        assert!(all.contains(&words(1, n)), "message {n}");
    }
    for n in [100, 101, 105, 106] {
        assert!(all.contains(&answer(1, n)), "delivery {n}");
    }
    assert!(all.contains("\"raw\":"), "requests");
    let raw = open.ledger.raw(private(1, 100).id).await.unwrap().unwrap();
    assert!(String::from_utf8(raw).unwrap().contains(&words(1, 100)));
    let dead = open.ledger.list_dead(9).await.unwrap().rows;
    assert!(dead.iter().any(|one| String::from_utf8_lossy(&one.raw).contains(&words(1, 0))));
    let session = SessionKey::direct(1);
    let recent = open.ledger.recent(user(1), &session, 9).await.unwrap();
    assert!(recent.iter().any(|said| said.text == answer(1, 100)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_said_is_in_the_tables_or_files() {
    for place in Where::all().await {
        let open = place.open(keys(&[("k1", 1)])).await.unwrap();
        open.live(1, 100).await;
        assert_eq!(readable(&place).await, Vec::<&str>::new(), "while it is open, too");
        assert_all_there(&open).await;
        open.close().await;
        assert_eq!(readable(&place).await, Vec::<&str>::new());
    }
    for place in Where::all().await {
        let open = place.open(Keys::default()).await.unwrap();
        open.live(1, 100).await;
        assert_eq!(readable(&place).await, SAID, "without keys it would be seen");
        open.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_added_exchanged_and_taken_away() {
    for place in Where::all().await {
        let open = place.open(Keys::default()).await.unwrap();
        open.live(1, 100).await;
        open.close().await;
        let before = place.min_reader().await;

        // What was stored before there were keys is read, and encrypted on demand.
        let open = place.open(keys(&[("k1", 1)])).await.unwrap();
        assert_all_there(&open).await;
        assert!(place.min_reader().await > before, "older releases could not read it");
        assert!(open.ledger.rekey().await.unwrap() > 10);
        assert_eq!(open.ledger.rekey().await.unwrap(), 0, "once");
        assert_all_there(&open).await;
        assert!(!place.values().await.contains("word-1-"));
        open.close().await;

        let refused = |opened: Result<Open, Error>| match opened {
            Ok(_) => panic!("opened"),
            Err(error) => error,
        };
        let missing = refused(place.open(Keys::default()).await);
        assert!(matches!(&missing, Error::MissingKey { id } if id == "k1"), "{missing}");
        assert!(missing.to_string().contains("\"k1\""));
        let missing = refused(place.open(keys(&[("k2", 2)])).await);
        assert!(matches!(&missing, Error::MissingKey { id } if id == "k1"), "{missing}");
        let wrong = refused(place.open(keys(&[("k1", 9)])).await);
        assert!(matches!(&wrong, Error::WrongKey { id } if id == "k1"), "{wrong}");

        let open = place.open(keys(&[("k2", 2), ("k1", 1)])).await.unwrap();
        open.live(2, 200).await;
        assert_all_there(&open).await;
        assert!(open.ledger.rekey().await.unwrap() > 10);
        open.close().await;
        let open = place.open(keys(&[("k2", 2)])).await.unwrap();
        assert_all_there(&open).await;
        open.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_cannot_be_moved_to_another_row() {
    for place in Where::all().await {
        let open = place.open(keys(&[("k1", 1)])).await.unwrap();
        open.live(1, 100).await;
        let one = private(1, 100);
        let other = private(1, 102).id;
        let swap = format!(
            "UPDATE inbound SET envelope = (SELECT envelope FROM inbound WHERE id = '{}')
            WHERE id = '{other}'",
            one.id
        );
        place.run(&swap).await;
        let filter = InboundFilter { limit: 100, ..InboundFilter::default() };
        let found = open.ledger.list_inbounds(filter).await.unwrap();
        assert_eq!(found.illegible, [other.to_string()]);
        // The person can be erased all the same.
        open.ledger.erase(&who(1), at(1)).await.unwrap();
        let left = open.ledger.list_inbounds(filter).await.unwrap();
        assert!(left.rows.iter().all(|record| record.inbound.sender != one.sender));
        assert_eq!(left.illegible, [""; 0]);
        open.close().await;
    }
}

/// Between replicas: what one lacks the key for is not damaged, nor left out, nor given up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_key_nothing_is_shown_or_erased() {
    for place in Where::all().await {
        if matches!(place, Where::File(_)) {
            continue;
        }
        let old = place.open(keys(&[("k1", 1)])).await.unwrap();
        let new = place.open(keys(&[("k2", 2), ("k1", 1)])).await.unwrap();
        new.live(1, 100).await;
        let lacks = |error: Error| matches!(error, Error::Sealed(SealError::Missing { .. }));
        let filter = InboundFilter { limit: 100, ..InboundFilter::default() };
        assert!(lacks(old.ledger.list_inbounds(filter).await.unwrap_err()));
        assert!(lacks(old.ledger.dossier(&who(1), Mark::default()).await.unwrap_err()));
        assert!(lacks(old.ledger.recent(user(1), &SessionKey::direct(1), 9).await.unwrap_err()));
        assert!(lacks(old.ledger.erase(&who(1), at(1)).await.unwrap_err()));
        assert_all_there(&new).await;
        old.close().await;
        new.close().await;
    }
}
