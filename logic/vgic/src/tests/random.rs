//! Random histories of devices, guest and hypervisor, checked step by step.

use super::*;
use crate::Cause;
use crate::Level::{High, Low};
use crate::tests::hardware::{Hardware, Ways};
use crate::tests::promises::Key;
use proptest::prelude::*;

/// Private and shared, edge and level.
const INTIDS: [IntId; 9] = [
    IntId(27),
    IntId(30),
    IntId(31),
    IntId(32),
    IntId(33),
    IntId(40),
    IntId(41),
    IntId(64),
    IntId(65),
];
const VCPUS: u16 = 3;

fn is_edge(intid: IntId) -> bool {
    matches!(intid.0, 31 | 40 | 41 | 64)
}

#[derive(Clone, Debug)]
enum Step {
    Raise(VcpuId, IntId),
    Line(VcpuId, IntId, crate::Level),
    Rise(VcpuId, IntId),
    Sgi(VcpuId, VcpuId, u8),
    Enable(VcpuId, VcpuId, IntId),
    Disable(VcpuId, VcpuId, IntId),
    SetPending(VcpuId, VcpuId, IntId),
    ClearPending(VcpuId, VcpuId, IntId),
    Priority(VcpuId, IntId, u8),
    Route(VcpuId, IntId, u16),
    Group(VcpuId, u32),
    FireTimer(VcpuId),
    StopTimer(VcpuId),
    Acknowledge(VcpuId),
    End(VcpuId),
    Abandon(VcpuId),
    Sync(VcpuId),
    Serve(VcpuId),
    Deschedule(VcpuId),
    Schedule(VcpuId),
}

fn step() -> impl Strategy<Value = Step> {
    let vcpu = || (0..VCPUS).prop_map(VcpuId);
    let intid = || (0..INTIDS.len()).prop_map(|n| INTIDS[n]);
    let spi = || (3..INTIDS.len()).prop_map(|n| INTIDS[n]);
    let level = prop_oneof![Just(High), Just(Low)];
    prop_oneof![
        6 => (vcpu(), intid()).prop_map(|(v, i)| Step::Raise(v, i)),
        6 => (vcpu(), intid(), level).prop_map(|(v, i, l)| Step::Line(v, i, l)),
        3 => (vcpu(), 0..3usize).prop_map(|(v, n)| Step::Rise(v, INTIDS[n])),
        6 => (vcpu(), vcpu(), 0..3u8).prop_map(|(v, t, i)| Step::Sgi(v, t, i)),
        2 => (vcpu(), vcpu(), intid()).prop_map(|(v, t, i)| Step::Enable(v, t, i)),
        2 => (vcpu(), vcpu(), intid()).prop_map(|(v, t, i)| Step::Disable(v, t, i)),
        1 => (vcpu(), vcpu(), intid()).prop_map(|(v, t, i)| Step::SetPending(v, t, i)),
        1 => (vcpu(), vcpu(), intid()).prop_map(|(v, t, i)| Step::ClearPending(v, t, i)),
        1 => (vcpu(), intid(), any::<u8>()).prop_map(|(v, i, p)| Step::Priority(v, i, p)),
        2 => (vcpu(), spi(), 0..VCPUS + 1).prop_map(|(v, i, t)| Step::Route(v, i, t)),
        1 => (vcpu(), 0..4u32).prop_map(|(v, g)| Step::Group(v, g)),
        3 => vcpu().prop_map(Step::FireTimer),
        1 => vcpu().prop_map(Step::StopTimer),
        14 => vcpu().prop_map(Step::Acknowledge),
        10 => vcpu().prop_map(Step::End),
        1 => vcpu().prop_map(Step::Abandon),
        2 => vcpu().prop_map(Step::Sync),
        8 => vcpu().prop_map(Step::Serve),
        1 => vcpu().prop_map(Step::Deschedule),
        3 => vcpu().prop_map(Step::Schedule),
    ]
}

