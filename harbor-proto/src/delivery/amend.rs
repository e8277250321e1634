//! What is said about a message later: edits, deletions and reactions, and who may say it.
//!
//! Spec: docs/spec/messages.md §5. Every device comes to the same, in whatever order things arrive: of two
//! changes to one thing the later by its author's clock stands, and a deletion stands above all.

use super::content::{Content, MessageType};
use crate::id::{EndpointId, MessageId};
use crate::limits::{MAX_BODY, MAX_EMOJI, REACTIONS, REACTIONS_EACH, WAITING_AMENDMENTS};
use crate::wire::{Bytes, List, Text, Wire};
use alloc::vec::Vec;

/// A reaction: an emoji, or a few letters.
pub type Emoji = Text<MAX_EMOJI>;
/// Room for a body beside what an edit or a reply says of its message.
const REST: usize = MAX_BODY - 40;

crate::wire_struct! {
    /// Body of [`MessageType::Edit`].
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct EditBody {
        pub target: MessageId,
        pub body: Bytes<REST>,
    }
}

crate::wire_struct! {
    /// Body of [`MessageType::Delete`].
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct DeleteBody {
        pub target: MessageId,
    }
}

crate::wire_struct! {
    /// Body of [`MessageType::React`].
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ReactBody {
        pub target: MessageId,
        pub on: bool,
        pub emoji: Emoji,
    }
}

crate::wire_struct! {
    /// Body of [`MessageType::Reply`].
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ReplyBody {
        pub to: MessageId,
        /// `body` is UTF-8 text for people, otherwise an application's bytes.
        pub text: bool,
        pub body: Bytes<REST>,
    }
}

crate::wire_struct! {
    /// When something was said: its author's clock as it claims it, then its MessageId. Only the one who wrote
    /// a thing writes it again, so a clock that lies cheats nobody else; and it reads the same on every device,
    /// which a reading corrected by the receiver's own clock would not.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Stamp {
        pub clock: u64,
        pub id: MessageId,
    }
}

crate::wire_enum! {
    /// What an amendment does.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Change {
        Edit = 4 { body: Bytes<REST> },
        Delete = 5,
        React = 6 { emoji: Emoji, on: bool },
    }
}

impl Change {
    /// As a message says it.
    #[must_use]
    pub fn to_body(&self, target: MessageId) -> (MessageType, Bytes<MAX_BODY>) {
        let (kind, bytes) = match self.clone() {
            Self::Edit { body } => (MessageType::Edit, EditBody { target, body }.to_bytes()),
            Self::Delete => (MessageType::Delete, DeleteBody { target }.to_bytes()),
            Self::React { emoji, on } => (MessageType::React, ReactBody { target, on, emoji }.to_bytes()),
        };
        (kind, Bytes::new(bytes).expect("REST leaves room for the rest"))
    }

    fn is_same_thing(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::React { emoji: a, .. }, Self::React { emoji: b, .. }) => a == b,
            (Self::Edit { .. }, Self::Edit { .. }) | (Self::Delete, Self::Delete) => true,
            _ => false,
        }
    }
}

crate::wire_struct! {
    /// A change of a message, and who says it. Also what is kept while the message is not here.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Amendment {
        pub target: MessageId,
        pub by: EndpointId,
        pub stamp: Stamp,
        pub change: Change,
    }
}

impl Amendment {
    /// What `content`, the message `id` of `by`, changes; `None` for one that changes nothing or is malformed.
    #[must_use]
    pub fn read(content: &Content, id: MessageId, by: EndpointId) -> Option<Self> {
        let (target, change) = match content.kind {
            MessageType::Edit => {
                let EditBody { target, body } = Wire::from_bytes(&content.body).ok()?;
                (target, Change::Edit { body })
            }
            MessageType::Delete => {
                let DeleteBody { target } = Wire::from_bytes(&content.body).ok()?;
                (target, Change::Delete)
            }
            MessageType::React => {
                let ReactBody { target, on, emoji } = Wire::from_bytes(&content.body).ok()?;
                is_emoji(&emoji).then_some((target, Change::React { emoji, on }))?
            }
            MessageType::Text | MessageType::Bytes | MessageType::Receipt | MessageType::Reply => {
                return None;
            }
        };
        Some(Self { target, by, stamp: Stamp { clock: content.clock, id }, change })
    }

    /// About what it takes to keep it, bytes.
    fn size(&self) -> usize {
        let said = match &self.change {
            Change::Edit { body } => body.len(),
            Change::React { emoji, .. } => emoji.as_str().len(),
            Change::Delete => 0,
        };
        size_of::<Self>() + said
    }

    /// Nothing of `other` is left where this one stands.
    fn covers(&self, other: &Self) -> bool {
        let same = self.change.is_same_thing(&other.change) && self.stamp >= other.stamp;
        self.target == other.target && self.by == other.by && (self.change == Change::Delete || same)
    }
}

/// A reaction that can be drawn in a line.
#[must_use]
pub fn is_emoji(text: &Emoji) -> bool {
    let text = text.as_str();
    !text.is_empty() && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// A text that says something.
#[must_use]
pub fn is_text(body: &[u8]) -> bool {
    core::str::from_utf8(body).is_ok_and(|t| !t.trim().is_empty())
}

crate::wire_struct! {
    /// The last word of one identity about one emoji.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Reaction {
        pub emoji: Emoji,
        pub who: EndpointId,
        pub stamp: Stamp,
        /// False: taken back. Kept, so that an older word that arrives late does not bring it back.
        pub on: bool,
    }
}

