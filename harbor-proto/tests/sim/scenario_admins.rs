//! Admins who promote, dismiss and take out at the same time, against each other too, while everything fails.

use crate::group::{Group, ask};
use crate::scenario_talk::{ROUGH, trouble};
use crate::world::{HOUR, MINUTE, SECOND};
use harbor_proto::endpoint::{Command, Reply, Role, TopicState};
use harbor_proto::id::EndpointId;
use std::collections::BTreeSet;

/// What a device shows: where it stands, and who is in with which role.
type View = (TopicState, Vec<(EndpointId, Role)>);

fn view(group: &mut Group, device: usize) -> View {
    let Ok(Reply::Topics { topics }) = ask(&mut group.world, device, Command::Topics) else {
        panic!("no topics")
    };
    let topic = topics.iter().find(|t| t.uid == group.topic).expect("once a member");
    let members = topic.members.iter().map(|m| (m.id, m.role));
    (topic.state, members.collect())
}

fn identity(group: &mut Group, device: usize) -> EndpointId {
    let Ok(Reply::Profile { profile: Some(profile) }) = ask(&mut group.world, device, Command::Profile)
    else {
        panic!("no profile")
    };
    profile.id
}

/// Those whom the owner shows, when all of them show the same and all others know that they are out.
fn agreed(group: &mut Group, people: &[EndpointId]) -> Option<BTreeSet<usize>> {
    let (_, owners) = view(group, 0);
    let is_in = |device: usize| owners.iter().any(|(id, _)| *id == people[device]);
    let all = (0..people.len()).all(|device| match view(group, device) {
        (TopicState::Active, shown) => is_in(device) && shown == owners,
        (TopicState::Removed, _) => !is_in(device),
        _ => false,
    });
    all.then(|| (0..people.len()).filter(|device| is_in(*device)).collect())
}

fn strife(seed: u64) -> String {
    let mut group = Group::new(seed, 1 + seed % 2, 6, seed.is_multiple_of(2));
    let people: Vec<EndpointId> = (0..6).map(|device| identity(&mut group, device)).collect();
    let topic = group.topic;
    for admin in &people[1..4] {
        let role = Command::SetRole { topic, who: *admin, role: Role::Admin };
        ask(&mut group.world, 0, role).expect("the owner may");
        group.world.run_for(2 * MINUTE);
    }
    group.world.faults = ROUGH;
    for _ in 0..group.world.between(4, 12) {
        let by = usize::try_from(group.world.between(0, 3)).expect("few");
        let who = people[usize::try_from(group.world.between(1, 5)).expect("few")];
        let deed = match group.world.between(0, 3) {
            0 => Command::Remove { topic, who },
            1 | 2 => Command::SetRole { topic, who, role: Role::Admin },
            _ => Command::SetRole { topic, who, role: Role::Member },
        };
        // Refused or not, lost in a crash or not: whatever comes of it must be the same for all.
        group.world.command(by, deed);
        if group.world.chance(1, 3) {
            trouble(&mut group);
        }
        let ms = if group.world.chance(1, 2) { 0 } else { group.world.between(0, MINUTE) };
        group.world.run_for(ms);
    }
    group.world.calm();
    let mut stayed = None;
    for _ in 0..180 {
        group.world.run_for(MINUTE);
        stayed = agreed(&mut group, &people);
        if stayed.is_some() {
            break;
        }
    }
    group.members = stayed.expect("all show the same in the end");
    group.world.check.close();
    for device in group.members.clone() {
        group.say(device);
        group.world.run_for(SECOND);
    }
    group.settle(3 * HOUR);
    group.world.trace.hash()
}

#[test]
fn admins_at_odds_end_in_one_room() {
    crate::seeds(10, strife);
}
