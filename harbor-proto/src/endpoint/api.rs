//! What goes into and comes out of the [`Endpoint`](super::Endpoint) composer, and what a shell shows a person.

use crate::delivery::amend::{Amended, Emoji};
use crate::delivery::clock::wall_time;
pub use crate::delivery::outbox::OrderKey;
pub use crate::delivery::state::{Path, State};
use crate::id::{DeviceId, EndpointId, MessageId, PacketId, TopicUid};
use crate::identity::SAFETY_DIGITS;
use crate::limits::{MAX_BODY, REACTIONS_SHOWN};
use crate::time::UnixMillis;
use crate::wire::{Bytes, List, Text};
use alloc::{boxed::Box, string::String, vec::Vec};

pub use crate::topic::{Name, Role, TopicKind};

/// What the user wrote, or an application's bytes.
pub type Body = Bytes<MAX_BODY>;

/// A Harbor Node this endpoint knows, by position in [`Setup::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// A direct connection, numbered by the endpoint, never reused within one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RtcId(pub u32);

/// A stamp to solve, numbered by the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StampId(pub u64);

/// A message to look up, numbered by the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookId(pub u64);

/// A command, numbered by the shell; its reply carries the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// What a shell knows when it starts an endpoint.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Fresh from the operating system at every start; a copied state with an old seed would repeat keys.
    pub entropy: [u8; 32],
    /// How many nodes there are to link to; their addresses are the shell's affair.
    pub nodes: u32,
    /// Whether direct connections are possible and wanted at all.
    pub direct: bool,
}

/// A fact for the endpoint.
#[derive(Debug)]
pub enum Input {
    /// The wall time now: first of all inputs, then after every jump of more than a second.
    Clock(UnixMillis),
    /// Something the person or the application wants; answered by exactly one [`Output::Reply`].
    Command { id: CommandId, command: Command },
    /// A link asked for by [`Output::Dial`] is open.
    LinkUp { link: LinkId },
    /// It could not be opened, or it closed.
    LinkDown { link: LinkId },
    /// A binary message from the node.
    LinkFrame { link: LinkId, bytes: Vec<u8> },
    /// The operating system says the network is back or gone; back resets the pause before dialing.
    Network { online: bool },
    /// The page went to the background or came back: a hidden page may be frozen at any moment.
    Visibility { hidden: bool },
    /// Our offer or answer for a direct connection, after setLocalDescription.
    RtcDescription { rtc: RtcId, sdp: String },
    /// One of our ICE candidates (the candidate line; empty marks the end), with its m-line's mid.
    RtcCandidate { rtc: RtcId, candidate: String, mid: String },
    /// The data channel is open.
    RtcUp { rtc: RtcId },
    /// It closed or failed; the shell has dropped it.
    RtcDown { rtc: RtcId },
    /// A binary message from the peer.
    RtcFrame { rtc: RtcId, bytes: Vec<u8> },
    /// The answer to [`Output::Look`]: the message as history shows it, or that it is not here.
    Found { look: LookId, topic: TopicUid, id: MessageId, message: Option<Box<Message>> },
    /// A stamp was solved.
    Solved { stamp: StampId, nonce: u64 },
}

/// An instruction of the endpoint. To be carried out in order: a transmission waits for every persist before it.
#[derive(Debug)]
pub enum Output {
    /// Write these records in one transaction; `strict` ones must survive power loss before the next output.
    Persist { writes: Vec<Write>, strict: bool },
    /// Open a WebSocket to the node; the endpoint has already waited its pause.
    Dial { link: LinkId },
    /// Close it.
    Hangup { link: LinkId },
    /// Send a binary message to the node.
    LinkSend { link: LinkId, bytes: Vec<u8> },
    /// Make a direct connection. The offerer creates the data channel and reports its offer.
    RtcOpen { rtc: RtcId, offerer: bool },
    /// The peer's description; an answerer reports its answer.
    RtcRemote { rtc: RtcId, sdp: String },
    /// One of the peer's ICE candidates.
    RtcCandidate { rtc: RtcId, candidate: String, mid: String },
    /// Send a binary message to the peer.
    RtcSend { rtc: RtcId, bytes: Vec<u8> },
    /// Close and forget it; no `RtcDown` is expected.
    RtcClose { rtc: RtcId },
    /// Find a nonce, off the thread that draws the page: see [`crate::work::Solver`].
    Solve { stamp: StampId, packet: PacketId, hour: u32, bits: u8 },
    /// The stamp is no longer needed.
    CancelSolve { stamp: StampId },
    /// Read one message of the history, by [`Table::Place`]; answered by exactly one [`Input::Found`].
    Look { look: LookId, topic: TopicUid, id: MessageId },
    /// The answer to a command.
    Reply { id: CommandId, result: Result<Reply, CommandError> },
    /// Something worth showing.
    Event(Event),
}

