//! Which packets a node takes into a mailbox, and why not.
//!
//! Spec: docs/spec/mailbox.md §5. Cheap checks come first: a signature costs the node forty times as much
//! as all the others together.

use crate::crypto::sign::PublicKey;
use crate::id::{HarborId, PacketId};
use crate::limits::{PACKET_SIZES, STAMP_WINDOW_HOURS};
use crate::packet::{Kind, Packet, harbor_id};
use crate::wire::link::{Opening, Refusal};

/// The rules for `store` at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Admission {
    /// The node's clock, hours since 1970.
    pub hour: u32,
    /// Price of a packet, leading zero bits.
    pub bits: u8,
    /// Greatest life of a packet, hours.
    pub max_ttl_hours: u32,
}

/// A packet that may be stored if the mailbox's write key signed it.
#[derive(Clone, Copy, Debug)]
pub struct Admitted<'a> {
    /// The packet.
    pub packet: Packet<'a>,
    /// Its id, which took a hash to find.
    pub packet_id: PacketId,
}

impl Admission {
    /// All that can be said without the write key: shape, place, expiry and stamp, in this order.
    ///
    /// # Errors
    /// The refusal to send; the packet's author can act on it.
    pub fn check<'a>(&self, bytes: &'a [u8], mailbox: &HarborId) -> Result<Admitted<'a>, Refusal> {
        let packet = parse_for(bytes, mailbox)?;
        if packet.kind() == Kind::Signal {
            return Err(Refusal::Malformed);
        }
        self.check_expiry(packet.expiry_hour())?;
        let packet_id = packet.id();
        self.check_stamp(&packet, &packet_id)?;
        Ok(Admitted { packet, packet_id })
    }

    /// A writer's clock may be as far ahead as a stamp's may, else its longest-lived packets would bounce.
    fn check_expiry(&self, expiry_hour: u32) -> Result<(), Refusal> {
        let latest = self.hour.saturating_add(self.max_ttl_hours).saturating_add(STAMP_WINDOW_HOURS);
        if expiry_hour > self.hour && expiry_hour <= latest { Ok(()) } else { Err(Refusal::BadExpiry) }
    }

    fn check_stamp(&self, packet: &Packet<'_>, id: &PacketId) -> Result<(), Refusal> {
        let stamp = packet.stamp();
        if stamp.bits < self.bits {
            return Err(Refusal::StampMissing { bits: self.bits });
        }
        if stamp.hour.abs_diff(self.hour) > STAMP_WINDOW_HOURS {
            return Err(Refusal::StampStale { hour: self.hour });
        }
        if stamp.holds(id) { Ok(()) } else { Err(Refusal::StampMissing { bits: self.bits }) }
    }
}

/// Checks a packet that is only handed on: its shape and its place. Who passes proved the write key when
/// the slot was opened, and receivers check the signature of every packet themselves.
///
/// # Errors
/// [`Refusal::TooLarge`], [`Refusal::Malformed`], [`Refusal::BadSlot`].
pub fn check_pass(bytes: &[u8], mailbox: &HarborId) -> Result<(), Refusal> {
    parse_for(bytes, mailbox).map(|_| ())
}

/// Checks that an opening belongs to `mailbox` and holds two usable keys.
///
/// # Errors
/// [`Refusal::BadOpening`].
pub fn check_opening(opening: &Opening, mailbox: &HarborId) -> Result<PublicKey, Refusal> {
    if harbor_id(opening) != *mailbox || PublicKey::from_bytes(&opening.read_key).is_none() {
        return Err(Refusal::BadOpening);
    }
    PublicKey::from_bytes(&opening.write_key).ok_or(Refusal::BadOpening)
}

fn parse_for<'a>(bytes: &'a [u8], mailbox: &HarborId) -> Result<Packet<'a>, Refusal> {
    if bytes.len() > PACKET_SIZES[3] {
        return Err(Refusal::TooLarge);
    }
    let packet = Packet::parse(bytes).ok_or(Refusal::Malformed)?;
    if packet.mailbox() == *mailbox { Ok(packet) } else { Err(Refusal::BadSlot) }
}
