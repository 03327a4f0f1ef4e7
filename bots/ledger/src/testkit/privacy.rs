use zaki_envelope::{Address, DeliveryId, Inbound, Timestamp};

use super::people::{
    answer, asks, held, new, nonsense, number, private, replies, request, shared, user, who, words,
};
use super::samples::{at, delivery, turn_id};
use super::{Subject, claimed, claims, sent};
use crate::{
    Begin, By, Counts, DeliveryFilter, DeliveryState, Erased, Error, Finish, InboundFilter,
    InboundRecord, InboundState, Kept, Mark, Next, Retention, Said, SettleReason, TurnEnd, Who,
};

impl Subject {
    async fn take(&self, inbound: Inbound) {
        self.ledger.accept(self.fence, request(vec![held(inbound)])).await.unwrap();
    }

    /// A message is answered; the delivery has the number of the turn.
    async fn talk(&self, person: u32, n: u32, inbound: Inbound) {
        self.take(inbound.clone()).await;
        self.ledger.begin_turn(self.fence, asks(person, n, &inbound)).await.unwrap();
        self.end(person, n, &inbound).await;
        self.settle(n, sent()).await;
    }

    async fn end(&self, person: u32, n: u32, inbound: &Inbound) -> Next {
        let reply = vec![replies(n, Some(n), inbound, answer(person, n))];
        let end = TurnEnd::Finished;
        let end = self.ledger.finish_turn(self.fence, turn_id(n), end, &[], reply, at(900)).await;
        let Finish::Ended { first, .. } = end.unwrap() else { panic!("ended") };
        first
    }

    pub(super) async fn erase(&self, who: &Who) -> Erased {
        self.ledger.erase(who, at(5000)).await.unwrap()
    }

    pub(super) async fn everything(&self, who: &Who) -> Vec<Kept> {
        let (mut all, mut mark) = (Vec::new(), Some(Mark::default()));
        while let Some(from) = mark {
            let page = self.ledger.dossier(who, from).await.unwrap();
            all.extend(page.kept);
            mark = page.next;
        }
        all
    }

    async fn messages(&self) -> Vec<InboundRecord> {
        let filter = InboundFilter { limit: 100, ..InboundFilter::default() };
        self.ledger.list_inbounds(filter).await.unwrap().rows
    }

    async fn deliveries(&self) -> Vec<DeliveryId> {
        let filter = DeliveryFilter { limit: 100, ..DeliveryFilter::default() };
        let all = self.ledger.list_deliveries(filter).await.unwrap().rows;
        all.into_iter().map(|delivery| delivery.id).collect()
    }

    /// What two people leave: in private, in a room, by notices, and in what made no sense.
    pub(super) async fn two_people(&self) {
        for person in [1, 2] {
            let n = person * 100;
            self.talk(person, n, private(person, n)).await;
            self.talk(person, n + 1, shared(person, n + 1)).await;
            let refused = shared(person, n + 2);
            self.take(refused.clone()).await;
            self.ledger.settle(self.fence, &[refused.id], SettleReason::Limited).await.unwrap();
            let mut about = replies(n + 3, None, &refused, answer(person, n + 3));
            about.id = refused.id.to_string().parse().unwrap();
            self.post(vec![about]).await;
            let to = private(person, 0);
            self.post(vec![replies(n + 4, None, &to, answer(person, n + 4))]).await;
            self.ledger.accept(self.fence, nonsense(person)).await.unwrap();
        }
    }
}

