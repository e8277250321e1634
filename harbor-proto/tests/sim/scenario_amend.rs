//! Members edit, delete and react while everything around them fails; in the end all show the same.

use crate::group::Group;
use crate::scenario_talk::{ROUGH, pause, trouble};
use crate::world::HOUR;

fn scenario(seed: u64, members: usize) -> (usize, String) {
    let mut group = Group::new(seed, 1 + seed % 2, members, seed % 4 < 3);
    group.world.faults = ROUGH;
    for _ in 0..group.world.between(8, 16) {
        for _ in 0..group.world.between(1, 6) {
            let device = group.somebody();
            if group.world.chance(1, 3) {
                group.say(device);
            } else {
                group.amend(device);
            }
        }
        trouble(&mut group);
        let ms = pause(&mut group);
        group.world.run_for(ms);
    }
    group.settle(3 * HOUR);
    let amended = group.agree(3 * HOUR);
    (amended, group.world.trace.hash())
}

#[test]
fn all_show_the_same_whatever_was_lost_and_late() {
    let amended = std::cell::Cell::new(0);
    crate::seeds(20, |seed| {
        let (more, hash) = scenario(seed, 2 + usize::from(seed % 3 == 0));
        amended.set(amended.get() + more);
        hash
    });
    assert!(amended.get() > 0, "something was amended");
}