crate::wire_enum! {
    /// Where a record lives. The shell keeps (table, key) → value sealed, ordered by key.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Table {
        /// Identity, device, settings: one record each.
        Meta = 1,
        /// One record per topic.
        Topic = 2,
        /// Signed membership operations and epoch headers, by topic.
        Log = 3,
        /// Chain states, by topic, epoch and leaf.
        Chain = 4,
        /// What was received from and acknowledged by each device, by topic and device.
        Peer = 5,
        /// Own messages not yet delivered everywhere, by topic and seq.
        Outbox = 6,
        /// Node cursors, by mailbox.
        Cursor = 7,
        /// Packets that wait for an epoch, by topic and packet; amendments that wait for their message.
        Pending = 8,
        /// Invites given and joins under way.
        Invite = 9,
        /// History: topic, then order. Read in ranges by the shell, never loaded by the endpoint.
        Message = 16,
        /// Delivery state of own messages, same keys as `Message`; read by the shell beside it.
        State = 17,
        /// Where in the history a message is: topic and MessageId → OrderKey. Never loaded by the endpoint.
        Place = 18,
    }
}

impl Table {
    /// It grows with the history: the shell reads it by key, and does not load it for `Endpoint::restore`.
    #[must_use]
    pub fn is_history(self) -> bool {
        matches!(self, Self::Message | Self::State | Self::Place)
    }
}

/// One change of the device's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    Put {
        table: Table,
        key: Vec<u8>,
        value: Vec<u8>,
    },
    Delete {
        table: Table,
        key: Vec<u8>,
    },
    /// Every record whose key starts so.
    DeletePrefix {
        table: Table,
        prefix: Vec<u8>,
    },
}

crate::wire_enum! {
    /// What a person or an application asks for.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Command {
        /// Sets the own display name, and makes the identity when there is none yet. → `Profile`
        SetName = 1 { name: Name },
        /// → `Profile`
        Profile = 2,
        /// → `Topic`
        CreateTopic = 3 { kind: TopicKind, title: Name },
        /// → `Topics`
        Topics = 4,
        /// A one-time invite; needs to be an admin. → `Invite`
        Invite = 5 { topic: TopicUid, expires_in_ms: u64 },
        /// Who invites to what; needs a node. → `Preview`
        Preview = 6 { code: Text<512> },
        /// Asks to be let in; the topic is `Joining` until a member answers. → `Topic`
        Accept = 7 { code: Text<512> },
        /// → `Sent`, when durable on this device. A repeated `client_ref` is the same message.
        Send = 8 { topic: TopicUid, client_ref: [u8; 16], format: Format, body: Body },
        /// Tries a failed message again. → `Done`
        Retry = 9 { topic: TopicUid, seq: u64 },
        /// Resets the unread count. → `Done`
        MarkSeen = 10 { topic: TopicUid },
        /// Tells the members and forgets the keys; the history stays. → `Done`
        Leave = 11 { topic: TopicUid },
        /// Erases a left or failed conversation with its history. → `Done`
        Forget = 12 { topic: TopicUid },
        /// "Hide my IP": false closes direct connections and makes no new ones. → `Done`
        SetDirect = 13 { enabled: bool },
        /// → `Status`
        Status = 14,
        /// Takes a member out of a room; needs to be an admin. → `Done`
        Remove = 15 { topic: TopicUid, who: EndpointId },
        /// The digits both compare to know that nobody is between them. → `SafetyNumber`
        SafetyNumber = 16 { who: EndpointId },
        /// Remembers on this device that the numbers were compared and are the same. → `Done`
        SetVerified = 17 { who: EndpointId, verified: bool },
        /// Makes a member of a room an admin or a plain member; needs to be an admin. → `Done`
        SetRole = 18 { topic: TopicUid, who: EndpointId, role: Role },
        /// Takes an invite of this device back. → `Done`
        RevokeInvite = 19 { topic: TopicUid, code: Text<512> },
        /// Puts another body in the place of an own message's. → `Done`
        Edit = 20 { topic: TopicUid, id: MessageId, body: Body },
        /// Takes an own message back, everywhere it can be taken back. → `Done`
        Delete = 21 { topic: TopicUid, id: MessageId },
        /// Puts an emoji to a message, or takes it away. → `Done`
        React = 22 { topic: TopicUid, id: MessageId, emoji: Emoji, on: bool },
        /// As `Send`, in answer to the message `to`. → `Sent`
        Reply = 23 { topic: TopicUid, client_ref: [u8; 16], to: MessageId, format: Format, body: Body },
    }
}

