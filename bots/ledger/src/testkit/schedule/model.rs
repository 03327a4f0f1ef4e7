//! A ledger in memory, in as few words as it can be said.

use crate::{DeliveryEnd, DeliveryState, Earlier};

use DeliveryState::{Dead, Pending, Sending, Sent, Unknown};

/// Whose something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// Waits behind another delivery, or for the end of a turn.
    Behind,
    Nobody,
    Of(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Accepted,
    Joined(u32),
}

pub(super) struct Message {
    pub lane: u32,
    /// Whether a turn of later ones takes it along.
    pub in_line: bool,
    pub place: Place,
    pub holder: Holder,
}

pub(super) struct Turn {
    pub lane: u32,
    pub open: bool,
    pub holder: Holder,
    pub inbounds: Vec<u32>,
    pub steered: Vec<u32>,
}

pub(super) struct Item {
    pub conversation: usize,
    pub reply: u32,
    pub state: DeliveryState,
    pub holder: Holder,
    pub not_before: i64,
    pub told: bool,
}

/// What is to be sent, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Claimed(u32),
    Later(u32),
    Nothing,
}

/// Everything is named by its place here, which is its number.
#[derive(Default)]
pub(super) struct Model {
    /// Whether several replicas accept messages.
    pub shared: bool,
    pub now: i64,
    pub messages: Vec<Message>,
    pub turns: Vec<Turn>,
    pub items: Vec<Item>,
    /// What is open in each of two conversations, in order.
    pub queues: [Vec<u32>; 2],
}

impl Model {
    /// Messages of a lane that this replica may begin a turn with.
    pub(super) fn ready(&self, us: u64, lane: u32) -> Vec<u32> {
        self.numbers(|message| {
            message.lane == lane
                && message.place == Place::Accepted
                && message.holder == Holder::Of(us)
        })
    }

    /// Messages of a lane that this replica may make part of the turn that is open there.
    pub(super) fn joinable(&self, us: u64, lane: u32) -> Vec<u32> {
        self.numbers(|message| {
            message.lane == lane
                && message.place == Place::Accepted
                && [Holder::Of(us), Holder::Behind].contains(&message.holder)
        })
    }

    /// With what a turn takes along, in order: what is in line before the last of them.
    pub(super) fn with_earlier(&self, us: u64, lane: u32, messages: &[u32]) -> Vec<u32> {
        let in_line = |n: &&u32| self.messages[**n as usize].in_line;
        let last = messages.iter().rfind(in_line).copied().filter(|_| self.shared);
        let mut earlier = self.numbers(|message| {
            message.lane == lane
                && message.in_line
                && message.place == Place::Accepted
                && message.holder != Holder::Of(us)
        });
        earlier.retain(|n| last.is_some_and(|last| *n < last) && !messages.contains(n));
        earlier.truncate(Earlier::MOST as usize);
        earlier.extend(messages);
        earlier.sort_unstable();
        earlier
    }

    fn numbers(&self, mut which: impl FnMut(&Message) -> bool) -> Vec<u32> {
        (0..).zip(&self.messages).filter(|(_, m)| which(m)).map(|(n, _)| n).collect()
    }

    fn mark(&mut self, messages: &[u32], place: Place, holder: Holder) {
        for n in messages {
            let message = &mut self.messages[*n as usize];
            (message.place, message.holder) = (place, holder);
        }
    }

    pub(super) fn open_turn(&self, lane: u32) -> Option<u32> {
        (0..).zip(&self.turns).find(|(_, turn)| turn.open && turn.lane == lane).map(|(n, _)| n)
    }

    /// What it begins with, or the open turn in the way.
    pub(super) fn begin(&mut self, us: u64, lane: u32, messages: &[u32]) -> Result<Vec<u32>, u32> {
        if let Some(open) = self.open_turn(lane) {
            self.mark(messages, Place::Accepted, Holder::Behind);
            return Err(open);
        }
        let (inbounds, holder) = (self.with_earlier(us, lane, messages), Holder::Of(us));
        self.mark(
            &inbounds,
            Place::Joined(u32::try_from(self.turns.len()).unwrap()),
            Holder::Behind,
        );
        let turn = Turn { lane, open: true, holder, inbounds: inbounds.clone(), steered: vec![] };
        self.turns.push(turn);
        Ok(inbounds)
    }

