//! The one writer: takes everything that is queued, commits it with one fsync, then answers.

use super::batch::{self, Numbers, Statements};
use super::{Answers, Health, Work, expiry};
use harbor_proto::node::{Append, AppendError, Input, JobId, Quota};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Packets and bytes in one commit: large enough that an fsync is shared by a second's worth of patience,
/// small enough that nobody's patience is tried by the others.
const BATCH_PACKETS: usize = 1024;
const BATCH_BYTES: usize = 4 << 20;
/// Bytes of packets written since the log was last moved into the database before it is moved again, beside the
/// writer. The disk's time for it delays commits: better often and briefly.
const CHECKPOINT_BYTES: usize = 8 << 20;
/// Bytes of packets written since the log last began again from its start before the writer makes everybody wait for
/// that. A writer with nothing to do does not wait so long.
const RESTART_BYTES: usize = 96 << 20;
/// The part of the last commit's time for which the writer waits for as many packets as that commit had: those whose
/// answers it just sent are likely to store more, and would else wait for two fsyncs.
const GATHER: u32 = 4;
/// How often a failed disk is tried again without anybody asking.
const PROBE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Writer {
    options: SqliteConnectOptions,
    /// `None` after a failure: what a connection believes after an I/O error is not worth knowing.
    connection: Option<SqliteConnection>,
    statements: Statements,
    numbers: Numbers,
    quota: Quota,
    health: Arc<Health>,
    expiring: Option<u32>,
    since_checkpoint: usize,
    since_restart: usize,
    checkpoint: Option<JoinHandle<()>>,
    /// The last commit: how many packets it had, when it ended and how long it took.
    last: (usize, Instant, Duration),
}

/// What the queue gave.
#[derive(Default)]
struct Taken {
    appends: Vec<Append>,
    bytes: usize,
    stop: bool,
}

impl Writer {
    pub(super) async fn new(
        options: SqliteConnectOptions,
        mut connection: SqliteConnection,
        quota: Quota,
        health: Arc<Health>,
    ) -> Result<Self, sqlx::Error> {
        prepare(&mut connection).await?;
        let numbers = Numbers::read(&mut connection).await?;
        health.bytes.store(numbers.bytes, Ordering::Relaxed);
        Ok(Self {
            options,
            connection: Some(connection),
            statements: Statements::new(),
            numbers,
            quota,
            health,
            expiring: None,
            since_checkpoint: 0,
            since_restart: 0,
            checkpoint: None,
            last: (0, Instant::now(), Duration::ZERO),
        })
    }

    pub(super) async fn run(mut self, mut work: UnboundedReceiver<Work>, answers: Arc<dyn Answers>) {
        answers.feed(vec![self.usage()]);
        loop {
            let taken = self.take(&mut work).await;
            if !taken.appends.is_empty() {
                self.append(taken.appends, taken.bytes, &*answers).await;
            }
            if taken.stop {
                break;
            }
            self.expire(&*answers).await;
            let idle = work.is_empty() && self.last.0 <= 1;
            self.checkpoint(idle).await;
        }
        if let Some(mut connection) = self.connection.take() {
            let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await;
            let _ = connection.close().await;
        }
    }

    fn usage(&self) -> Input {
        self.health.bytes.store(self.numbers.bytes, Ordering::Relaxed);
        Input::Usage { bytes: self.numbers.bytes }
    }

    /// Waits until there is something to do, then takes all of it up to a batch.
    async fn take(&mut self, work: &mut UnboundedReceiver<Work>) -> Taken {
        let mut taken = Taken::default();
        let mut next = if self.expiring.is_some() && self.health.ok() {
            work.try_recv().ok()
        } else if self.health.ok() {
            let next = work.recv().await;
            taken.stop = next.is_none();
            next
        } else {
            match tokio::time::timeout(PROBE, work.recv()).await {
                Ok(next) => {
                    taken.stop = next.is_none();
                    next
                }
                Err(_) => {
                    self.probe().await;
                    None
                }
            }
        };
        let patience = self.last.1 + self.last.2 / GATHER;
        while let Some(item) = next {
            match item {
                Work::Append(append) => {
                    taken.bytes += append.bytes.len();
                    taken.appends.push(append);
                }
                Work::Expire { hour } => self.expiring = Some(hour),
                Work::Stop => taken.stop = true,
            }
            let full = taken.appends.len() >= BATCH_PACKETS || taken.bytes >= BATCH_BYTES;
            next = if full || taken.stop { None } else { work.try_recv().ok() };
            if next.is_none() && !full && !taken.stop && taken.appends.len() < self.last.0 {
                next = tokio::time::timeout_at(patience, work.recv()).await.ok().flatten();
            }
        }
        taken
    }

    async fn append(&mut self, batch: Vec<Append>, bytes: usize, answers: &dyn Answers) {
        let jobs: Vec<JobId> = batch.iter().map(|append| append.job).collect();
        let (count, began) = (jobs.len(), Instant::now());
        let results = match self.commit(batch).await {
            Ok(results) => {
                self.succeeded();
                self.health.commits.fetch_add(1, Ordering::Relaxed);
                self.health.committed.fetch_add(jobs.len() as u64, Ordering::Relaxed);
                results
            }
            Err(e) => {
                self.failed(&e);
                vec![Err(AppendError::Failed); jobs.len()]
            }
        };
        self.health.bytes.store(self.numbers.bytes, Ordering::Relaxed);
        self.since_checkpoint += bytes;
        let facts = jobs.into_iter().zip(results).map(|(job, result)| Input::Appended { job, result });
        answers.feed(facts.collect());
        self.health.waiting.fetch_sub(bytes, Ordering::Relaxed);
        self.last = (count, Instant::now(), began.elapsed());
    }