crate::wire_struct! {
    /// What has become of a message since it was sent.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Amended {
        /// The edit that stands.
        pub edited: Option<Stamp>,
        pub deleted: bool,
        /// Latest first.
        pub reactions: List<Reaction, REACTIONS>,
    }
}

/// What of a message an amendment may touch, and what decides whether it may.
#[derive(Debug)]
pub struct Subject<'a> {
    pub author: &'a EndpointId,
    /// The body is text, so an edit of it has to be.
    pub text: bool,
    pub body: &'a mut Bytes<MAX_BODY>,
    pub reply_to: &'a mut Option<MessageId>,
}

impl Amended {
    /// Applies an amendment of `message`. True when something changed.
    pub fn apply(&mut self, message: Subject<'_>, amendment: &Amendment) -> bool {
        let by_author = amendment.by == *message.author;
        if self.deleted {
            return false;
        }
        match &amendment.change {
            Change::Delete if by_author => {
                *self = Self { deleted: true, ..Self::default() };
                *message.body = Bytes::default();
                *message.reply_to = None;
                true
            }
            Change::Edit { body } if by_author && self.edited.is_none_or(|stamp| stamp < amendment.stamp) => {
                if message.text && !is_text(body) {
                    return false;
                }
                self.edited = Some(amendment.stamp);
                *message.body = Bytes::new(body.to_vec()).expect("an edit's bound is the smaller one");
                true
            }
            Change::React { emoji, on } => self.react(emoji, amendment.by, amendment.stamp, *on),
            Change::Delete | Change::Edit { .. } => false,
        }
    }

    /// Keeps the latest of an identity, and of all. What had to go was older than what stayed, and what stayed
    /// only gets newer: so it could not come back in another order either.
    fn react(&mut self, emoji: &Emoji, who: EndpointId, stamp: Stamp, on: bool) -> bool {
        let mut all = core::mem::take(&mut self.reactions).into_vec();
        let known = all.iter().position(|r| r.who == who && r.emoji == *emoji);
        let newer = known.is_none_or(|at| all[at].stamp < stamp);
        if newer {
            if let Some(at) = known {
                all.remove(at);
            }
            let at = all.partition_point(|r| r.stamp > stamp);
            all.insert(at, Reaction { emoji: emoji.clone(), who, stamp, on });
            let mut own = all.iter().enumerate().filter(|(_, r)| r.who == who);
            if let Some((at, _)) = own.nth(REACTIONS_EACH) {
                all.remove(at);
            }
        }
        self.reactions = List::first(all);
        newer
    }

    /// Whether `who` has this reaction on the message.
    #[must_use]
    pub fn has(&self, who: &EndpointId, emoji: &Emoji) -> bool {
        self.reactions.iter().any(|r| r.on && r.who == *who && r.emoji == *emoji)
    }
}

/// Amendments whose message is not here, or is being looked up. Bounded; see [`WAITING_AMENDMENTS`].
#[derive(Debug, Default)]
pub struct Waiting(Vec<Amendment>);

impl Waiting {
    /// Keeps an amendment. Returns those, by their MessageIds, that need not be kept any longer: the new one
    /// itself when what waits already covers it. When there are too many, the oldest goes of whoever has most.
    pub fn insert(&mut self, new: Amendment) -> Vec<MessageId> {
        if self.0.iter().any(|waiting| waiting.covers(&new)) {
            return alloc::vec![new.stamp.id];
        }
        let mut gone: Vec<MessageId> = Vec::new();
        self.0.retain(|old| {
            let covered = new.covers(old);
            if covered {
                gone.push(old.stamp.id);
            }
            !covered
        });
        self.0.push(new);
        while let Some(at) = self.too_much() {
            gone.push(self.0.remove(at).stamp.id);
        }
        gone
    }

    /// The one to give up for want of room.
    fn too_much(&self) -> Option<usize> {
        let many = self.0.len() > WAITING_AMENDMENTS.0;
        if !many && self.0.iter().map(Amendment::size).sum::<usize>() <= WAITING_AMENDMENTS.1 {
            return None;
        }
        let mut shares: Vec<(EndpointId, usize)> = Vec::new();
        for amendment in &self.0 {
            let share = if many { 1 } else { amendment.size() };
            match shares.iter_mut().find(|(by, _)| *by == amendment.by) {
                Some((_, sum)) => *sum += share,
                None => shares.push((amendment.by, share)),
            }
        }
        let (most, _) = shares.into_iter().max_by_key(|(_, share)| *share)?;
        self.0.iter().position(|a| a.by == most)
    }

    /// Takes out what waited for `target`, oldest first.
    pub fn take(&mut self, target: &MessageId) -> Vec<Amendment> {
        let (taken, rest) = core::mem::take(&mut self.0).into_iter().partition(|a| a.target == *target);
        self.0 = rest;
        taken
    }

    /// What is waited for.
    #[must_use]
    pub fn targets(&self) -> Vec<MessageId> {
        self.0.iter().map(|a| a.target).collect()
    }
}

#[cfg(test)]
mod tests;
