//! Random operations on FIFO against a guest that keeps to the protocol: no event is lost, none is
//! invented.

use std::collections::BTreeSet;

use abi::Port;
use proptest::prelude::*;

use super::fifo::{Fifo, fifo};
use crate::{Closed, Side};

const CHANNELS: usize = 6;

#[derive(Clone, Copy, Debug)]
enum Step {
    Send(usize),
    Upcall(usize),
    Mask(usize),
    Unmask(usize),
    Priority(usize, u32),
    Vcpu(usize, u32),
    Reopen(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let channel = 0..CHANNELS;
    prop_oneof![
        6 => channel.clone().prop_map(Step::Send),
        3 => (0..2_usize).prop_map(Step::Upcall),
        1 => channel.clone().prop_map(Step::Mask),
        2 => channel.clone().prop_map(Step::Unmask),
        1 => (channel.clone(), 0..16_u32).prop_map(|(c, p)| Step::Priority(c, p)),
        1 => (channel.clone(), 0..2_u32).prop_map(|(c, v)| Step::Vcpu(c, v)),
        1 => channel.prop_map(Step::Reopen),
    ]
}

struct World {
    fifo: Fifo,
    /// The near end and the far end, which events are sent through.
    channels: Vec<(Port, Port)>,
    /// Near ends with an event that the guest has not seen.
    waiting: BTreeSet<Port>,
}

impl World {
    fn new() -> Self {
        let mut fifo = fifo();
        let channels = (0..CHANNELS)
            .map(|_| {
                let near = fifo.channel();
                (near, Port(near.0 - 1))
            })
            .collect();
        Self {
            fifo,
            channels,
            waiting: BTreeSet::new(),
        }
    }

    fn upcall(&mut self, vcpu: usize) {
        for port in self.fifo.upcall(vcpu) {
            assert!(self.waiting.remove(&port), "{port} was invented");
        }
    }

    fn unmask(&mut self, port: Port) {
        if self.fifo.guests[0].unmask(port) {
            let _ = self.fifo.domain.events.unmask(port);
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Send(channel) => {
                let (near, far) = self.channels[channel];
                let _ = self.fifo.send(far);
                self.waiting.insert(near);
            }
            Step::Upcall(vcpu) => self.upcall(vcpu),
            Step::Mask(channel) => self.fifo.guests[0].mask(self.channels[channel].0),
            Step::Unmask(channel) => self.unmask(self.channels[channel].0),
            Step::Priority(channel, priority) => {
                let near = self.channels[channel].0;
                self.fifo
                    .domain
                    .events
                    .set_priority(near, priority)
                    .unwrap();
            }
            Step::Vcpu(channel, vcpu) => {
                let near = self.channels[channel].0;
                self.fifo.domain.events.bind_vcpu(near, vcpu).unwrap();
            }
            Step::Reopen(channel) => self.reopen(channel),
        }
    }

    /// Closes the near end and binds another port in its place.
    fn reopen(&mut self, channel: usize) {
        let (near, far) = self.channels[channel];
        let closed = self.fifo.domain.events.close(near, Side::Guest, None);
        assert_eq!(closed, Ok(Closed::Done));
        self.waiting.remove(&near);
        let bound = self
            .fifo
            .domain
            .events
            .bind_interdomain(crate::Wanted::Lowest, None, far)
            .unwrap();
        self.channels[channel].0 = bound.0;
        // Pending from the start; the guest may have left the mask on.
        self.waiting.insert(bound.0);
    }

    /// Unmasks everything and takes all upcalls: then nothing waits.
    fn settle(&mut self) {
        for (near, _) in self.channels.clone() {
            self.unmask(near);
        }
        for vcpu in 0..2 {
            self.upcall(vcpu);
        }
        assert_eq!(self.waiting, BTreeSet::new(), "lost");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_event_is_lost_or_invented(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::new();
        for step in steps {
            world.run(step);
        }
        world.settle();
        // The queues are sound afterwards.
        for channel in 0..CHANNELS {
            world.run(Step::Send(channel));
        }
        world.settle();
    }
}
