//! Pulls and backlogs, on connections of their own.

use super::{Answers, closed, layout};
use harbor_proto::id::HarborId;
use harbor_proto::node::{Input, JobId, Page};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Row};
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc::UnboundedReceiver};

/// A page to read, as the node asks for it.
#[derive(Debug)]
pub(crate) struct ReadJob {
    pub(crate) job: JobId,
    pub(crate) mailbox: HarborId,
    pub(crate) after: u64,
    pub(crate) max_packets: u32,
    pub(crate) max_bytes: usize,
}

/// Starts `count` readers that share one queue; they end with it.
pub(super) fn start(
    count: usize,
    options: &SqliteConnectOptions,
    jobs: UnboundedReceiver<ReadJob>,
    answers: &Arc<dyn Answers>,
) {
    let jobs = Arc::new(Mutex::new(jobs));
    let options = options.clone().read_only(true).create_if_missing(false).row_buffer_size(16);
    for _ in 0..count {
        tokio::spawn(run(options.clone(), Arc::clone(&jobs), Arc::clone(answers)));
    }
}

async fn run(
    options: SqliteConnectOptions,
    jobs: Arc<Mutex<UnboundedReceiver<ReadJob>>>,
    answers: Arc<dyn Answers>,
) {
    let mut connection = None;
    loop {
        // The lock is held while waiting, by one reader; the others wait for the lock.
        let Some(job) = jobs.lock().await.recv().await else { return };
        let id = job.job;
        match read(&mut connection, &options, &job).await {
            Ok(page) => answers.feed(vec![Input::ReadDone { job: id, result: Ok(page) }]),
            Err(e) => {
                tracing::error!(error = %e, "the database cannot be read");
                connection = None;
                answers.feed(vec![closed(id)]);
            }
        }
    }
}

async fn read(
    connection: &mut Option<SqliteConnection>,
    options: &SqliteConnectOptions,
    job: &ReadJob,
) -> Result<Page, sqlx::Error> {
    if connection.is_none() {
        *connection = Some(options.connect().await?);
    }
    let connection = connection.as_mut().expect("connected above");
    page(connection, job).await
}

async fn page(connection: &mut SqliteConnection, job: &ReadJob) -> Result<Page, sqlx::Error> {
    use futures_util::TryStreamExt;
    const SELECT: &str = "SELECT seq, expiry, body FROM packet \
         WHERE mailbox = (SELECT id FROM mailbox WHERE harbor_id = ?) AND seq > ? ORDER BY seq LIMIT ?";
    let mut rows = sqlx::query(SELECT)
        .bind(job.mailbox.0.as_slice())
        .bind(i64::try_from(job.after).unwrap_or(i64::MAX))
        .bind(i64::from(job.max_packets) + 1)
        .fetch(connection);
    let mut page = Page::default();
    let mut bytes = 0;
    while let Some(row) = rows.try_next().await? {
        let seq = u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or_default();
        let packet = layout::restore(row.try_get(2)?, &job.mailbox, row.try_get(1)?)
            .ok_or_else(|| sqlx::Error::Protocol("a stored packet is damaged".into()))?;
        bytes += packet.len();
        let fits = page.items.is_empty() || bytes <= job.max_bytes;
        if !fits || page.items.len() >= job.max_packets as usize {
            page.more = true;
            break;
        }
        page.items.push((seq, packet));
    }
    Ok(page)
}
