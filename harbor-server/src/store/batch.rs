//! One commit for many packets.

use super::layout;
use super::sql::Repeated;
use harbor_proto::id::{HarborId, PacketId};
use harbor_proto::mailbox::admit;
use harbor_proto::node::{Append, AppendError, Appended, Quota};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Row};
use std::collections::HashMap;
use std::sync::Arc;

/// What the one writer knows of the tables without asking.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub(super) last_seq: i64,
    pub(super) last_mailbox: i64,
    /// Bytes of packets on disk.
    pub(super) bytes: u64,
}

impl Numbers {
    /// Reads them anew, after opening.
    pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let row = sqlx::query(
            "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'packet'), 0), \
                    coalesce((SELECT max(id) FROM mailbox), 0), \
                    coalesce((SELECT sum(bytes) FROM mailbox), 0)",
        )
        .fetch_one(connection)
        .await?;
        let bytes = u64::try_from(row.try_get::<i64, _>(2)?).unwrap_or_default();
        Ok(Self { last_seq: row.try_get(0)?, last_mailbox: row.try_get(1)?, bytes })
    }
}

/// The statements of a commit.
#[derive(Debug)]
pub(super) struct Statements {
    mailboxes: Repeated,
    tags: Repeated,
    put_mailbox: Repeated,
    put_packet: Repeated,
}

impl Statements {
    pub(super) fn new() -> Self {
        Self {
            mailboxes: Repeated::new(
                "SELECT harbor_id, id, packets, bytes FROM mailbox WHERE harbor_id IN (",
                "?",
                ")",
            ),
            tags: Repeated::new(
                "SELECT packet.tag, packet.seq, packet.expiry, packet.body, mailbox.harbor_id \
                 FROM packet JOIN mailbox ON mailbox.id = packet.mailbox WHERE packet.tag IN (",
                "?",
                ")",
            ),
            put_mailbox: Repeated::new(
                "INSERT INTO mailbox (id, harbor_id, packets, bytes) VALUES ",
                "(?,?,?,?)",
                " ON CONFLICT (id) DO UPDATE SET packets = excluded.packets, bytes = excluded.bytes",
            ),
            put_packet: Repeated::new(
                "INSERT INTO packet (seq, mailbox, expiry, tag, body) VALUES ",
                "(?,?,?,?,?)",
                "",
            ),
        }
    }
}

/// A mailbox as this transaction sees it.
#[derive(Clone, Copy, Debug)]
struct Usage {
    id: i64,
    used: Quota,
    changed: bool,
}

/// A row to write.
struct Put {
    seq: i64,
    mailbox: i64,
    expiry: u32,
    tag: i64,
    packet: Arc<[u8]>,
}

type Answer = Result<Appended, AppendError>;

/// Writes what may be written of `batch` in one transaction and says what became of each, in order. When
/// this returns, an fsync covers all of it.
///
/// # Errors
/// The disk's or the database's: nothing of the batch was written.
pub(super) async fn commit(
    connection: &mut SqliteConnection,
    statements: &Statements,
    numbers: &mut Numbers,
    quota: &Quota,
    batch: Vec<Append>,
) -> Result<Vec<Answer>, sqlx::Error> {
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut usages = usages(&mut tx, statements, &batch).await?;
    let known = duplicates(&mut tx, statements, &batch).await?;
    let mut after = *numbers;
    let (answers, puts) = decide(batch, &mut usages, known, &mut after, quota);
    write(&mut tx, statements, &usages, puts).await?;
    tx.commit().await?;
    *numbers = after;
    Ok(answers)
}

async fn usages(
    tx: &mut SqliteConnection,
    statements: &Statements,
    batch: &[Append],
) -> Result<HashMap<HarborId, Usage>, sqlx::Error> {
    let mut names: Vec<HarborId> = batch.iter().map(|append| append.mailbox).collect();
    names.sort_unstable();
    names.dedup();
    let mut found = HashMap::with_capacity(names.len());
    for (text, run) in statements.mailboxes.over(&names) {
        let query = run.iter().fold(sqlx::query(text), |query, name| query.bind(name.0.to_vec()));
        for row in query.fetch_all(&mut *tx).await? {
            let name: [u8; 32] = row.try_get::<Vec<u8>, _>(0)?.try_into().map_err(|_| damaged())?;
            let used = Quota {
                packets: u32::try_from(row.try_get::<i64, _>(2)?).map_err(|_| damaged())?,
                bytes: u64::try_from(row.try_get::<i64, _>(3)?).map_err(|_| damaged())?,
            };
            found.insert(HarborId(name), Usage { id: row.try_get(1)?, used, changed: false });
        }
    }
    Ok(found)
}

