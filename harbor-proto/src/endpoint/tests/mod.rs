//! The endpoint against a real node, one behaviour at a time. Faults and randomness are in `tests/sim`.

mod amend;
mod net;

use super::*;
use crate::topic::invite::InviteLink;
use crate::wire::{Bytes, Text};
use net::Net;
use std::format;
use std::string::String;
use std::vec::Vec;

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

fn invite(net: &mut Net, n: usize, topic: TopicUid) -> Text<512> {
    let Ok(Reply::Invite { invite }) = net.ask(n, Command::Invite { topic, expires_in_ms: 0 }) else {
        panic!("refused")
    };
    net.pass_time(1_000);
    invite.code
}

/// Two who know each other, everything working.
fn pair(kind: TopicKind) -> (Net, TopicUid) {
    pair_among(2, kind)
}

/// The first two of `people` know each other.
fn pair_among(people: usize, kind: TopicKind) -> (Net, TopicUid) {
    let mut net = Net::new(people);
    named(&mut net, 0, "Ana");
    named(&mut net, 1, "Ben");
    let uid = create(&mut net, 0, kind, "Boats");
    let code = invite(&mut net, 0, uid);
    net.ask(1, Command::Accept { code }).unwrap();
    net.pass_time(1_000);
    assert_eq!(net.topic(1, &uid).state, TopicState::Active);
    (net, uid)
}

fn texts(net: &Net, n: usize, uid: &TopicUid) -> Vec<String> {
    net.history(n, uid).into_iter().map(|(text, _, _)| text).collect()
}

/// State and path of the newest message.
fn newest(net: &Net, n: usize, uid: &TopicUid) -> (Option<State>, Option<Path>) {
    let (_, state, path) = net.history(n, uid).pop().unwrap();
    (state, path)
}

#[test]
fn an_invite_says_who_invites_and_lets_one_person_in() {
    let mut net = Net::new(3);
    for (n, who) in ["Ana", "Ben", "Cleo"].into_iter().enumerate() {
        named(&mut net, n, who);
    }
    let uid = create(&mut net, 0, TopicKind::Room, "Boats");
    let code = invite(&mut net, 0, uid);
    let Ok(Reply::Preview { preview }) = net.ask(1, Command::Preview { code: code.clone() }) else {
        panic!()
    };
    assert_eq!((preview.inviter_name.as_str(), preview.title.as_str()), ("Ana", "Boats"));
    net.ask(1, Command::Accept { code: code.clone() }).unwrap();
    net.pass_time(2_000);
    let names = |net: &mut Net, n| {
        net.topic(n, &uid).members.iter().map(|m| String::from(m.name.as_str())).collect::<Vec<_>>()
    };
    assert_eq!(names(&mut net, 0).len(), 2);
    assert_eq!(names(&mut net, 0), names(&mut net, 1));
    assert_eq!(texts(&net, 0, &uid), ["Ben joined"]);
    assert_eq!(net.ask(2, Command::Accept { code: code.clone() }), Err(CommandError::InviteUsed));
    let Ok(Reply::Preview { preview }) = net.ask(1, Command::Preview { code: code.clone() }) else {
        panic!()
    };
    assert_eq!(preview.already, Some(uid), "whom it let in is led to the conversation, not turned away");
    assert!(matches!(net.ask(1, Command::Accept { code }), Ok(Reply::Topic { topic }) if topic.uid == uid));
    assert_eq!(net.ask(1, Command::Invite { topic: uid, expires_in_ms: 0 }), Err(CommandError::Unauthorized));
}

#[test]
fn who_is_there_gets_it_directly_and_the_node_sees_signals_only() {
    let (mut net, uid) = pair(TopicKind::Dm);
    let before = net.node.counters().clone();
    say(&mut net, 0, uid, "one");
    say(&mut net, 1, uid, "two");
    net.pass_time(10_000);
    assert_eq!(texts(&net, 0, &uid)[1..], ["one", "two"]);
    assert_eq!(texts(&net, 1, &uid), ["one", "two"]);
    let history = net.history(0, &uid);
    assert_eq!((history[1].1, history[1].2), (Some(State::Delivered), Some(Path::Direct)));
    assert_eq!(net.history(1, &uid)[0].2, Some(Path::Direct));
    assert_eq!(net.node.counters().stored, before.stored, "nothing was stored");
}

