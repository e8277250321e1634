//! What a shell shows: conversations, members and status as they are now.

use super::{Endpoint, Member, Name, Path, Profile, Status, Topic, TopicKind};
use crate::delivery::outbox::Outbox;
use crate::id::{EndpointId, TopicUid};
use crate::uplink::Uplink;
use crate::wire::List;
use alloc::vec::Vec;

impl Endpoint {
    pub(super) fn view(&self, uid: &TopicUid) -> Option<Topic> {
        let talk = self.talks.get(uid)?;
        let members = self.members(uid);
        let other = members.iter().find(|m| !m.me).map(|m| m.name.clone());
        let title = match (talk.meta.kind, other) {
            (TopicKind::Dm, Some(name)) => name,
            (TopicKind::Dm, None) | (TopicKind::Room, _) => talk.meta.title.clone(),
        };
        let missing: u64 = talk.senders.values().map(crate::delivery::SenderChain::missing).sum();
        Some(Topic {
            uid: *uid,
            kind: talk.meta.kind,
            title,
            state: talk.meta.state,
            admin: talk.is_active() && members.iter().any(|m| m.me && m.role.is_admin()),
            members: List::first(members),
            invites: List::first(self.open_invites(uid)),
            unread: talk.meta.unread,
            missing: u32::try_from(missing).unwrap_or(u32::MAX),
            last: talk.meta.last.clone(),
            created: talk.meta.created,
        })
    }

    fn members(&self, uid: &TopicUid) -> Vec<Member> {
        let me = self.me.as_ref().map(|me| me.secrets.device_id());
        let log = self.talks.get(uid).and_then(|t| t.log.as_ref());
        let leaves = log.map(|log| log.roster().leaves()).unwrap_or_default();
        let path = |device| {
            if self.is_direct(device) {
                Path::Direct
            } else if self.is_present(device) {
                Path::Relayed
            } else {
                Path::Stored
            }
        };
        leaves
            .iter()
            .map(|leaf| Member {
                id: leaf.identity,
                name: leaf.name.clone(),
                me: Some(leaf.device) == me,
                role: leaf.role,
                verified: self.verified.contains(&leaf.identity),
                path: path(&leaf.device),
            })
            .collect()
    }

    pub(super) fn name_of(&self, uid: &TopicUid, identity: &EndpointId) -> Name {
        let log = self.talks.get(uid).and_then(|t| t.log.as_ref());
        let leaves = log.map(|log| log.roster().leaves()).unwrap_or_default();
        leaves
            .iter()
            .find(|leaf| leaf.identity == *identity)
            .map(|leaf| leaf.name.clone())
            .unwrap_or_default()
    }

    pub(super) fn profile(&self) -> Option<Profile> {
        let me = self.me.as_ref()?;
        Some(Profile { id: me.secrets.endpoint_id(), device: me.secrets.device_id(), name: me.name.clone() })
    }

    pub(super) fn current_status(&self) -> Status {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Status {
            linked: count(self.links.values().filter(|l| l.greeting().is_some()).count()),
            nodes: count(self.links.len()),
            peers: count(self.peering.as_ref().map_or(0, crate::peering::Peering::open_count)),
            queued: count(self.talks.values().map(|t| Outbox::queued(&t.outbox)).sum()),
            synced: self.links.values().any(Uplink::caught_up),
            direct_enabled: self.direct.0,
        }
    }
}
