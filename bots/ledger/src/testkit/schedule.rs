//! Random schedules of several replicas: whatever happens in whatever order, the ledger answers as
//! its model does, and in the end nothing is left undone.

mod model;

use super::Subject;
use super::samples::{
    at, batch, delivery, delivery_id, elsewhere, in_lane, message, said, said_by, turn, turn_id,
};
use crate::{
    Begin, DeliveryEnd, DeliveryFilter, DeliveryState, Earlier, Error, Fence, Finish, NewDelivery,
    Next, TurnEnd,
};
use model::{Due, Holder, Message, Model, Place};

const LANES: u32 = 3;
/// The first turn's number: the sample of a turn and that of a delivery have one id.
const TURNS: u32 = 1_000_000;
const REPLICAS: usize = 3;

/// Numbers of a fixed sequence (SplitMix64), so that a failure can be had again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n as u64).unwrap()
    }

    fn number(&mut self, n: usize) -> u32 {
        u32::try_from(self.below(n)).unwrap()
    }

    /// One of so many, if there are any.
    fn pick(&mut self, n: usize) -> Option<u32> {
        (n > 0).then(|| self.number(n))
    }
}

/// Plays `steps` calls, the same ones for the same seed, and panics where the ledger and its model
/// part.
pub async fn schedule(s: Subject, seed: u64, steps: u32) {
    println!("seed {seed}, {steps} steps");
    let live = vec![s.fence];
    let model = Model { shared: s.shared, ..Model::default() };
    let mut play = Play { s, dice: Dice(seed), model, live, gone: Vec::new() };
    for step in 0..steps {
        play.model.now += i64::from(play.dice.number(3));
        let call = play.dice.below(100);
        println!("{step} {call}");
        play.step(call).await;
        if step % 64 == 0 {
            play.compare().await;
        }
    }
    play.drain().await;
}

struct Play {
    s: Subject,
    dice: Dice,
    model: Model,
    live: Vec<Fence>,
    gone: Vec<Fence>,
}

impl Play {
    async fn step(&mut self, call: usize) {
        let fence = self.live[self.dice.below(self.live.len())];
        match call {
            0..14 => self.accept(fence).await,
            14..30 => self.begin(fence).await,
            30..36 => self.steer(fence).await,
            36..48 => self.finish(fence).await,
            48..54 => self.post(fence).await,
            54..60 => self.claim(fence).await,
            60..82 => self.settle(fence).await,
            82..91 => self.operate().await,
            91..95 => self.recover(fence).await,
            95..97 => self.pulse(fence).await,
            97 => {
                self.s.ledger.release(fence).await.unwrap();
                self.model.give_up(fence.token());
            }
            _ => self.change().await,
        }
    }

    fn at(&self) -> zaki_envelope::Timestamp {
        at(self.model.now)
    }

    async fn accept(&mut self, fence: Fence) {
        let first = u32::try_from(self.model.messages.len()).unwrap();
        let new = first..first + 1 + self.dice.number(2);
        let fresh: Vec<_> = new.clone().map(message).collect();
        let mut items = Vec::new();
        for n in new {
            let (lane, in_line) = (n % LANES, self.dice.below(4) > 0);
            items.push(if in_line { said_by(lane, n) } else { said(n) });
            let (place, holder) = (Place::Accepted, Holder::Of(fence.token()));
            self.model.messages.push(Message { lane, in_line, place, holder });
        }
        let accepted = self.s.ledger.accept(fence, batch(items));
        assert_eq!(accepted.await.unwrap().fresh, fresh);
    }

    async fn begin(&mut self, fence: Fence) {
        let lane = self.dice.number(LANES as usize);
        let n = u32::try_from(self.model.turns.len()).unwrap();
        let ready = self.model.ready(fence.token(), lane);
        let begin = async |messages: &[u32]| {
            self.s.ledger.begin_turn(fence, in_lane(lane, turn(TURNS + n, messages))).await
        };
        if let Some(other) = self.dice.pick(self.model.messages.len()) {
            let Message { place, holder, .. } = self.model.messages[other as usize];
            let theirs = ![Holder::Of(fence.token()), Holder::Behind].contains(&holder);
            if place != Place::Accepted || theirs {
                let refused = begin(&[other]).await;
                assert!(matches!(refused, Err(Error::NotAccepted(_))), "{refused:?}");
            }
        }
        if ready.is_empty() {
            return;
        }
        let answer = begin(&ready).await.unwrap();
        let expected = match self.model.begin(fence.token(), lane, &ready) {
            Err(turn) => Begin::Busy { turn: turn_id(TURNS + turn) },
            Ok(all) => Begin::Begun { earlier: earlier(&all, &ready) },
        };
        assert_eq!(answer, expected);
    }

