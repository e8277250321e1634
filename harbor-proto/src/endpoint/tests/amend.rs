//! Messages over time, between endpoints.

use super::*;
use crate::delivery::Change;
use crate::delivery::amend::Emoji;
use crate::delivery::outbox::Draft;
use crate::id::MessageId;
use crate::limits::WAITING_AMENDMENTS;
use std::vec;

fn bytes<const N: usize>(text: &str) -> Bytes<N> {
    Bytes::new(text.as_bytes().to_vec()).unwrap()
}

fn emoji(text: &str) -> Emoji {
    Text::new(text).unwrap()
}

fn edit(net: &mut Net, n: usize, topic: TopicUid, id: MessageId, text: &str) -> Result<Reply, CommandError> {
    net.ask(n, Command::Edit { topic, id, body: bytes(text) })
}

fn react(net: &mut Net, n: usize, topic: TopicUid, id: MessageId, what: &str, on: bool) {
    assert_eq!(net.ask(n, Command::React { topic, id, emoji: emoji(what), on }), Ok(Reply::Done));
}

/// Says what no honest endpoint would: the shells' checks are left out.
fn forge(net: &mut Net, n: usize, topic: &TopicUid, target: MessageId, change: &Change) {
    let (kind, body) = change.to_body(target);
    let endpoint = net.peers[n].endpoint.as_mut().unwrap();
    endpoint.compose(topic, Draft { kind, body, parents: Vec::new(), client_ref: [0; 16] });
    endpoint.settle();
    net.run();
}

fn found(net: &Net, n: usize, topic: &TopicUid, id: &MessageId) -> Message {
    net.peers[n].find(topic, id).expect("in the history")
}

/// Every byte that a device keeps.
fn keeps(net: &Net, n: usize, text: &str) -> bool {
    net.peers[n].records.values().any(|value| value.windows(text.len()).any(|w| w == text.as_bytes()))
}

#[test]
fn an_edit_reaches_everybody_and_is_said_once() {
    let (mut net, uid) = pair(TopicKind::Dm);
    let message = say(&mut net, 0, uid, "helo");
    net.pass_time(1_000);
    let unread = net.topic(1, &uid).unread;
    assert_eq!(edit(&mut net, 0, uid, message.id, "hello"), Ok(Reply::Done));
    net.pass_time(10_000);
    for n in 0..2 {
        let now = found(&net, n, &uid, &message.id);
        assert_eq!(
            (&now.body[..], now.edited_at().is_some(), now.is_deleted()),
            (&b"hello"[..], true, false)
        );
        assert_eq!(net.topic(n, &uid).last.unwrap().body, bytes("hello"));
        let last = net.peers[n].events.iter().rev().find_map(|e| match e {
            Event::Amended { message } => Some(message.clone()),
            _ => None,
        });
        assert_eq!(last.map(|m| m.body), Some(bytes("hello")));
    }
    assert_eq!(net.topic(1, &uid).unread, unread, "an edit is nothing new to read");
    assert_eq!(newest(&net, 0, &uid).0, Some(State::Delivered));
    assert!(net.peers[0].endpoint.as_ref().unwrap().talks[&uid].outbox.entries.is_empty(), "acknowledged");
    let said = net.peers[0].endpoint.as_ref().unwrap().talks[&uid].outbox.head.seq;
    assert_eq!(edit(&mut net, 0, uid, message.id, "hello"), Ok(Reply::Done));
    assert_eq!(net.peers[0].endpoint.as_ref().unwrap().talks[&uid].outbox.head.seq, said, "it is so already");
}

#[test]
fn nobody_else_edits_or_deletes() {
    let (mut net, uid) = pair(TopicKind::Dm);
    let message = say(&mut net, 0, uid, "mine");
    net.pass_time(1_000);
    assert_eq!(edit(&mut net, 1, uid, message.id, "yours"), Err(CommandError::Unauthorized));
    let delete = Command::Delete { topic: uid, id: message.id };
    assert_eq!(net.ask(1, delete), Err(CommandError::Unauthorized));
    assert_eq!(edit(&mut net, 1, uid, MessageId([7; 32]), "x"), Err(CommandError::NotFound));
    assert_eq!(edit(&mut net, 0, uid, message.id, " "), Err(CommandError::BadInput));
    forge(&mut net, 1, &uid, message.id, &Change::Edit { body: bytes("forged") });
    forge(&mut net, 1, &uid, message.id, &Change::Delete);
    net.pass_time(10_000);
    for n in 0..2 {
        assert_eq!(found(&net, n, &uid, &message.id).body, bytes("mine"));
    }
    assert!(!keeps(&net, 0, "forged"), "what does not hold is not kept");
    assert_eq!(net.topic(0, &uid).missing, 0, "it has its place in the chain");
    assert!(
        net.peers[1].endpoint.as_ref().unwrap().talks[&uid].outbox.entries.is_empty(),
        "and is acknowledged"
    );
}