crate::wire_enum! {
    /// What a command gave.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Reply {
        Done = 1,
        Profile = 2 { profile: Option<Profile> },
        Topic = 3 { topic: Topic },
        Topics = 4 { topics: List<Topic, 65536> },
        Invite = 5 { invite: Invite },
        Preview = 6 { preview: Preview },
        Sent = 7 { message: Message },
        Status = 8 { status: Status },
        SafetyNumber = 9 { digits: Text<SAFETY_DIGITS> },
    }
}

crate::wire_enum! {
    /// Something changed. Every event carries the whole new value: showing it twice is harmless.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Event {
        Topic = 1 { topic: Topic },
        TopicGone = 2 { topic: TopicUid },
        /// A new message.
        Message = 3 { message: Message },
        /// An own message's state or path changed.
        State = 4 { topic: TopicUid, seq: u64, order: OrderKey, state: State, path: Option<Path> },
        Status = 5 { status: Status },
        Profile = 6 { profile: Profile },
        /// A message of the history was edited, deleted or reacted to: as it is now.
        Amended = 8 { message: Message },
    }
}

crate::wire_enum! {
    /// Why a command failed: the caller's side of the errors.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum CommandError {
        /// No identity yet: `SetName` first.
        NotInitialized = 1,
        /// Needs a node and none can be reached.
        Offline = 2,
        /// A node was reached and did not answer in time.
        Timeout = 3,
        /// Not an admin, or no longer a member.
        Unauthorized = 4,
        /// The outbox is full.
        QuotaExceeded = 5,
        /// No invite, or one that was cut off or changed.
        BadInvite = 6,
        /// Its time is over.
        InviteExpired = 7,
        /// It was used already or taken back.
        InviteUsed = 8,
        /// No such topic or message.
        NotFound = 9,
        /// The body or name is too long or empty.
        BadInput = 10,
        /// Our fault or the disk's: reload.
        Crashed = 11,
        /// The browser erased the records under the running page.
        StorageLost = 12,
    }
}

impl CommandError {
    /// Stable name, shared with JavaScript (`HarborErrorCode`).
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotInitialized => "not_initialized",
            Self::Offline => "offline",
            Self::Timeout => "timeout",
            Self::Unauthorized => "unauthorized",
            Self::QuotaExceeded => "quota_exceeded",
            Self::BadInvite => "bad_invite",
            Self::InviteExpired => "invite_expired",
            Self::InviteUsed => "invite_used",
            Self::NotFound => "not_found",
            Self::BadInput => "bad_input",
            Self::Crashed => "crashed",
            Self::StorageLost => "storage_lost",
        }
    }
}

crate::wire_struct! {
    /// Who this device speaks for.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Profile {
        pub id: EndpointId,
        pub device: DeviceId,
        pub name: Name,
    }
}

crate::wire_enum! {
    /// Where this device stands in a topic.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum TopicState {
        /// The request to join is on its way; no member has answered yet.
        Joining = 1,
        Active = 2,
        Left = 3,
        /// The request to join failed.
        Failed = 4 { why: CommandError },
        /// An admin took this identity out.
        Removed = 5,
    }
}

