use super::*;
use harbor_proto::id::{HarborId, PacketId};
use harbor_proto::node::{AppendError, Appended, Page};
use std::collections::VecDeque;
use std::sync::Mutex;
use tokio::sync::Notify;

/// Keeps what the store answers.
#[derive(Debug, Default)]
struct Heard {
    facts: Mutex<VecDeque<Input>>,
    more: Notify,
}

impl Answers for Heard {
    fn feed(&self, facts: Vec<Input>) {
        self.facts.lock().expect("no panic").extend(facts);
        self.more.notify_one();
    }
}

impl Heard {
    async fn next(&self) -> Input {
        loop {
            let fact = self.facts.lock().expect("no panic").pop_front();
            match fact {
                Some(fact) => return fact,
                None => self.more.notified().await,
            }
        }
    }

    async fn appended(&self) -> (u64, Result<Appended, AppendError>) {
        match self.next().await {
            Input::Appended { job, result } => (job.0, result),
            other => panic!("{other:?}"),
        }
    }

    async fn page(&self) -> Page {
        match self.next().await {
            Input::ReadDone { result: Ok(page), .. } => page,
            other => panic!("{other:?}"),
        }
    }
}

struct Running {
    store: Store,
    heard: Arc<Heard>,
    writer: tokio::task::JoinHandle<()>,
}

async fn start(dir: &Path, packets: u32) -> Running {
    let quota = Quota { packets, bytes: 1 << 20 };
    let (store, pending) = Opened::open(&dir.join("harbor.db"), quota).await.expect("opens").split();
    let heard = Arc::new(Heard::default());
    let writer = pending.start(Arc::clone(&heard) as _);
    Running { store, heard, writer }
}

impl Running {
    async fn usage(&self) -> u64 {
        match self.heard.next().await {
            Input::Usage { bytes } => bytes,
            other => panic!("{other:?}"),
        }
    }

    /// Stores a packet that is the `n`th of `mailbox`; numbers stand for the bytes of a real one.
    async fn append(&self, mailbox: u8, n: u64, expiry_hour: u32) -> Result<Appended, AppendError> {
        self.store.append(append(mailbox, n, expiry_hour));
        let (job, result) = self.heard.appended().await;
        assert_eq!(job, n);
        result
    }

    fn read(&self, mailbox: u8, after: u64, max_packets: u32, max_bytes: usize) {
        let mailbox = HarborId([mailbox; 32]);
        self.store.read(ReadJob { job: JobId(0), mailbox, after, max_packets, max_bytes });
    }

    async fn stop(self) {
        self.store.stop();
        self.writer.await.expect("no panic");
    }
}

fn append(mailbox: u8, n: u64, expiry_hour: u32) -> Append {
    let mut bytes = vec![0; 1024];
    bytes[0] = 1;
    bytes[1] = 1;
    bytes[4..36].copy_from_slice(&[mailbox; 32]);
    bytes[36..40].copy_from_slice(&expiry_hour.to_be_bytes());
    bytes[600..608].copy_from_slice(&n.to_be_bytes());
    let packet_id = harbor_proto::packet::Packet::parse(&bytes).expect("a packet's shape").id();
    Append { job: JobId(n), mailbox: HarborId([mailbox; 32]), packet_id, expiry_hour, bytes: bytes.into() }
}

#[tokio::test]
async fn every_commit_is_synced_and_the_file_is_laid_out_as_designed() {
    let dir = tempfile::tempdir().expect("temp");
    let mut connection = options(&dir.path().join("harbor.db")).connect().await.expect("opens");
    for (pragma, expected) in [("synchronous", 2), ("page_size", 4096), ("wal_autocheckpoint", 0)] {
        let text = sqlx::AssertSqlSafe(format!("PRAGMA {pragma}"));
        let value: i64 = sqlx::query_scalar(text).fetch_one(&mut connection).await.expect("a value");
        assert_eq!(value, expected, "{pragma}");
    }
    let mode: String =
        sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut connection).await.expect("a value");
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn numbers_grow_over_restarts_and_over_emptiness() {
    let dir = tempfile::tempdir().expect("temp");
    let running = start(dir.path(), 100).await;
    assert_eq!(running.usage().await, 0);
    for n in 1..=3 {
        assert_eq!(running.append(1, n, 10).await, Ok(Appended { seq: n, duplicate: false }));
    }
    assert_eq!(running.append(1, 2, 10).await, Ok(Appended { seq: 2, duplicate: true }));
    running.store.expire(10);
    assert_eq!(running.usage().await, 0);
    running.stop().await;
    let running = start(dir.path(), 100).await;
    assert_eq!(running.usage().await, 0);
    assert_eq!(
        running.append(1, 4, 10).await,
        Ok(Appended { seq: 4, duplicate: false }),
        "1 to 3 are not given again"
    );
    running.stop().await;
}

