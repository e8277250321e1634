//! Deleting: what has expired, a slice at a time, so that stores never wait long.

use super::layout::OMITTED_LEN;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Connection, Row};
use std::collections::BTreeMap;

/// Packets deleted in one transaction.
const SLICE: i64 = 500;

/// What one slice removed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Removed {
    pub(super) packets: u64,
    pub(super) bytes: u64,
    /// Nothing expired is left.
    pub(super) done: bool,
}

/// Deletes up to [`SLICE`] packets whose expiry is at or before `hour`, and mailboxes that became empty.
///
/// # Errors
/// The disk's or the database's: nothing was deleted.
pub(super) async fn slice(connection: &mut SqliteConnection, hour: u32) -> Result<Removed, sqlx::Error> {
    const DELETE: &str = "DELETE FROM packet WHERE seq IN \
         (SELECT seq FROM packet WHERE expiry <= ? ORDER BY expiry LIMIT ?) RETURNING mailbox, length(body)";
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    let rows = sqlx::query(DELETE).bind(i64::from(hour)).bind(SLICE).fetch_all(&mut *tx).await?;
    let bytes = free(&mut tx, &rows).await?;
    tx.commit().await?;
    Ok(Removed { packets: rows.len() as u64, bytes, done: (rows.len() as i64) < SLICE })
}

/// Deletes every packet numbered above `seq`: a commit that failed, was answered so, and is there after all
/// when the log is read anew. Whoever stores such a packet again gets a new number, which watchers have not
/// passed yet (docs/spec/mailbox.md).
///
/// # Errors
/// The disk's or the database's: nothing was deleted.
pub(super) async fn undo_above(connection: &mut SqliteConnection, seq: i64) -> Result<(), sqlx::Error> {
    const DELETE: &str = "DELETE FROM packet WHERE seq > ? RETURNING mailbox, length(body)";
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    let rows = sqlx::query(DELETE).bind(seq).fetch_all(&mut *tx).await?;
    free(&mut tx, &rows).await?;
    tx.commit().await
}

/// Takes deleted packets (mailbox, length of the body) off the mailboxes' accounts. Returns their bytes.
async fn free(tx: &mut SqliteConnection, rows: &[SqliteRow]) -> Result<u64, sqlx::Error> {
    let mut freed: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for row in rows {
        let (packets, bytes) = freed.entry(row.try_get(0)?).or_default();
        *packets += 1;
        *bytes += row.try_get::<i64, _>(1)? + OMITTED_LEN as i64;
    }
    for (mailbox, (packets, bytes)) in &freed {
        sqlx::query("UPDATE mailbox SET packets = packets - ?, bytes = bytes - ? WHERE id = ?")
            .bind(packets)
            .bind(bytes)
            .bind(mailbox)
            .execute(&mut *tx)
            .await?;
        sqlx::query("DELETE FROM mailbox WHERE id = ? AND packets = 0")
            .bind(mailbox)
            .execute(&mut *tx)
            .await?;
    }
    Ok(freed.values().map(|(_, bytes)| bytes.unsigned_abs()).sum())
}
