//! What the disk and SQLite do alone: the units and the peer of `stores`.

use rusqlite::{Connection, params};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Times of `fdatasync` after an append of 4 KiB, for `seconds`.
pub fn fdatasyncs(dir: &Path, seconds: f64) -> Vec<Duration> {
    let path = dir.join("fdatasync");
    let mut file = File::create(&path).expect("a file");
    let (start, mut times) = (Instant::now(), Vec::new());
    while start.elapsed().as_secs_f64() < seconds {
        file.write_all(&[7; 4096]).expect("room on the disk");
        let one = Instant::now();
        file.sync_data().expect("synced");
        times.push(one.elapsed());
    }
    std::fs::remove_file(path).expect("removed");
    times
}

/// The plain table of somebody who keeps packets in SQLite.
pub struct Plain {
    db: Connection,
}

impl Plain {
    pub fn new(dir: &Path) -> Self {
        let db = Connection::open(dir.join("plain.db")).expect("a database");
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE packet (id INTEGER PRIMARY KEY, mailbox BLOB NOT NULL, body BLOB NOT NULL);
             CREATE INDEX by_mailbox ON packet (mailbox, id);",
        )
        .expect("a table");
        Self { db }
    }

    /// Rows per second with `each` of them in one commit, for `seconds`.
    pub fn inserts(&mut self, packets: &[Vec<u8>], each: usize, seconds: f64) -> f64 {
        let (start, mut rows) = (Instant::now(), 0);
        // Enough for a full page of every mailbox, however slow the disk.
        while start.elapsed().as_secs_f64() < seconds || (each > 1 && rows < packets.len()) {
            let tx = self.db.transaction().expect("a transaction");
            {
                let mut insert = tx
                    .prepare_cached("INSERT INTO packet (mailbox, body) VALUES (?, ?)")
                    .expect("a statement");
                for _ in 0..each {
                    let packet = &packets[rows % packets.len()];
                    insert.execute(params![&packet[4..36], packet]).expect("inserted");
                    rows += 1;
                }
            }
            tx.commit().expect("committed");
        }
        rows as f64 / start.elapsed().as_secs_f64()
    }

    /// Pages of `max` rows per second, for `seconds`.
    pub fn pages(&self, mailboxes: &[Vec<u8>], max: usize, seconds: f64) -> f64 {
        let (start, mut pages) = (Instant::now(), 0);
        while start.elapsed().as_secs_f64() < seconds {
            let mut select = self
                .db
                .prepare_cached(
                    "SELECT id, body FROM packet WHERE mailbox = ? AND id > 0 ORDER BY id LIMIT ?",
                )
                .expect("a statement");
            let rows = select
                .query_map(params![&mailboxes[pages % mailboxes.len()], max as i64], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
                })
                .expect("rows");
            assert_eq!(rows.filter(|row| row.as_ref().is_ok_and(|(_, body)| !body.is_empty())).count(), max);
            pages += 1;
        }
        pages as f64 / start.elapsed().as_secs_f64()
    }
}