    /// Messages join a turn, and sometimes part from it again.
    async fn steer(&mut self, fence: Fence) {
        let Some(n) = self.dice.pick(self.model.turns.len()) else { return };
        let ids = |messages: &[u32]| messages.iter().map(|n| message(*n).id).collect::<Vec<_>>();
        let steered = self.model.turns[n as usize].steered.clone();
        if self.dice.below(3) == 0 {
            let parted = self.s.ledger.part_turn(fence, turn_id(TURNS + n), &ids(&steered)).await;
            assert_eq!(parted.unwrap(), self.model.part(fence.token(), n, &steered));
            return;
        }
        let lane = self.model.turns[n as usize].lane;
        let ready = match self.dice.below(2) {
            0 => self.model.ready(fence.token(), lane),
            _ => self.model.joinable(fence.token(), lane),
        };
        let joined = self.s.ledger.join_turn(fence, turn_id(TURNS + n), &ids(&ready)).await;
        let all = self.model.join(fence.token(), n, &ready);
        assert_eq!(joined.unwrap(), all.map(|all| earlier(&all, &ready)));
    }

    /// Up to three parts for one conversation, and their times.
    fn reply(&mut self, turn: Option<u32>) -> (usize, Vec<NewDelivery>, Vec<i64>) {
        let first = u32::try_from(self.model.items.len()).unwrap();
        let conversation = self.dice.below(2);
        let (mut new, mut times) = (Vec::new(), Vec::new());
        for part in 0..=self.dice.number(3) {
            let time = if self.dice.below(4) == 0 { self.model.now + 3 } else { 0 };
            let mut one = delivery(first + part, turn, part);
            one.not_before = at(time);
            new.push(if conversation == 1 { elsewhere(one) } else { one });
            times.push(time);
        }
        (conversation, new, times)
    }

    async fn finish(&mut self, fence: Fence) {
        let Some(n) = self.dice.pick(self.model.turns.len()) else { return };
        let (conversation, new, times) = self.reply(Some(TURNS + n));
        let mut heard = self.model.turns[n as usize].steered.clone();
        heard.retain(|_| self.dice.below(2) == 0);
        let ids: Vec<_> = heard.iter().map(|n| message(*n).id).collect();
        let (id, how, at) = (turn_id(TURNS + n), TurnEnd::Finished, self.at());
        let end = self.s.ledger.finish_turn(fence, id, how, &ids, new, at).await;
        let turn = &self.model.turns[n as usize];
        if !turn.open {
            assert_eq!(end.unwrap(), Finish::AlreadyEnded);
        } else if turn.holder != Holder::Of(fence.token()) {
            assert!(matches!(end, Err(Error::Fenced)), "{end:?}");
        } else {
            let Finish::Ended { first, waiting } = end.unwrap() else { panic!("ended") };
            let expected = self.model.finish(fence.token(), n, &heard);
            let expected: Vec<_> = expected.into_iter().map(message).collect();
            assert_eq!(waiting, expected);
            assert_eq!(due(&first), self.model.post(fence.token(), conversation, &times));
        }
    }

    async fn post(&mut self, fence: Fence) {
        let (conversation, new, times) = self.reply(None);
        let next = self.s.ledger.post(fence, new, &[], self.at()).await.unwrap();
        assert_eq!(due(&next), self.model.post(fence.token(), conversation, &times));
    }

    async fn claim(&mut self, fence: Fence) {
        if let Some(stale) = self.dice.pick(self.gone.len()) {
            let stale = self.gone[stale as usize];
            let refused = self.s.ledger.claim_delivery(stale, delivery_id(0), self.at()).await;
            assert!(matches!(refused, Err(Error::Fenced)), "{refused:?}");
        }
        let Some(n) = self.dice.pick(self.model.items.len()) else { return };
        let next = self.s.ledger.claim_delivery(fence, delivery_id(n), self.at()).await.unwrap();
        let conversation = self.model.items[n as usize].conversation;
        assert_eq!(due(&next), self.model.advance(fence.token(), conversation));
    }

