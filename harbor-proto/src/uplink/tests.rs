use super::*;
use crate::crypto::Secret;

fn keys(lane: u8) -> Arc<MailboxKeys> {
    Arc::new(MailboxKeys::derive(&Secret([1; 32]), 7, lane))
}

fn watch(lane: u8) -> Want {
    Want { keys: keys(lane), reading: Some(Reading::Watch), cursor: Cursor::default() }
}

fn welcome() -> Vec<u8> {
    ToClient::Welcome {
        version: LINK_VERSION,
        node: EndpointId([9; 32]),
        challenge: [8; 32],
        log: [7; 16],
        hour: 100,
        store_bits: 5,
    }
    .to_bytes()
}

fn drain(link: &mut Uplink) -> Vec<Event> {
    core::iter::from_fn(|| link.poll()).collect()
}

fn frames(events: &[Event]) -> Vec<ToNode> {
    let bytes = events.iter().filter_map(|e| if let Event::Send(b) = e { Some(b) } else { None });
    bytes.map(|b| ToNode::from_bytes(b).unwrap()).collect()
}

fn connected(wants: Vec<Want>) -> (Uplink, Vec<Event>) {
    let mut link = Uplink::new(Rng::new([1; 32]), Instant(0));
    link.want(wants, Instant(0));
    link.timeout(Instant(0));
    assert!(matches!(drain(&mut link)[..], [Event::Dial]));
    link.opened(Instant(1));
    link.frame(&welcome(), Instant(2));
    let events = drain(&mut link);
    (link, events)
}

fn watch_frame(events: &[Event]) -> (Slot, Cursor) {
    let found = frames(events).into_iter().find_map(|f| match f {
        ToNode::Watch { slot, after, .. } => Some((slot, after)),
        _ => None,
    });
    found.expect("a watch")
}

#[test]
fn a_wanted_mailbox_is_opened_and_watched_and_goes_on_from_its_cursor_after_a_break() {
    let (mut link, events) = connected(alloc::vec![watch(1)]);
    let (slot, after) = watch_frame(&events);
    assert_eq!(after, Cursor { log: [7; 16], seq: 0 });
    let item = ToClient::Item { slot, arrival: Arrival::Backlog, cursor: 41, packet: Tail(alloc::vec![1]) };
    link.frame(&item.to_bytes(), Instant(3));
    assert!(!link.caught_up());
    link.frame(&ToClient::Watching { slot, cursor: Cursor { log: [7; 16], seq: 41 } }.to_bytes(), Instant(4));
    assert!(link.caught_up() && link.is_watching(&keys(1).id()));
    drain(&mut link);

    link.closed(Instant(5));
    assert!(!link.caught_up());
    let at = link.next_timeout().unwrap();
    assert!(at > Instant(5));
    link.timeout(at);
    link.opened(at);
    link.frame(&welcome(), at);
    let (_, after) = watch_frame(&drain(&mut link));
    assert_eq!(after, Cursor { log: [7; 16], seq: 41 });
}

#[test]
fn pauses_between_attempts_grow_to_a_minute_and_a_network_event_ends_them() {
    let mut link = Uplink::new(Rng::new([1; 32]), Instant(0));
    let mut now = Instant(0);
    let mut pauses = Vec::new();
    for _ in 0..12 {
        link.timeout(now);
        link.closed(now);
        let next = link.next_timeout().unwrap();
        pauses.push(next.since(now));
        now = next;
    }
    assert!(pauses[0] <= 500 && pauses[11] >= 30_000 && pauses.iter().all(|p| *p <= 60_000), "{pauses:?}");
    link.timeout(now);
    link.closed(now);
    drain(&mut link);
    link.network(true, now);
    assert!(matches!(drain(&mut link)[..], [Event::Dial]));
}

#[test]
fn a_silent_node_is_pinged_then_left() {
    let (mut link, _) = connected(alloc::vec![]);
    link.timeout(Instant(2 + PING_MS));
    assert!(matches!(frames(&drain(&mut link))[..], [ToNode::Ping { .. }]));
    link.timeout(Instant(2 + 2 * PING_MS));
    assert!(matches!(drain(&mut link)[..], [Event::Hangup, Event::Down]));
}

#[test]
fn nonsense_from_the_node_ends_the_link_without_harm() {
    for bytes in [&b""[..], b"\xff", &welcome()] {
        let (mut link, _) = connected(alloc::vec![]);
        link.frame(bytes, Instant(9));
        link.frame(bytes, Instant(9));
    }
    let (mut link, _) = connected(alloc::vec![]);
    link.frame(b"\xff", Instant(9));
    assert!(matches!(drain(&mut link)[..], [Event::Hangup, Event::Down]));
}

#[test]
fn many_mailboxes_open_a_few_at_a_time() {
    let wants: Vec<Want> = (0..40).map(watch).collect();
    let (mut link, events) = connected(wants);
    let mut watched = 0;
    let mut round = events;
    while watched < 40 {
        let slots: Vec<Slot> = frames(&round)
            .iter()
            .filter_map(|f| if let ToNode::Watch { slot, .. } = f { Some(*slot) } else { None })
            .collect();
        assert!(!slots.is_empty() && slots.len() <= OPENING);
        watched += slots.len();
        for slot in slots {
            link.frame(&ToClient::Watching { slot, cursor: Cursor::default() }.to_bytes(), Instant(3));
        }
        round = drain(&mut link);
    }
    assert!(link.caught_up());
}

#[test]
fn a_refused_watch_waits_as_it_was_told() {
    let (mut link, events) = connected(alloc::vec![watch(1)]);
    let (slot, _) = watch_frame(&events);
    let why = Refusal::RateLimited { after_ms: 700 };
    link.frame(&ToClient::SlotRefused { slot, why }.to_bytes(), Instant(10));
    assert_eq!(link.next_timeout(), Some(Instant(710)));
    assert!(frames(&drain(&mut link)).is_empty());
    link.timeout(Instant(710));
    assert!(matches!(frames(&drain(&mut link))[..], [ToNode::Watch { .. }]));
}
