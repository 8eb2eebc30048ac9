//! The FIFO ABI's operations of `event_channel_op`: in the build by the feature `fifo-evtchn`, in a
//! domain by the permit of that name.

use abi::evtchn::{ExpandArray, InitControl, SetPriority, fifo, op};
use abi::{Errno, Gfn};

use super::event_channel_op::done;
use super::{DONE, Result, argument, own};
use crate::domain::Page;
use crate::run::Cpu;
use crate::{events, guest_memory};

#[inline(never)]
pub(super) fn call(cpu: &mut Cpu<'_>, command: u32, at: u64) -> Result {
    match command {
        op::INIT_CONTROL => init_control(cpu, at),
        op::EXPAND_ARRAY => expand_array(cpu, at),
        _ => {
            let wanted = SetPriority::from_bytes(&argument(cpu, at)?);
            let domain = own(cpu)?;
            domain
                .events
                .lock(&mut cpu.token)
                .set_priority(wanted.port, wanted.priority)?;
            DONE
        }
    }
}

fn page(cpu: &mut Cpu<'_>, gfn: u64) -> core::result::Result<Page, Errno> {
    let mut life = own(cpu)?.control.lock(&mut cpu.token);
    let memory = life.memory.as_mut().ok_or(Errno::Inval)?;
    memory.page(Gfn(gfn)).ok_or(Errno::Inval)
}

fn init_control(cpu: &mut Cpu<'_>, at: u64) -> Result {
    let mut wanted = InitControl::from_bytes(&argument(cpu, at)?);
    let domain = own(cpu)?;
    domain
        .events
        .lock(&mut cpu.token)
        .check_init_control(wanted.vcpu, wanted.offset)?;
    let page = page(cpu, wanted.control_gfn)?;
    domain
        .events
        .lock(&mut cpu.token)
        .init_control(wanted.vcpu, page, wanted.offset)?;
    wanted.link_bits = fifo::LINK_BITS as u8;
    guest_memory::write(cpu, at, &wanted.to_bytes())?;
    DONE
}

fn expand_array(cpu: &mut Cpu<'_>, at: u64) -> Result {
    let wanted = ExpandArray::from_bytes(&argument(cpu, at)?);
    let domain = own(cpu)?;
    domain.events.lock(&mut cpu.token).check_expand_array()?;
    let page = page(cpu, wanted.array_gfn)?;
    let notify = domain.events.lock(&mut cpu.token).expand_array(page)?;
    done(events::notify_many(cpu, domain, notify))
}
