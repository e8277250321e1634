//! The chains that give every message its own key.
//!
//! Every member can derive every chain, so a packet that only *claims* a place in a chain must not use it up:
//! [`Chain::peek`] changes nothing, [`Chain::advance`] is for after the sender's signature verified.
//! Spec: docs/spec/epochs.md §4.

use crate::crypto::Secret;
use crate::crypto::kdf::{Context, derive, derive_into};
use crate::id::DeviceId;
use crate::limits::{MAX_COUNTER, MAX_SKIPPED};
use crate::packet::ContentKey;
use crate::wire::{DecodeError, Reader, Wire};
use alloc::vec::Vec;
use core::fmt;
use litemap::LiteMap;
use zeroize::Zeroize;

/// Why a place in a chain gives no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeekError {
    /// Its key was used and erased: a duplicate, or a replay.
    Used,
    /// At or above [`MAX_COUNTER`], or more than [`MAX_SKIPPED`] ahead.
    TooFar,
}

/// The secret of one place in a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageKey(Secret);

impl MessageKey {
    /// Seals the content and commits to itself; with the delete token that the reader of a DM knows as well.
    #[must_use]
    pub fn expand(&self) -> (ContentKey, [u8; 16]) {
        let mut out = [0; 64];
        derive_into(Context::Message, &[&self.0.0], &mut out);
        let mut key = ContentKey { key: Secret([0; 32]), commitment: [0; 16] };
        let mut token = [0; 16];
        key.key.0.copy_from_slice(&out[..32]);
        key.commitment.copy_from_slice(&out[32..48]);
        token.copy_from_slice(&out[48..]);
        out.zeroize();
        (key, token)
    }
}

/// What [`Chain::peek`] found; give it to [`Chain::advance`] once the sender's signature verified.
#[derive(Clone)]
pub struct Peeked {
    counter: u32,
    key: MessageKey,
    /// State after this step and the keys passed over, when the place is ahead of the chain.
    ahead: Option<(Secret, Vec<Secret>)>,
}

impl Peeked {
    /// The key of the place.
    #[must_use]
    pub fn key(&self) -> &MessageKey {
        &self.key
    }
}

impl fmt::Debug for Peeked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peeked({})", self.counter)
    }
}

/// One device's chain in one epoch.
///
/// Wire form, for storage at rest only: chain key 32, counter 4, count 4, (counter 4, key 32)*.
#[derive(Clone, PartialEq, Eq)]
pub struct Chain {
    ck: Secret,
    counter: u32,
    skipped: LiteMap<u32, Secret>,
}

fn step(ck: &Secret) -> (Secret, Secret) {
    let mut out = [0; 64];
    derive_into(Context::Step, &[&ck.0], &mut out);
    let (mut next, mut mk) = (Secret([0; 32]), Secret([0; 32]));
    next.0.copy_from_slice(&out[..32]);
    mk.0.copy_from_slice(&out[32..]);
    out.zeroize();
    (next, mk)
}

impl Chain {
    /// The chain of `device` in the epoch of `es`.
    #[must_use]
    pub fn new(es: &Secret, device: &DeviceId) -> Self {
        Self { ck: derive(Context::Chain, &[&es.0, &device.0]), counter: 0, skipped: LiteMap::new() }
    }

    /// The place after the last one used.
    #[must_use]
    pub fn counter(&self) -> u32 {
        self.counter
    }

    /// Keys kept for places passed over.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.skipped.len()
    }

    /// The next own place and its key; `None` at [`MAX_COUNTER`]. The advance must be durable before anything
    /// sealed with the key leaves the device.
    #[must_use]
    pub fn take_next(&mut self) -> Option<(u32, MessageKey)> {
        if self.counter >= MAX_COUNTER {
            return None;
        }
        let (ck, mk) = step(&self.ck);
        let counter = self.counter;
        self.ck = ck;
        self.counter += 1;
        Some((counter, MessageKey(mk)))
    }

    /// The key of a place, without using it up. Costs at most [`MAX_COUNTER`] steps of one BLAKE3 each, less
    /// than the signature checks that every such packet costs anyway.
    ///
    /// # Errors
    /// [`PeekError`].
    pub fn peek(&self, counter: u32) -> Result<Peeked, PeekError> {
        if counter < self.counter {
            let key = self.skipped.get(&counter).cloned().ok_or(PeekError::Used)?;
            return Ok(Peeked { counter, key: MessageKey(key), ahead: None });
        }
        let passed = counter - self.counter;
        if counter >= MAX_COUNTER || self.skipped.len() + passed as usize > MAX_SKIPPED as usize {
            return Err(PeekError::TooFar);
        }
        let mut ck = self.ck.clone();
        let mut keys = Vec::with_capacity(passed as usize);
        for _ in 0..passed {
            let (next, mk) = step(&ck);
            ck = next;
            keys.push(mk);
        }
        let (ck, mk) = step(&ck);
        Ok(Peeked { counter, key: MessageKey(mk), ahead: Some((ck, keys)) })
    }

    /// Uses up a place: its key is erased, keys of places passed over are kept. False when it was used up since
    /// it was peeked; then nothing changes.
    pub fn advance(&mut self, peeked: Peeked) -> bool {
        if peeked.counter < self.counter {
            return self.skipped.remove(&peeked.counter).is_some();
        }
        // The chain may have moved since: only the keys that are still ahead of it are news.
        let Some((ck, keys)) = peeked.ahead else { return false };
        let first = peeked.counter - u32::try_from(keys.len()).unwrap_or(peeked.counter);
        for (at, key) in (first..).zip(keys) {
            if at >= self.counter {
                self.skipped.insert(at, key);
            }
        }
        self.ck = ck;
        self.counter = peeked.counter + 1;
        true
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chain({}, {} skipped)", self.counter, self.skipped.len())
    }
}

