//! Hypercalls with good and hostile arguments.

use abi::evtchn::{
    AllocUnbound, BindInterdomain, BindIpi, BindVcpu, BindVirq, ExpandArray, InitControl, OnePort,
    Reset, SetPriority, Status, op as events,
};
use abi::grant::{self, Copy, CopyEnd, Map, SetupTable, Unmap};
use abi::hypercall::{
    CONSOLE_IO, EVENT_CHANNEL_OP, GRANT_TABLE_OP, HVM_OP, MEMORY_OP, MULTICALL, MulticallEntry,
    SCHED_OP, VCPU_OP, VM_ASSIST, XEN_VERSION,
};
use abi::memory::{
    AddToPhysmap, AddToPhysmapBatch, OP_BITS, RemoveFromPhysmap, Reservation, op as memory,
};
use abi::sched::{self, Poll};
use abi::vcpu::{self, RegisterRunstateArea, RegisterVcpuInfo};
use abi::{DomId, Port, hvm};

mod others;

use super::choices::Choices;
use crate::bench::ENTRY;
use crate::xen::UNMAPPED;

/// A guest's memory.
pub(crate) const BYTES: u64 = 4 << 20;
/// Where arguments go: the area of one vCPU's is a page of its own.
const ARGUMENTS: u64 = ENTRY + 0x10_0000;
/// Pages that are shared with the hypervisor: `vcpu_info`, control blocks, event words, run states.
pub(crate) const SHARED: u64 = ENTRY + 0x11_0000;
pub(crate) const SHARED_PAGES: u64 = 16;
/// Pages that are given up and got back, granted and mapped over.
const BALLOON: u64 = ENTRY + 0x20_0000;
const BALLOON_PAGES: u64 = 64;
/// Where grants of others and the hypervisor's pages are mapped: nothing is there at first.
const WINDOW: u64 = 0x8000_0000;

/// What goes into a guest's memory before a call.
pub(crate) type Writes = Vec<(u64, Vec<u8>)>;

/// A call: its number, its arguments, and what they point to.
pub(crate) struct Call {
    pub(crate) number: u64,
    pub(crate) arguments: [u64; 5],
    pub(crate) writes: Writes,
}

/// Makes up calls for one vCPU.
pub(crate) struct Caller<'c, 'a> {
    pub(crate) choices: &'c mut Choices<'a>,
    /// Its arguments' page.
    at: u64,
    writes: Writes,
}

impl<'c, 'a> Caller<'c, 'a> {
    pub(crate) fn new(choices: &'c mut Choices<'a>, index: u64) -> Self {
        Self {
            choices,
            at: ARGUMENTS + index * 0x1000,
            writes: Writes::new(),
        }
    }

    /// Any call.
    pub(crate) fn call(mut self) -> Call {
        let (number, arguments) = if self.choices.one_in(12) {
            self.multicall()
        } else {
            self.one()
        };
        Call {
            number,
            arguments,
            writes: self.writes,
        }
    }

    fn one(&mut self) -> (u64, [u64; 5]) {
        match self.choices.below(32) {
            0..8 => self.event_channel(),
            8..14 => self.memory(),
            14..20 => self.grant_table(),
            20..22 => self.sched(),
            22..25 => self.vcpu(),
            25 => {
                let (command, at) = (self.choices.below(17), self.address());
                (XEN_VERSION, [command, at, 0, 0, 0])
            }
            26 => self.hvm(),
            27 => {
                let (command, kind) = (self.choices.below(3), self.choices.of(&[5, 5, 5, 0, 99]));
                (VM_ASSIST, [command, kind, 0, 0, 0])
            }
            28 => {
                let (command, at) = (self.choices.of(&[0, 0, 0, 1, 2]), self.address());
                let count = self.choices.of(&[0, 1, 17, 300, 3000, u64::from(u32::MAX)]);
                (CONSOLE_IO, [command, count, at, 0, 0])
            }
            _ => {
                let number = self.choices.below(64);
                // Ends the domain by one argument in four.
                let number = if number == SCHED_OP { 63 } else { number };
                let arguments = [(); 5].map(|()| self.number());
                (number, arguments)
            }
        }
    }

    fn multicall(&mut self) -> (u64, [u64; 5]) {
        let count = self.choices.below(20);
        let list = self.at + 0x800;
        for index in 0..count {
            let (op, args) = if self.choices.one_in(20) {
                (MULTICALL, [list, 1, 0, 0, 0])
            } else {
                self.one()
            };
            let [a, b, c, d, e] = args;
            let entry = MulticallEntry {
                op,
                result: 0,
                args: [a, b, c, d, e, 0],
            };
            self.writes
                .push((list + index * 64, entry.to_bytes().to_vec()));
        }
        let said = if self.choices.one_in(20) {
            self.choices.any()
        } else {
            count
        };
        let at = if self.choices.one_in(20) {
            self.address()
        } else {
            list
        };
        (MULTICALL, [at, said, 0, 0, 0])
    }

