//! Leases: who may write, and who does what one replica does at a time.

use std::time::Duration;

use zaki_envelope::InboundId;

use super::rows::token;
use super::tx::Store;
use super::{enter, sql};
use crate::{Error, Fence, Pulse};

fn ms(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)
}

pub(super) async fn enroll(store: &Store, name: &str, ttl: Duration) -> Result<Fence, Error> {
    let tx = store.begin().await?;
    let token = tx.one(sql::ENROLL, &[&name, &ms(ttl)], |row| row.try_get::<_, i64>(0)).await?;
    tx.commit().await?;
    Ok(Fence::from_token(token.unwrap_or_default().cast_unsigned()))
}

/// `None`: the lease has gone.
pub(super) async fn pulse(
    store: &Store,
    fence: Fence,
    ttl: Duration,
) -> Result<Option<Pulse>, Error> {
    let renewed = store
        .one(sql::PULSE, &[&token(fence), &ms(ttl)], |row| {
            let others = u32::try_from(row.try_get::<_, i64>(0)?).unwrap_or(u32::MAX);
            let pulse = Pulse { replicas: others.saturating_add(1), orphans: row.try_get(1)? };
            Ok((pulse, row.try_get(2)?))
        })
        .await;
    let renewed: Option<(Pulse, bool)> = renewed?;
    if let Some((_, true)) = renewed {
        // The next pulse finds what is left to do.
        match store.execute(sql::SHORTEN, &[&token(fence)]).await {
            Ok(leases) => tracing::warn!(leases, "the database's clock was set back"),
            Err(error) => tracing::warn!(%error, "leases end too late: the database's clock"),
        }
    }
    Ok(renewed.map(|(pulse, _)| pulse))
}

/// Ends a term, `now` or if it has run out.
pub(super) async fn bury(store: &Store, token: i64, now: bool) -> Result<(), Error> {
    let tx = store.begin().await?;
    tx.one(sql::BURY, &[&token, &now], |_| Ok(())).await?;
    Ok(tx.commit().await?)
}

/// Ends all terms that have run out.
pub(super) async fn bury_expired(store: &Store) -> Result<(), Error> {
    for token in store.all(sql::EXPIRED, &[], |row| row.try_get(0)).await? {
        bury(store, token, false).await?;
    }
    Ok(())
}

pub(super) async fn hold(store: &Store, fence: Fence, lease: &str) -> Result<bool, Error> {
    let (lane, nothing): (Option<&str>, &[&str]) = (None, &[]);
    let tx = enter(store, sql::ENTER, &[&token(fence), &lane, &nothing]).await?;
    let read = |row: &tokio_postgres::Row| Ok((row.try_get::<_, i64>(0)?, row.try_get(1)?));
    if let Some((holder, false)) = tx.one(sql::HOLDER, &[&lease], read).await? {
        tx.one(sql::BURY, &[&holder, &false], |_| Ok(())).await?;
    }
    let ours = tx.one(sql::TAKE_LEASE, &[&lease, &token(fence)], |row| row.try_get(0)).await?;
    tx.commit().await?;
    Ok(ours == Some(true))
}

/// Leaves to others what has not begun. Whoever claims or joins one of these looks at its row, so
/// no lane or conversation is locked.
pub(super) async fn release(store: &Store, fence: Fence) -> Result<(), Error> {
    let (lane, nothing): (Option<&str>, &[&str]) = (None, &[]);
    let tx = enter(store, sql::ENTER, &[&token(fence), &lane, &nothing]).await?;
    for statement in sql::GIVE_UP {
        tx.execute(statement, &[&token(fence)]).await?;
    }
    tx.commit().await
}

/// Leaves to others what may have been accepted.
pub(super) async fn disown(
    store: &Store,
    fence: Fence,
    inbounds: &[InboundId],
) -> Result<(), Error> {
    let (lane, nothing): (Option<&str>, &[&str]) = (None, &[]);
    let tx = enter(store, sql::ENTER, &[&token(fence), &lane, &nothing]).await?;
    let ids: Vec<_> = inbounds.iter().map(ToString::to_string).collect();
    tx.execute(sql::DISOWN, &[&token(fence), &ids]).await?;
    tx.commit().await
}