crate::wire_struct! {
    /// A conversation as the list shows it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Topic {
        pub uid: TopicUid,
        pub kind: TopicKind,
        /// The room's title; for a DM the other's name, empty while there is no other.
        pub title: Name,
        pub state: TopicState,
        /// This identity may invite, remove and make admins.
        pub admin: bool,
        pub members: List<Member, 1500>,
        /// Invites of this device that may still let somebody in.
        pub invites: List<Invite, 32>,
        pub unread: u32,
        /// Messages known to exist and not here yet (gaps in the senders' chains).
        pub missing: u32,
        /// The newest message, for the list; its body is cut to 280 bytes.
        pub last: Option<Message>,
        pub created: UnixMillis,
    }
}

crate::wire_struct! {
    /// A member as the page shows it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Member {
        pub id: EndpointId,
        pub name: Name,
        pub me: bool,
        pub role: Role,
        /// The person compared safety numbers and found them the same.
        pub verified: bool,
        /// How a message to this member would travel now.
        pub path: Path,
    }
}

crate::wire_enum! {
    /// What a body is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Format {
        /// UTF-8 text.
        Text = 1,
        /// An application's bytes.
        Bytes = 2,
        /// A line about the conversation itself ("Ana joined"), made by this device; body is UTF-8.
        Notice = 3,
    }
}

crate::wire_struct! {
    /// A message as the page shows it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Message {
        pub topic: TopicUid,
        pub order: OrderKey,
        pub id: MessageId,
        /// Position in its sender's chain, from 1; 0 for notices.
        pub seq: u64,
        pub author: EndpointId,
        pub author_name: Name,
        pub mine: bool,
        pub sent_at: UnixMillis,
        /// None for own messages.
        pub received_at: Option<UnixMillis>,
        pub format: Format,
        pub body: Body,
        /// For own messages.
        pub state: Option<State>,
        pub path: Option<Path>,
        /// The `client_ref` of an own message, so that an optimistic row finds itself.
        pub client_ref: [u8; 16],
        /// The message it answers.
        pub reply_to: Option<MessageId>,
        pub amended: Amended,
    }
}

impl Message {
    /// Its author took it back: there is no body any more.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.amended.deleted
    }

    /// When the author last edited it.
    #[must_use]
    pub fn edited_at(&self) -> Option<UnixMillis> {
        self.amended.edited.map(|stamp| wall_time(stamp.clock))
    }

    /// Who reacted with what: the emoji that was there first in front, at most [`REACTIONS_SHOWN`] of them.
    #[must_use]
    pub fn reactions(&self) -> Vec<(Emoji, Vec<EndpointId>)> {
        let on = self.amended.reactions.iter().rev().filter(|r| r.on);
        let mut out: Vec<(Emoji, Vec<EndpointId>)> = Vec::new();
        for reaction in on {
            match out.iter_mut().find(|(emoji, _)| *emoji == reaction.emoji) {
                Some((_, who)) => who.push(reaction.who),
                None => out.push((reaction.emoji.clone(), alloc::vec![reaction.who])),
            }
        }
        out.truncate(REACTIONS_SHOWN);
        out
    }
}

crate::wire_struct! {
    /// Value of `Table::State`: overrides what the message record under the same key says.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct MessageState {
        pub state: State,
        pub path: Option<Path>,
    }
}

crate::wire_struct! {
    /// A fresh invite. The code goes after `#` of a link and must reach one person only.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Invite {
        pub topic: TopicUid,
        pub code: Text<512>,
        pub expires: UnixMillis,
    }
}

crate::wire_struct! {
    /// What an invite leads to, as its inviter signed it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Preview {
        pub inviter: EndpointId,
        pub inviter_name: Name,
        pub kind: TopicKind,
        pub title: Name,
        pub expires: UnixMillis,
        /// Already a member here: open this instead of joining.
        pub already: Option<TopicUid>,
    }
}

crate::wire_struct! {
    /// How this endpoint is doing.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Status {
        /// Nodes linked now, of `nodes`.
        pub linked: u32,
        pub nodes: u32,
        /// Direct connections open.
        pub peers: u32,
        /// Own messages that are on this device only.
        pub queued: u32,
        /// Everything stored on the nodes has been read since the link came up.
        pub synced: bool,
        pub direct_enabled: bool,
    }
}