#[test]
fn without_direct_connections_it_is_relayed_at_once() {
    let mut net = Net::new(2);
    net.rtc_works = false;
    named(&mut net, 0, "Ana");
    named(&mut net, 1, "Ben");
    let uid = create(&mut net, 0, TopicKind::Dm, "");
    let code = invite(&mut net, 0, uid);
    net.ask(1, Command::Accept { code }).unwrap();
    net.pass_time(1_000);
    say(&mut net, 1, uid, "hello");
    net.pass_time(1_000);
    assert_eq!(newest(&net, 1, &uid), (Some(State::Delivered), Some(Path::Relayed)));
    assert_eq!(newest(&net, 0, &uid).1, Some(Path::Relayed));
    assert_eq!(texts(&net, 0, &uid), ["Ben joined", "hello"]);
}

#[test]
fn what_is_said_to_somebody_away_waits_on_the_node() {
    let (mut net, uid) = pair(TopicKind::Dm);
    net.kill(1);
    for text in ["one", "two", "three"] {
        say(&mut net, 0, uid, text);
    }
    net.pass_time(5_000);
    assert_eq!(newest(&net, 0, &uid), (Some(State::Stored { nodes: 1 }), Some(Path::Stored)));
    net.kill(0);
    net.pass_time(60_000);
    net.start(1);
    net.pass_time(20_000);
    assert_eq!(texts(&net, 1, &uid), ["one", "two", "three"]);
    assert_eq!(net.topic(1, &uid).unread, 3);
    net.start(0);
    net.pass_time(5_000);
    let states: Vec<_> = net.history(0, &uid)[1..].iter().map(|(_, state, _)| *state).collect();
    assert_eq!(states, [Some(State::Delivered); 3]);
}

#[test]
fn receipts_reach_a_sender_who_is_never_there_at_the_same_time() {
    let (mut net, uid) = pair(TopicKind::Dm);
    net.kill(1);
    say(&mut net, 0, uid, "one");
    net.pass_time(5_000);
    net.kill(0);
    net.start(1);
    net.pass_time(30_000);
    net.kill(1);
    net.start(0);
    net.pass_time(30_000);
    assert_eq!(newest(&net, 0, &uid).0, Some(State::Delivered));
}

#[test]
fn a_connection_that_breaks_loses_and_doubles_nothing() {
    let (mut net, uid) = pair(TopicKind::Dm);
    let mut all = Vec::new();
    for round in 0..30 {
        let text = format!("message {round}");
        say(&mut net, round % 2, uid, &text);
        all.push(text);
        if round % 5 == 4 {
            net.cut_rtc();
        }
        if round % 7 == 6 {
            net.drop_link(round % 2);
        }
        net.pass_time(700);
    }
    net.pass_time(60_000);
    assert_eq!(texts(&net, 1, &uid), all);
    assert_eq!(texts(&net, 0, &uid)[1..], all);
    assert!(
        net.history(0, &uid)[1..].iter().all(|(_, state, _)| matches!(state, None | Some(State::Delivered)))
    );
}

#[test]
fn a_message_written_before_anybody_came_is_for_those_who_come() {
    let mut net = Net::new(2);
    named(&mut net, 0, "Ana");
    named(&mut net, 1, "Ben");
    let uid = create(&mut net, 0, TopicKind::Dm, "");
    say(&mut net, 0, uid, "are you there?");
    let code = invite(&mut net, 0, uid);
    net.ask(1, Command::Accept { code }).unwrap();
    net.pass_time(5_000);
    assert_eq!(texts(&net, 1, &uid), ["are you there?"]);
    assert_eq!(net.topic(1, &uid).missing, 0);
}