    /// What joins, if the turn is open.
    pub(super) fn join(&mut self, us: u64, turn: u32, messages: &[u32]) -> Option<Vec<u32>> {
        let Turn { lane, open, .. } = self.turns[turn as usize];
        open.then(|| {
            let all = self.with_earlier(us, lane, messages);
            self.mark(&all, Place::Joined(turn), Holder::Behind);
            self.turns[turn as usize].steered.extend(&all);
            all
        })
    }

    pub(super) fn part(&mut self, us: u64, turn: u32, messages: &[u32]) -> bool {
        let open = self.turns[turn as usize].open;
        let holder = if open { Holder::Behind } else { Holder::Of(us) };
        self.mark(messages, Place::Accepted, holder);
        self.turns[turn as usize].steered.retain(|n| !messages.contains(n));
        open
    }

    /// What waited for the lane, and what the turn has not heard.
    pub(super) fn finish(&mut self, us: u64, turn: u32, heard: &[u32]) -> Vec<u32> {
        let Turn { lane, open, steered, .. } = &mut self.turns[turn as usize];
        let lane = *lane;
        *open = false;
        let unheard: Vec<_> = steered.extract_if(.., |n| !heard.contains(n)).collect();
        self.mark(&unheard, Place::Accepted, Holder::Behind);
        let waiting = self.numbers(|message| {
            message.lane == lane
                && message.place == Place::Accepted
                && message.holder == Holder::Behind
        });
        self.mark(&waiting, Place::Accepted, Holder::Of(us));
        waiting
    }

    /// One reply, of parts with these times.
    pub(super) fn post(&mut self, us: u64, conversation: usize, times: &[i64]) -> Due {
        let reply = u32::try_from(self.items.len()).unwrap();
        let free = self.queues[conversation].is_empty();
        for (n, not_before) in (reply..).zip(times) {
            self.queues[conversation].push(n);
            let (state, holder, not_before) = (Pending, Holder::Behind, *not_before);
            let item = Item { conversation, reply, state, holder, not_before, told: false };
            self.items.push(item);
        }
        if free { self.advance(us, conversation) } else { Due::Nothing }
    }

    pub(super) fn advance(&mut self, us: u64, conversation: usize) -> Due {
        let Some(n) = self.queues[conversation].first().copied() else { return Due::Nothing };
        let now = self.now;
        let head = &mut self.items[n as usize];
        let theirs = matches!(head.holder, Holder::Of(them) if them != us);
        if head.state == Sending || theirs {
            return Due::Nothing;
        }
        head.holder = Holder::Of(us);
        if head.not_before > now {
            return Due::Later(n);
        }
        head.state = Sending;
        Due::Claimed(n)
    }

    fn close(&mut self, n: u32, state: DeliveryState) {
        let item = &mut self.items[n as usize];
        item.state = state;
        let queue = &mut self.queues[item.conversation];
        queue.retain(|open| *open != n);
    }

    fn end_later_parts(&mut self, n: u32) {
        let reply = self.items[n as usize].reply;
        let later = (n + 1..).take_while(|m| (*m as usize) < self.items.len());
        for m in later.collect::<Vec<_>>() {
            let item = &self.items[m as usize];
            if item.reply == reply && item.state == Pending {
                self.close(m, Dead);
            }
        }
    }

    /// Whether it changed, and what is next.
    pub(super) fn settle(&mut self, us: u64, n: u32, end: &DeliveryEnd) -> (bool, Due) {
        let (to, item) = (end.state(), &mut self.items[n as usize]);
        let ours = item.state == Sending && item.holder == Holder::Of(us);
        let may =
            ours || (item.state, to) == (Pending, Dead) || (item.state, to) == (Unknown, Sent);
        let changed = may || item.state == to;
        if may {
            match end {
                DeliveryEnd::Retry { pause, .. } | DeliveryEnd::Held { pause } => {
                    item.state = Pending;
                    item.not_before = self.now + i64::try_from(pause.as_millis()).unwrap();
                }
                _ => self.close(n, to),
            }
            if to == Unknown || to == Dead {
                self.end_later_parts(n);
            }
        }
        (changed, self.advance(us, self.items[n as usize].conversation))
    }

    pub(super) fn untold(&self, conversation: usize) -> Vec<u32> {
        let lost = |item: &Item| matches!(item.state, Unknown | Dead) && !item.told;
        let all = (0..).zip(&self.items);
        all.filter(|(_, item)| item.conversation == conversation && lost(item))
            .map(|(n, _)| n)
            .collect()
    }