pub(super) async fn shows_what_is_kept_of_a_person(s: Subject) {
    s.two_people().await;
    let kept = s.everything(&who(1)).await;
    let printed: Vec<_> = kept.iter().map(|one| serde_json::to_string(one).unwrap()).collect();
    let all = printed.join("\n");
    for n in 100..103 {
        assert!(all.contains(&words(1, n)), "message {n}:\n{all}");
    }
    for n in [100, 101, 103, 104] {
        assert!(all.contains(&answer(1, n)), "delivery {n}:\n{all}");
    }
    for other in [number(2), user(2).to_string(), "word-2-".into(), "answer-2-".into()] {
        assert!(!all.contains(&other), "{other} is not theirs:\n{all}");
    }
    assert!(!all.contains("secret-of-"), "a right to answer is the platform's secret");
    let count = |kind: &str| printed.iter().filter(|one| one.contains(kind)).count();
    let kinds = ["message", "turn", "delivery", "dead_letter"];
    let counts = kinds.map(|kind| count(&format!(r#""kept":"{kind}""#)));
    assert_eq!(counts, [3, 2, 4, 1]);
    assert_eq!(count(r#""raw_withheld":true"#), 2, "others may be in what came from a room");
    let raw = kept.iter().filter_map(|one| match one {
        Kept::Message(message) => message.raw.as_deref(),
        _ => None,
    });
    let raw: Vec<_> = raw.collect();
    assert!(matches!(raw[..], [raw] if raw.contains(&words(1, 100))), "{raw:?}");

    // Nobody else's message is shown with the request that brought both.
    let both = request(vec![new(private(1, 50)), new(private(2, 51))]);
    s.ledger.accept(s.fence, both).await.unwrap();
    let all = format!("{:?}", s.everything(&who(1)).await);
    assert!(all.contains(&words(1, 50)) && !all.contains(&words(2, 51)), "{all}");
}

pub(super) async fn erases_a_person_and_nobody_else(s: Subject) {
    s.two_people().await;
    let expected = Erased {
        messages: 3,
        turns: 2,
        deliveries: 4,
        requests: 3,
        handles: 3,
        dead_letters: 1,
        left: 0,
    };
    assert_eq!(s.erase(&who(1)).await, expected);
    assert_eq!(s.erase(&who(1)).await, Erased::default(), "once is enough");
    assert!(s.everything(&who(1)).await.is_empty());

    let left: Vec<_> = s.messages().await.into_iter().map(|record| record.inbound).collect();
    assert_eq!(left, [shared(2, 202), shared(2, 201), private(2, 200)]);
    assert_eq!(s.deliveries().await.len(), 4);
    assert!(s.ledger.raw(private(2, 200).id).await.unwrap().is_some());
    assert_eq!(s.ledger.list_dead(9).await.unwrap().rows.len(), 1);
    assert_eq!(s.erase(&who(2)).await, expected, "all of the other's was there");
    assert_eq!(s.ledger.counts().await.unwrap(), Counts::default());
}

/// A platform may still repeat what has been erased; what is new is a new beginning.
pub(super) async fn knows_what_it_has_erased(s: Subject) {
    s.talk(1, 100, private(1, 100)).await;
    s.erase(&who(1)).await;
    let late = request(vec![held(private(1, 100)), held(private(1, 101)), held(private(1, 101))]);
    let accepted = s.ledger.accept(s.fence, late).await.unwrap();
    assert_eq!((accepted.fresh, accepted.duplicates), (vec![private(1, 101)], 2));
    assert_eq!(s.erase(&who(1)).await.messages, 1);

    let days = |n: i64| at(n * 86_400_000);
    s.ledger.prune(s.fence, days(7), Retention::default()).await.unwrap();
    let again = async || {
        s.ledger.accept(s.fence, request(vec![new(private(1, 100))])).await.unwrap().duplicates
    };
    assert_eq!(again().await, 1, "for as long as a platform may repeat it");
    s.ledger.prune(s.fence, days(9), Retention::default()).await.unwrap();
    assert_eq!(again().await, 0);
}

pub(super) async fn ends_what_is_under_way_as_a_verdict(s: Subject) {
    let (running, waiting, steered) = (private(1, 100), private(1, 101), private(1, 102));
    for inbound in [&running, &waiting, &steered] {
        s.take(inbound.clone()).await;
    }
    s.ledger.begin_turn(s.fence, asks(1, 100, &running)).await.unwrap();
    let busy = s.ledger.begin_turn(s.fence, asks(1, 101, &waiting)).await.unwrap();
    assert!(matches!(busy, Begin::Busy { .. }));
    s.ledger.join_turn(s.fence, turn_id(100), &[steered.id]).await.unwrap();
    claims(s.post(vec![replies(7, None, &running, answer(1, 7))]).await, 7);
    let accepted = private(1, 103);
    s.take(accepted.clone()).await;
    s.erase(&who(1)).await;

    let gone = [
        s.ledger
            .finish_turn(s.fence, turn_id(100), TurnEnd::Finished, &[], vec![], at(9))
            .await
            .err(),
        s.ledger.join_turn(s.fence, turn_id(100), &[accepted.id]).await.err(),
        s.ledger.part_turn(s.fence, turn_id(100), &[steered.id]).await.err(),
    ];
    for error in gone {
        assert!(matches!(error, Some(Error::UnknownTurn(_))), "{error:?}");
    }
    let begin = s.ledger.begin_turn(s.fence, asks(1, 103, &accepted)).await;
    assert!(matches!(begin, Err(Error::NotAccepted(_))), "{begin:?}");
    assert_eq!(s.ledger.settle(s.fence, &[accepted.id], SettleReason::Bot).await.unwrap(), 0);
    let settled = s.settle(7, sent()).await;
    assert_eq!((settled.changed, settled.next), (false, Next::None));
    assert_eq!(s.ledger.counts().await.unwrap(), Counts::default());
    assert!(!s.ledger.pulse(s.fence).await.unwrap().orphans);
}

/// Who answers in a room with a sandbox of theirs has it answer others there.
pub(super) async fn leaves_what_others_have_said(s: Subject) {
    let (theirs, own) = (shared(2, 200), shared(1, 100));
    s.ledger.accept(s.fence, request(vec![new(theirs.clone()), new(own.clone())])).await.unwrap();
    let mut turn = asks(1, 100, &theirs);
    turn.inbounds = vec![theirs.id, own.id];
    s.ledger.begin_turn(s.fence, turn.clone()).await.unwrap();
    let waits = shared(2, 201);
    s.take(waits.clone()).await;
    let mut next = asks(1, 101, &waits);
    next.session = turn.session;
    assert!(matches!(s.ledger.begin_turn(s.fence, next).await.unwrap(), Begin::Busy { .. }));
    // Behind an answer of theirs in the room waits one to somebody else.
    claims(s.end(1, 100, &theirs).await, 100);
    s.take(shared(2, 202)).await;
    assert_eq!(s.post(vec![replies(9, None, &theirs, answer(2, 9))]).await, Next::None);

    let erased = s.erase(&who(1)).await;
    assert_eq!((erased.messages, erased.turns, erased.deliveries, erased.left), (1, 1, 1, 1));
    let left = s.messages().await;
    let standing: Vec<_> = left
        .iter()
        .map(|record| (record.inbound.id, record.state, record.reason.as_deref()))
        .collect();
    let expected = [
        (shared(2, 202).id, InboundState::Accepted, None),
        (waits.id, InboundState::Accepted, None),
        (theirs.id, InboundState::Settled, Some("erased")),
    ];
    assert_eq!(standing, expected);
    assert!(s.ledger.pulse(s.fence).await.unwrap().orphans, "the next one in the room");
    let found = s.ledger.recover(s.fence).await.unwrap();
    let next = claimed(s.begin(&found.deliveries[0]).await);
    assert_eq!(next.delivery.id, super::delivery_id(9));
}

/// A turn that runs takes the messages of others that wait behind it along, as far as it goes.
pub(super) async fn leaves_nobody_waiting_for_a_turn_that_is_gone(s: Subject) {
    let own = shared(1, 100);
    s.take(own.clone()).await;
    s.ledger.begin_turn(s.fence, asks(1, 100, &own)).await.unwrap();
    let waits = shared(2, 200);
    s.take(waits.clone()).await;
    let busy = s.ledger.begin_turn(s.fence, asks(1, 101, &waits)).await.unwrap();
    assert!(matches!(busy, Begin::Busy { .. }));
    let erased = s.erase(&who(1)).await;
    assert_eq!((erased.messages, erased.turns, erased.left), (1, 1, 1));
    let [record] = &s.messages().await[..] else { panic!("one is left") };
    assert_eq!((record.inbound.id, record.reason.as_deref()), (waits.id, Some("erased")));
}

/// Two were one person for a while, and are two again: the turn that runs is the other's, and what it
/// was asked was theirs.
pub(super) async fn keeps_no_answer_to_whoever_is_gone(s: Subject) {
    let (asked, unheard, waits) = (private(2, 100), private(1, 101), private(1, 102));
    s.take(asked.clone()).await;
    s.ledger.begin_turn(s.fence, asks(1, 100, &asked)).await.unwrap();
    s.take(unheard.clone()).await;
    s.ledger.join_turn(s.fence, turn_id(100), &[unheard.id]).await.unwrap();
    s.take(waits.clone()).await;
    let mut next = asks(1, 102, &waits);
    next.session = asks(1, 100, &asked).session;
    assert!(matches!(s.ledger.begin_turn(s.fence, next).await.unwrap(), Begin::Busy { .. }));
    let erased = s.erase(&who(2)).await;
    assert_eq!((erased.messages, erased.turns), (1, 0), "the turn is not theirs to end");

    let reply = || vec![replies(100, Some(100), &asked, answer(2, 100))];
    let end =
        || s.ledger.finish_turn(s.fence, turn_id(100), TurnEnd::Finished, &[], reply(), at(9));
    let Finish::Ended { first, waiting } = end().await.unwrap() else { panic!("ended") };
    assert_eq!((first, waiting), (Next::None, vec![unheard, waits]), "and nobody waits for it");
    assert!(s.deliveries().await.is_empty(), "the answer is not kept");
    assert!(matches!(end().await, Err(Error::UnknownTurn(_))), "nor the turn");

    // What somebody else has asked too, or others read along, is answered.
    for (n, theirs, own) in
        [(200, private(2, 200), Some(private(1, 201))), (300, shared(2, 300), None)]
    {
        s.take(theirs.clone()).await;
        s.ledger.begin_turn(s.fence, asks(1, n, &theirs)).await.unwrap();
        let heard: Vec<_> = own.iter().map(|own| own.id).collect();
        if let Some(own) = own.clone() {
            s.take(own).await;
            s.ledger.join_turn(s.fence, turn_id(n), &heard).await.unwrap();
        }
        s.erase(&who(2)).await;
        let reply = vec![replies(n, Some(n), own.as_ref().unwrap_or(&theirs), answer(1, n))];
        let end =
            s.ledger.finish_turn(s.fence, turn_id(n), TurnEnd::Finished, &heard, reply, at(9));
        end.await.unwrap();
        assert!(s.deliveries().await.contains(&super::delivery_id(n)));
    }
}

/// They were known by an id that is not theirs any more; where nobody else is, it was they.
pub(super) async fn finds_what_was_said_by_a_former_id(s: Subject) {
    s.talk(1, 100, private(1, 100)).await;
    s.talk(1, 101, shared(1, 101)).await;
    let known = Who { senders: Vec::new(), places: Vec::new(), ..who(1) };
    let all = format!("{:?}", s.everything(&known).await);
    assert!(all.contains(&words(1, 100)) && all.contains(&answer(1, 101)), "{all}");
    assert!(!all.contains(&words(1, 101)), "in the room, it may have been anybody: {all}");
    let erased = s.erase(&known).await;
    assert_eq!((erased.messages, erased.turns, erased.left), (1, 2, 1));
    let [record] = &s.messages().await[..] else { panic!("one is left") };
    assert_eq!(record.inbound, shared(1, 101));
}

/// A number that was person 3's is person 1's since moment 200, until 400; long ago it was person 1's
/// too.
pub(super) async fn keeps_apart_whose_an_id_was_and_is(s: Subject) {
    let limited = async |n| {
        s.take(private(1, n)).await;
        let id = private(1, n).id;
        s.ledger.settle(s.fence, &[id], SettleReason::Limited).await.unwrap();
    };
    let notice = async |person, n| {
        s.post(vec![replies(n, None, &private(1, 0), answer(person, n))]).await;
    };
    s.talk(1, 50, private(1, 50)).await;
    s.talk(3, 100, private(1, 100)).await;
    limited(101).await;
    notice(3, 102).await;
    s.take(private(1, 103)).await;
    s.talk(1, 300, private(1, 300)).await;
    limited(301).await;
    notice(1, 302).await;
    s.take(private(1, 110)).await;
    s.ledger.begin_turn(s.fence, asks(1, 110, &private(1, 110))).await.unwrap();
    s.take(private(1, 111)).await;
    let waits = s.ledger.begin_turn(s.fence, asks(1, 111, &private(1, 111))).await.unwrap();
    assert!(matches!(waits, Begin::Busy { .. }));
    limited(500).await;
    s.take(private(1, 501)).await;

    let mut owner = who(1);
    owner.senders[0].since = at(200);
    owner.senders[0].until = Some(at(400));
    owner.places[0].since = at(200);
    let all = format!("{:?}", s.everything(&owner).await);
    for n in [50, 110, 111, 300, 301] {
        assert!(all.contains(&words(1, n)), "message {n}:\n{all}");
    }
    for (person, n) in [(1, 50), (1, 300), (1, 302)] {
        assert!(all.contains(&answer(person, n)), "delivery {n}:\n{all}");
    }
    for n in [100, 101, 103, 500, 501] {
        assert!(!all.contains(&words(1, n)), "message {n} of another one:\n{all}");
    }
    assert!(!all.contains("answer-3-"), "nor what they were told:\n{all}");

    let erased = s.erase(&owner).await;
    assert_eq!((erased.messages, erased.turns, erased.left), (5, 3, 0));
    let left: Vec<_> = s.messages().await.into_iter().map(|record| record.inbound).collect();
    assert_eq!(left, [501, 500, 103, 101, 100].map(|n| private(1, n)));
    assert_eq!(s.deliveries().await, [102, 100].map(super::delivery_id));
    assert_eq!(s.erase(&owner).await, Erased::default(), "once is enough");
    let former = Who { users: vec![user(3)], senders: Vec::new(), places: Vec::new() };
    let all = format!("{:?}", s.everything(&former).await);
    assert!(all.contains(&words(1, 100)), "it was they: {all}");
}

pub(super) async fn recalls_what_was_said_last(s: Subject) {
    for n in 1..=3 {
        s.talk(1, n, private(1, n)).await;
    }
    s.talk(1, 4, shared(1, 4)).await;
    s.talk(2, 5, private(2, 5)).await;
    let session = zaki_envelope::SessionKey::direct(1);
    let recent = async |most| s.ledger.recent(user(1), &session, most).await.unwrap();
    let said = |by: &By, text: String, at: Timestamp| Said { by: by.clone(), text, at };
    let (me, agent) = (By::Person(Some("name-of-1".into())), By::Agent);
    let all: Vec<_> = (1..=3)
        .flat_map(|n| {
            let asked = said(&me, words(1, n), at(i64::from(n)));
            [asked, said(&agent, answer(1, n), at(200))]
        })
        .collect();
    assert_eq!(recent(10).await, all);
    assert_eq!(recent(3).await, all[3..]);
    assert_eq!(recent(0).await, []);
    s.erase(&who(1)).await;
    assert_eq!(recent(10).await, []);
}

const DAY: i64 = 86_400_000;

pub(super) async fn text_goes_before_its_row(s: Subject) {
    let day = |days: u64| std::time::Duration::from_hours(24 * days);
    let keep = Retention { text: day(10), messages: day(90), ..Retention::default() };
    let prune = async |days| s.ledger.prune(s.fence, at(days * DAY), keep).await.unwrap();
    s.talk(1, 1, private(1, 1)).await;
    s.take(private(1, 2)).await;
    s.ledger.begin_turn(s.fence, asks(1, 2, &private(1, 2))).await.unwrap();
    s.talk(2, 3, private(2, 3)).await;
    s.post(vec![replies(4, None, &private(1, 0), answer(1, 4))]).await;
    s.settle(4, super::dead()).await;

    let texts = async || {
        let messages = s.messages().await;
        let messages = messages.iter().filter(|record| !record.inbound.parts.is_empty());
        let filter = DeliveryFilter { limit: 100, ..DeliveryFilter::default() };
        let deliveries = s.ledger.list_deliveries(filter).await.unwrap().rows;
        let has_text = |one: &&crate::Delivery| format!("{:?}", one.outbound).contains("answer-");
        (messages.count(), deliveries.iter().filter(has_text).count(), deliveries.len())
    };
    prune(9).await;
    assert_eq!(texts().await, (3, 3, 3));
    prune(11).await;
    assert_eq!(texts().await, (1, 0, 3), "the turn of one is open");
    assert_eq!(s.messages().await.len(), 3, "and the rows are there");
    assert_eq!(s.delivery(1).await.address, Address::of(&private(1, 1)));
    assert!(!s.ledger.retry_delivery(super::delivery_id(4), at(9)).await.unwrap(), "with no text");
    let session = zaki_envelope::SessionKey::direct(1);
    assert_eq!(s.ledger.recent(user(2), &session, 9).await.unwrap(), []);

    // What was open is looked at again once it is not.
    let end = s.ledger.finish_turn(s.fence, turn_id(2), TurnEnd::Aborted, &[], vec![], at(9));
    end.await.unwrap();
    prune(11).await;
    assert_eq!(texts().await, (0, 0, 3));
    let mut late = delivery(0, None, 0);
    late.id = DeliveryId::from_parts(at(DAY + DAY / 2), 5);
    claims_id(s.post(vec![late.clone()]).await, late.id);
    prune(12).await;
    let filter = DeliveryFilter { limit: 1, ..DeliveryFilter::default() };
    let newest = s.ledger.list_deliveries(filter).await.unwrap().rows;
    assert_eq!(newest[0].outbound, late.outbound, "it is being sent");
    assert_eq!(newest[0].state, DeliveryState::Sending);
}

#[track_caller]
fn claims_id(next: Next, id: DeliveryId) {
    assert_eq!(claimed(next).delivery.id, id);
}