    /// Puts an argument somewhere and says where; now and then it says something else.
    fn place<const N: usize>(&mut self, bytes: [u8; N]) -> u64 {
        let mut bytes = bytes.to_vec();
        if self.choices.one_in(12) {
            let (at, value) = (self.choices.below(N as u64), self.choices.below(256));
            bytes[at as usize] = value as u8;
        }
        let at = self.at + self.choices.below(32) * 64;
        self.writes.push((at, bytes));
        if self.choices.one_in(24) {
            self.address()
        } else {
            at
        }
    }

    fn address(&mut self) -> u64 {
        let near = self.choices.below(64).wrapping_sub(32);
        match self.choices.below(12) {
            0..4 => self.at + self.choices.below(4096),
            4 => SHARED + self.choices.below(SHARED_PAGES * 4096),
            5 => BALLOON + self.choices.below(BALLOON_PAGES * 4096),
            6 => (ENTRY + BYTES).wrapping_add(near),
            7 => (self.at + 0x1000).wrapping_add(near),
            8 => WINDOW + self.choices.below(0x1_0000),
            9 => self
                .choices
                .of(&[0, UNMAPPED, u64::MAX - 7, 0x2200_0000, 0x300_1000]),
            10 => near,
            _ => self.choices.any(),
        }
    }

    fn number(&mut self) -> u64 {
        match self.choices.below(4) {
            0 => self.choices.below(16),
            1 => self.address(),
            2 => u64::from(self.choices.of(&[0x7fff_ffff, 0x8000_0000, u32::MAX])),
            _ => self.choices.any(),
        }
    }

    fn frame(&mut self) -> u64 {
        match self.choices.below(16) {
            0..6 => (BALLOON >> 12) + self.choices.below(BALLOON_PAGES),
            6..9 => (SHARED >> 12) + self.choices.below(SHARED_PAGES),
            9..12 => (WINDOW >> 12) + self.choices.below(16),
            12 => self
                .choices
                .of(&[0, 1 << 28, (1 << 28) - 1, 1 << 36, 1 << 52, u64::MAX]),
            13 => self
                .choices
                .of(&[0x2_2000, 0x3001, 0x3020, 0x3_8000, 0x9000]),
            14 => ((ENTRY + BYTES) >> 12)
                .wrapping_add(self.choices.below(4))
                .wrapping_sub(2),
            _ => self.choices.any(),
        }
    }

    fn domain(&mut self) -> DomId {
        let any = self.choices.any() as u16;
        let these = [
            0x7ff0, 0x7ff0, 0x7ff0, 0x7ff0, 0x7ff0, 0x7ff0, 0x7ff0, 1, 2, 1, 2, 3, 0, 4, 0x7ff1,
            0x7ff4, any,
        ];
        DomId(self.choices.of(&these))
    }

    fn port(&mut self) -> Port {
        Port(match self.choices.below(8) {
            0 => self
                .choices
                .of(&[1023, 1024, 4095, 4096, 131_071, 131_072, u32::MAX]),
            1 => self.choices.any() as u32,
            _ => self.choices.below(24) as u32,
        })
    }

    fn cpu(&mut self) -> u32 {
        let any = self.choices.any() as u32;
        self.choices.of(&[0, 0, 1, 1, 2, 127, 128, any])
    }