    /// Nobody hears of it: the head is nobody's until somebody looks.
    fn promote(&mut self, conversation: usize) {
        if let Some(head) = self.queues[conversation].first() {
            let head = &mut self.items[*head as usize];
            if head.holder == Holder::Behind {
                head.holder = Holder::Nobody;
            }
        }
    }

    pub(super) fn prove(&mut self, n: u32) -> bool {
        let changes = matches!(self.items[n as usize].state, Sending | Unknown);
        if changes {
            self.close(n, Sent);
            self.promote(self.items[n as usize].conversation);
        }
        changes
    }

    pub(super) fn refute(&mut self, n: u32) -> bool {
        let changes = matches!(self.items[n as usize].state, Sending | Unknown | Sent);
        if changes {
            self.close(n, Dead);
            self.end_later_parts(n);
            self.promote(self.items[n as usize].conversation);
        }
        changes
    }

    pub(super) fn drop(&mut self, n: u32) -> bool {
        let item = &mut self.items[n as usize];
        match item.state {
            Dead => !std::mem::replace(&mut item.told, true),
            Pending | Unknown => {
                self.close(n, Dead);
                self.end_later_parts(n);
                self.promote(self.items[n as usize].conversation);
                true
            }
            Sending | Sent => false,
        }
    }

    pub(super) fn retry(&mut self, n: u32) -> bool {
        let Item { reply, conversation, state, .. } = self.items[n as usize];
        if !matches!(state, Unknown | Dead) {
            return false;
        }
        for m in n..u32::try_from(self.items.len()).unwrap() {
            let item = &mut self.items[m as usize];
            if item.reply == reply && matches!(item.state, Unknown | Dead) {
                let queue = &mut self.queues[conversation];
                let free = queue.is_empty();
                item.holder = if free { Holder::Nobody } else { Holder::Behind };
                (item.state, item.told, item.not_before) = (Pending, false, 0);
                queue.push(m);
            }
        }
        true
    }

    /// A replica has gone.
    pub(super) fn release(&mut self, token: u64) {
        let free = |holder: &mut Holder| {
            if *holder == Holder::Of(token) {
                *holder = Holder::Nobody;
            }
        };
        self.messages.iter_mut().for_each(|message| free(&mut message.holder));
        self.turns.iter_mut().for_each(|turn| free(&mut turn.holder));
        self.items.iter_mut().for_each(|item| free(&mut item.holder));
    }

    /// A replica closes: what it has not begun is nobody's.
    pub(super) fn give_up(&mut self, token: u64) {
        let messages = self.messages.iter_mut().filter(|it| it.place == Place::Accepted);
        let items = self.items.iter_mut().filter(|item| item.state == Pending);
        let holders = messages.map(|it| &mut it.holder).chain(items.map(|item| &mut item.holder));
        for holder in holders.filter(|holder| **holder == Holder::Of(token)) {
            *holder = Holder::Nobody;
        }
    }

    pub(super) fn orphans(&self) -> bool {
        let nobody = Holder::Nobody;
        self.messages.iter().any(|m| m.place == Place::Accepted && m.holder == nobody)
            || self.turns.iter().any(|turn| turn.open && turn.holder == nobody)
            || self.queues.iter().flatten().any(|n| self.items[*n as usize].holder == nobody)
    }

    /// Messages, turns, what is due, and what may have been sent.
    pub(super) fn recover(&mut self, us: u64) -> (Vec<u32>, Vec<u32>, Vec<Due>, Vec<u32>) {
        let accepted = self.numbers(|m| m.place == Place::Accepted && m.holder == Holder::Nobody);
        self.mark(&accepted, Place::Accepted, Holder::Of(us));
        let mut turns = Vec::new();
        for (n, turn) in (0..).zip(&mut self.turns) {
            if turn.open && turn.holder == Holder::Nobody {
                turn.holder = Holder::Of(us);
                turns.push(n);
            }
        }
        let (mut due, mut unknown) = (Vec::new(), Vec::new());
        for conversation in 0..self.queues.len() {
            let Some(head) = self.queues[conversation].first().copied() else { continue };
            let item = &mut self.items[head as usize];
            match (item.holder, item.state) {
                (Holder::Nobody, Sending) => {
                    item.holder = Holder::Of(us);
                    unknown.push(head);
                }
                (Holder::Nobody, _) => {
                    item.holder = Holder::Of(us);
                    due.push(Due::Later(head));
                }
                _ => {}
            }
        }
        (accepted, turns, due, unknown)
    }
}