    /// Mostly what is being sent, sometimes anything.
    async fn settle(&mut self, fence: Fence) {
        let queue = &self.model.queues[self.dice.below(2)];
        let head = queue.first().copied().filter(|_| self.dice.below(4) > 0);
        let Some(n) = head.or_else(|| self.dice.pick(self.model.items.len())) else { return };
        let (reason, pause) = ("why".to_owned(), super::ms(2));
        let end = match self.dice.below(8) {
            0 => DeliveryEnd::Retry { pause, reason },
            1 => DeliveryEnd::Held { pause },
            2 => DeliveryEnd::Unknown { reason },
            3 => DeliveryEnd::Dead { reason },
            _ => DeliveryEnd::Sent { receipt: vec![] },
        };
        let at = self.at();
        let settled = self.s.ledger.settle_delivery(fence, delivery_id(n), end.clone(), at).await;
        let settled = settled.unwrap();
        let conversation = self.model.items[n as usize].conversation;
        let (changed, next) = self.model.settle(fence.token(), n, &end);
        assert_eq!((settled.changed, due(&settled.next)), (changed, next), "{n}: {end:?}");
        let tells = matches!(end.state(), DeliveryState::Sent | DeliveryState::Unknown);
        let lost = if changed && tells { self.model.untold(conversation) } else { vec![] };
        let untold: Vec<_> = settled.untold.iter().map(|lost| lost.id).collect();
        assert_eq!(untold, lost.into_iter().map(delivery_id).collect::<Vec<_>>());
    }

    async fn operate(&mut self) {
        let Some(n) = self.dice.pick(self.model.items.len()) else { return };
        let (ledger, id, at) = (&self.s.ledger, delivery_id(n), self.at());
        let (done, expected) = match self.dice.below(4) {
            0 => (ledger.prove_delivery(id, vec![], at).await, self.model.prove(n)),
            1 => (ledger.refute_delivery(id, "no".into(), at).await, self.model.refute(n)),
            2 => (ledger.retry_delivery(id, at).await, self.model.retry(n)),
            _ => (ledger.drop_delivery(id, at).await, self.model.drop(n)),
        };
        assert_eq!(done.unwrap(), expected);
    }

    async fn recover(&mut self, fence: Fence) {
        let found = self.s.ledger.recover(fence).await.unwrap();
        let (accepted, turns, mut next, mut unknown) = self.model.recover(fence.token());
        let accepted: Vec<_> = accepted.into_iter().map(message).collect();
        assert_eq!(found.accepted, accepted);
        let ids: Vec<_> = found.turns.iter().map(|open| open.turn.id).collect();
        assert_eq!(ids, turns.iter().map(|n| turn_id(TURNS + *n)).collect::<Vec<_>>());
        for (open, n) in found.turns.into_iter().zip(turns) {
            let model::Turn { inbounds, steered, .. } = &self.model.turns[n as usize];
            let all = |numbers: &[u32]| numbers.iter().map(|n| message(*n)).collect::<Vec<_>>();
            assert_eq!((open.inbounds, open.steered), (all(inbounds), all(steered)));
        }
        // Conversations come in any order.
        let number = |due: &Due| match due {
            Due::Claimed(n) | Due::Later(n) => *n,
            Due::Nothing => u32::MAX,
        };
        let mut deliveries: Vec<_> = found.deliveries.iter().map(due).collect();
        deliveries.sort_by_key(number);
        next.sort_by_key(number);
        assert_eq!(deliveries, next);
        let mut sending: Vec<_> =
            found.unknown.iter().map(|claimed| which(claimed.delivery.id)).collect();
        sending.sort_unstable();
        unknown.sort_unstable();
        assert_eq!(sending, unknown);
    }

    async fn pulse(&mut self, fence: Fence) {
        let pulse = self.s.ledger.pulse(fence).await.unwrap();
        assert_eq!(pulse.replicas as usize, self.live.len());
        assert_eq!(pulse.orphans, self.model.orphans());
    }

