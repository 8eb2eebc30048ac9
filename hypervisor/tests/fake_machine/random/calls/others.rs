//! Calls about grants, scheduling, vCPUs and parameters.

use super::*;

impl Caller<'_, '_> {
    pub(super) fn grant_table(&mut self) -> (u64, [u64; 5]) {
        let command = match self.choices.below(24) as u32 {
            14.. => self.choices.of(&[
                grant::op::MAP_GRANT_REF,
                grant::op::MAP_GRANT_REF,
                grant::op::UNMAP_GRANT_REF,
                grant::op::COPY,
            ]),
            other => other,
        };
        let gref = self.choices.of(&[0, 8, 9, 10, 11, 511, 512, u32::MAX]);
        let window = WINDOW + self.choices.below(16) * 4096;
        let handle = self.choices.of(&[0, 0, 1, 2, 3, 8, u32::MAX]);
        let count = self.choices.of(&[1, 1, 1, 2, 0, u64::from(u32::MAX)]);
        let host_addr = match self.choices.below(8) {
            0 => self.address(),
            1 => self.frame() << 12,
            _ => window,
        };
        let at = match command {
            grant::op::MAP_GRANT_REF => {
                let wanted = Map {
                    host_addr,
                    flags: self.choices.of(&[2, 2, 6, 0, 1, 3, u32::MAX]),
                    gref,
                    dom: self.domain(),
                    ..Default::default()
                };
                self.place(wanted.to_bytes())
            }
            grant::op::UNMAP_GRANT_REF => self.place(
                Unmap {
                    host_addr,
                    handle,
                    ..Default::default()
                }
                .to_bytes(),
            ),
            grant::op::SETUP_TABLE => {
                let (dom, frame_list) = (self.domain(), self.address());
                let nr_frames = self.choices.of(&[0, 1, 4, 64, 65, u32::MAX]);
                self.place(
                    SetupTable {
                        dom,
                        nr_frames,
                        frame_list,
                        ..Default::default()
                    }
                    .to_bytes(),
                )
            }
            grant::op::COPY => {
                let (source, dest) = (self.copy_end(gref), self.copy_end(gref));
                let wanted = Copy {
                    source,
                    dest,
                    len: self.choices.of(&[0, 1, 8, 4096, 4097, u16::MAX]),
                    flags: self.choices.below(5) as u16,
                    status: 0,
                };
                self.place(wanted.to_bytes())
            }
            _ => {
                let (dom, more) = (self.domain(), self.choices.any());
                let mut bytes = [0; 16];
                bytes[..2].copy_from_slice(&dom.0.to_le_bytes());
                bytes[8..].copy_from_slice(&more.to_le_bytes());
                self.place(bytes)
            }
        };
        (GRANT_TABLE_OP, [command.into(), at, count, 0, 0])
    }

    pub(super) fn copy_end(&mut self, gref: u32) -> CopyEnd {
        CopyEnd {
            place: if self.choices.one_in(2) {
                gref.into()
            } else {
                self.frame()
            },
            domid: self.domain(),
            offset: self.choices.of(&[0, 0, 8, 4095, 4096, u16::MAX]),
        }
    }

    pub(super) fn sched(&mut self) -> (u64, [u64; 5]) {
        // What ends the domain is rare.
        if self.choices.one_in(400) {
            return (
                SCHED_OP,
                [sched::op::SHUTDOWN.into(), self.address(), 0, 0, 0],
            );
        }
        let command = self.choices.of(&[
            sched::op::YIELD,
            sched::op::BLOCK,
            sched::op::POLL,
            sched::op::REMOTE_SHUTDOWN,
            sched::op::SHUTDOWN_CODE,
            sched::op::WATCHDOG,
            sched::op::PIN_OVERRIDE,
            99,
        ]);
        let at = match command {
            sched::op::POLL => {
                let ports = self.at + 0xf00;
                for index in 0..4 {
                    let port = self.port().0.to_le_bytes();
                    self.writes.push((ports + index * 4, port.to_vec()));
                }
                let wanted = Poll {
                    ports,
                    nr_ports: self.choices.of(&[0, 1, 2, 4, 128, 129, u32::MAX]),
                    timeout: self.choices.of(&[1, 1 << 20, 1 << 30, u64::MAX]),
                };
                self.place(wanted.to_bytes())
            }
            _ => {
                let (first, second) = (self.domain(), self.choices.below(8) as u32);
                let mut bytes = [0; 8];
                bytes[..2].copy_from_slice(&first.0.to_le_bytes());
                bytes[4..].copy_from_slice(&second.to_le_bytes());
                self.place(bytes)
            }
        };
        (SCHED_OP, [command.into(), at, 0, 0, 0])
    }

    pub(super) fn vcpu(&mut self) -> (u64, [u64; 5]) {
        let which = u64::from(self.cpu());
        let command = self.choices.of(&[
            vcpu::op::REGISTER_RUNSTATE_MEMORY_AREA,
            vcpu::op::REGISTER_VCPU_INFO,
            vcpu::op::REGISTER_RUNSTATE_PHYS_AREA,
            0,
            62,
        ]);
        let at = match command {
            vcpu::op::REGISTER_VCPU_INFO => {
                let mfn = self.frame();
                let offset = self.choices.of(&[0, 64, 4048, 4052, 4096, 3, u32::MAX]);
                self.place(
                    RegisterVcpuInfo {
                        mfn,
                        offset,
                        rsvd: 0,
                    }
                    .to_bytes(),
                )
            }
            _ => {
                let address = self.address();
                self.place(RegisterRunstateArea { address }.to_bytes())
            }
        };
        (VCPU_OP, [command.into(), which, at, 0, 0])
    }

    pub(super) fn hvm(&mut self) -> (u64, [u64; 5]) {
        let command = self.choices.of(&[0, 1, 1, 23, 24]);
        let wanted = hvm::Param {
            domid: self.domain(),
            pad: 0,
            index: self.choices.below(42) as u32,
            value: self.choices.any(),
        };
        let at = self.place(wanted.to_bytes());
        (HVM_OP, [command, at, 0, 0, 0])
    }
}
