//! The host's interrupt controller: pending and active interrupts are sets, list registers are an
//! array. What a driver may do wrong is asserted.

use abi::{CpuId, IntId};
use std::vec::Vec;

use super::device::Registers;
use super::host::{Pages, Record, with_state};

/// The most list registers of any GIC.
pub const MOST_LIST_REGISTERS: usize = 16;

/// Bytes of GICv2's CPU interface, whatever the device tree says.
pub const CPU_INTERFACE_BYTES: u64 = 0x2000;

/// `GICC_IIDR` of a GICv2's CPU interface, in the page at `page`: of a GIC-400, where the test says that it is.
pub fn cpu_interface_identity(cpu: &Registers, page: u64) -> u32 {
    let _ = cpu;
    with_state(|state, _| {
        if state.pages == Pages::Repeated || page == 0 {
            0x0202_143b
        } else {
            0
        }
    })
}

/// The SGI by which one CPU asks another to look at its work.
pub const KICK: IntId = IntId(0);

/// As many as QEMU's boards have.
const SHARED_INTERRUPTS: u32 = 256;

/// Where the controller's registers are.
#[derive(Clone, Debug)]
pub enum Frames {
    /// GICv2: distributor, CPU interface, hypervisor's view of the virtual interface.
    V2 {
        /// GICD.
        distributor: Registers,
        /// GICC.
        cpu: Registers,
        /// GICH.
        hypervisor: Registers,
    },
    /// GICv3: distributor and redistributor regions.
    V3 {
        /// GICD.
        distributor: Registers,
        /// GICR regions.
        redistributors: Vec<Registers>,
        /// Bytes from one redistributor to the next, when the device tree says.
        stride: Option<u64>,
    },
}

/// The frames of a GICv3.
pub fn frames_v3(
    distributor: Registers,
    redistributors: impl IntoIterator<Item = Registers>,
    stride: Option<u64>,
) -> Frames {
    Frames::V3 {
        distributor,
        redistributors: redistributors.into_iter().take(16).collect(),
        stride,
    }
}

/// An acknowledged interrupt, which is to be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    intid: IntId,
}

impl Acknowledged {
    /// Its number.
    pub fn intid(self) -> IntId {
        self.intid
    }
}

/// Version 2's state: none of its own.
pub struct GicV2(());

/// Version 3's state: none of its own.
pub struct GicV3(());

/// The controller.
pub enum Gic {
    /// Version 2.
    V2(GicV2),
    /// Version 3.
    V3(GicV3),
}

/// What of a guest's virtual CPU interface is saved: nothing here.
#[derive(Default)]
pub(crate) struct CpuInterface {}

/// Whether an interrupt is wanted when at most one list register is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Underflow {
    /// Yes: more interrupts wait than there are list registers.
    Notify,
    /// No.
    Quiet,
}

/// Whether an interrupt is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Active {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// How a shared interrupt is triggered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// By level.
    Level,
    /// By an edge.
    Edge,
}

impl Gic {
    /// A controller of the version that has these frames. `None` if one is smaller than the
    /// registers in it.
    pub fn new(frames: Frames) -> Option<Self> {
        match frames {
            Frames::V2 { cpu, .. } if cpu.size() < CPU_INTERFACE_BYTES => None,
            Frames::V2 { .. } => Some(Gic::V2(GicV2(()))),
            Frames::V3 { .. } => Some(Gic::V3(GicV3(()))),
        }
    }

    /// Whether the test has left the CPU with this affinity an interface.
    pub fn serves(&self, cpu: CpuId, affinity: u64) -> bool {
        let _ = cpu;
        with_state(|state, _| !state.unserved.contains(&affinity))
    }

    /// Turns kicks and the `private` interrupts of this CPU on.
    ///
    /// # Panics
    /// If `cpu` is not the CPU that calls.
    #[must_use]
    pub fn start_cpu(&self, cpu: CpuId, private: &[IntId]) -> bool {
        with_state(|state, here| {
            assert_eq!(cpu, here, "another CPU's interface");
            let enabled = &mut state.cpu(cpu).enabled;
            enabled.insert(KICK.0);
            enabled.extend(private.iter().map(|intid| intid.0));
        });
        true
    }