impl Wire for Chain {
    fn encode(&self, out: &mut Vec<u8>) {
        self.ck.encode(out);
        self.counter.encode(out);
        u32::try_from(self.skipped.len()).unwrap_or(u32::MAX).encode(out);
        for (counter, key) in &self.skipped {
            counter.encode(out);
            key.encode(out);
        }
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (ck, counter, count) = (Secret::decode(r)?, u32::decode(r)?, u32::decode(r)?);
        if counter > MAX_COUNTER || count > MAX_SKIPPED {
            return Err(DecodeError::Bad("chain"));
        }
        let mut skipped = LiteMap::new();
        for _ in 0..count {
            let at = u32::decode(r)?;
            let in_order = skipped.last().is_none_or(|(last, _)| *last < at);
            if at >= counter || !in_order {
                return Err(DecodeError::Bad("chain"));
            }
            skipped.insert(at, Secret::decode(r)?);
        }
        Ok(Self { ck, counter, skipped })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Chain, Chain) {
        let chain = Chain::new(&Secret([1; 32]), &DeviceId([2; 32]));
        (chain.clone(), chain)
    }

    fn take(chain: &mut Chain, counter: u32) -> MessageKey {
        let peeked = chain.peek(counter).unwrap();
        let key = peeked.key().clone();
        assert!(chain.advance(peeked));
        key
    }

    #[test]
    fn both_ends_agree_in_any_order_and_each_key_opens_once() {
        let (mut sender, mut receiver) = pair();
        let keys: Vec<MessageKey> = (0..6).map(|_| sender.take_next().unwrap().1).collect();
        for at in [3, 0, 5, 1, 4, 2] {
            assert_eq!(take(&mut receiver, at), keys[at as usize]);
            assert_eq!(receiver.peek(at).unwrap_err(), PeekError::Used);
        }
        assert_eq!(receiver.skipped(), 0);
        assert_eq!(receiver, sender);
    }

    #[test]
    fn a_forged_counter_does_not_consume_keys() {
        let (mut sender, mut receiver) = pair();
        let before = receiver.clone();
        for counter in [0, 7, MAX_COUNTER - 1, MAX_COUNTER, u32::MAX] {
            let _ = receiver.peek(counter);
        }
        assert_eq!(receiver, before);
        assert_eq!(take(&mut receiver, 0), sender.take_next().unwrap().1);
    }

    #[test]
    fn skipped_keys_and_counters_are_bounded() {
        let (mut sender, mut receiver) = pair();
        assert_eq!(receiver.peek(MAX_COUNTER).unwrap_err(), PeekError::TooFar);
        take(&mut receiver, MAX_COUNTER - 1);
        assert_eq!(receiver.skipped(), MAX_SKIPPED as usize - 1);
        assert_eq!(receiver.peek(u32::MAX).unwrap_err(), PeekError::TooFar);
        for _ in 0..MAX_COUNTER {
            assert!(sender.take_next().is_some());
        }
        assert!(sender.take_next().is_none());
    }

    #[test]
    fn what_was_peeked_before_the_chain_moved_neither_returns_keys_nor_loses_them() {
        let (mut sender, mut receiver) = pair();
        let keys: Vec<MessageKey> = (0..6).map(|_| sender.take_next().unwrap().1).collect();
        let (early, late) = (receiver.peek(2).unwrap(), receiver.peek(5).unwrap());
        let again = receiver.peek(2).unwrap();
        assert!(receiver.advance(early));
        take(&mut receiver, 1);
        assert!(!receiver.advance(again), "used up since");
        assert!(receiver.advance(late));
        assert_eq!(receiver.peek(1).unwrap_err(), PeekError::Used);
        assert_eq!(receiver.peek(2).unwrap_err(), PeekError::Used);
        assert_eq!(take(&mut receiver, 4), keys[4]);
    }

    #[test]
    fn a_chain_comes_back_from_storage_and_used_keys_are_not_in_it() {
        let (mut sender, mut receiver) = pair();
        let used = sender.take_next().unwrap().1;
        take(&mut receiver, 3);
        take(&mut receiver, 0);
        let bytes = receiver.to_bytes();
        assert_eq!(Chain::from_bytes(&bytes).unwrap(), receiver);
        assert!(!bytes.windows(32).any(|w| w == used.0.0));
        for len in 0..bytes.len() {
            assert!(Chain::from_bytes(&bytes[..len]).is_err());
        }
    }

    #[test]
    fn key_commitment_and_token_are_parts_of_one_derivation() {
        let (mut sender, _) = pair();
        let (a, b) = (sender.take_next().unwrap().1, sender.take_next().unwrap().1);
        assert_ne!(a.expand().0.commitment, b.expand().0.commitment);
        assert_ne!(a.expand().0.commitment, a.expand().1);
        assert_eq!(a.expand().1, a.expand().1);
    }
}
