//! Packets on disk: one writer that commits many at once, readers beside it.
//!
//! SQLite in WAL mode with `synchronous = FULL`: when a commit returns, an fsync covers it, and only then is
//! anything acknowledged.

mod batch;
mod expiry;
mod layout;
mod reader;
mod sql;
mod writer;

use crate::failure::Failure;
use harbor_proto::node::{Append, Input, JobId, Quota};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Row};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

pub(crate) use reader::ReadJob;

/// Whoever is told what the disk did; the node behind its lock.
pub(crate) trait Answers: Send + Sync + 'static {
    /// Facts in commit order.
    fn feed(&self, facts: Vec<Input>);
}

/// Work for the one writer.
#[derive(Debug)]
enum Work {
    Append(Append),
    Expire { hour: u32 },
    Stop,
}

/// Numbers for metrics and readiness.
#[derive(Debug, Default)]
pub(crate) struct Health {
    failed: AtomicBool,
    /// Commits that stored something.
    pub(crate) commits: AtomicU64,
    /// Packets in those commits.
    pub(crate) committed: AtomicU64,
    /// Transactions that failed.
    pub(crate) failures: AtomicU64,
    /// Packets deleted because they had expired.
    pub(crate) expired: AtomicU64,
    /// Bytes of packets on disk.
    pub(crate) bytes: AtomicU64,
    /// Bytes of packets waiting for the writer.
    pub(crate) waiting: AtomicUsize,
}

impl Health {
    /// False from a failed transaction until one succeeds again.
    pub(crate) fn ok(&self) -> bool {
        !self.failed.load(Ordering::Relaxed)
    }
}

/// The handle that the node's instructions go through. Dropping it does not stop the writer; see
/// [`Store::stop`].
#[derive(Clone, Debug)]
pub(crate) struct Store {
    work: UnboundedSender<Work>,
    reads: UnboundedSender<ReadJob>,
    health: Arc<Health>,
}

/// An opened database before anybody listens to its answers.
#[derive(Debug)]
pub(crate) struct Opened {
    /// Random name of the log.
    pub(crate) log: [u8; 16],
    writer: writer::Writer,
    options: SqliteConnectOptions,
    health: Arc<Health>,
}

/// Connections that answer pulls. More would only wait for the same two cores.
const READERS: usize = 2;

impl Opened {
    /// Opens the file and brings its schema up to date.
    ///
    /// # Errors
    /// The operator's: no database, one of a newer harbor, or one that cannot be read.
    pub(crate) async fn open(file: &Path, quota: Quota) -> Result<Self, Failure> {
        let options = options(file);
        let shown = file.display();
        let mut connection = options.connect().await.map_err(|e| {
            Failure::database(format!(
                "the database {shown} cannot be opened: {e}. Check that it is an SQLite file and may be written."
            ))
        })?;
        sqlx::migrate!("./migrations").run(&mut connection).await.map_err(|e| match e {
            sqlx::migrate::MigrateError::VersionMissing(_) => Failure::database(format!(
                "the database {shown} was made by a newer harbor. Install that version or a later one."
            )),
            e => Failure::database(format!("the database {shown} cannot be brought up to date: {e}")),
        })?;
        let unreadable = |e: sqlx::Error| {
            Failure::database(format!("the database {shown} cannot be read: {e}. Restore a backup."))
        };
        let log = log_name(&mut connection).await.map_err(unreadable)?;
        let health = Arc::new(Health::default());
        let writer = writer::Writer::new(options.clone(), connection, quota, Arc::clone(&health))
            .await
            .map_err(unreadable)?;
        Ok(Self { log, writer, options, health })
    }

    /// What metrics and readiness look at.
    pub(crate) fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    /// The handle, and the rest, which [`Pending::start`] needs once there is somebody to answer to.
    pub(crate) fn split(self) -> (Store, Pending) {
        let (work, incoming) = unbounded_channel();
        let (reads, read_jobs) = unbounded_channel();
        let store = Store { work, reads, health: self.health };
        (store, Pending { writer: self.writer, options: self.options, incoming, read_jobs })
    }
}

/// The tasks of the store before they run.
#[derive(Debug)]
pub(crate) struct Pending {
    writer: writer::Writer,
    options: SqliteConnectOptions,
    incoming: tokio::sync::mpsc::UnboundedReceiver<Work>,
    read_jobs: tokio::sync::mpsc::UnboundedReceiver<ReadJob>,
}

impl Pending {
    /// Starts writer and readers. The handle ends when the writer has stopped and the file is closed.
    pub(crate) fn start(self, answers: Arc<dyn Answers>) -> tokio::task::JoinHandle<()> {
        reader::start(READERS, &self.options, self.read_jobs, &answers);
        tokio::spawn(self.writer.run(self.incoming, answers))
    }
}

impl Store {
    /// Queues a packet; the answer comes after the fsync.
    pub(crate) fn append(&self, append: Append) {
        self.health.waiting.fetch_add(append.bytes.len(), Ordering::Relaxed);
        let _ = self.work.send(Work::Append(append));
    }

    /// Queues a read.
    pub(crate) fn read(&self, job: ReadJob) {
        let _ = self.reads.send(job);
    }

    /// Deletes what has expired, a slice at a time.
    pub(crate) fn expire(&self, hour: u32) {
        let _ = self.work.send(Work::Expire { hour });
    }

    /// Finishes what is queued and closes the file.
    pub(crate) fn stop(&self) {
        let _ = self.work.send(Work::Stop);
    }
}

fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .page_size(4096)
        .busy_timeout(Duration::from_secs(10))
        // The writer moves the log into the database after it has acknowledged, not inside a commit.
        .pragma("wal_autocheckpoint", "0")
        // The log keeps its file: cutting it short and letting it grow again makes a commit wait for 30 ms and more.
        .pragma("journal_size_limit", "1073741824")
        .pragma("temp_store", "memory")
        .foreign_keys(false)
        .disable_statement_logging()
}

async fn log_name(connection: &mut SqliteConnection) -> Result<[u8; 16], sqlx::Error> {
    let row = sqlx::query("SELECT log FROM meta WHERE one = 1").fetch_one(connection).await?;
    let log: Vec<u8> = row.try_get(0)?;
    log.try_into().map_err(|_| sqlx::Error::Protocol("the log's name is not 16 bytes".into()))
}

/// Why a read gave nothing, for the log: the error's text, which names no data.
fn closed(job: JobId) -> Input {
    Input::ReadDone { job, result: Err(harbor_proto::node::AppendError::Failed) }
}

#[cfg(test)]
mod tests;
