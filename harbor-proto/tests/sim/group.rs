//! Members of one conversation on real endpoints, and what they do.

use crate::world::{Client, HOUR, MINUTE, SECOND, World};
use harbor_proto::delivery::Amended;
use harbor_proto::endpoint::{
    Body, Command, CommandError, Endpoint, Format, Message, Name, Reply, Setup, Table, TopicKind, TopicState,
};
use harbor_proto::id::{MessageId, TopicUid};
use harbor_proto::wire::{Text, Wire};
use std::collections::BTreeSet;

fn start(setup: Setup, records: Vec<(Table, Vec<u8>, Vec<u8>)>) -> Client {
    Box::new(Endpoint::restore(setup, records).expect("its own records"))
}

pub(crate) struct Group {
    pub(crate) world: World,
    pub(crate) topic: TopicUid,
    pub(crate) members: BTreeSet<usize>,
    founder: usize,
    /// Conversations besides the present one: topic, members, founder.
    others: Vec<(TopicUid, BTreeSet<usize>, usize)>,
    said: u64,
    pad: usize,
}

impl Group {
    /// A conversation of `members` in a world that is still calm.
    pub(crate) fn new(seed: u64, nodes: u64, members: usize, direct: bool) -> Self {
        let mut group = Self::alone_with(seed, nodes, members, direct);
        for device in 1..members {
            group.join(device);
        }
        group
    }

    /// A conversation of its founder alone, and `devices` in all.
    pub(crate) fn alone(seed: u64, devices: usize) -> Self {
        Self::alone_with(seed, 1, devices, seed.is_multiple_of(2))
    }

    fn alone_with(seed: u64, nodes: u64, devices: usize, direct: bool) -> Self {
        let mut world = World::new(seed, start);
        for _ in 0..nodes {
            world.add_station(seed % 7 == 3);
        }
        for _ in 0..devices {
            let device = world.add_device(direct);
            named(&mut world, device);
        }
        let topic = found(&mut world, 0, TopicKind::Room);
        Self { world, topic, members: BTreeSet::from([0]), founder: 0, others: Vec::new(), said: 0, pad: 0 }
    }

    /// Turns to a new conversation of `founder` with `others`.
    pub(crate) fn another(&mut self, kind: TopicKind, founder: usize, others: &[usize]) {
        let topic = found(&mut self.world, founder, kind);
        self.others.push((self.topic, std::mem::take(&mut self.members), self.founder));
        (self.topic, self.members, self.founder) = (topic, BTreeSet::from([founder]), founder);
        for device in others {
            self.join(*device);
        }
    }

    /// Turns to another conversation.
    pub(crate) fn turn(&mut self) {
        if let Some((topic, members, founder)) = self.others.pop() {
            let before = (self.topic, std::mem::replace(&mut self.members, members), self.founder);
            (self.topic, self.founder) = (topic, founder);
            self.others.insert(0, before);
        }
    }

    /// As [`Self::join`], for devices that crash on the way: whoever did not answer is asked again.
    pub(crate) fn join_whatever_happens(&mut self, device: usize) {
        let topic = self.topic;
        for _ in 0..10 {
            let invite = Command::Invite { topic, expires_in_ms: 0 };
            let Some(Ok(Reply::Invite { invite })) = try_ask(&mut self.world, self.founder, invite) else {
                self.world.run_for(MINUTE);
                continue;
            };
            self.world.run_for(2 * MINUTE);
            for _ in 0..3 {
                let accept = Command::Accept { code: invite.code.clone() };
                try_ask(&mut self.world, device, accept);
                self.world.run_for(2 * MINUTE);
                let mut everybody = self.members.clone();
                everybody.insert(device);
                let there = Some((TopicState::Active, everybody.len()));
                if everybody.iter().all(|d| self_view(&mut self.world, *d, &topic) == there) {
                    self.members = everybody;
                    return;
                }
            }
        }
        panic!("device {device} did not get in: {:?}", self_view(&mut self.world, device, &topic));
    }

    /// Packets that the first node holds in a lane of the present week, for the routing secrets known.
    pub(crate) fn packets_in_lane(&self, lane: u8) -> u64 {
        let mailboxes = self.world.check.mailboxes.iter().filter(|(_, l)| **l == lane);
        mailboxes.map(|(id, _)| self.world.stations[0].disk.rows(id).len() as u64).sum()
    }

