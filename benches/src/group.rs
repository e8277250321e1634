//! A group of many devices: what making it, changing it and coming back to it costs, against OpenMLS.
//!
//! OpenMLS does without post-quantum keys, without signed membership that anybody can check later, and needs a server
//! that puts commits into one order; Harbor needs none, and pays with a box for every device in every epoch.

use crate::figures::{grouped, span, table};
use crate::mls::Mls;
use crate::row;
use harbor_proto::crypto::rng::Rng;
use harbor_proto::identity::DeviceSecrets;
use harbor_proto::limits::DAY_MS;
use harbor_proto::time::UnixMillis;
use harbor_proto::topic::control::ControlObject;
use harbor_proto::topic::invite::RendezvousObject;
use harbor_proto::topic::ops::{OpBody, SignedOp};
use harbor_proto::topic::welcome::{Joining, Pieces};
use harbor_proto::topic::{Name, RecordChange, Shelf, TopicKind, TopicLog};
use harbor_proto::wire::Wire;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const NOW: UnixMillis = UnixMillis(1_795_000_000_000);
/// Weeks away, and how many come and go in each.
const WEEKS: u64 = 4;
const COMING: usize = 5;

/// How long something took for whoever did it and for another member, and what travelled.
pub struct Cost {
    pub doing: Duration,
    pub following: Duration,
    pub bytes: usize,
}

fn device(n: usize) -> DeviceSecrets {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&(n as u64).to_be_bytes());
    DeviceSecrets::generate(&mut Rng::new(seed), NOW)
}

fn name(text: &str) -> Name {
    Name::new(text).expect("short")
}

pub fn timed<T>(act: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = act();
    (result, start.elapsed())
}

fn weight(objects: &[ControlObject]) -> usize {
    objects.iter().map(|object| object.to_bytes().len()).sum()
}

/// The owner of a room and a member of it.
struct Room {
    rng: Rng,
    owner: DeviceSecrets,
    log: TopicLog,
    member: DeviceSecrets,
    theirs: TopicLog,
    disk: BTreeMap<(Shelf, Vec<u8>), Vec<u8>>,
}

fn add(by: &DeviceSecrets, log: &mut TopicLog, who: &DeviceSecrets) -> ControlObject {
    let body = OpBody::Add { cert: Box::new(who.cert().clone()), name: name("Somebody"), invite_use: None };
    let op = ControlObject::Op { op: Box::new(SignedOp::sign(by, log.dag().heads(), body)) };
    log.absorb(by, op.clone(), NOW);
    op
}

impl Room {
    /// The last of `people` comes by an invite: its way in is what a join costs.
    fn new(people: usize) -> (Self, Cost, Cost) {
        let (owner, member) = (device(0), device(people - 1));
        let others: Vec<DeviceSecrets> = (1..people - 1).map(device).collect();
        let mut rng = Rng::new([9; 32]);
        let ((mut log, objects), making) = timed(|| {
            let mut log = TopicLog::create(&mut rng, &owner, TopicKind::Room, name("Room"), name("Ana"), NOW);
            let mut objects: Vec<ControlObject> =
                others.iter().map(|other| add(&owner, &mut log, other)).collect();
            objects.extend(log.commit_epoch(&mut rng, &owner, NOW).expect("the owner may").0);
            (log, objects)
        });
        let made = Cost { doing: making, following: Duration::ZERO, bytes: weight(&objects) };
        let minted = log.mint_invite(&mut rng, &owner, NOW.plus(DAY_MS), NOW).expect("the owner may");
        let RendezvousObject::Record { record } = minted.record else { panic!("a record") };
        let link = minted.invite.link.clone();
        let joining = Joining::new(&mut rng, &member, link, *record, name("Bo")).expect("a good record");
        let (admitted, doing) = timed(|| {
            log.admit(&mut rng, &owner, &minted.invite, &joining.request, Vec::new(), NOW)
                .expect("a good request")
        });
        let bytes = weight(&admitted.control)
            + admitted.welcome.iter().map(|part| part.to_bytes().len()).sum::<usize>();
        let (theirs, following) = timed(|| {
            let mut pieces = Pieces::default();
            let whole = admitted.welcome.into_iter().find_map(|object| match object {
                RendezvousObject::Welcome { part } => joining.collect(&mut pieces, part),
                _ => None,
            });
            joining.join(&member, &whole.expect("all parts"), NOW).expect("a sound welcome").log
        });
        let room = Self { rng, owner, log, member, theirs, disk: BTreeMap::new() };
        assert_eq!(room.theirs.roster().len(), people);
        (room, made, Cost { doing, following, bytes })
    }

