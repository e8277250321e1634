use super::*;

const TOPIC: TopicUid = TopicUid([1; 32]);

/// Two endpoints whose signals reach each other at once; events for the shells are collected.
struct Pair {
    ends: [Peering; 2],
    shell: [Vec<Event>; 2],
    now: Instant,
}

fn device(n: u8) -> DeviceId {
    DeviceId([n; 32])
}

impl Pair {
    fn new(direct: [bool; 2]) -> Self {
        let end = |n: u8| Peering::new(device(n), direct[usize::from(n)], UnixMillis(9), Rng::new([n; 32]));
        let mut pair = Self { ends: [end(0), end(1)], shell: [Vec::new(), Vec::new()], now: Instant(1_000) };
        for end in &mut pair.ends {
            end.set_members(TOPIC, &[device(0), device(1)], pair.now);
        }
        pair
    }

    fn reachable(&mut self, n: usize) {
        self.ends[n].set_reachable(TOPIC, true, self.now);
        self.ends[n].timeout(self.now);
        self.run();
    }

    fn run(&mut self) {
        loop {
            let Some((n, event)) = (0..2).find_map(|n| self.ends[n].poll().map(|e| (n, e))) else { return };
            if let Event::Signal { topic, to, body } = event {
                let (from, session) = (device(u8::try_from(n).unwrap()), self.ends[n].session());
                let signal = Signal { from, session, to, body, signature: [0; 64] };
                if self.ends[1 - n].announce_at.contains_key(&TOPIC) {
                    self.ends[1 - n].signal(topic, signal, self.now);
                }
            } else {
                self.on_shell(n, event);
            }
        }
    }

    fn on_shell(&mut self, n: usize, event: Event) {
        match &event {
            Event::Open { rtc, offerer: true } => self.ends[n].local_description(*rtc, "offer"),
            Event::Remote { rtc, sdp } if sdp == "offer" => {
                self.ends[n].local_description(*rtc, "answer");
                self.ends[n].local_candidate(*rtc, "candidate", "0");
            }
            _ => {}
        }
        self.shell[n].push(event);
    }

    fn rtc_of(&self, n: usize) -> Option<Rtc> {
        self.shell[n]
            .iter()
            .rev()
            .find_map(|e| if let Event::Open { rtc, .. } = e { Some(*rtc) } else { None })
    }

    fn connect(&mut self) {
        for n in 0..2 {
            let rtc = self.rtc_of(n).expect("opened");
            self.ends[n].rtc_up(rtc);
        }
        self.run();
    }
}

#[test]
fn whoever_comes_first_the_greater_id_offers_and_both_connect_once() {
    for order in [[0, 1], [1, 0]] {
        let mut pair = Pair::new([true, true]);
        pair.reachable(order[0]);
        assert_eq!(pair.rtc_of(0), None);
        pair.reachable(order[1]);
        let opened = |n: usize| -> Vec<bool> {
            pair.shell[n]
                .iter()
                .filter_map(|e| if let Event::Open { offerer, .. } = e { Some(*offerer) } else { None })
                .collect()
        };
        assert_eq!((opened(0), opened(1)), (alloc::vec![false], alloc::vec![true]));
        assert!(pair.shell[1].contains(&Event::Candidate {
            rtc: 0,
            candidate: "candidate".into(),
            mid: "0".into()
        }));
        pair.connect();
        assert!(pair.ends[0].is_open(&device(1)) && pair.ends[1].is_open(&device(0)));
    }
}

#[test]
fn one_side_that_hides_its_address_is_enough_and_both_know_of_each_other() {
    let mut pair = Pair::new([true, false]);
    pair.reachable(0);
    pair.reachable(1);
    assert_eq!((pair.rtc_of(0), pair.rtc_of(1)), (None, None));
    assert!(pair.ends[0].is_present(&device(1), pair.now) && pair.ends[1].is_present(&device(0), pair.now));
}

#[test]
fn a_lost_connection_is_made_again_and_a_dead_peer_is_left_alone() {
    let mut pair = Pair::new([true, true]);
    pair.reachable(0);
    pair.reachable(1);
    pair.connect();
    for n in 0..2 {
        let rtc = pair.rtc_of(n).unwrap();
        pair.ends[n].rtc_down(rtc, pair.now);
    }
    pair.run();
    let first = pair.rtc_of(1);
    pair.now = pair.now.plus(RETRY_MS.0);
    pair.ends[1].timeout(pair.now);
    pair.run();
    assert_ne!(pair.rtc_of(1), first, "offered again");
    pair.connect();
    assert!(pair.ends[0].is_open(&device(1)));

    let mut offers = 0;
    let rtc = pair.rtc_of(1).unwrap();
    pair.ends[1].rtc_down(rtc, pair.now);
    for _ in 0..1_000 {
        let Some(at) = pair.ends[1].next_timeout() else { break };
        pair.now = at;
        pair.ends[1].timeout(at);
        while let Some(event) = pair.ends[1].poll() {
            offers += usize::from(matches!(event, Event::Open { .. }));
        }
    }
    assert!(offers < 10, "{offers} offers to nobody");
}

#[test]
fn a_replayed_offer_or_a_stranger_changes_nothing() {
    let mut pair = Pair::new([true, true]);
    pair.reachable(0);
    pair.reachable(1);
    pair.connect();
    let to = Some(Address { device: device(0), session: pair.ends[0].session() });
    let body = Body::Offer { name: 1, sdp: Text::new("offer").unwrap() };
    let session = pair.ends[1].session();
    let replay = Signal { from: device(1), session, to, body: body.clone(), signature: [0; 64] };
    pair.ends[0].signal(TOPIC, replay, pair.now);
    let stranger = Signal { from: device(7), session, to, body, signature: [0; 64] };
    pair.ends[0].signal(TOPIC, stranger, pair.now);
    let body = Body::Announce { reply: false, direct: true };
    let earlier_run = Signal { from: device(1), session: [0; 16], to: None, body, signature: [0; 64] };
    pair.ends[0].signal(TOPIC, earlier_run, pair.now);
    assert!(pair.ends[0].poll().is_none());
    assert!(pair.ends[0].is_open(&device(1)));
}

#[test]
fn connections_are_bounded() {
    let mut hub = Peering::new(device(200), true, UnixMillis(9), Rng::new([0; 32]));
    let devices: Vec<DeviceId> = (0..50).map(device).collect();
    hub.set_members(TOPIC, &devices, Instant(0));
    for from in devices {
        let body = Body::Announce { reply: false, direct: true };
        hub.signal(TOPIC, Signal { from, session: [1; 16], to: None, body, signature: [0; 64] }, Instant(0));
    }
    let opened = core::iter::from_fn(|| hub.poll()).filter(|e| matches!(e, Event::Open { .. })).count();
    assert_eq!(opened, MAX_PEERS);
}
