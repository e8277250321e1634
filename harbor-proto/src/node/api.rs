//! What goes into and comes out of the [`Node`](super::Node) composer.

use crate::crypto::sign::PublicKey;
use crate::id::{EndpointId, HarborId, PacketId};
use crate::packet::Packet;
use crate::time::UnixMillis;
use crate::wire::link::Refusal;
use alloc::{sync::Arc, vec::Vec};

pub use crate::mailbox::Quota;

/// A live link, numbered by the shell, never reused within one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Slow work, numbered by the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// Whom limits are counted for: the shell's keyed hash of an IPv4 address or IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u64);

/// What an operator may set; defaults in `limits`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// Who this node is.
    pub id: EndpointId,
    /// Random name of the database's log, made with it.
    pub log: [u8; 16],
    /// Price of `store`, leading zero bits; 0 for tests only.
    pub store_bits: u8,
    /// Greatest life of a packet, hours, at most [`crate::limits::MAX_TTL_HOURS`].
    pub max_ttl_hours: u32,
    /// Quota per mailbox.
    pub mailbox: Quota,
    /// Quota of the node, bytes of packets.
    pub total_bytes: u64,
    /// Links one source may hold.
    pub links_per_source: u32,
    /// Watches one source may hold.
    pub watches_per_source: u32,
    /// Frames of any kind: burst, and milliseconds for a full refill.
    pub requests: Rate,
    /// Packets stored or passed: burst, and milliseconds for a full refill.
    pub packets: Rate,
    /// Bytes passed to others from one link, per second.
    pub pass_bytes_per_sec: u64,
}

/// A token bucket: `burst` tokens, all of them back after `every_ms`; no limit when `every_ms` is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub burst: u32,
    pub every_ms: u64,
}

/// A fact for the node.
#[derive(Clone, Debug)]
pub enum Input {
    /// The wall time now; to be repeated at least hourly and after every jump.
    Clock(UnixMillis),
    /// Somebody connected. `entropy` is fresh from the operating system and becomes the challenge.
    Connected { conn: ConnId, source: SourceId, entropy: [u8; 32] },
    /// A binary message came in.
    Frame { conn: ConnId, bytes: Vec<u8> },
    /// `bytes` of what [`Output::Send`] queued for this link were written to the socket.
    Sent { conn: ConnId, bytes: usize },
    /// The link is gone, whoever ended it.
    Closed { conn: ConnId },
    /// Answer to [`Output::Append`], after the fsync that covers it, or at once from [`Unverified::verify`]. Answers
    /// of commits come in commit order, and a page asked for after an answer shows what was answered; watchers lose
    /// packets otherwise.
    Appended { job: JobId, result: Result<Appended, AppendError> },
    /// Answer to [`Output::Read`].
    ReadDone { job: JobId, result: Result<Page, AppendError> },
    /// Bytes of packets on disk, at start and after expiry ran.
    Usage { bytes: u64 },
    /// No new links; tell clients to come back in `after_ms`.
    Drain { after_ms: u32 },
}

/// A packet is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its number in the log: greater than that of any append answered before, never reused.
    pub seq: u64,
    /// It was there already and nothing was written; `seq` is its old number.
    pub duplicate: bool,
}

/// Why a packet was not written or a page not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// The mailbox's write key did not sign the packet: [`Unverified::verify`] said so.
    Forged,
    /// [`crate::mailbox::admit`] said so inside the transaction.
    Full,
    /// The disk failed. The packet is not in the log and does not turn up in it later: whoever stores it
    /// again gets a new number. A shell that cannot say so must end all links.
    Failed,
}

/// A page of a mailbox in log order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Log number and packet bytes.
    pub items: Vec<(u64, Vec<u8>)>,
    /// Packets remain after the last item.
    pub more: bool,
}

/// An instruction of the node.
#[derive(Clone, Debug)]
pub enum Output {
    /// Queue a binary message on the link.
    Send { conn: ConnId, bytes: Vec<u8> },
    /// Close the link after what is queued.
    Disconnect { conn: ConnId, why: Disconnect },
    /// Verify a packet, then write it durably; the shell may answer many with one fsync.
    Append(Unverified),
    /// Read packets of a mailbox with numbers above `after`, at most `max_packets` and `max_bytes`
    /// (always at least one packet when there is one).
    Read { job: JobId, mailbox: HarborId, after: u64, max_packets: u32, max_bytes: usize },
    /// Delete packets whose expiry is at or before this hour, then answer with [`Input::Usage`].
    Expire { hour: u32 },
}

/// A packet on its way to disk that passed every check but that of its signature. That one takes as long as all others
/// together, and a shell with threads makes it outside the node's lock.
#[derive(Clone, Debug)]
pub struct Unverified {
    pub(super) append: Append,
    pub(super) write_key: Arc<PublicKey>,
}

impl Unverified {
    /// The packet, when its mailbox's write key signed it.
    ///
    /// # Errors
    /// What the node is to be told instead.
    pub fn verify(self) -> Result<Append, Input> {
        let Append { job, ref bytes, .. } = self.append;
        if Packet::parse(bytes).is_some_and(|packet| packet.signed_by(&self.write_key)) {
            Ok(self.append)
        } else {
            Err(Input::Appended { job, result: Err(AppendError::Forged) })
        }
    }
}

/// A checked packet on its way to disk.
#[derive(Clone, Debug)]
pub struct Append {
    pub job: JobId,
    pub mailbox: HarborId,
    /// Unique within the mailbox: a second append of it answers `duplicate`.
    pub packet_id: PacketId,
    /// Hour since 1970 from which the packet may be deleted.
    pub expiry_hour: u32,
    /// Shared with the node, which pushes the packet to its watchers once it is on disk.
    pub bytes: Arc<[u8]>,
}

/// Why the node ends a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disconnect {
    /// A frame that no honest client sends.
    Protocol,
    /// Too many refused requests; the last reason.
    Refused(Refusal),
    /// The reader did not take what it asked for.
    Slow,
    /// Nothing was heard from it for [`crate::limits::LINK_SILENT_MS`].
    Silent,
    /// Too many links from one source, or on the node.
    TooManyLinks,
    /// The node is stopping.
    Draining,
}

/// Counts since start, for metrics and tests. Names no one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets accepted by `store`, of them new ones, packets accepted by `pass`, and deliveries of those.
    pub stored: u64,
    pub stored_new: u64,
    pub passed: u64,
    pub pass_delivered: u64,
    /// Of `stored_new` and `passed`, packets of kind Message: none while all members are connected directly.
    pub stored_messages: u64,
    pub passed_messages: u64,
    /// Passed packets not handed to a watcher whose queue was full.
    pub pass_dropped: u64,
    /// Watches and pulls accepted, and packets sent for them.
    pub watches: u64,
    pub pulls: u64,
    pub items: u64,
    /// Watches cut off because their reader was slow.
    pub lagged: u64,
    /// Links opened and closed by the node for a reason of its own.
    pub links: u64,
    pub disconnects: u64,
    /// Refusals by [`Refusal::index`].
    pub refused: [u64; 14],
}

/// How much the node holds right now, for metrics and tests. Names no one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Live links, and addresses that limits are counted for.
    pub links: usize,
    pub sources: usize,
    /// Watches of all links.
    pub watches: usize,
    /// Appends and reads handed to the shell and not yet answered.
    pub jobs: usize,
    /// Bytes of the appends among them.
    pub appending_bytes: usize,
    /// Bytes queued for all links.
    pub queued_bytes: usize,
}
