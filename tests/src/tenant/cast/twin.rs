//! People of another Slack team, who happen to have the ids of people here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use zaki_simulators::signature;

use super::super::account::{Account, TWIN_TEAM};
use super::Cast;

/// How often an event is delivered that nobody has acknowledged.
const TRIES: u32 = 20;
const AGAIN: Duration = Duration::from_secs(1);

/// Their private conversation with the bot.
pub(super) fn direct(account: &Account) -> String {
    format!("D0TWIN{}", account.id)
}

impl Cast {
    /// As Slack tells of somebody of another team.
    pub(super) fn say_in_twin_team(&self, account: &Account, text: &str, extra: &Value) {
        self.slack.add_channel(&direct(account), "twin");
        let written = account.count();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let ts = format!("{now}.{:06}", account.no % 1000 * 1000 + written % 1000);
        let config = self.slack.config();
        let body = self.event(account, &ts, text, extra).to_string();
        let signed = signature::slack(&config.signing_secret, now, body.as_bytes());
        let (http, events) = (self.http.clone(), self.events.clone());
        tokio::spawn(async move {
            // As Slack does, though sooner.
            for _ in 0..TRIES {
                let request = http.post(&events).body(body.clone());
                let request = request
                    .header("content-type", "application/json")
                    .header("x-slack-request-timestamp", now.to_string())
                    .header("x-slack-signature", &signed);
                if request.send().await.is_ok_and(|answer| answer.status().is_success()) {
                    return;
                }
                tokio::time::sleep(AGAIN).await;
            }
        });
    }

    fn event(&self, account: &Account, ts: &str, text: &str, extra: &Value) -> Value {
        let config = self.slack.config();
        let mut event = json!({
            "type": "message", "channel_type": "im", "team": TWIN_TEAM,
            "channel": direct(account), "user": account.slack(), "text": text, "ts": ts,
            "event_ts": ts,
        });
        if let (Some(event), Some(extra)) = (event.as_object_mut(), extra.as_object()) {
            event.extend(extra.clone());
        }
        json!({
            "type": "event_callback", "team_id": TWIN_TEAM, "api_app_id": config.app_id,
            "event_id": format!("EvTWIN{}{ts}", account.no), "event_time": 1,
            "authorizations": [{
                "enterprise_id": null, "team_id": TWIN_TEAM, "user_id": config.bot_user_id,
                "is_bot": true, "is_enterprise_install": false,
            }],
            "event": event,
        })
    }
}