#[test]
fn offline_for_nine_days_and_back() {
    for days in [0, 9, 27] {
        let (mut net, uid) = pair(TopicKind::Dm);
        net.kill(1);
        say(&mut net, 0, uid, "before");
        net.pass_time(5_000);
        net.skip(days * 86_400_000 / 2);
        net.pass_time(5_000);
        say(&mut net, 0, uid, "between");
        net.pass_time(60_000);
        net.skip(days * 86_400_000 / 2);
        net.start(1);
        net.pass_time(60_000);
        let expected: &[&str] = if days < 27 { &["before", "between"] } else { &["between"] };
        assert!(
            texts(&net, 1, &uid).ends_with(&expected.iter().map(|t| String::from(*t)).collect::<Vec<_>>()),
            "{days}"
        );
        say(&mut net, 1, uid, "back");
        net.pass_time(60_000);
        assert_eq!(texts(&net, 0, &uid).pop().unwrap(), "back");
    }
}

#[test]
fn a_thousand_messages_change_epochs_in_time() {
    let (mut net, uid) = pair(TopicKind::Dm);
    for n in 0..1_100 {
        say(&mut net, 0, uid, &format!("{n}"));
    }
    net.pass_time(60_000);
    assert_eq!(texts(&net, 1, &uid).len(), 1_100);
}

#[test]
fn who_leaves_is_gone_for_both() {
    let (mut net, uid) = pair(TopicKind::Room);
    net.ask(1, Command::Leave { topic: uid }).unwrap();
    net.pass_time(60_000);
    assert_eq!(net.topic(1, &uid).state, TopicState::Left);
    assert_eq!(net.topic(0, &uid).members.len(), 1);
    assert_eq!(texts(&net, 0, &uid), ["Ben joined", "Ben left"]);
    net.ask(1, Command::Forget { topic: uid }).unwrap();
    assert!(net.history(1, &uid).is_empty());
    let code = invite(&mut net, 0, uid);
    net.ask(1, Command::Accept { code }).unwrap();
    net.pass_time(5_000);
    say(&mut net, 0, uid, "welcome back");
    net.pass_time(5_000);
    assert_eq!(texts(&net, 1, &uid), ["welcome back"]);
}

#[test]
fn who_is_removed_is_told_and_neither_reads_nor_is_heard() {
    let (mut net, uid) = pair(TopicKind::Room);
    say(&mut net, 0, uid, "before");
    net.pass_time(10_000);
    let ben = net.topic(0, &uid).members.iter().find(|m| !m.me).unwrap().id;
    let ana = net.topic(0, &uid).members.iter().find(|m| m.me).unwrap().id;
    assert_eq!(net.ask(1, Command::Remove { topic: uid, who: ana }), Err(CommandError::Unauthorized));
    net.kill(1);
    net.ask(0, Command::Remove { topic: uid, who: ben }).unwrap();
    assert_eq!(net.ask(0, Command::Remove { topic: uid, who: ben }), Err(CommandError::NotFound));
    say(&mut net, 0, uid, "after");
    net.pass_time(60_000);
    // Written before it can know, under keys that were good when it went.
    net.node_up = false;
    net.drop_link(0);
    net.start(1);
    say(&mut net, 1, uid, "too late");
    net.node_up = true;
    net.pass_time(120_000);
    assert_eq!(net.topic(1, &uid).state, TopicState::Removed);
    assert_eq!(texts(&net, 1, &uid), ["before", "too late"]);
    assert_eq!(texts(&net, 0, &uid), ["Ben joined", "before", "Ben was removed", "after"]);
    assert_eq!(net.topic(0, &uid).members.len(), 1);
    let more = Command::Send {
        topic: uid,
        client_ref: [9; 16],
        format: Format::Text,
        body: Body::new(b"let me in".to_vec()).unwrap(),
    };
    assert_eq!(net.ask(1, more), Err(CommandError::Unauthorized));
    let code = invite(&mut net, 0, uid);
    net.ask(1, Command::Accept { code }).unwrap();
    net.pass_time(10_000);
    say(&mut net, 1, uid, "thank you");
    net.pass_time(60_000);
    assert_eq!(texts(&net, 0, &uid).pop().unwrap(), "thank you");
}

