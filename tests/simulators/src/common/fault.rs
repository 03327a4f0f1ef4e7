//! Trouble on demand: what a test tells a platform to do to the next calls.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lock;

/// One way in which a call goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// Refused as over the rate limit, in the platform's own shape; nothing is done.
    RateLimited {
        /// What the platform says to wait, in milliseconds; whole seconds where it knows no finer.
        after_ms: u64,
    },
    /// A server error (500, 502, 503, ...); nothing is done.
    Status {
        /// The HTTP status.
        code: u16,
    },
    /// The connection closes with no answer; nothing is done.
    Drop,
    /// The call **is done**, and the connection closes with no answer: the sender cannot know.
    LoseAnswer,
    /// The call is done after a pause.
    Delay {
        /// The pause, in milliseconds.
        ms: u64,
    },
}

impl Fault {
    /// A rate limit to be waited out for `after`.
    pub fn rate_limited(after: Duration) -> Self {
        Self::RateLimited { after_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX) }
    }
}

#[derive(Debug)]
struct Rule {
    fault: Fault,
    method: Option<String>,
    left: u32,
}

/// The faults still to come. Clones share the same queue.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<VecDeque<Rule>>>);

impl Faults {
    /// The next `count` calls of any method go wrong.
    pub fn next(&self, count: u32, fault: Fault) {
        self.add(None, count, fault);
    }

    /// The next `count` calls of `method` (as in [`super::Call::method`]) go wrong.
    pub fn next_of(&self, method: &str, count: u32, fault: Fault) {
        self.add(Some(method.to_owned()), count, fault);
    }

    /// No fault is left.
    pub fn clear(&self) {
        lock(&self.0).clear();
    }

    fn add(&self, method: Option<String>, left: u32, fault: Fault) {
        if left > 0 {
            lock(&self.0).push_back(Rule { fault, method, left });
        }
    }

    /// The fault for this call, used up by it. Rules are tried in the order they were added.
    pub(crate) fn take(&self, method: &str) -> Option<Fault> {
        let mut rules = lock(&self.0);
        let fits = |rule: &Rule| {
            rule.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
        };
        let at = rules.iter().position(fits)?;
        let rule = rules.get_mut(at)?;
        rule.left -= 1;
        let fault = rule.fault.clone();
        if rule.left == 0 {
            rules.remove(at);
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_hits_only_its_method_and_only_so_often() {
        let faults = Faults::default();
        faults.next_of("sendMessage", 2, Fault::Drop);
        assert_eq!(faults.take("getMe"), None);
        assert_eq!(faults.take("sendmessage"), Some(Fault::Drop));
        assert_eq!(faults.take("sendMessage"), Some(Fault::Drop));
        assert_eq!(faults.take("sendMessage"), None);
    }

    #[test]
    fn faults_come_in_the_order_they_were_asked_for() {
        let faults = Faults::default();
        faults.next(1, Fault::Status { code: 500 });
        faults.next(1, Fault::Drop);
        assert_eq!(faults.take("any"), Some(Fault::Status { code: 500 }));
        assert_eq!(faults.take("any"), Some(Fault::Drop));
    }
}