    fn followed(&mut self, objects: &[ControlObject], doing: Duration) -> Cost {
        let packed = objects.iter().map(Wire::to_bytes).collect::<Vec<_>>();
        let (_, following) = timed(|| {
            for bytes in &packed {
                let object = ControlObject::from_bytes(bytes).expect("just made");
                self.theirs.absorb(&self.member, object, NOW);
            }
        });
        assert_eq!(self.theirs.current_epoch(), self.log.current_epoch(), "both send in one epoch");
        assert_eq!(self.theirs.roster(), self.log.roster());
        Cost { doing, following, bytes: weight(objects) }
    }

    fn grow(&mut self, who: &DeviceSecrets) -> Vec<ControlObject> {
        let added = add(&self.owner, &mut self.log, who);
        let epoch = self.log.commit_epoch(&mut self.rng, &self.owner, NOW).expect("the owner may").0;
        [added].into_iter().chain(epoch).collect()
    }

    fn shrink(&mut self, who: &DeviceSecrets) -> Vec<ControlObject> {
        let id = who.endpoint_id();
        self.log.remove(&mut self.rng, &self.owner, &id, Vec::new(), NOW).expect("the owner may").0
    }

    fn rotate(&mut self) -> Vec<ControlObject> {
        self.log.commit_epoch(&mut self.rng, &self.owner, NOW).expect("the owner may").0
    }

    fn save(&mut self) {
        for change in self.theirs.take_records() {
            match change {
                RecordChange::Put { shelf, key, value } => self.disk.insert((shelf, key), value),
                RecordChange::Delete { shelf, key } => self.disk.remove(&(shelf, key)),
            };
        }
    }
}

pub fn run(people: usize) {
    println!("## A group of {people} devices, in one thread\n");
    let (mut room, made, joined) = Room::new(people);
    let newcomer = device(people + 1);
    let (objects, doing) = timed(|| room.grow(&newcomer));
    let grown = room.followed(&objects, doing);
    let (objects, doing) = timed(|| room.shrink(&newcomer));
    let shrunk = room.followed(&objects, doing);
    let (objects, doing) = timed(|| room.rotate());
    let rotated = room.followed(&objects, doing);
    let mut missed = Vec::new();
    for week in 0..WEEKS {
        for n in 0..COMING {
            let guest = device(2 * people + week as usize * COMING + n);
            missed.extend(room.grow(&guest));
            missed.extend(room.shrink(&guest));
        }
        missed.extend(room.rotate());
    }
    let away = room.followed(&missed, Duration::ZERO);
    let (sealed, sealing) = timed(|| room.log.seal_key(&room.owner).expect("an epoch"));
    let (opened, opening) = timed(|| room.theirs.open_key(&sealed.header()).expect("the same epoch"));
    assert_eq!(opened.key.key.0, sealed.key.key.0);
    room.theirs.accept(opened);
    room.save();
    let records = room.disk.iter().map(|((shelf, key), value)| (*shelf, &key[..], &value[..]));
    let (restored, starting) = timed(|| TopicLog::restore(records).expect("its own records"));
    assert_eq!(restored.roster(), room.theirs.roster());
    let stored: usize = room.disk.iter().map(|((_, key), value)| key.len() + value.len()).sum();

    let mut mls = Mls::new(people);
    let mut rows = vec![row![
        "what",
        "Harbor, doing",
        "following",
        "bytes",
        "OpenMLS, doing",
        "following",
        "bytes",
        "Harbor's bytes against"
    ]];
    let mut add_row = |what: &str, ours: &Cost, theirs: &Cost| {
        rows.push(row![
            what,
            span(ours.doing),
            span(ours.following),
            grouped(ours.bytes as f64),
            span(theirs.doing),
            span(theirs.following),
            grouped(theirs.bytes as f64),
            format!("{:.1} ×", ours.bytes as f64 / theirs.bytes as f64)
        ]);
    };
    add_row("make, all but one added at once", &made, &mls.made);
    add_row("let one more in, who joins", &joined, &mls.joined);
    add_row("add one", &grown, &mls.grow());
    add_row("remove one", &shrunk, &mls.shrink());
    add_row("rotate", &rotated, &mls.rotate());
    table(&rows);
    println!(
        "Back after {WEEKS} weeks in which {} came and went and keys were rotated {WEEKS} times: {} to catch up, {} bytes.",
        WEEKS as usize * COMING,
        span(away.following),
        grouped(away.bytes as f64)
    );
    println!(
        "A message's key: {} to take, {} to find in an epoch nothing was read in. Records: {} bytes, {} to start from.\n",
        span(sealing),
        span(opening),
        grouped(stored as f64),
        span(starting)
    );
}