    /// Lets `device` in by an invite of the founder, and waits until it is in.
    pub(crate) fn join(&mut self, device: usize) {
        let invite = Command::Invite { topic: self.topic, expires_in_ms: 0 };
        let Ok(Reply::Invite { invite }) = ask(&mut self.world, self.founder, invite) else {
            panic!("no invite")
        };
        // The link is not shown to anybody before its record had time to reach a node.
        self.world.run_for(10 * SECOND);
        self.accept(device, invite.code);
        let (topic, members) = (self.topic, self.members.len() + 1);
        let joined = |w: &mut World, d| self_view(w, d, &topic) == Some((TopicState::Active, members));
        for _ in 0..120 {
            self.world.run_for(SECOND);
            // What a member says before it knows of the newcomer is not for the newcomer.
            if self.members.iter().chain([&device]).all(|d| joined(&mut self.world, *d)) {
                self.members.insert(device);
                return;
            }
        }
        panic!("device {device} did not get in: {:?}", self_view(&mut self.world, device, &topic));
    }

    fn accept(&mut self, device: usize, code: Text<512>) {
        for _ in 0..20 {
            match ask(&mut self.world, device, Command::Accept { code: code.clone() }) {
                Ok(_) => return,
                Err(CommandError::Offline | CommandError::Timeout) => self.world.run_for(5 * SECOND),
                Err(why) => panic!("a good invite was refused: {why:?}"),
            }
        }
        panic!("an invite could not be accepted");
    }

    /// Says something new of `len` bytes or a little more.
    pub(crate) fn say_much(&mut self, device: usize, len: usize) {
        self.pad = len;
        self.say(device);
        self.pad = 0;
    }

    /// Says something new; whether it was taken shows in the history.
    pub(crate) fn say(&mut self, device: usize) -> Vec<u8> {
        self.said += 1;
        let mut text = format!("{} from {device}", self.said).into_bytes();
        text.resize(text.len() + self.pad, b'.');
        let mut client_ref = [0; 16];
        client_ref[..8].copy_from_slice(&self.said.to_be_bytes());
        let body = Body::new(text.clone()).expect("short");
        self.world
            .command(device, Command::Send { topic: self.topic, client_ref, format: Format::Text, body });
        text
    }

    /// Edits or deletes an own message, or reacts to any, as far as this device has some.
    pub(crate) fn amend(&mut self, device: usize) {
        let id = |n: u64| usize::try_from(n).expect("few");
        let lines = history(&self.world, device, &self.topic);
        let own: Vec<_> = lines.iter().filter(|m| m.mine && !m.is_deleted()).collect();
        if own.is_empty() {
            return;
        }
        let (topic, chance) = (self.topic, self.world.between(0, 8));
        let mine = own[id(self.world.rng.below(own.len() as u64))].id;
        self.said += 1;
        let command = match chance {
            0 => Command::Delete { topic, id: mine },
            1..4 => {
                let body = Body::new(format!("edit {} by {device}", self.said).into_bytes()).expect("short");
                Command::Edit { topic, id: mine, body }
            }
            _ => {
                let any = lines[id(self.world.rng.below(lines.len() as u64))].id;
                let emoji = ["a", "b", "c", "d", "e", "f"][id(self.world.rng.below(6))];
                let on = self.world.chance(3, 4);
                Command::React { topic, id: any, emoji: Text::new(emoji).expect("short"), on }
            }
        };
        self.world.command(device, command);
    }

    /// All members show the same, message by message, within `ms`; where they stand in each.
    pub(crate) fn agree(&mut self, ms: u64) -> usize {
        let mut left = ms;
        loop {
            let views: Vec<_> = self.members.iter().map(|d| self.view(*d)).collect();
            if views.iter().all(|view| *view == views[0]) {
                return views[0].iter().filter(|(_, _, amended)| *amended != Amended::default()).count();
            }
            assert!(left > 0, "they never show the same: {views:?}");
            self.world.run_for(left.min(MINUTE));
            left = left.saturating_sub(MINUTE);
        }
    }

    fn view(&self, device: usize) -> Vec<(MessageId, Vec<u8>, Amended)> {
        let lines = history(&self.world, device, &self.topic).into_iter();
        let mut view: Vec<_> = lines.map(|m| (m.id, m.body.to_vec(), m.amended)).collect();
        view.sort_by_key(|(id, ..)| *id);
        view
    }

    /// A member, by chance.
    pub(crate) fn somebody(&mut self) -> usize {
        let at = self.world.rng.below(self.members.len() as u64);
        *self.members.iter().nth(usize::try_from(at).expect("few")).expect("below the length")
    }

