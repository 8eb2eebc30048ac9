//! Every interleaving of two vCPUs, a device model, a control domain and a late scheduler; and
//! random ones of more.

use std::collections::{HashMap, VecDeque};

use proptest::prelude::*;

use super::world::{Access, Action, World};
use crate::{DomainState, Reason};

fn actions(vcpus: u16) -> Vec<Action> {
    let mut actions = vec![
        Action::Start,
        Action::Shutdown(Reason::Suspend),
        Action::Crash,
        Action::Resume,
        Action::Destroy,
        Action::Reclaimed,
        Action::Pause,
        Action::Unpause,
    ];
    for v in 0..vcpus {
        actions.extend([
            Action::PauseVcpu(v),
            Action::UnpauseVcpu(v),
            Action::RunVcpu(v),
            Action::Leave(v),
            Action::Send(v),
            Action::Answer(v),
            Action::Wfi(v),
            Action::Event(v),
            Action::CpuOff(v),
            Action::SystemOff(v),
            Action::SystemSuspend(v),
        ]);
        actions.extend((0..vcpus).map(|target| Action::CpuOn(v, target)));
    }
    actions
}

/// All states that can be reached, with the states that each one leads to.
struct Graph {
    successors: Vec<Vec<usize>>,
    /// The domain is dead.
    dead: Vec<bool>,
    /// No request is in flight.
    settled: Vec<bool>,
}

fn explore(vcpus: u16, wanted: impl Fn(&Action) -> bool) -> Graph {
    let actions: Vec<_> = actions(vcpus).into_iter().filter(wanted).collect();
    let first = World::new(vcpus);
    let mut indices = HashMap::from([(first.key(), 0)]);
    let mut open = VecDeque::from([first]);
    let mut graph = Graph {
        successors: vec![],
        dead: vec![],
        settled: vec![],
    };
    while let Some(world) = open.pop_front() {
        graph.dead.push(world.domain.state() == DomainState::Dead);
        graph.settled.push(!world.access.contains(&Access::Sent));
        let mut successors = vec![];
        for &action in &actions {
            let mut next = world.clone();
            if next.step(action) {
                let count = indices.len();
                let index = *indices.entry(next.key()).or_insert(count);
                if index == count {
                    open.push_back(next);
                }
                successors.push(index);
            }
        }
        graph.successors.push(successors);
    }
    graph
}

/// Whether from every state one of the `goals` can be reached.
fn always_reachable(graph: &Graph, goals: &[bool]) -> bool {
    let mut predecessors = vec![vec![]; goals.len()];
    for (from, successors) in graph.successors.iter().enumerate() {
        successors
            .iter()
            .for_each(|&to| predecessors[to].push(from));
    }
    let mut reached = goals.to_vec();
    let mut open: Vec<_> = (0..goals.len()).filter(|&state| goals[state]).collect();
    while let Some(state) = open.pop() {
        for &from in &predecessors[state] {
            if !std::mem::replace(&mut reached[from], true) {
                open.push(from);
            }
        }
    }
    reached.into_iter().all(|reached| reached)
}

fn assert_live(graph: &Graph) {
    assert!(
        always_reachable(graph, &graph.dead),
        "a state from which there is no death"
    );
    assert!(
        always_reachable(graph, &graph.settled),
        "a request that can never be completed"
    );
}

#[test]
fn every_interleaving_of_two_vcpus() {
    let graph = explore(2, |_| true);
    assert!(graph.dead.len() > 4_000, "only {} states", graph.dead.len());
    assert_live(&graph);
}

#[test]
fn every_interleaving_of_shutdown_and_requests_of_three_vcpus() {
    let graph = explore(3, |action| {
        !matches!(
            action,
            Action::Wfi(_)
                | Action::Event(_)
                | Action::PauseVcpu(_)
                | Action::UnpauseVcpu(_)
                | Action::Pause
                | Action::Unpause
                | Action::SystemSuspend(_)
        )
    });
    assert!(graph.dead.len() > 4_000, "only {} states", graph.dead.len());
    assert_live(&graph);
}

proptest! {
    #[test]
    fn random_interleavings_of_many_vcpus(choices in prop::collection::vec(any::<u16>(), 1..400)) {
        let actions = actions(5);
        let mut world = World::new(5);
        world.step(Action::Start);
        for choice in choices {
            world.step(actions[usize::from(choice) % actions.len()]);
        }
    }
}