    fn event_channel(&mut self) -> (u64, [u64; 5]) {
        let command = self.choices.below(15) as u32;
        let at = match command {
            events::BIND_INTERDOMAIN => {
                let (remote_dom, remote_port) = (self.domain(), self.port());
                self.place(
                    BindInterdomain {
                        remote_dom,
                        remote_port,
                        ..Default::default()
                    }
                    .to_bytes(),
                )
            }
            events::BIND_VIRQ => {
                let (virq, vcpu) = (self.choices.below(26) as u32, self.cpu());
                let port = Port(0);
                self.place(BindVirq { virq, vcpu, port }.to_bytes())
            }
            events::ALLOC_UNBOUND => {
                let (dom, remote_dom) = (self.domain(), self.domain());
                let port = Port(0);
                self.place(
                    AllocUnbound {
                        dom,
                        remote_dom,
                        port,
                    }
                    .to_bytes(),
                )
            }
            events::BIND_IPI => {
                let vcpu = self.cpu();
                self.place(
                    BindIpi {
                        vcpu,
                        port: Port(0),
                    }
                    .to_bytes(),
                )
            }
            events::STATUS => {
                let (dom, port) = (self.domain(), self.port());
                self.place(
                    Status {
                        dom,
                        port,
                        ..Default::default()
                    }
                    .to_bytes(),
                )
            }
            events::BIND_VCPU => {
                let (port, vcpu) = (self.port(), self.cpu());
                self.place(BindVcpu { port, vcpu }.to_bytes())
            }
            events::RESET if !self.choices.one_in(8) => UNMAPPED,
            events::RESET => {
                let dom = self.domain();
                self.place(Reset { dom }.to_bytes())
            }
            events::INIT_CONTROL => {
                let (control_gfn, vcpu) = (self.frame(), self.cpu());
                let offset = self.choices.of(&[0, 8, 4024, 4025, 4032, 4, u32::MAX]);
                self.place(
                    InitControl {
                        control_gfn,
                        offset,
                        vcpu,
                        ..Default::default()
                    }
                    .to_bytes(),
                )
            }
            events::EXPAND_ARRAY => {
                let array_gfn = self.frame();
                self.place(ExpandArray { array_gfn }.to_bytes())
            }
            events::SET_PRIORITY => {
                let (port, priority) = (self.port(), self.choices.below(18) as u32);
                self.place(SetPriority { port, priority }.to_bytes())
            }
            _ => {
                let port = self.port();
                self.place(OnePort { port }.to_bytes())
            }
        };
        (EVENT_CHANNEL_OP, [command.into(), at, 0, 0, 0])
    }

    /// A list of frames, in the lower or the upper part of the arguments' page.
    fn frames(&mut self, count: u64, part: u64) -> u64 {
        let at = self.at + 0x400 * part;
        for index in 0..count.min(64) {
            let frame = self.frame();
            self.writes
                .push((at + index * 8, frame.to_le_bytes().to_vec()));
        }
        if self.choices.one_in(20) {
            self.address()
        } else {
            at
        }
    }

    fn memory(&mut self) -> (u64, [u64; 5]) {
        let command = self.choices.below(90) as u32;
        let command = match command.saturating_sub(59) {
            0 => self.choices.of(&[
                memory::DECREASE_RESERVATION,
                memory::POPULATE_PHYSMAP,
                memory::ADD_TO_PHYSMAP,
                memory::REMOVE_FROM_PHYSMAP,
                memory::ADD_TO_PHYSMAP_BATCH,
            ]),
            other => other,
        };
        let at = match command {
            memory::ADD_TO_PHYSMAP => {
                let wanted = AddToPhysmap {
                    domid: self.domain(),
                    size: self.choices.below(3) as u16,
                    space: self.choices.of(&[0, 1, 1, 1, 2, 3, 4, 5, 9]),
                    idx: self
                        .choices
                        .of(&[0, 0, 1, 2, 31, 63, 64, 1 << 63, u64::MAX]),
                    gpfn: self.frame(),
                };
                self.place(wanted.to_bytes())
            }
            memory::ADD_TO_PHYSMAP_BATCH => {
                let size = self.choices.of(&[0, 1, 3, 17, 40, u16::MAX]);
                let wanted = AddToPhysmapBatch {
                    domid: self.domain(),
                    space: self.choices.of(&[0, 1, 1, 4, 9]),
                    size,
                    foreign_domid: self.domain(),
                    idxs: self.frames(size.into(), 1),
                    gpfns: self.frames(size.into(), 2),
                    errs: self.address(),
                };
                self.place(wanted.to_bytes())
            }
            memory::REMOVE_FROM_PHYSMAP => {
                let (domid, gpfn) = (self.domain(), self.frame());
                self.place(RemoveFromPhysmap { domid, gpfn }.to_bytes())
            }
            _ => {
                let nr_extents = self.choices.of(&[0, 1, 1, 3, 40, 1 << 25, u64::MAX]);
                let wanted = Reservation {
                    extent_start: self.frames(nr_extents, 3),
                    nr_extents,
                    extent_order: self.choices.of(&[0, 0, 0, 1, 5, 6, 63, u32::MAX]),
                    mem_flags: 0,
                    domid: self.domain(),
                };
                self.place(wanted.to_bytes())
            }
        };
        let done = if self.choices.one_in(12) {
            self.number()
        } else {
            0
        };
        let command = u64::from(command) | done << OP_BITS;
        (MEMORY_OP, [command, at, 0, 0, 0])
    }
}