    async fn commit(
        &mut self,
        batch: Vec<Append>,
    ) -> Result<Vec<Result<harbor_proto::node::Appended, AppendError>>, sqlx::Error> {
        self.connect().await?;
        let connection = self.connection.as_mut().expect("connected above");
        batch::commit(connection, &self.statements, &mut self.numbers, &self.quota, batch).await
    }

    /// Opens the database again after a failure, and reads again what is true now.
    async fn connect(&mut self) -> Result<(), sqlx::Error> {
        if self.connection.is_none() {
            let mut connection = self.options.connect().await?;
            prepare(&mut connection).await?;
            expiry::undo_above(&mut connection, self.numbers.last_seq).await?;
            self.numbers = Numbers::read(&mut connection).await?;
            self.connection = Some(connection);
        }
        Ok(())
    }

    async fn expire(&mut self, answers: &dyn Answers) {
        let Some(hour) = self.expiring else { return };
        let Some(connection) = self.connection.as_mut() else { return };
        match expiry::slice(connection, hour).await {
            Ok(removed) => {
                self.numbers.bytes = self.numbers.bytes.saturating_sub(removed.bytes);
                self.health.expired.fetch_add(removed.packets, Ordering::Relaxed);
                self.since_checkpoint += usize::try_from(removed.bytes).unwrap_or(usize::MAX);
                if removed.done {
                    self.expiring = None;
                    answers.feed(vec![self.usage()]);
                }
            }
            Err(e) => self.failed(&e),
        }
    }

    async fn probe(&mut self) {
        let tried = async {
            self.connect().await?;
            let connection = self.connection.as_mut().expect("connected above");
            sqlx::query("UPDATE meta SET probe = probe + 1").execute(connection).await
        };
        match tried.await {
            Ok(_) => self.succeeded(),
            Err(e) => self.failed(&e),
        }
    }

    fn succeeded(&self) {
        if self.health.failed.swap(false, Ordering::Relaxed) {
            tracing::info!("the database can be written again");
        }
    }

    fn failed(&mut self, e: &sqlx::Error) {
        self.connection = None;
        self.health.failures.fetch_add(1, Ordering::Relaxed);
        if !self.health.failed.swap(true, Ordering::Relaxed) {
            tracing::error!(error = %e, "the database cannot be written; stores are refused until it can");
        }
    }

    /// Moves the log into the database: the most of it beside the writer, and now and then what came in meanwhile as
    /// well, so that the log can begin again from its start.
    async fn checkpoint(&mut self, idle: bool) {
        match &self.checkpoint {
            Some(running) if !running.is_finished() => {}
            Some(_) => {
                self.checkpoint = None;
                if idle || self.since_restart >= RESTART_BYTES {
                    self.since_restart = 0;
                    let Some(connection) = self.connection.as_mut() else { return };
                    if let Err(e) = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(connection).await {
                        self.failed(&e);
                    }
                }
            }
            None if self.since_checkpoint >= CHECKPOINT_BYTES => {
                self.since_restart += std::mem::take(&mut self.since_checkpoint);
                let options = self.options.clone();
                self.checkpoint = Some(tokio::spawn(move_log(options)));
            }
            None => {}
        }
    }
}

async fn move_log(options: SqliteConnectOptions) {
    let moved = async {
        let mut connection = options.connect().await?;
        let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(&mut connection).await?;
        tracing::debug!(pages = row.try_get::<i64, _>(2)?, "the log was moved into the database");
        connection.close().await
    };
    if let Err(e) = moved.await {
        tracing::warn!(error = %e, "the log cannot be moved into the database yet");
    }
}

/// The writer's cache holds the inner pages of every index, or each commit would read them again.
async fn prepare(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("PRAGMA cache_size = -65536").execute(connection).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::{Health, options};
    use super::*;
    use harbor_proto::id::{HarborId, PacketId};

    fn append(n: u8) -> Append {
        let mut bytes = vec![n; 1024];
        bytes[36..40].copy_from_slice(&500_000u32.to_be_bytes());
        let (mailbox, packet_id) = (HarborId([1; 32]), PacketId([n; 32]));
        Append { job: JobId(n.into()), mailbox, packet_id, expiry_hour: 500_000, bytes: bytes.into() }
    }

    #[tokio::test]
    async fn a_failed_commit_that_is_there_after_all_is_undone() {
        let dir = tempfile::tempdir().expect("temp");
        let options = options(&dir.path().join("harbor.db"));
        let mut connection = options.connect().await.expect("opens");
        sqlx::migrate!("./migrations").run(&mut connection).await.expect("migrates");
        let quota = Quota { packets: 3, bytes: 1 << 20 };
        let mut writer =
            Writer::new(options, connection, quota, Arc::new(Health::default())).await.expect("a writer");
        writer.commit(vec![append(1)]).await.expect("stored");
        let before = writer.numbers;
        writer.commit(vec![append(2), append(3)]).await.expect("stored");
        // As if the second commit had failed on its way back: its packets were refused.
        writer.numbers = before;
        writer.connection = None;
        let answers = writer.commit(vec![append(2), append(4)]).await.expect("stored");
        let seqs: Vec<u64> = answers.iter().map(|answer| answer.expect("there is room").seq).collect();
        assert_eq!(seqs, [4, 5], "numbers that nobody has passed");
        assert_eq!(writer.numbers.bytes, 3 * 1024);
    }
}