impl Hardware {
    fn run(&mut self, step: Step) {
        match step {
            Step::Raise(_, TIMER) => (),
            Step::Raise(vcpu, intid) => {
                self.promises.raised(Key::new(vcpu, intid, 0));
                self.outside(|vgic| vgic.raise(vcpu, intid));
            }
            Step::Line(vcpu, intid, level) => self.set_line(vcpu, intid, level),
            Step::Rise(vcpu, intid) => self.rise(vcpu, intid),
            Step::Sgi(from, to, intid) => self.send(from, to, u32::from(intid)),
            Step::Enable(by, of, intid) => self.write_setting(by, of, gicd::ISENABLER, intid),
            Step::Disable(by, of, intid) => self.write_setting(by, of, gicd::ICENABLER, intid),
            Step::SetPending(by, of, intid) => {
                self.promises
                    .raised(Key::new(self.bank_of(by, of), intid, 0));
                self.write_bit(by, of, gicd::ISPENDR, intid);
            }
            Step::ClearPending(by, of, intid) => {
                self.promises
                    .cleared(Key::new(self.bank_of(by, of), intid, 0));
                self.write_bit(by, of, gicd::ICPENDR, intid);
            }
            Step::Priority(vcpu, intid, priority) => self.prioritise(vcpu, intid, priority),
            Step::Route(vcpu, intid, target) => self.route(vcpu, intid, target),
            Step::Group(vcpu, value) => self.write(vcpu, gicd::CTLR, value),
            Step::FireTimer(vcpu) => {
                if self.fire_timer(vcpu) {
                    self.promises.raised(Key::new(vcpu, TIMER, 0));
                }
            }
            Step::StopTimer(vcpu) => {
                self.promises.cleared(Key::new(vcpu, TIMER, 0));
                self.trap(vcpu, |vgic| vgic.set_level(vcpu, TIMER, Low));
            }
            Step::Acknowledge(vcpu) => drop(self.acknowledge(vcpu)),
            Step::End(vcpu) => drop(self.end(vcpu)),
            Step::Abandon(vcpu) => self.abandon(vcpu),
            Step::Sync(vcpu) => self.sync(vcpu),
            Step::Serve(vcpu) => self.serve(vcpu),
            Step::Deschedule(vcpu) => self.deschedule(vcpu),
            Step::Schedule(vcpu) => self.schedule(vcpu),
        }
    }

    /// A GICv2 has no way to another vCPU's private interrupts.
    fn bank_of(&self, by: VcpuId, of: VcpuId) -> VcpuId {
        if self.vgic.version == V2 { by } else { of }
    }

    fn write(&mut self, by: VcpuId, offset: u32, value: u32) {
        self.change(by, |vgic| {
            vgic.write_distributor(by, offset, Width::Word, u64::from(value))
                .unwrap()
        });
    }

    fn write_bit(&mut self, by: VcpuId, of: VcpuId, register: u32, intid: IntId) {
        let of = self.bank_of(by, of);
        self.trap(by, |vgic| write_bit(vgic, of, register, intid));
    }

    /// A register whose bits list registers do not change.
    fn write_setting(&mut self, by: VcpuId, of: VcpuId, register: u32, intid: IntId) {
        let of = self.bank_of(by, of);
        self.change(by, |vgic| write_bit(vgic, of, register, intid));
    }

    /// The guest clears the active state of its innermost interrupt instead of ending it.
    fn abandon(&mut self, vcpu: VcpuId) {
        if let Some((key, _)) = self.cpu(vcpu).running.pop() {
            self.promises.ended(key);
            self.write_bit(vcpu, vcpu, gicd::ICACTIVER, key.intid);
        }
    }

    fn set_line(&mut self, vcpu: VcpuId, intid: IntId, level: crate::Level) {
        if intid == TIMER {
            return;
        }
        self.promise_line(vcpu, intid, level);
        self.outside(|vgic| vgic.set_level(vcpu, intid, level));
    }

