//! Everything the directory keeps of a person, for the person.

use std::mem;

use serde_json::{Map, Value, json};
use zaki_envelope::ZakiUserId;
use zaki_store::{FromValue, Keys, Row, Sql, Text, params, snapshot};

use super::erase::family;
use crate::sealed::Column;
use crate::{Directory, DirectoryError, people};

/// What is kept in a table: its heading, the columns, and the rest of the query.
type Drawer = (&'static str, &'static [&'static str], &'static str);

/// Times are milliseconds since the epoch. Hashes of codes and tokens are left out: they say
/// nothing, and while a code is good nobody else should have them.
const DRAWERS: &[Drawer] = &[
    (
        "allowed",
        &["place", "channel", "scope", "id", "allowed_at", "how", "by_whom"],
        "FROM allowed WHERE user_id = $1 ORDER BY allowed_at, place, channel, scope, id",
    ),
    (
        "owned_groups",
        &["channel", "scope", "conversation", "mode", "who", "changers", "changed_at"],
        "FROM chat_group WHERE owner_id = $1 ORDER BY channel, scope, conversation",
    ),
    (
        "sessions",
        &["n", "name", "created_at", "used_at"],
        "FROM session WHERE user_id = $1 ORDER BY n",
    ),
    (
        "places",
        &["channel", "scope", "sender", "address", "used_at"],
        "FROM place WHERE user_id = $1 ORDER BY used_at, id",
    ),
    (
        "usage",
        &[
            "period",
            "messages",
            "input_tokens",
            "output_tokens",
            "cost_micros",
            "unasked_input",
            "unasked_output",
            "unasked_cost",
        ],
        "FROM usage WHERE user_id = $1 ORDER BY period",
    ),
    (
        "codes",
        &["id", "made_at", "expires_at", "uses_left"],
        "FROM code WHERE user_id = $1 ORDER BY made_at, id",
    ),
    (
        "tokens",
        &["purpose", "expires_at"],
        "FROM token WHERE user_id = $1 ORDER BY expires_at, purpose",
    ),
    (
        "joining",
        &["into_id", "from_id", "channel", "account", "asked_at", "into_said_at", "from_said_at"],
        "FROM joining WHERE from_id = $1 OR into_id = $1",
    ),
    (
        "merges",
        &["from_id", "into_id", "merged_at", "restorable_until"],
        "FROM merge WHERE from_id = $1 OR into_id = $1 ORDER BY merged_at, from_id",
    ),
    (
        "merged_parts",
        &["part.from_id", "what", "channel", "scope", "id"],
        "FROM merge_part AS part JOIN merge ON merge.from_id = part.from_id
            WHERE part.from_id = $1 OR merge.into_id = $1
            ORDER BY part.from_id, what, channel, scope, id",
    ),
    ("feedback", &["id", "at", "text"], "FROM feedback WHERE user_id = $1 ORDER BY at, id"),
    (
        "errands",
        &["what", "asked_at", "due_at", "tries", "trouble"],
        "FROM errand WHERE user_id = $1 ORDER BY n",
    ),
    (
        "told_as_a_stranger",
        &["told.channel", "told.account", "told.sender", "told_at"],
        "FROM told JOIN binding ON binding.channel = told.channel
            AND binding.scope = told.scope AND binding.sender = told.sender
            WHERE binding.user_id = $1 ORDER BY told_at",
    ),
    (
        "asked_in",
        &["pairing.channel", "pairing.account", "pairing.sender", "pairing.label", "asked_at"],
        "FROM pairing JOIN binding ON binding.channel = pairing.channel
            AND binding.scope = pairing.scope AND binding.sender = pairing.sender
            WHERE binding.user_id = $1 ORDER BY asked_at",
    ),
    (
        "asked_to_share",
        &["proposal.channel", "proposal.account", "proposal.sender", "asked_at"],
        "FROM proposal JOIN binding ON binding.channel = proposal.channel
            AND binding.scope = proposal.scope AND binding.sender = proposal.sender
            WHERE binding.user_id = $1 ORDER BY asked_at",
    ),
    // Who was asked is for those to be told.
    (
        "shares_offered",
        &["channel", "account", "asked_at"],
        "FROM proposal WHERE user_id = $1 ORDER BY asked_at",
    ),
    (
        "let_in",
        &["channel", "account", "conversation", "locale", "asked_at"],
        "FROM admission WHERE user_id = $1 ORDER BY asked_at",
    ),
    (
        "acts_about_them",
        &["seq", "at", "act", "by_whom", "detail"],
        "FROM audit_entry WHERE about = $1 ORDER BY seq",
    ),
    (
        "earlier_acts_about_them",
        &["at", "change", "channel", "scope", "sender", "was"],
        "FROM audit WHERE user_id = $1 ORDER BY id",
    ),
    ("acts_of_theirs", &["seq", "at", "act"], "FROM audit_entry WHERE by_whom = $1 ORDER BY seq"),
];

impl Directory {
    /// Everything kept of a person: who they are to us, their senders, and each table that has
    /// something of theirs. [`DirectoryError::UnknownPerson`] for nobody.
    pub async fn dossier(&self, user: ZakiUserId) -> Result<Value, DirectoryError> {
        let keys = self.options.keys.clone();
        snapshot!(&self.store, |tx| dossier(tx, &keys, user))
    }
}

impl Directory {
    /// The dossiers of everybody a person is: those who have become them, and theirs. Those who
    /// have become another can still be restored, so all that was kept of them is.
    pub async fn dossiers(
        &self,
        user: ZakiUserId,
    ) -> Result<Vec<(ZakiUserId, Value)>, DirectoryError> {
        let keys = self.options.keys.clone();
        snapshot!(&self.store, |tx| dossiers(tx, &keys, user))
    }
}

async fn dossiers<S: Sql>(
    tx: &S,
    keys: &Keys,
    user: ZakiUserId,
) -> Result<Vec<(ZakiUserId, Value)>, DirectoryError> {
    let mut dossiers = Vec::new();
    for user in family(tx, user).await? {
        dossiers.push((user, dossier(tx, keys, user).await?));
    }
    Ok(dossiers)
}

async fn dossier<S: Sql>(tx: &S, keys: &Keys, user: ZakiUserId) -> Result<Value, DirectoryError> {
    let person = people::person(tx, user).await?;
    let person = person.ok_or(DirectoryError::UnknownPerson(user))?;
    let mut dossier = Map::new();
    dossier.insert("person".into(), json!(person));
    for (heading, columns, rest) in DRAWERS {
        let sql = format!("SELECT {} {rest}", columns.join(", "));
        let rows = tx.all(&sql, params![Text(user)]).await?;
        let mut rows =
            rows.iter().map(|row| object(columns, row)).collect::<Result<Vec<_>, _>>()?;
        for row in &mut rows {
            unseal(keys, user, heading, row)?;
        }
        dossier.insert((*heading).into(), Value::Array(rows));
    }
    Ok(Value::Object(dossier))
}

/// What is kept encrypted, in clear.
fn unseal(
    keys: &Keys,
    user: ZakiUserId,
    heading: &str,
    row: &mut Value,
) -> Result<(), DirectoryError> {
    let (column, field, place) = match heading {
        "feedback" => (Column::Feedback, "text", row["id"].as_str().unwrap_or_default().to_owned()),
        "sessions" => (Column::Session, "name", format!("{user} {}", row["n"])),
        _ => return Ok(()),
    };
    if let Some(Value::String(text)) = row.get_mut(field) {
        *text = keys.open_text(column.of(&place), mem::take(text))?;
    }
    Ok(())
}

fn object(columns: &[&str], row: &Row) -> Result<Value, DirectoryError> {
    let mut object = Map::new();
    for (n, column) in columns.iter().enumerate() {
        let name = column.rsplit('.').next().unwrap_or(column);
        let Cell(value) = row.get(n)?;
        object.insert(name.into(), value);
    }
    Ok(Value::Object(object))
}

/// A value of whichever kind.
struct Cell(Value);

impl FromValue for Cell {
    fn from_value(value: &zaki_store::Value) -> Option<Self> {
        Some(Self(match value {
            zaki_store::Value::Null => Value::Null,
            zaki_store::Value::Int(number) => json!(number),
            zaki_store::Value::Text(text) => json!(text),
            zaki_store::Value::Bytes(bytes) => json!(hex::encode(bytes)),
        }))
    }
}
