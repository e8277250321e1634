use super::*;
use crate::crypto::rng::Rng;
use std::string::{String, ToString};

const ANA: EndpointId = EndpointId([1; 32]);
const BEN: EndpointId = EndpointId([2; 32]);
const TARGET: MessageId = MessageId([9; 32]);

fn stamp(clock: u64) -> Stamp {
    Stamp { clock, id: MessageId([u8::try_from(clock % 251).unwrap(); 32]) }
}

fn says(by: EndpointId, clock: u64, change: Change) -> Amendment {
    Amendment { target: TARGET, by, stamp: stamp(clock), change }
}

fn edit(by: EndpointId, clock: u64, text: &str) -> Amendment {
    says(by, clock, Change::Edit { body: Bytes::new(text.as_bytes().to_vec()).unwrap() })
}

fn react(by: EndpointId, clock: u64, emoji: &str, on: bool) -> Amendment {
    says(by, clock, Change::React { emoji: Text::new(emoji).unwrap(), on })
}

/// Ana's message after these.
fn after(amendments: &[Amendment]) -> (Amended, String) {
    let (mut amended, mut body) = (Amended::default(), Bytes::new(b"first".to_vec()).unwrap());
    for amendment in amendments {
        let subject =
            Subject { author: &ANA, text: true, body: &mut body, reply_to: &mut Some(MessageId([8; 32])) };
        amended.apply(subject, amendment);
    }
    (amended, String::from_utf8(body.to_vec()).unwrap())
}

fn shuffle<T>(items: &mut [T], rng: &mut Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, usize::try_from(rng.below(i as u64 + 1)).unwrap());
    }
}

#[test]
fn only_the_author_edits_and_deletes() {
    let (amended, body) = after(&[edit(BEN, 5, "forged"), says(BEN, 6, Change::Delete)]);
    assert_eq!((amended, body.as_str()), (Amended::default(), "first"));
    assert_eq!(after(&[edit(ANA, 5, "mine")]).1, "mine");
}

#[test]
fn a_deletion_stands_above_everything_and_leaves_nothing() {
    let delete = says(ANA, 1, Change::Delete);
    for list in [
        [edit(ANA, 9, "later"), delete.clone(), react(BEN, 10, "👍", true)],
        [react(BEN, 10, "👍", true), delete.clone(), edit(ANA, 9, "later")],
        [delete.clone(), edit(ANA, 9, "later"), react(BEN, 10, "👍", true)],
    ] {
        assert_eq!(after(&list), (Amended { deleted: true, ..Amended::default() }, String::new()));
    }
}

#[test]
fn an_edit_of_text_stays_text_that_says_something() {
    let bytes = says(ANA, 5, Change::Edit { body: Bytes::new(alloc::vec![0xff]).unwrap() });
    assert_eq!(after(&[bytes, edit(ANA, 6, " \n")]).1, "first");
}

#[test]
fn every_order_comes_to_the_same() {
    let mut rng = Rng::new([3; 32]);
    for round in 0..300u64 {
        let mut list = Vec::new();
        for clock in 1..=40 {
            let by = EndpointId([u8::try_from(1 + rng.below(4)).unwrap(); 32]);
            let emoji = (b'a' + u8::try_from(rng.below(9)).unwrap()) as char;
            list.push(match rng.below(8) {
                0 | 1 => edit(by, clock, &clock.to_string()),
                2 if round % 3 == 0 => says(by, clock, Change::Delete),
                _ => react(by, clock, &emoji.to_string(), rng.below(3) > 0),
            });
        }
        let expected = after(&list);
        for _ in 0..5 {
            shuffle(&mut list, &mut rng);
            assert_eq!(after(&list), expected, "round {round}");
        }
        assert!(expected.0.reactions.len() <= 4 * REACTIONS_EACH);
    }
}

#[test]
fn reactions_are_bounded_whoever_reacts() {
    let (amended, _) = after(&(0..100).map(|n| react(BEN, n, &n.to_string(), true)).collect::<Vec<_>>());
    let kept: Vec<_> = amended.reactions.iter().map(|r| r.emoji.as_str()).collect();
    assert_eq!(kept, ["99", "98", "97", "96"]);
    let mut amended = Amended::default();
    for n in 0..REACTIONS as u64 + 50 {
        let mut who = [0; 32];
        who[..8].copy_from_slice(&n.to_be_bytes());
        amended.react(&Text::new("a").unwrap(), EndpointId(who), stamp(n), true);
    }
    assert_eq!(amended.reactions.len(), REACTIONS);
    assert!(amended.reactions.iter().all(|r| r.stamp.clock >= 50), "the latest stay");
}

#[test]
fn an_older_word_that_comes_late_brings_nothing_back() {
    let (amended, _) = after(&[react(BEN, 5, "👍", false), react(BEN, 4, "👍", true)]);
    assert!(!amended.has(&BEN, &Text::new("👍").unwrap()));
}

#[test]
fn an_emoji_is_no_sentence() {
    for (text, good) in [("👩‍👩‍👧‍👦", true), ("+1", true), ("", false), ("a b", false), ("\u{7}", false)]
    {
        assert_eq!(is_emoji(&Text::new(text).unwrap()), good, "{text:?}");
    }
}

#[test]
fn what_waits_is_bounded_and_who_floods_loses_its_own() {
    let mut waiting = Waiting::default();
    let about = |target: u64, by, clock, change| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&target.to_be_bytes());
        Amendment { target: MessageId(id), ..says(by, clock, change) }
    };
    let ours = about(u64::MAX, ANA, 1, Change::Delete);
    assert!(waiting.insert(ours.clone()).is_empty());
    let mut gone = 0;
    let flood = WAITING_AMENDMENTS.0 as u64 + 1_000;
    for n in 0..flood {
        gone += waiting.insert(about(n, BEN, n, Change::Delete)).len();
    }
    assert_eq!(waiting.0.len(), WAITING_AMENDMENTS.0);
    assert_eq!(gone, 1_001);
    for n in 0..100 {
        let body = Bytes::new(alloc::vec![b'x'; REST]).unwrap();
        waiting.insert(about(n, BEN, flood + n, Change::Edit { body }));
    }
    assert!(waiting.0.iter().map(|a| a.to_bytes().len()).sum::<usize>() <= WAITING_AMENDMENTS.1);
    assert_eq!(waiting.take(&ours.target), [ours]);
}

#[test]
fn what_is_covered_does_not_wait() {
    let mut waiting = Waiting::default();
    assert!(waiting.insert(edit(ANA, 1, "one")).is_empty());
    assert_eq!(waiting.insert(edit(ANA, 3, "three")), [stamp(1).id]);
    assert_eq!(waiting.insert(edit(ANA, 2, "two")), [stamp(2).id]);
    assert!(waiting.insert(says(BEN, 4, Change::Delete)).is_empty(), "another's is not covered by it");
    assert_eq!(
        waiting.insert(says(ANA, 0, Change::Delete)),
        [stamp(3).id],
        "no text waits beside its deletion"
    );
    assert_eq!(waiting.insert(edit(ANA, 9, "nine")), [stamp(9).id]);
    assert_eq!(waiting.take(&TARGET).len(), 2);
}