#[test]
fn a_deleted_message_leaves_nothing_on_any_disk() {
    let (mut net, uid) = pair(TopicKind::Dm);
    let message = say(&mut net, 0, uid, "a secret slip");
    net.pass_time(1_000);
    edit(&mut net, 0, uid, message.id, "a secret slap").unwrap();
    net.pass_time(10_000);
    assert!(keeps(&net, 1, "secret slap") && !keeps(&net, 1, "secret slip"), "an edit replaces");
    assert_eq!(net.ask(0, Command::Delete { topic: uid, id: message.id }), Ok(Reply::Done));
    net.pass_time(10_000);
    for n in 0..2 {
        assert!(found(&net, n, &uid, &message.id).is_deleted());
        assert!(!keeps(&net, n, "secret"), "{n}");
    }
    assert_eq!(net.ask(0, Command::Delete { topic: uid, id: message.id }), Ok(Reply::Done), "twice is once");
    assert_eq!(edit(&mut net, 0, uid, message.id, "again"), Err(CommandError::NotFound));
}

/// What is said about a message while it is not here: the receiver loses it, and gets it from the node later.
#[test]
fn what_comes_before_its_message_waits_for_it_across_a_restart() {
    for delete in [false, true] {
        let (mut net, uid) = pair(TopicKind::Dm);
        say(&mut net, 0, uid, "hello");
        net.pass_time(10_000);
        net.ask(1, Command::MarkSeen { topic: uid }).unwrap();
        let kept = net.peers[1].records.clone();
        net.kill(1);
        let message = say(&mut net, 0, uid, "the first words");
        net.pass_time(5_000);
        edit(&mut net, 0, uid, message.id, "the better words").unwrap();
        if delete {
            net.ask(0, Command::Delete { topic: uid, id: message.id }).unwrap();
        }
        net.pass_time(5_000);
        assert_eq!(net.peers[1].records, kept);
        // The first packet of the backlog is held back.
        let at = net.disk.iter().rposition(|(_, _, p)| !p.is_empty()).unwrap() - if delete { 2 } else { 1 };
        let held = std::mem::take(&mut net.disk[at].2);
        net.start(1);
        net.pass_time(5_000);
        assert_eq!(net.topic(1, &uid).missing, 1);
        net.kill(1);
        net.start(1);
        net.pass_time(5_000);
        let endpoint = net.peers[1].endpoint.as_mut().unwrap();
        endpoint.receive(&held, Path::Relayed);
        endpoint.settle();
        net.run();
        let now = found(&net, 1, &uid, &message.id);
        assert_eq!(now.is_deleted(), delete);
        assert_eq!(now.body, bytes(if delete { "" } else { "the better words" }));
        assert!(!keeps(&net, 1, "first words"), "never on the disk");
        assert_eq!(keeps(&net, 1, "better words"), !delete);
        assert_eq!(net.topic(1, &uid).unread, u32::from(!delete));
        assert!(net.peers[1].endpoint.as_ref().unwrap().talks[&uid].amendments.targets().is_empty());
    }
}

#[test]
fn a_flood_of_amendments_to_nothing_is_bounded_on_the_disk() {
    let (mut net, uid) = pair(TopicKind::Dm);
    for n in 0..WAITING_AMENDMENTS.0 as u64 + 40 {
        let mut target = [5; 32];
        target[..8].copy_from_slice(&n.to_be_bytes());
        forge(&mut net, 1, &uid, MessageId(target), &Change::Delete);
    }
    net.pass_time(10_000);
    let waiting = net.peers[0].records.keys().filter(|(table, _)| *table == 8).count();
    assert_eq!(waiting, WAITING_AMENDMENTS.0);
    assert!(net.peers[0].endpoint.as_ref().unwrap().looks.is_empty(), "every look-up was answered");
}

