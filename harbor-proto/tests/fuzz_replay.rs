//! Replays the fuzzers' corpus, and some thousands of mutations of it, without a fuzzer. `FUZZ_ROUNDS`
//! multiplies the mutations, `FUZZ_SEED` chooses others; a failure prints the input as hex.
#![cfg(not(target_arch = "wasm32"))]

#[path = "../fuzz/src/lib.rs"]
mod bodies;

use data_encoding::HEXLOWER;
use harbor_proto::crypto::rng::Rng;
use std::path::Path;
use std::{env, fs, panic};

/// Mutations per target and round; fewer of what makes keys and solves stamps.
const MUTATIONS: u64 = 1500;
const SLOW_MUTATIONS: u64 = 200;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("every target has a corpus").map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{target} has no corpus");
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn index(rng: &mut Rng, bound: usize) -> usize {
    usize::try_from(rng.below(bound as u64)).unwrap()
}

fn mutate(rng: &mut Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = corpus[index(rng, corpus.len())].clone();
    for _ in 0..=rng.below(4) {
        let at = index(rng, input.len() + 1);
        match rng.below(6) {
            0 => input.truncate(at),
            1 => input.insert(at, rng.array::<1>()[0]),
            2 if at < input.len() => input[at] ^= 1 << rng.below(8),
            3 if at < input.len() => input[at] = [0, 1, 0x7f, 0x80, 0xff][index(rng, 5)],
            4 => {
                let other = &corpus[index(rng, corpus.len())];
                input.truncate(at);
                input.extend_from_slice(&other[at.min(other.len())..]);
            }
            _ => {
                let from = index(rng, input.len() + 1);
                let piece = input[from..(from + index(rng, 40)).min(input.len())].to_vec();
                input.splice(at..at, piece);
            }
        }
    }
    input
}

fn replay(target: &str) {
    let (_, body) = bodies::TARGETS.iter().find(|(name, _)| *name == target).expect("is a target");
    let run = |input: &[u8]| {
        let done = panic::catch_unwind(|| body(input));
        assert!(done.is_ok(), "{target} fails on {}", HEXLOWER.encode(input));
    };
    let corpus = corpus(target);
    corpus.iter().for_each(|input| run(input));
    let setting = |name| env::var(name).map_or(1, |value| value.parse::<u64>().expect("a number"));
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&setting("FUZZ_SEED").to_be_bytes());
    let mut rng = Rng::new(seed);
    let mutations = if target == "endpoint" { SLOW_MUTATIONS } else { MUTATIONS };
    for _ in 0..mutations * setting("FUZZ_ROUNDS") {
        run(&mutate(&mut rng, &corpus));
    }
}

#[test]
fn wire() {
    replay("wire");
}

#[test]
fn packet() {
    replay("packet");
}

#[test]
fn at_rest() {
    replay("at_rest");
}

#[test]
fn invite() {
    replay("invite");
}

#[test]
fn node() {
    replay("node");
}

#[test]
fn uplink() {
    replay("uplink");
}

#[test]
fn endpoint() {
    replay("endpoint");
}

#[test]
fn every_target_is_replayed_and_can_be_fuzzed() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let mut files: Vec<String> = fs::read_dir(fuzz)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let mut names: Vec<&str> = bodies::TARGETS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert_eq!(files, names);
    let me = include_str!("fuzz_replay.rs");
    for name in names {
        assert!(me.contains(&format!("replay(\"{name}\");")), "{name} is not replayed");
    }
}