#[test]
fn an_admin_made_by_the_owner_lets_in_and_puts_out_until_it_is_one_no_longer() {
    let (mut net, uid) = pair_among(3, TopicKind::Room);
    named(&mut net, 2, "Cleo");
    let id = |net: &mut Net, at: usize| net.topic(at, &uid).members.iter().find(|m| m.me).unwrap().id;
    let (ana, ben) = (id(&mut net, 0), id(&mut net, 1));
    let give = |who, role| Command::SetRole { topic: uid, who, role };
    assert_eq!(net.ask(1, give(ben, Role::Admin)), Err(CommandError::Unauthorized));
    net.ask(0, give(ben, Role::Admin)).unwrap();
    net.ask(0, give(ben, Role::Admin)).unwrap();
    net.pass_time(60_000);
    assert!(net.topic(1, &uid).admin);
    assert_eq!(texts(&net, 1, &uid), ["You are an admin now"]);
    assert_eq!(texts(&net, 0, &uid), ["Ben joined", "Ben is an admin now"]);
    assert_eq!(net.ask(1, Command::Remove { topic: uid, who: ana }), Err(CommandError::Unauthorized));
    assert_eq!(net.ask(1, give(ana, Role::Member)), Err(CommandError::Unauthorized));
    let code = invite(&mut net, 1, uid);
    net.ask(2, Command::Accept { code }).unwrap();
    net.pass_time(60_000);
    say(&mut net, 2, uid, "hello from Cleo");
    net.pass_time(60_000);
    assert_eq!(texts(&net, 0, &uid).pop().unwrap(), "hello from Cleo");
    let cleo = id(&mut net, 2);
    net.ask(1, Command::Remove { topic: uid, who: cleo }).unwrap();
    net.pass_time(60_000);
    assert_eq!(net.topic(2, &uid).state, TopicState::Removed);
    assert_eq!(net.topic(0, &uid).members.len(), 2);
    net.ask(0, give(ben, Role::Member)).unwrap();
    net.pass_time(60_000);
    assert!(!net.topic(1, &uid).admin);
    let refused = Command::Invite { topic: uid, expires_in_ms: 0 };
    assert_eq!(net.ask(1, refused), Err(CommandError::Unauthorized));
    say(&mut net, 1, uid, "still here");
    net.pass_time(60_000);
    assert_eq!(texts(&net, 0, &uid).pop().unwrap(), "still here");
}

#[test]
fn an_invite_taken_back_says_so_to_whoever_follows_it() {
    let (mut net, uid) = pair_among(3, TopicKind::Room);
    named(&mut net, 2, "Cleo");
    let code = invite(&mut net, 0, uid);
    assert_eq!(net.topic(0, &uid).invites.len(), 1);
    let revoke = Command::RevokeInvite { topic: uid, code: code.clone() };
    assert_eq!(net.ask(1, revoke.clone()), Err(CommandError::NotFound), "not its invite");
    net.ask(0, revoke.clone()).unwrap();
    assert_eq!((net.topic(0, &uid).invites.len(), net.ask(0, revoke)), (0, Err(CommandError::NotFound)));
    net.pass_time(10_000);
    net.kill(0);
    assert_eq!(net.ask(2, Command::Preview { code: code.clone() }), Err(CommandError::InviteUsed));
    assert_eq!(net.ask(2, Command::Accept { code }), Err(CommandError::InviteUsed));
    // One that was asked for before, and one that died with the right to invite.
    net.start(0);
    let (who, admin, member) =
        (net.topic(1, &uid).members.iter().find(|m| m.me).unwrap().id, Role::Admin, Role::Member);
    net.ask(0, Command::SetRole { topic: uid, who, role: admin }).unwrap();
    net.pass_time(10_000);
    let code = invite(&mut net, 1, uid);
    net.pass_time(10_000);
    net.kill(1);
    net.ask(2, Command::Accept { code }).unwrap();
    net.ask(0, Command::SetRole { topic: uid, who, role: member }).unwrap();
    net.pass_time(10_000);
    assert_eq!(net.topic(2, &uid).state, TopicState::Joining);
    net.start(1);
    net.pass_time(60_000);
    assert_eq!(net.topic(2, &uid).state, TopicState::Failed { why: CommandError::InviteUsed });
    assert_eq!(net.topic(1, &uid).members.len(), 2);
}

