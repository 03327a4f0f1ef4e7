//! The commands the hub carries out itself. `/stop` belongs to the lane; `/mode` is here.

use std::sync::Arc;

use zaki_envelope::{Inbound, ZakiUserId};
use zaki_identity::Setting;
use zaki_lane::turns::Mode;
use zaki_ledger::SettleReason;

use crate::{hub::Hub, notice, words};

/// `/mode`: keeps the person's choice, or says what can be chosen.
pub(crate) async fn mode(hub: &Arc<Hub>, user: ZakiUserId, command: &Inbound, mode: Option<Mode>) {
    let text = match mode {
        Some(mode) => {
            let chosen = Setting::Mode(Some(mode.as_str().to_owned()));
            let set = || hub.directory.set(user, chosen.clone());
            if hub.persist("keep a person's mode", set).await.is_none() {
                return;
            }
            words::mode_set(mode)
        }
        None => words::mode_help(hub.mode_of(user).await),
    };
    notice::tell(hub, command, text).await;
    hub.settle(command, SettleReason::Command).await;
}
