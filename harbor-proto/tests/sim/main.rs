//! The deterministic world: real composers, virtual time, and everything that may go wrong.
//!
//! Every scenario runs with many seeds and names those that failed. `SIM_SEEDS=5000` runs more of them,
//! `SIM_SEED=17` one, `SIM_TRACE=1` tells its story. A seed replays byte for byte.

mod check;
mod device;
mod direct;
mod disk;
mod group;
mod link;
mod postman;
mod scenario_admins;
mod scenario_amend;
mod scenario_away;
mod scenario_crash;
mod scenario_limits;
mod scenario_node;
mod scenario_rooms;
mod scenario_talk;
mod station;
mod traffic;
mod world;

/// Seeds that may fail before the rest is left out.
const FAILURES: usize = 8;

/// Runs a scenario with its share of the seeds; `share` of 100 says how many of the usual number.
pub(crate) fn seeds(share: u64, scenario: impl Fn(u64) -> String) {
    let number = |name| std::env::var(name).ok().map(|v| v.parse::<u64>().expect("a number"));
    if let Some(seed) = number("SIM_SEED") {
        let hash = scenario(seed);
        assert_eq!(hash, scenario(seed), "seed {seed} gave two worlds");
        return;
    }
    // WebAssembly gets a taste: it is the same code, ten times slower.
    let usual = if cfg!(target_arch = "wasm32") { 10 } else { 200 };
    let count = (number("SIM_SEEDS").unwrap_or(usual) * share).div_ceil(100);
    let failed: Vec<u64> = (0..count).filter(|seed| !passes(*seed, &scenario)).take(FAILURES).collect();
    assert!(failed.is_empty(), "SIM_SEED is one of {failed:?}");
}

/// Runs one seed; its panic tells on stderr what went wrong.
fn passes(seed: u64, scenario: &impl Fn(u64) -> String) -> bool {
    let run = std::panic::AssertUnwindSafe(|| scenario(seed));
    let passed = std::panic::catch_unwind(run).is_ok();
    if !passed {
        let line = format!("failed with SIM_SEED={seed}\n");
        std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).expect("stderr");
    }
    passed
}
