//! The endpoint against a real node, one behaviour at a time. Faults and randomness are in `tests/sim`.

mod net;

use super::*;
use crate::wire::{Bytes, Text};
use net::Net;
use std::string::String;
use std::vec::Vec;
use std::{format, vec};

fn name(text: &str) -> Name {
    Text::new(text).unwrap()
}

fn named(net: &mut Net, n: usize, text: &str) {
    net.ask(n, Command::SetName { name: name(text) }).unwrap();
}

fn say(net: &mut Net, n: usize, topic: TopicUid, text: &str) -> Message {
    let client_ref = crate::crypto::hash(&[text.as_bytes()])[..16].try_into().unwrap();
    let body = Bytes::new(text.as_bytes().to_vec()).unwrap();
    let Ok(Reply::Sent { message }) =
        net.ask(n, Command::Send { topic, client_ref, format: Format::Text, body })
    else {
        panic!("refused")
    };
    message
}

fn create(net: &mut Net, n: usize, kind: TopicKind, title: &str) -> TopicUid {
    let Ok(Reply::Topic { topic }) = net.ask(n, Command::CreateTopic { kind, title: name(title) }) else {
        panic!("refused")
    };
    topic.uid
}

#[test]
fn a_message_to_nobody_waits_and_survives_a_restart() {
    let mut net = Net::new(1);
    named(&mut net, 0, "Ana");
    let uid = create(&mut net, 0, TopicKind::Room, "Boats");
    let message = say(&mut net, 0, uid, "ahoy");
    assert_eq!(message.state, Some(State::Queued));
    net.kill(0);
    net.start(0);
    let topic = net.topic(0, &uid);
    assert_eq!((topic.title.as_str(), topic.admin, topic.members.len()), ("Boats", true, 1));
    assert_eq!(net.history(0, &uid), [(String::from("ahoy"), Some(State::Queued), None)]);
    net.pass_time(3_600_000);
}

#[test]
fn the_same_command_given_twice_is_one_message() {
    let mut net = Net::new(1);
    named(&mut net, 0, "Ana");
    let uid = create(&mut net, 0, TopicKind::Room, "Boats");
    let first = say(&mut net, 0, uid, "ahoy");
    net.kill(0);
    net.start(0);
    let second = say(&mut net, 0, uid, "ahoy");
    assert_eq!((first.id, first.order), (second.id, second.order));
    assert_eq!(net.history(0, &uid).len(), 1);
}
