//! The circuit breakers of this isolate: each learns for itself which providers answer.

use std::cell::RefCell;
use std::collections::BTreeMap;

use zaki_edge_core::breaker::{Breaker, Fault, Standing, Ticket};
use zaki_envelope::{
    ZakiUserId,
    wire::{ModelReport, ProviderReport},
};

use crate::{clock, config::Config};

thread_local! {
    static BREAKERS: RefCell<BTreeMap<String, Breaker>> = const { RefCell::new(BTreeMap::new()) };
}

fn of<T>(name: &str, work: impl FnOnce(&mut Breaker) -> T) -> T {
    BREAKERS.with_borrow_mut(|all| match all.get_mut(name) {
        Some(breaker) => work(breaker),
        None => work(all.entry(name.to_owned()).or_default()),
    })
}

/// Whether it may be asked now.
pub(crate) fn admit(name: &str, user: ZakiUserId) -> Option<Ticket> {
    of(name, |it| it.admit(user, clock::now()))
}

pub(crate) fn answered(name: &str, ticket: &mut Ticket) {
    of(name, |it| it.answered(ticket, clock::now()));
}

pub(crate) fn failed(name: &str, ticket: Ticket, fault: Fault, later_ms: Option<i64>) {
    of(name, |it| it.failed(ticket, fault, later_ms, clock::now()));
}

pub(crate) fn let_go(name: &str, ticket: Ticket) {
    of(name, |it| it.let_go(ticket));
}

/// How they stand.
pub(crate) fn report(config: &Config) -> ModelReport {
    let one = |name: &String| {
        of(name, |breaker| {
            let standing = breaker.standing();
            let failing = breaker.failing();
            ProviderReport {
                provider: name.clone(),
                is_asked: standing == Standing::Closed,
                until: match standing {
                    Standing::Open { until } => Some(until),
                    _ => None,
                },
                fault: failing.map(|(fault, _)| fault.as_str().to_owned()),
                since: failing.map(|(_, since)| since),
            }
        })
    };
    ModelReport { providers: config.providers.iter().map(|it| one(&it.name)).collect() }
}
