//! What clients ask for, frame by frame.

use super::link::{OpenSlot, Want};
use super::{Asked, ConnId, Disconnect, Node, Output, Rate, is_message};
use crate::crypto::sign;
use crate::id::HarborId;
use crate::limits::{LINK_REQUESTS, LINK_SLOTS, PAGE_PACKETS};
use crate::mailbox;
use crate::wire::Wire;
use crate::wire::link::{
    Arrival, Carried, Cursor, Opening, Refusal, Request, Signature, Slot, ToClient, ToNode, Verb,
    frame_len_ok, item_bytes, proof_bytes,
};

impl Node {
    pub(super) fn on_frame(&mut self, conn: ConnId, bytes: &[u8]) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        link.heard = self.now;
        if !frame_len_ok(bytes.len()) {
            return self.disconnect(conn, Disconnect::Protocol);
        }
        let price = self.sources.take_request(link.source, self.now);
        let price = price.map_err(|after_ms| Refusal::RateLimited { after_ms });
        if let Some(carried) = Carried::from_bytes(bytes) {
            self.on_packet(conn, carried, price);
        } else if let Ok(frame) = ToNode::from_bytes(bytes) {
            self.on_short(conn, &frame, price);
        } else {
            self.disconnect(conn, Disconnect::Protocol);
        }
    }

    fn on_packet(&mut self, conn: ConnId, frame: Carried<'_>, price: Result<(), Refusal>) {
        let (asked, done) = match frame {
            Carried::Pass { slot, packet } => {
                (Asked::Slot(slot), price.and_then(|()| self.on_pass(conn, slot, packet)))
            }
            Carried::Store { req, slot, packet } => {
                (Asked::Request(req), price.and_then(|()| self.on_store(conn, req, slot, packet)))
            }
        };
        if let Err(why) = done {
            self.refuse(conn, asked, why);
        }
    }

    fn on_short(&mut self, conn: ConnId, frame: &ToNode, price: Result<(), Refusal>) {
        let (asked, done) = match *frame {
            ToNode::Open { slot, mailbox, ref opening, ref write_proof } => {
                let open = |()| self.on_open(conn, slot, mailbox, opening, write_proof.as_ref());
                (Asked::Slot(slot), price.and_then(open))
            }
            ToNode::Watch { slot, ref after, ref proof } => {
                (Asked::Slot(slot), price.and_then(|()| self.on_watch(conn, slot, after, proof)))
            }
            ToNode::Pull { req, slot, ref after, max, ref proof } => {
                let pull = |()| self.on_pull(conn, req, slot, after, max, proof);
                (Asked::Request(req), price.and_then(pull))
            }
            ToNode::Shut { slot } => {
                // Carried out even without a token: it frees memory.
                self.on_shut(conn, slot);
                (Asked::Silent, price)
            }
            ToNode::Ping { token } => {
                (Asked::Silent, price.map(|()| self.send(conn, &ToClient::Pong { token })))
            }
            ToNode::Store { .. } | ToNode::Pass { .. } => unreachable!("read as carried packets"),
        };
        if let Err(why) = done {
            self.refuse(conn, asked, why);
        }
    }

    /// All or nothing: a wrong proof leaves the slot as it was.
    fn on_open(
        &mut self,
        conn: ConnId,
        slot: Slot,
        mailbox: HarborId,
        opening: &Opening,
        write_proof: Option<&Signature>,
    ) -> Result<(), Refusal> {
        let Some(link) = self.links.get_mut(&conn) else { return Ok(()) };
        match link.slots.get(&slot) {
            Some(open) if open.mailbox != mailbox => return Err(Refusal::BadSlot),
            None if link.slots.len() >= LINK_SLOTS => return Err(Refusal::TooMany),
            _ => {}
        }
        let write_key = mailbox::check_opening(opening, &mailbox)?;
        if let Some(proof) = write_proof {
            let signed =
                proof_bytes(&self.config.id, &link.challenge, &mailbox, Verb::Pass, &Cursor::default());
            if !write_key.verify(&signed, proof) {
                return Err(Refusal::BadProof);
            }
        }
        let open = link.slots.entry(slot).or_insert_with(|| OpenSlot {
            mailbox,
            write_key: opening.write_key,
            read_key: opening.read_key,
            verifier: None,
            may_pass: false,
            watching: false,
        });
        open.may_pass |= write_proof.is_some();
        Ok(())
    }

    fn on_shut(&mut self, conn: ConnId, slot: Slot) {
        self.end_watch(conn, slot);
        if let Some(link) = self.links.get_mut(&conn) {
            link.slots.remove(&slot);
        }
    }

    /// Ends the watch of a slot, if it has one.
    pub(super) fn end_watch(&mut self, conn: ConnId, slot: Slot) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        let Some(open) = link.slots.get_mut(&slot).filter(|open| open.watching) else { return };
        open.watching = false;
        link.watches -= 1;
        self.watches.stop(&open.mailbox, (conn, slot));
        self.sources.stop_watch(link.source);
    }

    /// No signature is checked here: the slot's write proof was, and receivers check every packet.
    fn on_pass(&mut self, conn: ConnId, slot: Slot, packet: &[u8]) -> Result<(), Refusal> {
        let soft = self.soft_limit();
        let Some(link) = self.links.get_mut(&conn) else { return Ok(()) };
        let open = link.slots.get(&slot).ok_or(Refusal::BadSlot)?;
        if !open.may_pass {
            return Err(Refusal::BadProof);
        }
        mailbox::check_pass(packet, &open.mailbox)?;
        let limited = |after_ms| Refusal::RateLimited { after_ms };
        self.sources.take_packet(link.source, self.now).map_err(limited)?;
        let watchers = self.watches.of(&open.mailbox);
        let others = watchers.iter().filter(|watcher| watcher.key().0 != conn);
        let cost = (packet.len() as u64).saturating_mul(others.clone().count() as u64);
        let per_sec = u32::try_from(self.config.pass_bytes_per_sec).unwrap_or(u32::MAX);
        let rate = Rate { burst: per_sec, every_ms: 1000 };
        link.pass_bytes.overdraw(rate, cost, self.now).map_err(limited)?;
        self.counters.passed += 1;
        self.counters.passed_messages += u64::from(is_message(packet));
        for watcher in others {
            let (to, slot) = watcher.key();
            let Some(link) = self.links.get_mut(&to) else { continue };
            if link.queue.bytes + packet.len() > soft {
                self.counters.pass_dropped += 1;
                continue;
            }
            let bytes = item_bytes(slot, Arrival::Passed, 0, packet);
            link.queue.add(bytes.len());
            self.queued_bytes += bytes.len();
            self.counters.pass_delivered += 1;
            self.out.push_back(Output::Send { conn: to, bytes });
        }
        Ok(())
    }

    fn on_watch(
        &mut self,
        conn: ConnId,
        slot: Slot,
        after: &Cursor,
        proof: &Signature,
    ) -> Result<(), Refusal> {
        let mailbox = self.check_reader(conn, slot, Verb::Watch, after, proof)?;
        self.end_watch(conn, slot);
        let after = self.seq_after(after);
        let Some(link) = self.links.get_mut(&conn) else { return Ok(()) };
        if link.wants.len() >= LINK_SLOTS + LINK_REQUESTS || !self.sources.start_watch(link.source) {
            return Err(Refusal::TooMany);
        }
        if self.watches.start(mailbox, (conn, slot), after).is_err() {
            self.sources.stop_watch(link.source);
            return Err(Refusal::TooMany);
        }
        link.watches += 1;
        if let Some(open) = link.slots.get_mut(&slot) {
            open.watching = true;
        }
        self.counters.watches += 1;
        self.want(conn, Want::Backlog(slot));
        Ok(())
    }

    fn on_pull(
        &mut self,
        conn: ConnId,
        req: Request,
        slot: Slot,
        after: &Cursor,
        max: u16,
        proof: &Signature,
    ) -> Result<(), Refusal> {
        self.check_unanswered(conn)?;
        let mailbox = self.check_reader(conn, slot, Verb::Pull, after, proof)?;
        let max = u32::from(max).clamp(1, PAGE_PACKETS);
        let after = self.seq_after(after);
        let Some(link) = self.links.get_mut(&conn) else { return Ok(()) };
        link.unanswered += 1;
        self.counters.pulls += 1;
        self.want(conn, Want::Pull { req, mailbox, after, max });
        Ok(())
    }

    /// # Errors
    /// The link has all the stores and pulls under way that it may have.
    pub(super) fn check_unanswered(&self, conn: ConnId) -> Result<(), Refusal> {
        if self.draining {
            return Err(Refusal::Unavailable);
        }
        let unanswered = self.links.get(&conn).map_or(0, |link| link.unanswered);
        if unanswered < LINK_REQUESTS { Ok(()) } else { Err(Refusal::RateLimited { after_ms: 1000 }) }
    }

    /// The mailbox of a slot whose read key signed `verb` and `after` for this link.
    fn check_reader(
        &self,
        conn: ConnId,
        slot: Slot,
        verb: Verb,
        after: &Cursor,
        proof: &Signature,
    ) -> Result<HarborId, Refusal> {
        let link = self.links.get(&conn).ok_or(Refusal::BadSlot)?;
        let open = link.slots.get(&slot).ok_or(Refusal::BadSlot)?;
        let signed = proof_bytes(&self.config.id, &link.challenge, &open.mailbox, verb, after);
        if sign::verify(&open.read_key, &signed, proof) { Ok(open.mailbox) } else { Err(Refusal::BadProof) }
    }

    /// A cursor of another log says nothing about this one.
    fn seq_after(&self, after: &Cursor) -> u64 {
        if after.log == self.config.log { after.seq } else { 0 }
    }
}