    fn promise_line(&mut self, vcpu: VcpuId, intid: IntId, level: crate::Level) {
        let key = Key::new(vcpu, intid, 0);
        match level {
            High if self.promises.high.insert(key) && is_edge(intid) => self.promises.raised(key),
            Low => drop(self.promises.high.remove(&key)),
            High => (),
        }
    }

    /// The line of a private device that the hypervisor emulates for the vCPU that runs.
    fn rise(&mut self, vcpu: VcpuId, intid: IntId) {
        if intid != TIMER {
            self.promise_line(vcpu, intid, High);
            self.pend(vcpu, intid, Cause::Line);
        }
    }

    fn send(&mut self, from: VcpuId, to: VcpuId, intid: u32) {
        if self.vgic.version == V2 {
            self.promises
                .raised(Key::new(to, IntId(intid), from.0 as u8));
            self.write(from, gicd::SGIR, 1 << (16 + to.0) | intid);
        } else {
            self.promises.raised(Key::new(to, IntId(intid), 0));
            self.send_one(from, u64::from(intid) << 24 | 1 << to.0);
        }
    }

    /// Not while it is active: the CPU interface remembers priorities of its own.
    fn prioritise(&mut self, vcpu: VcpuId, intid: IntId, priority: u8) {
        let runs =
            |cpu: &super::hardware::Cpu| cpu.running.iter().any(|(key, _)| key.intid == intid);
        if !self.cpus.iter().any(runs) {
            self.change(vcpu, |vgic| prioritise(vgic, vcpu, intid, priority));
        }
    }

    fn route(&mut self, by: VcpuId, intid: IntId, target: u16) {
        let (offset, width, value) = if self.vgic.version == V2 {
            (gicd::ITARGETSR + intid.0, Width::Byte, 1 << target)
        } else {
            (
                gicd::IROUTER + 8 * intid.0,
                Width::Double,
                u64::from(target),
            )
        };
        self.change(by, |vgic| {
            vgic.write_distributor(by, offset, width, value).unwrap()
        });
    }

    /// Everything enabled, routed to somebody, all lines low.
    fn calm(&mut self) {
        self.write(CPU0, gicd::CTLR, 3);
        for intid in INTIDS {
            for vcpu in (0..VCPUS).map(VcpuId) {
                self.set_line(vcpu, intid, Low);
                self.write_bit(vcpu, vcpu, gicd::ISENABLER, intid);
            }
            if !intid.is_private() {
                self.route(CPU0, intid, (intid.0 % 3) as u16);
            }
        }
    }
}

/// When wake-ups are served: before anything else happens, or some time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kicks {
    AtOnce,
    Late,
}

fn play(version: Version, list_registers: u8, ways: Ways, kicks: Kicks, steps: Vec<Step>) {
    let config = Config {
        list_registers,
        ..config(version, VCPUS, 64)
    };
    let mut hardware = Hardware::new(config);
    hardware.ways = ways;
    for vcpu in (0..VCPUS).map(VcpuId) {
        for (n, intid) in INTIDS.into_iter().chain([0, 1, 2].map(IntId)).enumerate() {
            if is_edge(intid) {
                make_edge(&mut hardware.vgic, vcpu, intid);
            }
            let _ = enable(&mut hardware.vgic, vcpu, intid);
            let _ = prioritise(&mut hardware.vgic, vcpu, intid, (n % 4 * 0x20) as u8);
        }
    }
    for step in steps {
        hardware.run(step);
        if kicks == Kicks::AtOnce {
            hardware.serve_all();
        }
        hardware.check_model();
    }
    hardware.calm();
    hardware.settle();
    hardware.check_model();
    hardware.check_nothing_owed();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 20_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_interrupt_is_lost_or_invented(
        version in prop_oneof![Just(V2), Just(V3)],
        ways in prop_oneof![Just(Ways::General), Just(Ways::Short)],
        kicks in prop_oneof![Just(Kicks::AtOnce), Just(Kicks::Late)],
        list_registers in 2..5u8,
        steps in proptest::collection::vec(step(), 1..300),
    ) {
        play(version, list_registers, ways, kicks, steps);
    }
}