#[test]
fn what_the_admin_had_not_heard_when_it_removed_is_never_heard() {
    let (mut net, uid) = pair(TopicKind::Room);
    say(&mut net, 1, uid, "heard");
    net.pass_time(10_000);
    let ben = net.topic(0, &uid).members.iter().find(|m| !m.me).unwrap().id;
    net.kill(0);
    say(&mut net, 1, uid, "unheard");
    net.pass_time(30_000);
    net.kill(1);
    net.node_up = false;
    net.start(0);
    net.ask(0, Command::Remove { topic: uid, who: ben }).unwrap();
    net.node_up = true;
    net.pass_time(120_000);
    assert_eq!(texts(&net, 0, &uid), ["Ben joined", "heard", "Ben was removed"]);
}

#[test]
fn both_sides_compare_one_number_and_remember_that_they_did() {
    let (mut net, uid) = pair(TopicKind::Dm);
    let other = |net: &mut Net, n| net.topic(n, &uid).members.iter().find(|m| !m.me).unwrap().clone();
    let (ben, ana) = (other(&mut net, 0).id, other(&mut net, 1).id);
    let digits = |net: &mut Net, n, who| match net.ask(n, Command::SafetyNumber { who }) {
        Ok(Reply::SafetyNumber { digits }) => digits,
        other => panic!("{other:?}"),
    };
    let number = digits(&mut net, 0, ben);
    assert_eq!(number, digits(&mut net, 1, ana));
    assert!(number.as_str().len() == 60 && number.as_str().bytes().all(|b| b.is_ascii_digit()));
    assert_eq!(net.ask(0, Command::SafetyNumber { who: ana }), Err(CommandError::BadInput));
    let stranger = Command::SetVerified { who: crate::id::EndpointId([7; 32]), verified: true };
    assert_eq!(net.ask(0, stranger), Err(CommandError::NotFound));
    assert!(!other(&mut net, 0).verified);
    net.ask(0, Command::SetVerified { who: ben, verified: true }).unwrap();
    net.kill(0);
    net.start(0);
    assert!(other(&mut net, 0).verified && !other(&mut net, 1).verified, "each for themselves");
    net.ask(0, Command::SetVerified { who: ben, verified: false }).unwrap();
    net.kill(0);
    net.start(0);
    assert!(!other(&mut net, 0).verified);
}

#[test]
fn bad_invites_say_what_is_wrong() {
    let mut net = Net::new(2);
    named(&mut net, 0, "Ana");
    let uid = create(&mut net, 0, TopicKind::Room, "Boats");
    let code = invite(&mut net, 0, uid);
    let cut = Text::new(&code.as_str()[..code.as_str().len() - 3]).unwrap();
    assert_eq!(net.ask(1, Command::Preview { code: cut }), Err(CommandError::BadInvite));
    assert_eq!(net.ask(1, Command::Accept { code: code.clone() }), Err(CommandError::NotInitialized));
    net.node_up = false;
    net.drop_link(1);
    let id = net.command(1, Command::Preview { code: code.clone() });
    net.pass_time(20_000);
    assert_eq!(net.peers[1].replies[&id], Err(CommandError::Offline));
    net.skip(8 * 86_400_000);
    net.kill(1);
    net.start(1);
    assert_eq!(net.ask(1, Command::Preview { code }), Err(CommandError::InviteExpired));
}