    /// What is not yet as it should be.
    fn owed(&self) -> Vec<String> {
        let world = &self.world;
        let here = (self.topic, self.members.clone(), self.founder);
        let rooms = self.others.iter().chain([&here]);
        let missing = rooms.flat_map(|(topic, members, _)| world.check.missing(topic, members));
        let missing = missing.map(|(device, body)| format!("{device} lacks {body:?}"));
        let states = (0..world.devices.len()).flat_map(|m| {
            let records = world.devices[m].disk.records();
            let open = world.check.undelivered(m, &records).into_iter();
            open.map(move |(body, state)| format!("{m}: {body:?} is {state:?}"))
        });
        missing.chain(states).collect()
    }

    /// `device` leaves, and what it was told until now is settled before.
    pub(crate) fn leave(&mut self, device: usize) {
        self.settle(3 * HOUR);
        self.world.check.close();
        ask(&mut self.world, device, Command::Leave { topic: self.topic }).expect("a member may leave");
        self.members.remove(&device);
    }

    /// The founder takes `device` out, after what it was told until now is settled.
    pub(crate) fn remove(&mut self, device: usize) {
        self.settle(3 * HOUR);
        self.world.check.close();
        let Ok(Reply::Profile { profile: Some(profile) }) = ask(&mut self.world, device, Command::Profile)
        else {
            panic!("no profile")
        };
        let remove = Command::Remove { topic: self.topic, who: profile.id };
        ask(&mut self.world, self.founder, remove).expect("an admin may remove");
        self.members.remove(&device);
    }

    /// The faults stop: within `ms` everybody has everything and everybody knows it.
    pub(crate) fn settle(&mut self, ms: u64) {
        self.world.calm();
        let mut left = ms;
        while left > 0 {
            self.world.run_for(left.min(MINUTE));
            left = left.saturating_sub(MINUTE);
            if self.owed().is_empty() {
                return;
            }
        }
        panic!("never came right: {:?}", self.owed());
    }
}

/// What a device shows of a topic, oldest first: bodies of messages that somebody said.
pub(crate) fn shown(world: &World, device: usize, topic: &TopicUid) -> Vec<String> {
    let lines = history(world, device, topic);
    lines.iter().map(|m| String::from_utf8_lossy(&m.body).into_owned()).collect()
}

/// What somebody said, as a device shows it, oldest first.
fn history(world: &World, device: usize, topic: &TopicUid) -> Vec<Message> {
    let records = world.devices[device].disk.records();
    let lines =
        records.iter().filter(|((table, key), _)| *table == Table::Message && key.starts_with(&topic.0));
    let messages = lines.map(|(_, value)| Message::from_bytes(value).expect("history is readable"));
    messages.filter(|m| m.seq > 0).collect()
}

fn name(text: &str) -> Name {
    Name::new(text).expect("short")
}

fn found(world: &mut World, founder: usize, kind: TopicKind) -> TopicUid {
    let title = name("Boats");
    let Ok(Reply::Topic { topic }) = ask(world, founder, Command::CreateTopic { kind, title }) else {
        panic!("no topic")
    };
    topic.uid
}

fn named(world: &mut World, device: usize) {
    ask(world, device, Command::SetName { name: name(&format!("member {device}")) }).expect("a name");
}

/// State and number of members as the device shows them.
pub(crate) fn self_view(world: &mut World, device: usize, topic: &TopicUid) -> Option<(TopicState, usize)> {
    let Some(Ok(Reply::Topics { topics })) = try_ask(world, device, Command::Topics) else { return None };
    topics.iter().find(|t| t.uid == *topic).map(|t| (t.state, t.members.len()))
}

/// A command and its answer; `None` when it was lost in a crash.
fn try_ask(world: &mut World, device: usize, command: Command) -> Option<Result<Reply, CommandError>> {
    let number = world.command(device, command);
    world.run_while(2 * MINUTE, |w| !w.devices[device].replies.contains_key(&number));
    world.devices[device].replies.remove(&number)
}

/// A command and its answer, however long that takes.
pub(crate) fn ask(world: &mut World, device: usize, command: Command) -> Result<Reply, CommandError> {
    let number = world.command(device, command);
    let answered = world.run_while(5 * MINUTE, |w| !w.devices[device].replies.contains_key(&number));
    assert!(answered, "device {device} did not answer");
    world.devices[device].replies.remove(&number).expect("just seen")
}
