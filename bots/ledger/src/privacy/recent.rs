//! What was said last, for whoever goes on elsewhere.

use serde::Serialize;
use zaki_envelope::{Inbound, Outbound, SessionKey, Timestamp, ZakiUserId, plain_text};
use zaki_store::{Keys, Sql, Text, params, snapshot};

use super::find::envelope;
use crate::Error;
use crate::desk::Desk;
use crate::encode::json;
use crate::sealed::{Posted, legible};

/// A line of a conversation with the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    /// Who.
    pub by: By,
    /// What: the text of it alone.
    pub text: String,
    /// When.
    pub at: Timestamp,
}

/// Who said it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A person, by the name people see.
    Person(Option<String>),
    /// The agent.
    Agent,
}

pub(crate) async fn recent(
    desk: Desk<'_>,
    user: ZakiUserId,
    session: &SessionKey,
    most: u32,
) -> Result<Vec<Said>, Error> {
    let (session, keys, store) = (json(session)?, desk.keys().clone(), desk.store());
    let mut lines = snapshot!(&store, |tx| last_lines(tx, keys, user, session, most))?;
    lines.drain(..lines.len().saturating_sub(most as usize));
    Ok(lines)
}

/// The last turns of a person in one session.
pub(crate) const LAST: &str =
    "SELECT id FROM turn WHERE user_id = $1 AND session = $2 ORDER BY id DESC LIMIT $3";

/// At least so many, where there are so many; whole turns.
async fn last_lines<S: Sql>(
    tx: &S,
    keys: Keys,
    user: ZakiUserId,
    session: String,
    most: u32,
) -> Result<Vec<Said>, Error> {
    let mut turns: Vec<Vec<Said>> = Vec::new();
    let mut found = 0;
    for row in tx.all(LAST, params![Text(user), session, most]).await? {
        if found >= most as usize {
            break;
        }
        let lines = lines_of(tx, &keys, row.get(0)?).await?;
        found += lines.len();
        turns.push(lines);
    }
    Ok(turns.into_iter().rev().flatten().collect())
}

/// The lines of one turn: its messages, and the answer as one.
async fn lines_of<S: Sql>(tx: &S, keys: &Keys, turn: String) -> Result<Vec<Said>, Error> {
    let mut lines = Vec::new();
    let sql = "SELECT id, envelope FROM inbound WHERE turn = $1 ORDER BY place";
    for row in tx.all(sql, params![&turn]).await? {
        let (id, envelope) = envelope(&row)?;
        // What cannot be read, nobody remembers; the rest is.
        lines.extend(legible("message", &id, envelope, keys)?.and_then(asked));
    }
    // What may have arrived counts as said.
    let sql = "SELECT id, outbound, changed_at FROM delivery
        WHERE turn = $1 AND kind = 'reply' AND state <> 'dead' ORDER BY part, id";
    let (mut texts, mut at) = (Vec::new(), Timestamp::default());
    for row in tx.all(sql, params![&turn]).await? {
        let (id, stored): (String, String) = (row.get(0)?, row.get(1)?);
        let outbound = legible("delivery", &id, Some(Posted { id: &id, stored }), keys)?;
        texts.extend(outbound.and_then(|outbound| answered(&outbound)));
        at = Timestamp::from_ms(row.get(2)?);
    }
    if !texts.is_empty() {
        lines.push(Said { by: By::Agent, text: texts.join("\n"), at });
    }
    Ok(lines)
}

fn asked(inbound: Inbound) -> Option<Said> {
    let text = plain_text(&inbound.parts);
    let at = inbound.sent_at.unwrap_or(inbound.received_at);
    let said = Said { by: By::Person(inbound.sender.display_name), text, at };
    (!said.text.is_empty()).then_some(said)
}

fn answered(outbound: &Outbound) -> Option<String> {
    let (Outbound::Post { parts, .. } | Outbound::Edit { parts, .. }) = outbound else {
        return None;
    };
    Some(plain_text(parts)).filter(|text| !text.is_empty())
}