#[test]
fn a_link_may_be_quicker_than_the_invite_it_leads_to() {
    let mut net = Net::new(2);
    named(&mut net, 0, "Ana");
    let uid = create(&mut net, 0, TopicKind::Room, "Boats");
    net.pass_time(5_000);
    net.node_up = false;
    net.drop_link(0);
    let code = invite(&mut net, 0, uid);
    net.kill(0);
    net.node_up = true;
    net.pass_time(5_000);
    let id = net.command(1, Command::Preview { code: code.clone() });
    net.pass_time(5_000);
    assert!(!net.peers[1].replies.contains_key(&id), "the mailbox is still empty");
    net.start(0);
    net.pass_time(8_000);
    assert!(matches!(net.peers[1].replies[&id], Ok(Reply::Preview { .. })));
    // And what never comes is a bad invite in the end.
    net.kill(0);
    let nowhere =
        InviteLink { secret: crate::crypto::Secret([9; 32]), ..InviteLink::parse(code.as_str()).unwrap() };
    let id = net.command(1, Command::Preview { code: Text::new(nowhere.to_text()).unwrap() });
    net.pass_time(20_000);
    assert_eq!(net.peers[1].replies[&id], Err(CommandError::BadInvite));
}

#[test]
fn a_clock_nine_days_fast_loses_nothing() {
    let (mut net, uid) = pair(TopicKind::Dm);
    net.kill(1);
    let unix = crate::time::UnixMillis(net.now + net.skew + 9 * 86_400_000);
    net.input(0, Input::Clock(unix));
    net.pass_time(5_000);
    say(&mut net, 0, uid, "from the future");
    net.pass_time(60_000);
    assert_eq!(newest(&net, 0, &uid).0, Some(State::Stored { nodes: 1 }));
    let unix = crate::time::UnixMillis(net.now + net.skew);
    net.input(0, Input::Clock(unix));
    net.pass_time(1_000);
    say(&mut net, 0, uid, "and back");
    net.pass_time(5_000);
    net.start(1);
    net.skip(9 * 86_400_000);
    net.pass_time(60_000);
    assert_eq!(texts(&net, 1, &uid), ["from the future", "and back"]);
}

#[test]
fn a_connection_that_falls_silent_is_noticed_and_made_again() {
    let (mut net, uid) = pair(TopicKind::Dm);
    say(&mut net, 0, uid, "short way");
    net.pass_time(1_000);
    net.swallow_rtc();
    for n in 0..6 {
        say(&mut net, n % 2, uid, &format!("into the void {n}"));
        net.pass_time(500);
    }
    net.pass_time(20_000);
    for n in 0..2 {
        let history = net.history(n, &uid);
        assert!(
            history.iter().all(|(_, state, _)| matches!(state, None | Some(State::Delivered))),
            "{history:?}"
        );
        assert_eq!(history.iter().filter(|(text, ..)| text.starts_with("into")).count(), 6);
    }
    say(&mut net, 1, uid, "short again");
    net.pass_time(1_000);
    assert_eq!(newest(&net, 0, &uid).1, Some(Path::Direct));
}

#[test]
fn who_asks_while_the_inviter_is_away_is_let_in_when_it_returns() {
    let mut net = Net::new(2);
    named(&mut net, 0, "Ana");
    named(&mut net, 1, "Ben");
    let uid = create(&mut net, 0, TopicKind::Dm, "");
    let code = invite(&mut net, 0, uid);
    net.kill(0);
    net.pass_time(5_000);
    net.ask(1, Command::Accept { code }).unwrap();
    net.pass_time(5_000);
    assert_eq!(net.topic(1, &uid).state, TopicState::Joining);
    net.start(0);
    net.pass_time(5_000);
    assert_eq!(net.topic(0, &uid).members.len(), 2);
    assert_eq!(net.topic(1, &uid).state, TopicState::Active);
}