    /// Routes a shared interrupt to this CPU and turns it on.
    pub fn enable_shared(&self, intid: IntId, trigger: Trigger) {
        let _ = trigger;
        with_state(|state, cpu| state.shared.insert(intid.0, cpu));
    }

    /// The next pending interrupt.
    pub fn acknowledge(&self) -> Option<Acknowledged> {
        let intid = with_state(|state, cpu| state.acknowledge(cpu));
        (intid.0 < 1020).then_some(Acknowledged { intid })
    }

    /// Lets other interrupts in again; this one stays active.
    ///
    /// # Panics
    /// If it is not the one that was acknowledged last.
    pub fn drop_priority(&self, interrupt: Acknowledged) {
        let running = with_state(|state, cpu| state.cpu(cpu).running.take());
        assert_eq!(
            running,
            Some(interrupt.intid.0),
            "the wrong priority is dropped"
        );
    }

    /// Ends the interrupt: it can become pending again.
    ///
    /// # Panics
    /// If it is not active, or its priority was not dropped.
    pub fn deactivate(&self, interrupt: Acknowledged) {
        let (was_active, running) = with_state(|state, cpu| {
            let state = state.cpu(cpu);
            (state.active.remove(&interrupt.intid.0), state.running)
        });
        assert!(
            was_active && running.is_none(),
            "{interrupt:?} is ended out of turn"
        );
    }

    /// Sets whether the private interrupt `intid` is active on this CPU.
    pub fn set_private_active(&self, cpu: CpuId, intid: IntId, active: Active) {
        with_state(|state, here| {
            assert_eq!(cpu, here, "another CPU's private interrupt");
            let set = &mut state.cpu(cpu).active;
            match active {
                Active::Yes => set.insert(intid.0),
                Active::No => set.remove(&intid.0),
            }
        });
    }

    /// Sends [`KICK`] to `cpu`, and records it.
    pub fn kick(&self, cpu: CpuId) {
        with_state(|state, from| {
            state.cpu(cpu).pending.insert(KICK.0);
            state.record(Record::Kick { from, to: cpu });
        });
        super::cpu::point();
    }

    /// How many list registers there are.
    pub fn list_registers(&self) -> u8 {
        with_state(|state, _| state.list_registers)
    }

    /// The first list register of the resident guest.
    pub fn read_first_list_register(&self) -> u64 {
        self.read_list_register(0)
    }

    /// List register `index` of the resident guest, in GICv3's layout.
    pub fn read_list_register(&self, index: u8) -> u64 {
        with_state(|state, cpu| {
            state
                .cpu(cpu)
                .list_registers
                .get(usize::from(index))
                .copied()
        })
        .unwrap_or(0)
    }

    /// Sets list register `index` of the resident guest, in GICv3's layout.
    ///
    /// # Panics
    /// If there is no such list register.
    pub fn write_list_register(&self, index: u8, value: u64) {
        with_state(|state, cpu| {
            assert!(
                index < state.list_registers,
                "there is no list register {index}"
            );
            state.cpu(cpu).list_registers[usize::from(index)] = value;
        });
    }

    /// How many shared interrupts the distributor has.
    pub fn shared_interrupts(&self) -> u32 {
        SHARED_INTERRUPTS
    }

    /// Sets whether this CPU gets the maintenance interrupts that tell of too few list registers. A
    /// change drops what was counted.
    pub fn set_underflow(&self, underflow: Underflow) {
        with_state(|state, cpu| {
            let cpu = state.cpu(cpu);
            if cpu.underflow != underflow {
                cpu.underflow = underflow;
                cpu.unlisted_ends = 0;
            }
        });
    }

    /// How many interrupts the resident guest has ended that are in no list register, since this was
    /// last asked: 0 to 31.
    pub fn take_unlisted_ends(&self) -> u8 {
        with_state(|state, cpu| core::mem::take(&mut state.cpu(cpu).unlisted_ends))
    }

    pub(crate) fn load(&self, state: &CpuInterface) {
        let _ = state;
    }

    pub(crate) fn save(&self, state: &mut CpuInterface) {
        let _ = state;
    }
}
