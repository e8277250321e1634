//! What a node's disk and logs tell: nothing. Two real endpoints talk through a real `harbor` process that logs
//! as much as it can. Then everything that either device ever wrote down, and every key derived from a routing
//! secret, is searched in the node's folder and logs, in every 16-byte window, raw, in hex and in base64.

mod client;
mod node;
mod search;

use client::Client;
use harbor_proto::crypto::Secret;
use harbor_proto::crypto::kdf::{Context, derive};
use harbor_proto::endpoint::{
    Body, Command, CommandError, Event, Format, Name, Reply, State, Table, TopicKind, TopicState,
};
use harbor_proto::id::TopicUid;
use harbor_proto::packet::{MailboxKeys, day, week};
use harbor_proto::time::UnixMillis;
use node::Node;
use search::Haystack;
use std::time::Instant;

const TEXTS: [&str; 3] =
    ["The lantern room at half past nine", "Bring the brass key with you", "Nobody was at the door"];
const NAMES: [&str; 2] = ["Alexandria Quill", "Benedetto Moss"];
const TITLE: &str = "Lighthouse Committee";

/// Steps all clients until `done` gives something; a minute without it is a failure.
fn until<T>(what: &str, clients: &mut [Client], mut done: impl FnMut(&mut [Client]) -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        for client in clients.iter_mut() {
            client.step();
        }
        if let Some(value) = done(clients) {
            return value;
        }
        assert!(start.elapsed().as_secs() < 60, "never happened: {what}");
        std::thread::yield_now();
    }
}

fn ask(what: &str, clients: &mut [Client], who: usize, command: Command) -> Reply {
    let id = clients[who].command(command);
    let result: Result<Reply, CommandError> = until(what, clients, |c| c[who].reply(id));
    result.unwrap_or_else(|e| panic!("{what}: {e:?}"))
}

fn send(clients: &mut [Client], who: usize, topic: TopicUid, n: u8) {
    let body = Body::new(TEXTS[usize::from(n)].as_bytes().to_vec()).expect("a short text");
    ask("send", clients, who, Command::Send { topic, client_ref: [n; 16], format: Format::Text, body });
}

fn until_read(clients: &mut [Client], who: usize, n: u8) {
    let text = TEXTS[usize::from(n)];
    until(text, clients, |c| c[who].events.iter().any(|e| holds(e, text)).then_some(()));
}

fn holds(event: &Event, text: &str) -> bool {
    matches!(event, Event::Message { message } if message.body[..] == *text.as_bytes())
}

/// Ana makes a room and invites Ben; both write. Then Ben goes away, and Ana's last message is stored.
fn converse(clients: &mut Vec<Client>) -> (TopicUid, Client) {
    for (who, name) in NAMES.iter().enumerate() {
        let name = Name::new(*name).expect("a short name");
        ask("a name", clients, who, Command::SetName { name });
    }
    let title = Name::new(TITLE).expect("a short title");
    let made = ask("a room", clients, 0, Command::CreateTopic { kind: TopicKind::Room, title });
    let Reply::Topic { topic } = made else { panic!("no topic: {made:?}") };
    let topic = topic.uid;
    let Reply::Invite { invite } =
        ask("an invite", clients, 0, Command::Invite { topic, expires_in_ms: 3_600_000 })
    else {
        panic!("no invite")
    };
    ask("asking to be let in", clients, 1, Command::Accept { code: invite.code });
    until("Ben is let in", clients, |c| {
        let active = |e: &Event| matches!(e, Event::Topic { topic } if topic.state == TopicState::Active);
        c[1].events.iter().any(active).then_some(())
    });
    send(clients, 0, topic, 0);
    until_read(clients, 1, 0);
    send(clients, 1, topic, 1);
    until_read(clients, 0, 1);
    let ben = clients.pop().expect("two of them");
    send(clients, 0, topic, 2);
    until("the last message is stored", clients, |c| {
        let stored = |e: &Event| matches!(e, Event::State { state: State::Stored { .. }, .. });
        c[0].events.iter().any(stored).then_some(())
    });
    (topic, ben)
}

/// What a device writes about itself and its conversations. Not here: packets on their way out, the mailboxes
/// it reads and their cursors, and packets that came early, all of which a node knows by their nature.
fn is_private(table: Table) -> bool {
    !matches!(table, Table::Outbox | Table::Cursor | Table::Pending)
}

/// The routing secrets among the records: 32 bytes whose mailboxes the node really has. That some are found
/// shows that the search below searches for the right things.
fn routing_secrets(clients: &[&Client], haystack: &Haystack) -> Vec<Secret> {
    let now = UnixMillis(client::unix_ms());
    let mut found: Vec<Secret> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (_, value) in
        clients.iter().flat_map(|c| &c.written).filter(|(t, _)| matches!(t, Table::Topic | Table::Log))
    {
        for window in value.windows(32).filter(|w| seen.insert(w.to_vec())) {
            let rs = Secret(window.try_into().expect("32 bytes"));
            let places = [(week(&rs, now), 1), (week(&rs, now), 0), (day(now), 9)];
            if places
                .iter()
                .any(|(p, lane)| haystack.has(MailboxKeys::derive(&rs, *p, *lane).id().as_bytes()))
            {
                found.push(rs);
            }
        }
    }
    found
}

/// Every key that members derive from a routing secret.
fn derived(rs: &Secret) -> Vec<Vec<u8>> {
    let mut keys = vec![rs.0.to_vec(), derive(Context::Header, &[&rs.0]).0.to_vec()];
    let now = UnixMillis(client::unix_ms());
    for (period, lane) in (0..=8).map(|lane| (week(rs, now), lane)).chain([(day(now), 9)]) {
        let place = (period.to_be_bytes(), [lane]);
        let parts: [&[u8]; 3] = [&rs.0, &place.0, &place.1];
        keys.extend(
            [Context::Write, Context::Read, Context::TopicTail].map(|c| derive(c, &parts).0.to_vec()),
        );
    }
    keys.push(derive(Context::Control, &[&rs.0]).0.to_vec());
    keys
}

#[test]
fn a_node_that_is_searched_gives_nothing_away() {
    let node = Node::start();
    let mut clients = vec![Client::new(node.addr, [1; 32]), Client::new(node.addr, [2; 32])];
    let (topic, ben) = converse(&mut clients);
    let everybody = [&clients[0], &ben];

    let haystack = Haystack::new(node.folder.path(), &node.log());
    assert!(haystack.len() > 8_192, "the node has stored something");
    let words = TEXTS.iter().chain(&NAMES).chain([&TITLE]);
    for word in words {
        assert!(!haystack.has(word.as_bytes()), "the node holds \"{word}\"");
    }

    let routing = routing_secrets(&everybody, &haystack);
    assert!(
        !routing.is_empty(),
        "no routing secret was found among the records, so none could be searched for"
    );
    let keys: Vec<Vec<u8>> = routing.iter().flat_map(derived).collect();
    let records = everybody.iter().flat_map(|c| &c.written).filter(|(table, _)| is_private(*table));
    let records: Vec<(String, &[u8])> =
        records.map(|(t, v)| (format!("a {t:?} record"), v.as_slice())).collect();
    let secrets = records.iter().map(|(what, bytes)| (what.as_str(), *bytes));
    let secrets = secrets.chain(keys.iter().map(|k| ("a derived key", k.as_slice())));
    let secrets = secrets.chain([("the topic's uid", topic.as_bytes().as_slice())]);
    if let Some((what, place)) = haystack.find(secrets) {
        panic!("{place} holds bytes of {what}");
    }
}