    /// A replica comes, or goes and another one comes.
    async fn change(&mut self) {
        let grow = self.s.shared && self.live.len() < REPLICAS && self.dice.below(2) == 0;
        if !grow {
            let fence = self.live.swap_remove(self.dice.below(self.live.len()));
            self.s.ledger.leave(fence).await.unwrap();
            self.model.release(fence.token());
            self.gone.push(fence);
        }
        if self.live.is_empty() || grow {
            self.live.push(self.s.ledger.enroll("one more").await.unwrap());
        }
    }

    async fn compare(&self) {
        let filter = DeliveryFilter { limit: u32::MAX >> 1, ..DeliveryFilter::default() };
        let mut rows = self.s.ledger.list_deliveries(filter).await.unwrap().rows;
        rows.sort_by_key(|row| row.id);
        let states: Vec<_> = rows.iter().map(|row| row.state).collect();
        let expected: Vec<_> = self.model.items.iter().map(|item| item.state).collect();
        assert_eq!(states, expected);
        let counts = self.s.ledger.counts().await.unwrap();
        let messages = self.model.messages.iter().filter(|m| m.place == Place::Accepted);
        let turns = self.model.turns.iter().filter(|turn| turn.open);
        assert_eq!(
            (counts.accepted, counts.running),
            (messages.count() as u64, turns.count() as u64)
        );
    }

    /// One replica is left, and everything works from now on.
    async fn drain(mut self) {
        while self.live.len() > 1 {
            let fence = self.live.remove(0);
            self.s.ledger.leave(fence).await.unwrap();
            self.model.release(fence.token());
        }
        let fence = self.live[0];
        self.recover(fence).await;
        for _ in 0..LANES {
            for lane in 0..LANES {
                if let Some(open) = self.model.open_turn(lane) {
                    let ledger = &self.s.ledger;
                    let end = TurnEnd::Finished;
                    ledger
                        .finish_turn(fence, turn_id(TURNS + open), end, &[], vec![], self.at())
                        .await
                        .unwrap();
                    self.model.finish(fence.token(), open, &[]);
                }
                let ready = self.model.ready(fence.token(), lane);
                let n = u32::try_from(self.model.turns.len()).unwrap();
                if !ready.is_empty() {
                    let new = in_lane(lane, turn(TURNS + n, &ready));
                    let begun = self.s.ledger.begin_turn(fence, new).await.unwrap();
                    let all = self.model.begin(fence.token(), lane, &ready).unwrap();
                    assert_eq!(begun, Begin::Begun { earlier: earlier(&all, &ready) });
                }
            }
        }
        self.model.now += 1000;
        for conversation in 0..2 {
            while let Some(n) = self.model.queues[conversation].first().copied() {
                self.s.ledger.claim_delivery(fence, delivery_id(n), self.at()).await.unwrap();
                self.model.advance(fence.token(), conversation);
                let sent = DeliveryEnd::Sent { receipt: vec![] };
                let settle =
                    self.s.ledger.settle_delivery(fence, delivery_id(n), sent.clone(), self.at());
                assert!(settle.await.unwrap().changed);
                self.model.settle(fence.token(), n, &sent);
            }
        }
        self.compare().await;
        let counts = self.s.ledger.counts().await.unwrap();
        let open = counts.accepted + counts.running + counts.pending + counts.sending;
        assert_eq!(open, 0, "nothing is lost, nothing is stuck");
    }
}

/// Those of `all` that are not `ours`, with their places.
fn earlier(all: &[u32], ours: &[u32]) -> Vec<Earlier> {
    let earlier = all.iter().enumerate().filter(|(_, n)| !ours.contains(n));
    earlier.map(|(place, n)| Earlier { place, inbound: message(*n) }).collect()
}

/// The number of a delivery, which its id ends with.
fn which(id: zaki_envelope::DeliveryId) -> u32 {
    u32::try_from(id.minted_at().since(at(0))).unwrap()
}

fn due(next: &Next) -> Due {
    match next {
        Next::Claimed(claimed) => Due::Claimed(which(claimed.delivery.id)),
        Next::Later { id, .. } => Due::Later(which(*id)),
        Next::None => Due::Nothing,
    }
}