async fn duplicates(
    tx: &mut SqliteConnection,
    statements: &Statements,
    batch: &[Append],
) -> Result<HashMap<PacketId, u64>, sqlx::Error> {
    let tags: Vec<i64> = batch.iter().map(|append| layout::tag(&append.packet_id)).collect();
    let mut known = HashMap::new();
    for (text, run) in statements.tags.over(&tags) {
        let query = run.iter().fold(sqlx::query(text), |query, tag| query.bind(*tag));
        for row in query.fetch_all(&mut *tx).await? {
            let (tag, seq): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            let mailbox = HarborId(row.try_get::<Vec<u8>, _>(4)?.try_into().map_err(|_| damaged())?);
            let same = |append: &&Append| {
                layout::tag(&append.packet_id) == tag
                    && row.try_get(3).is_ok_and(|body| {
                        layout::is(&append.packet_id, body, &mailbox, row.try_get(2).unwrap_or_default())
                    })
            };
            if let Some(append) = batch.iter().find(same) {
                known.insert(append.packet_id, u64::try_from(seq).map_err(|_| damaged())?);
            }
        }
    }
    Ok(known)
}

fn decide(
    batch: Vec<Append>,
    usages: &mut HashMap<HarborId, Usage>,
    mut known: HashMap<PacketId, u64>,
    numbers: &mut Numbers,
    quota: &Quota,
) -> (Vec<Answer>, Vec<Put>) {
    let mut answers = Vec::with_capacity(batch.len());
    let mut puts = Vec::with_capacity(batch.len());
    for append in batch {
        if let Some(seq) = known.get(&append.packet_id) {
            answers.push(Ok(Appended { seq: *seq, duplicate: true }));
            continue;
        }
        let empty = Usage { id: 0, used: Quota { packets: 0, bytes: 0 }, changed: false };
        let mut usage = usages.get(&append.mailbox).copied().unwrap_or(empty);
        if !admit(usage.used, append.bytes.len(), quota) {
            answers.push(Err(AppendError::Full));
            continue;
        }
        if usage.id == 0 {
            numbers.last_mailbox += 1;
            usage.id = numbers.last_mailbox;
        }
        let len = append.bytes.len() as u64;
        usage.used = Quota { packets: usage.used.packets + 1, bytes: usage.used.bytes + len };
        usage.changed = true;
        usages.insert(append.mailbox, usage);
        numbers.last_seq += 1;
        numbers.bytes += len;
        let seq = numbers.last_seq.unsigned_abs();
        known.insert(append.packet_id, seq);
        answers.push(Ok(Appended { seq, duplicate: false }));
        puts.push(Put {
            seq: numbers.last_seq,
            mailbox: usage.id,
            expiry: append.expiry_hour,
            tag: layout::tag(&append.packet_id),
            packet: append.bytes,
        });
    }
    (answers, puts)
}

async fn write(
    tx: &mut SqliteConnection,
    statements: &Statements,
    usages: &HashMap<HarborId, Usage>,
    puts: Vec<Put>,
) -> Result<(), sqlx::Error> {
    let mut changed: Vec<(&HarborId, &Usage)> = usages.iter().filter(|(_, usage)| usage.changed).collect();
    // By id, so that neighbours on a page are written together.
    changed.sort_unstable_by_key(|(_, usage)| usage.id);
    for (text, run) in statements.put_mailbox.over(&changed) {
        let query = run.iter().fold(sqlx::query(text), |query, (name, usage)| {
            query
                .bind(usage.id)
                .bind(name.0.to_vec())
                .bind(i64::from(usage.used.packets))
                .bind(i64::try_from(usage.used.bytes).unwrap_or(i64::MAX))
        });
        query.execute(&mut *tx).await?;
    }
    for (text, run) in statements.put_packet.over(&puts) {
        let query = run.iter().fold(sqlx::query(text), |query, put| {
            query
                .bind(put.seq)
                .bind(put.mailbox)
                .bind(i64::from(put.expiry))
                .bind(put.tag)
                .bind(layout::strip(&put.packet))
        });
        query.execute(&mut *tx).await?;
    }
    Ok(())
}

fn damaged() -> sqlx::Error {
    sqlx::Error::Protocol("a row holds what was never written to it".into())
}