#[tokio::test]
async fn pages_are_whole_ordered_and_bounded() {
    let dir = tempfile::tempdir().expect("temp");
    let running = start(dir.path(), 100).await;
    running.usage().await;
    for n in 1..=10 {
        running.append(1 + (n % 2) as u8, n, 10).await.expect("stored");
    }
    running.read(1, 0, 100, 1 << 20);
    let page = running.heard.page().await;
    assert_eq!(page.items.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [2, 4, 6, 8, 10]);
    assert!(!page.more);
    assert_eq!(page.items[0].1[..], append(1, 2, 10).bytes[..], "byte for byte");
    running.read(1, 4, 2, 1 << 20);
    let page = running.heard.page().await;
    assert_eq!((page.items[0].0, page.items.len(), page.more), (6, 2, true));
    running.read(1, 0, 100, 2048);
    assert_eq!(running.heard.page().await.items.len(), 2);
    running.read(1, 0, 100, 1);
    let page = running.heard.page().await;
    assert_eq!((page.items.len(), page.more), (1, true), "one packet at least");
    running.read(9, 0, 100, 1);
    assert_eq!(running.heard.page().await, Page::default());
    running.stop().await;
}

#[tokio::test]
async fn expiry_frees_the_quota_and_nothing_else() {
    let dir = tempfile::tempdir().expect("temp");
    let running = start(dir.path(), 3).await;
    running.usage().await;
    for (n, expiry) in [(1, 10), (2, 11), (3, 12)] {
        running.append(1, n, expiry).await.expect("stored");
    }
    assert_eq!(running.append(1, 4, 12).await, Err(AppendError::Full));
    running.store.expire(11);
    assert_eq!(running.usage().await, 1024);
    assert_eq!(running.append(1, 5, 12).await.expect("there is room").seq, 4);
    running.read(1, 0, 100, 1 << 20);
    assert_eq!(running.heard.page().await.items.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [3, 4]);
    running.stop().await;
}

#[tokio::test]
async fn many_slices_of_expiry_leave_room_for_stores() {
    let dir = tempfile::tempdir().expect("temp");
    let running = start(dir.path(), 10_000).await;
    running.usage().await;
    for n in 1..=1300 {
        running.store.append(append(1 + (n % 7) as u8, n, 10));
    }
    for n in 1..=1300 {
        assert_eq!(running.heard.appended().await.0, n, "answers come in order");
    }
    running.store.expire(10);
    running.store.append(append(9, 5000, 20));
    // Three slices are needed; the store between them does not wait for the last.
    assert_eq!(running.heard.appended().await.0, 5000);
    assert_eq!(running.usage().await, 1024);
    running.stop().await;
    let running = start(dir.path(), 10).await;
    assert_eq!(running.usage().await, 1024);
    running.stop().await;
}

#[tokio::test]
async fn packets_whose_names_begin_alike_are_both_kept() {
    let dir = tempfile::tempdir().expect("temp");
    let running = start(dir.path(), 100).await;
    running.usage().await;
    let (first, mut second) = (append(1, 1, 10), append(1, 2, 10));
    // The name of another packet up to the part that finds duplicates.
    let mut id = second.packet_id.0;
    id[..8].copy_from_slice(&first.packet_id.0[..8]);
    second.packet_id = PacketId(id);
    running.store.append(first);
    assert!(running.heard.appended().await.1.is_ok());
    running.store.append(second);
    assert_eq!(running.heard.appended().await.1, Ok(Appended { seq: 2, duplicate: false }));
    running.stop().await;
}

#[tokio::test]
async fn a_packet_takes_little_more_than_itself() {
    const COUNT: u64 = 8000;
    let dir = tempfile::tempdir().expect("temp");
    let running = start(dir.path(), 10_000).await;
    running.usage().await;
    for n in 1..=COUNT {
        running.store.append(append(1 + (n % 40) as u8, n, 480_000 + (n % 400) as u32));
    }
    for _ in 1..=COUNT {
        assert!(running.heard.appended().await.1.is_ok());
    }
    running.stop().await;
    let size = std::fs::metadata(dir.path().join("harbor.db")).expect("a file").len();
    let over = size / COUNT - 1024;
    println!("{over} bytes over each packet of 1 KiB");
    assert!(over <= 150, "{over} bytes over each packet");
}