#[test]
fn reactions_of_both_are_seen_by_both_and_taken_back() {
    let (mut net, uid) = pair(TopicKind::Dm);
    let message = say(&mut net, 0, uid, "cake?");
    net.pass_time(1_000);
    react(&mut net, 1, uid, message.id, "👍", true);
    net.pass_time(1_000);
    react(&mut net, 0, uid, message.id, "👍", true);
    react(&mut net, 0, uid, message.id, "🎉", true);
    net.pass_time(1_000);
    let ids: Vec<_> = (0..2).map(|n| net.peers[n].endpoint.as_ref().unwrap().profile().unwrap().id).collect();
    let expected = vec![(emoji("👍"), vec![ids[1], ids[0]]), (emoji("🎉"), vec![ids[0]])];
    for n in 0..2 {
        assert_eq!(found(&net, n, &uid, &message.id).reactions(), expected);
    }
    react(&mut net, 1, uid, message.id, "👍", false);
    net.pass_time(1_000);
    assert_eq!(found(&net, 0, &uid, &message.id).reactions()[0].1, [ids[0]]);
    let bad = Command::React { topic: uid, id: message.id, emoji: emoji("two words"), on: true };
    assert_eq!(net.ask(0, bad), Err(CommandError::BadInput));
}

#[test]
fn a_reply_is_a_message_that_knows_what_it_answers() {
    let (mut net, uid) = pair(TopicKind::Dm);
    let question = say(&mut net, 0, uid, "cake?");
    net.pass_time(1_000);
    let reply = Command::Reply {
        topic: uid,
        client_ref: [3; 16],
        to: question.id,
        format: Format::Text,
        body: bytes("always"),
    };
    let Ok(Reply::Sent { message }) = net.ask(1, reply.clone()) else { panic!("refused") };
    assert_eq!(
        net.ask(1, reply),
        Ok(Reply::Sent { message: Message { state: Some(State::Delivered), path: None, ..message.clone() } }),
        "given twice"
    );
    net.pass_time(1_000);
    let there = found(&net, 0, &uid, &message.id);
    assert_eq!(
        (there.reply_to, &there.body[..], there.format),
        (Some(question.id), &b"always"[..], Format::Text)
    );
    assert_eq!(net.topic(0, &uid).unread, 1, "a reply is something to read");
    net.ask(1, Command::Delete { topic: uid, id: message.id }).unwrap();
    net.pass_time(1_000);
    assert_eq!(found(&net, 0, &uid, &message.id).reply_to, None);
}

#[test]
fn an_answer_of_the_disk_that_is_overtaken_undoes_nothing() {
    let (mut net, uid) = pair(TopicKind::Dm);
    let message = say(&mut net, 0, uid, "cake?");
    net.pass_time(1_000);
    net.slow_looks = Some(Vec::new());
    let now = |net: &mut Net, what: &str| {
        let change = Change::React { emoji: emoji(what), on: true };
        forge(net, 1, &uid, message.id, &change);
        net.pass_time(100);
    };
    let answer = |net: &mut Net| {
        let held = net.slow_looks.as_mut().unwrap();
        if !held.is_empty() {
            let (n, found) = held.remove(0);
            net.input(n, found);
            net.run();
        }
    };
    now(&mut net, "a");
    now(&mut net, "b");
    answer(&mut net);
    now(&mut net, "c");
    answer(&mut net);
    answer(&mut net);
    let shown: Vec<_> = found(&net, 0, &uid, &message.id).reactions().into_iter().map(|(e, _)| e).collect();
    assert_eq!(shown, ["a", "b", "c"].map(emoji));
}

#[test]
fn what_was_not_answered_before_a_crash_is_looked_up_after_it() {
    let (mut net, uid) = pair(TopicKind::Dm);
    let message = say(&mut net, 0, uid, "helo");
    net.pass_time(1_000);
    net.slow_looks = Some(Vec::new());
    forge(&mut net, 0, &uid, message.id, &Change::Edit { body: bytes("hello") });
    net.pass_time(1_000);
    assert_eq!(found(&net, 1, &uid, &message.id).body, bytes("helo"), "the disk has not answered");
    net.kill(1);
    net.slow_looks = None;
    net.start(1);
    net.pass_time(1_000);
    assert_eq!(found(&net, 1, &uid, &message.id).body, bytes("hello"));
}
